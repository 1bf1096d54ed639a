"""Search by meaning in the small world, with vectors that know a text and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kg.dataset import Dataset
from kg.errors import InputError, UnknownNameError
from models.lists.search import search_nodes
from models.text import TextEncoder


def vector(text: str) -> NDArray[np.float32]:
    row = np.random.default_rng(list(sha256(text.encode()).digest())).normal(size=8)
    return np.asarray(row / np.linalg.norm(row), dtype=np.float32)


Search = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def search(small_dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Search:
    monkeypatch.setattr(
        TextEncoder, "encode", lambda _, texts, progress=None: np.stack([vector(text) for text in texts])
    )
    monkeypatch.setattr(TextEncoder, "encode_query", lambda _, text: vector(text))
    encoder = TextEncoder(cache=tmp_path)
    return lambda text, **settings: search_nodes(small_dataset.graph, encoder, text, **settings)


def test_nodes_are_found_by_the_words_the_model_reads(search: Search) -> None:
    best = search("Bo Ek (person).", k=3)
    assert (best[0]["kind"], best[0]["id"]) == ("person", "bo ek")
    assert best[0]["score"] == pytest.approx(1.0, abs=1e-6)
    everything = search("Bo Ek (person).", k=1_000)
    assert everything[:3] == best
    genres = [node for node in everything if node["kind"] == "genre"]
    for node in genres:
        expected = vector(f"{node['label']} (genre).") @ vector("Bo Ek (person).")
        assert node["score"] == pytest.approx(float(expected), abs=1e-6)
    assert len(genres) > 1
    assert [node["score"] for node in everything] == sorted((node["score"] for node in everything), reverse=True)
    assert not any(node["kind"] == "user" for node in everything)
    assert ("item", "03") not in {(node["kind"], node["id"]) for node in everything}  # nothing is known of it


def test_only_the_kinds_asked_for(search: Search) -> None:
    assert {node["kind"] for node in search("spy", k=100, kinds=["user", "genre", "user"])} == {"user", "genre"}
    with pytest.raises(UnknownNameError, match="Did you mean 'genre'"):
        search("spy", kinds=["genres"])


def test_an_empty_question_is_refused(search: Search) -> None:
    with pytest.raises(InputError, match="nothing to look for"):
        search("  ", kinds=["genre"])
