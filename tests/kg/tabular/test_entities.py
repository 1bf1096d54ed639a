"""Tables of users and items: relations among them, rows of one id, values as people write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.errors import InputError
from kg.forgotten import Forgotten
from kg.report import report_lines

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


@pytest.mark.parametrize("name", ["ratings.jsonl", "ratings.ndjson", "ratings.json"])
def test_ratings_and_items_come_as_json_lines(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(
        '{"by": {"id": "u1"}, "item": "i1", "rating": 5}\n{"by": {"id": "u2"}, "item": "i2", "rating": 4.0}\n'
    )
    (tmp_path / "items.jsonl").write_text(
        '{"id": "i1", "info": {"title": "One", "kinds": ["a", "b"]}}\n{"id": "i2", "info": {"title": "Two"}}\n'
    )
    (tmp_path / "d.yaml").write_text(
        f"name: jl\nratings: {{file: {name}, user: by.id}}\nitems: [{{file: items.jsonl, id: id, label: info.title, "
        'text: "{info.title}.", concepts: {kind: {column: info.kinds, kind: sort}}}]\n'
    )
    dataset = build(Description.load(tmp_path / "d.yaml"))
    assert dataset.ratings.value.tolist() == [5, 4]
    assert list(dataset.graph.users.vocabulary) == ["u1", "u2"]
    assert dataset.graph.items.texts.tolist() == ["One.", "Two."]
    assert edges(dataset, "item", "kind", "sort") == {("i1", "a"), ("i1", "b")}
    assert dataset.report["text_fields"] == {"items.jsonl": {"info.title": 2}}


TAGS = """items:
  - {file: items.csv, id: id, label: title, text: "{title}"}
  - {file: tags.csv, id: item, concepts: {tag: {column: tag, group: true, first: 2}}}
"""
TAGGED = {
    "items.csv": "id,title\ni1,A\ni2,B\ni3,C\n",
    "tags.csv": "item,tag\ni1,slow\ni1,funny\ni2,funny\ni1,dark\ni1,Funny\ni9,odd\ni2,\n",
}


def test_rows_of_one_id_are_joined_the_most_frequent_values_first(tmp_path: Path) -> None:
    dataset = made(tmp_path, TAGS, TAGGED)
    # funny twice, in any case; of dark and slow, once each, the first by name
    assert edges(dataset, "item", "tag", "tag") == {("i1", "funny"), ("i1", "dark"), ("i2", "funny")}
    account = dataset.report["files"]["tags.csv"]
    assert (account["rows"], account["kept"]) == (7, 6)
    assert account["dropped"] == {"no item of this id": 1}
    assert account["counts"] == {"values of tag beyond the first 2, left out": 1}
    lines = dataset.graph.edges["item", "tag", "tag"].lines.tolist()
    assert sorted(lines) == [3, 4, 5]


def test_the_order_of_rows_says_nothing_where_rows_are_joined(tmp_path: Path) -> None:
    header, *rows = TAGGED["tags.csv"].splitlines(keepends=True)
    turned = made(tmp_path, TAGS, {**TAGGED, "tags.csv": "".join([header, *reversed(rows)])})
    assert edges(turned, "item", "tag", "tag") == {("i1", "funny"), ("i1", "dark"), ("i2", "funny")}


def test_a_column_may_say_how_often_a_row_counts(tmp_path: Path) -> None:
    described = TAGS.replace("first: 2", "first: 1, counts: n")
    files = {**TAGGED, "tags.csv": "item,tag,n\ni1,slow,1\ni1,funny,2\ni1,slow,2.5\ni2,dark,0\n"}
    assert edges(made(tmp_path, described, files), "item", "tag", "tag") == {("i1", "slow")}
    with pytest.raises(
        InputError, match=r"tags.csv, line 2: expected a number of at least 0 in the column 'n', found 'x'"
    ):
        made(tmp_path, described, {**files, "tags.csv": "item,tag,n\ni1,slow,x\n"})


def test_users_in_a_table_of_several_rows_each_are_those_of_the_ratings(tmp_path: Path) -> None:
    described = "users: [{file: tags.csv, id: user, concepts: {tag: {column: tag, group: true}}}]\n"
    dataset = made(tmp_path, described, {"tags.csv": "user,tag\nu1,a\nu1,b\nu7,c\n"})
    assert list(dataset.graph.users.vocabulary) == ["u1", "u2"]
    assert edges(dataset, "user", "tag", "tag") == {("u1", "a"), ("u1", "b")}
    assert dataset.report["files"]["tags.csv"]["dropped"] == {"no user of this id": 1}
    gone = made(tmp_path, described, {}, forgotten=Forgotten().adding(["u1"]))
    assert gone.report["files"]["tags.csv"]["dropped"] == {"of a forgotten person": 2, "no user of this id": 1}


def test_repeated_ids_and_what_does_not_go_with_groups_are_told(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"tags.csv, line 3: the item id 'i1' stands here for the second time.*group: true"
    ):
        made(tmp_path, TAGS.replace(", group: true, first: 2", ""), TAGGED)
    with pytest.raises(
        InputError, match="group: true lets an id have several rows, and label needs one; leave it out here"
    ):
        made(tmp_path, TAGS.replace("id: item,", "id: item, label: tag,"), TAGGED)
    with pytest.raises(InputError, match="give the concept 'old' group: true as well"):
        made(tmp_path, TAGS.replace("concepts: {tag", "concepts: {old: {column: tag}, tag"), TAGGED)
    with pytest.raises(InputError, match="counts go with group: true"):
        made(tmp_path, TAGS.replace("group: true, first: 2", "counts: n"), TAGGED)


def test_entities_of_html_stand_for_characters_but_in_ids(tmp_path: Path) -> None:
    described = "items: [{file: items.csv, id: id, label: title, text: '{title}, {place}.', concepts: {place: {column: place, split: ';'}}}]\n"
    files = {
        "ratings.csv": "user,item,rating\nu1,a&amp;b,5\n",
        "items.csv": "id,title,place\na&amp;b,Tom &amp; Jerry&#39;s,&#304;zmir;R&amp;D;AT&T &copy\n",
    }
    dataset = made(tmp_path, described, files)
    items = dataset.graph.items
    assert list(items.vocabulary) == ["a&amp;b"]
    assert items.labels.tolist() == ["Tom & Jerry's"]
    assert items.texts.tolist() == ["Tom & Jerry's, İzmir;R&D;AT&T &copy."]
    assert dataset.graph.nodes["place"].labels.tolist() == ["İzmir", "R&D", "AT&T &copy"]
    counts = dataset.report["files"]["items.csv"]["counts"]
    assert counts == {"cells with entities of HTML, such as &amp;, read as the characters they stand for": 2}


def test_book_crossing_in_its_own_format(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_bytes(
        b'"User-ID";"ISBN";"Book-Rating"\n"1";"034545104X";"5"\n"2";"0155061224";"7"\n'
    )
    (tmp_path / "users.csv").write_bytes(
        '"User-ID";"Location";"Age"\n"1";"&#304;zmir, n/a, türkiye";"27"\n"2";"nyc, new york, usa";NULL\n'.encode(
            "latin-1"
        )
    )
    (tmp_path / "d.yaml").write_text(
        """name: bx
ratings: {file: ratings.csv, format: {separator: ";", encoding: latin-1}, user: User-ID, item: ISBN, rating: Book-Rating, scale: [1, 10]}
users:
  - file: users.csv
    format: {separator: ";", encoding: latin-1}
    id: User-ID
    missing: ["", "NULL"]
    concepts: {age: {column: Age, bins: [30]}, country: {column: Location, pattern: "([^,]*)$"}, town: {column: Location, pattern: "^([^,]*)"}}
"""
    )
    dataset = build(Description.load(tmp_path / "d.yaml"))
    assert list(dataset.graph.items.vocabulary) == ["034545104X", "0155061224"]
    assert edges(dataset, "user", "age", "age") == {("1", "under 30")}
    assert dataset.graph.nodes["country"].labels.tolist() == ["türkiye", "usa"]
    assert dataset.graph.nodes["town"].labels.tolist() == ["İzmir", "nyc"]


def test_what_will_be_read_counts_as_text(tmp_path: Path) -> None:
    described = "items: [{file: items.csv, id: id, label: title}]\n"
    dataset = made(tmp_path, described, {"items.csv": "id,title\ni1,Whole milk\ni2,Rye bread\ni3,\n"})
    assert dataset.report["items"]["with_text"] == 2
    assert "Items: 2 with text" in report_lines(dataset.report)[1]


@pytest.mark.parametrize(
    ("ids", "read"),
    [
        (["whole milk", "UHT-milk", "a1b2"], False),  # two in three are not nearly all
        (["whole milk", "UHT-milk", "rolls/buns"], True),
        (["B00A17I99Q", "B01ABC2345", "BXYZ000000"], False),
        (["1", "2", "30"], False),
        (["김치", "라면", "밥"], True),
        (["http://a.example/Moby", "http://a.example/Air", "http://a.example/Sting"], False),
    ],
)
def test_ids_that_are_names_are_read_where_no_table_describes_items(tmp_path: Path, ids: list[str], read: bool) -> None:
    (tmp_path / "ratings.csv").write_text("user,item\n" + "".join(f"u{n},{raw_id}\n" for n, raw_id in enumerate(ids)))
    (tmp_path / "d.yaml").write_text("name: shop\nratings: {file: ratings.csv, feedback: implicit}\n")
    dataset = build(Description.load(tmp_path / "d.yaml"))
    assert dataset.graph.items.texts.tolist() == (ids if read else [None] * 3)
    assert (
        dataset.report["notes"]
        == [f"No table names the items, and their ids are read as names, such as {ids[0]!r}."] * read
    )


@pytest.mark.parametrize("template", ["{title} {year", "{title} year}", "{title} {{year}}"])
def test_a_brace_without_its_other_is_told(tmp_path: Path, template: str) -> None:
    described = f"items: [{{file: items.csv, id: id, label: title, text: '{template}'}}]\n"
    with pytest.raises(InputError, match=r"d.yaml, line 3: items.0.text: a brace of this template is not closed"):
        made(tmp_path, described, {"items.csv": "id,title,year\ni1,A,1999\ni2,B,2000\ni3,C,1\n"})


def test_ratings_of_which_there_are_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ratings.csv: expected ratings, found none"):
        made(tmp_path, "", {"ratings.csv": "user,item,rating\n"})
