"""Tables of users and items: relations among them, rows of one id, values as people write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.errors import InputError
from kg.growth.forgotten import Forgotten

RATINGS = "user,item,rating\nu1,i1,5\nu1,i2,4\nu2,i3,3\nu2,i1,2\n"


def made(folder: Path, described: str, files: dict[str, str], **options: Any) -> Dataset:
    for name, content in {"ratings.csv": RATINGS, **files}.items():
        (folder / name).write_text(content)
    (folder / "d.yaml").write_text(f"name: small\nratings: {{file: ratings.csv}}\n{described}")
    return build(Description.load(folder / "d.yaml"), **options)


def edges(dataset: Dataset, kind: str, relation: str, target: str) -> set[tuple[str, str]]:
    ends = [dataset.graph.nodes[end].vocabulary for end in (kind, target)]
    found = dataset.graph.edges[kind, relation, target].index.T.tolist()
    return {(ends[0].id_of(one), ends[1].id_of(other)) for one, other in found}


FRIENDS = "users: [{file: users.csv, id: id, relations: {friend: {column: near, split: ' '}}}]\n"


def test_users_are_related_to_users(tmp_path: Path) -> None:
    dataset = made(tmp_path, FRIENDS, {"users.csv": "id,near\nu1,u2 u3\nu2,u1 u2\nu3,\n"})
    assert edges(dataset, "user", "friend", "user") == {("u1", "u2"), ("u1", "u3"), ("u2", "u1")}
    assert dataset.report["files"]["users.csv"]["counts"] == {"friend of a user and itself, left out": 1}
    with pytest.raises(InputError, match=r"users.csv, line 2: the user 'u4' in the column 'near' is not among the 2"):
        made(tmp_path, FRIENDS, {"users.csv": "id,near\nu1,u4\nu2,\n"})


def test_friends_who_are_forgotten_are_left_out_and_counted(tmp_path: Path) -> None:
    users = {"users.csv": "id,near\nu1,u2 u3\nu2,u3\nu3,u1\n"}
    dataset = made(tmp_path, FRIENDS, users, forgotten=Forgotten().adding(["u3"]))
    assert edges(dataset, "user", "friend", "user") == {("u1", "u2")}
    assert dataset.report["files"]["users.csv"]["counts"] == {"friend of a forgotten person, left out": 2}
