"""Small worlds that know their answers, for saved runs: stars with days, choices, and a language model that stands in."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from kg.build import build
from kg.description import Description
from models.cold.sentence_map import SentenceMap
from models.recommender import Recommender
from models.text import TextEncoder

DESCRIPTION = """name: tiny
ratings: {{file: ratings.csv, {feedback}}}
items:
  - {{file: items.csv, id: id, label: title, text: "{{title}}", concepts: {{genre: {{column: genre}}}}}}
users:
  - {{file: users.csv, id: id, concepts: {{job: {{column: job}}}}}}
"""
DIMENSION = 4


def stand_in(encoder: TextEncoder, texts: list[str], **_: Any) -> np.ndarray:
    """A language model without a language: a text's hash decides its vector."""
    rows = [np.random.default_rng(list(sha256(text.encode()).digest())).normal(size=DIMENSION) for text in texts]
    return np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32)


@pytest.fixture(scope="module", autouse=True)
def stand_in_encoder() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextEncoder, "encode", stand_in)
        patch.setattr(TextEncoder, "fingerprint", "stand-in")
        yield


@pytest.fixture(scope="module")
def write_graph() -> Callable[..., Path]:
    """A function that builds a graph: nine users, seven items; user 8 and item 6 have no rating."""

    def write(folder: Path, *, implicit: bool = False) -> Path:
        ratings = [
            [user, item, 1 + (user * item) % 5, 86_400 * (user + item)]
            for user in range(8)
            for item in range(6)
            if not implicit or (user + item) % 3
        ]
        columns = ["user", "item", "rating", "time"]
        table = pd.DataFrame(ratings, columns=columns)
        (table[["user", "item"]] if implicit else table).to_csv(folder / "ratings.csv", index=False)
        items = [f"{item},Film {item},{'Drama' if item % 2 else 'War'}" for item in range(7)]
        (folder / "items.csv").write_text("\n".join(["id,title,genre", *items]) + "\n")
        users = [f"{user},{'spy' if user % 2 else 'cook'}" for user in range(9)]
        (folder / "users.csv").write_text("\n".join(["id,job", *users]) + "\n")
        feedback = "feedback: implicit" if implicit else "scale: [1, 5]"
        (folder / "tiny.yaml").write_text(DESCRIPTION.format(feedback=feedback))
        build(Description.load(folder / "tiny.yaml")).save(folder / "graph")
        return folder / "graph"

    return write


@pytest.fixture(scope="module")
def with_a_map() -> Callable[[Recommender], Recommender]:
    """A function that gives a recommender a map from sentences, fitted on vectors of nothing in particular."""

    def fitted(recommender: Recommender) -> Recommender:
        rng = np.random.default_rng(0)
        vectors = rng.normal(size=(12, DIMENSION)).astype(np.float32)
        chosen = (rng.random((12, recommender.train.num_items)) < 0.5).astype(np.float32)
        samples, _, size = recommender.predictor.cold_samples.users.shape
        rows = torch.from_numpy(rng.normal(size=(samples, 12, size)).astype(np.float32))
        return recommender.with_map(SentenceMap.fit(vectors, chosen, rows))

    return fitted


@pytest.fixture(scope="module")
def answers() -> Callable[[Recommender], dict[str, Any]]:
    """A function that asks all that can be asked, and returns the answers as JSON values."""
    return asked


def asked(recommender: Recommender) -> dict[str, Any]:
    items, users = (list(nodes.vocabulary) for nodes in (recommender.graph.items, recommender.graph.users))
    value = 1.0 if recommender.implicit else 4.0
    history = {"1": value, "6": value}
    asks = {
        "predict": lambda: recommender.predict([(user, item) for user in users for item in items]),
        "known": lambda: recommender.recommend(user="3", k=5),
        "unrated user": lambda: recommender.recommend(user="8", k=5),
        "history": lambda: recommender.recommend(history=history, concepts={"job": "spy"}, k=5),
        "nobody": lambda: recommender.recommend(history={}, k=5, diversity=0.3),
        "sentence": lambda: recommender.recommend(text="A film about war.", k=5),
        "histories": lambda: recommender.predict_for_histories({"n": history}, [("n", "2"), ("n", "6")]),
        "similar": lambda: recommender.similar_items("2", k=3),
        "audience": lambda: recommender.audience("6", k=3),
        "questions": lambda: recommender.questions(k=3),
        "explained": lambda: recommender.explain("4", user="3"),
        "explained to someone new": lambda: recommender.explain("4", history=history),
        "profile": lambda: recommender.profile("3"),
        "ranking": lambda: recommender.rank_scores(np.arange(9)),
    }
    return {name: plain(ask()) for name, ask in asks.items()}


def plain(value: Any) -> Any:
    """Return a value as JSON knows it; numbers keep all their digits."""
    if isinstance(value, pd.DataFrame):
        return plain(value.to_dict("records"))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, np.ndarray | torch.Tensor | np.generic):
        return plain(value.tolist())
    if isinstance(value, float):
        return None if np.isnan(value) else float(value)
    return value if isinstance(value, str | int | None) else repr(type(value))
