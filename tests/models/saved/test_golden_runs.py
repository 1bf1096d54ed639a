"""Runs that earlier versions wrote answer as they did then.

`golden/format-N` was written once, by the version that first wrote format N, with the answers it gave (`answers.json`); it is never
regenerated. A version that cannot read it any more, or answers otherwise, breaks the runs that people have: mend that version.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.attribution.attributions import attributions
from models.recommender import Recommender
from models.text import TextEncoder
from training.bundle import load_run

GOLDEN = sorted(Path(__file__).parent.joinpath("golden").glob("format-*"))


@pytest.fixture(scope="module", autouse=True)
def letters_for_words() -> Iterator[None]:
    """The language model of the golden runs: the bytes of a text's hash, which no library changes."""

    def encode(encoder: TextEncoder, texts: list[str], **_: Any) -> np.ndarray:
        rows = [np.frombuffer(sha256(text.encode()).digest()[:6], dtype=np.uint8) - 127.5 for text in texts]
        return np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextEncoder, "encode", encode)
        patch.setattr(TextEncoder, "fingerprint", "letters")
        yield


def told(rows: pd.DataFrame) -> dict[str, list[Any]]:
    return {name: rows[name].tolist() for name in ("user", "item", "id", "score", "low", "high") if name in rows}


def answers_of(recommender: Recommender) -> dict[str, dict[str, list[Any]]]:
    items, users = (list(nodes.vocabulary) for nodes in (recommender.graph.items, recommender.graph.users))
    history = {"1": 5.0, "6": 2.0}
    added = recommender.add_items([{"id": "later", "title": "A later film", "concepts": {"genre": "War"}}])
    return {
        "predictions": told(recommender.predict([(user, item) for user in users for item in items])),
        "a user": told(recommender.recommend(user="3", k=5)),
        "a user without ratings": told(recommender.recommend(user="8", k=5)),
        "a history": told(recommender.recommend(history=history, k=5)),
        "a history with concepts": told(recommender.recommend(history=history, concepts={"job": "spy"}, k=5)),
        "a sentence": told(recommender.recommend(text="Something with spies.", k=5)),
        "an item that joins": told(added.predict([(user, "later") for user in users])),
    }


@pytest.mark.parametrize("folder", GOLDEN, ids=lambda folder: folder.name)
@pytest.mark.parametrize("who", ["recommender", "trained"])
def test_a_golden_run_answers_as_it_did(folder: Path, who: str) -> None:
    wanted = json.loads((folder / "answers.json").read_text())[who]
    answers = answers_of(getattr(load_run(folder / "run"), who))
    assert answers.keys() == wanted.keys()
    for question, columns in wanted.items():
        assert answers[question].keys() == columns.keys(), question
        for name, values in columns.items():
            if name in ("user", "item", "id"):
                assert answers[question][name] == values, question
            else:
                np.testing.assert_allclose(answers[question][name], values, atol=1e-5, err_msg=question)


@pytest.mark.parametrize("folder", GOLDEN, ids=lambda folder: folder.name)
def test_a_golden_run_has_its_split(folder: Path) -> None:
    split, wanted = load_run(folder / "run").experiment.split, json.loads((folder / "answers.json").read_text())
    assert split.validation is not None
    parts = {"train": split.train, "validation": split.validation, **split.test}
    assert {name: list(zip(part.user.tolist(), part.item.tolist(), strict=True)) for name, part in parts.items()} == {
        name: [tuple(pair) for pair in pairs] for name, pairs in wanted["split"].items()
    }


@pytest.mark.parametrize("folder", GOLDEN, ids=lambda folder: folder.name)
def test_the_parts_of_a_golden_run_sum_to_its_predictions(folder: Path) -> None:
    trained = load_run(folder / "run").trained
    pairs = np.indices((len(trained.graph.users), len(trained.graph.items))).reshape(2, -1)
    for attribution in attributions(trained, *pairs):
        assert attribution.error < 1e-5


def test_there_is_a_golden_run() -> None:
    assert [folder.name for folder in GOLDEN] == ["format-5"]
