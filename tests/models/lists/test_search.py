"""Search by meaning: the block-wise top k equals sorting all cosines, whatever the blocks."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kg.dataset import Dataset
from kg.errors import InputError, UnknownNameError
from models.lists.search import NodeSearch, nearest, vector_file
from models.text import TextEncoder


def vector(text: str) -> NDArray[np.float32]:
    row = np.random.default_rng(list(sha256(text.encode()).digest())).normal(size=8)
    return np.asarray(row / np.linalg.norm(row), dtype=np.float32)


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def dense(vectors: NDArray[np.float32], query: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    cosines = np.array([(row.astype(np.float64) * query.astype(np.float64)).sum() for row in vectors])
    return np.argsort(-cosines, kind="stable")[:k]


@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 200),
    different=st.integers(1, 200),
    k=st.integers(1, 40),
    block=st.integers(1, 210),
)
def test_nearest_is_what_sorting_all_cosines_gives(seed: int, rows: int, different: int, k: int, block: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = unit(rng.normal(size=(different, 24)))[rng.integers(different, size=rows)]  # many rows are equal
    query = unit(rng.normal(size=(1, 24)))[0]
    found, scores = nearest(vectors, query, k, block=block)
    np.testing.assert_array_equal(found, dense(vectors, query, k))
    assert (np.diff(scores) <= 0).all()


def test_cosines_nearer_than_single_precision_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    centre = unit(rng.normal(size=(1, 384)))[0]
    vectors = unit(centre + 1e-7 * rng.normal(size=(3_000, 384)))
    found, _ = nearest(vectors, centre, 20, block=256)
    np.testing.assert_array_equal(found, dense(vectors, centre, 20))


def test_only_one_block_of_a_file_is_read_at_a_time(tmp_path: Path) -> None:
    class Watched:
        """Vectors that know how many rows were asked for at once."""

        def __init__(self, rows: NDArray[np.float32]) -> None:
            self.rows, self.most = rows, 0

        def __len__(self) -> int:
            return len(self.rows)

        def __getitem__(self, part: slice) -> NDArray[np.float32]:
            self.most = max(self.most, len(self.rows[part]))
            return self.rows[part]

    vectors = Watched(unit(np.random.default_rng(0).normal(size=(1_000, 8))))
    nearest(vectors, vectors.rows[7], 3, block=64)  # type: ignore[arg-type]
    assert vectors.most == 64


def test_a_vector_file_is_written_once_in_blocks_and_found_by_its_texts(tmp_path: Path) -> None:
    calls: list[int] = []

    def encode(texts: object) -> NDArray[np.float32]:
        assert isinstance(texts, list)
        calls.append(len(texts))
        return np.stack([vector(text) for text in texts])

    texts = [f"text {number % 3_000}" for number in range(5_000)]
    file = vector_file(texts, encode, tmp_path)
    assert calls == [2_048, 2_048, 904]
    np.testing.assert_array_equal(np.load(file, mmap_mode="r"), np.stack([vector(text) for text in texts]))
    assert vector_file(texts, encode, tmp_path) == file
    assert len(calls) == 3
    assert vector_file(texts[::-1], encode, tmp_path) != file
    assert vector_file(["ab", "c"], encode, tmp_path) != vector_file(["a", "bc"], encode, tmp_path)


def test_a_killed_encoding_leaves_no_file(tmp_path: Path) -> None:
    def encode(texts: object) -> NDArray[np.float32]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vector_file(["a"], encode, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TextEncoder:
    monkeypatch.setattr(TextEncoder, "fingerprint", "stand-in")
    monkeypatch.setattr(
        TextEncoder, "encode", lambda _, texts, progress=None: np.stack([vector(text) for text in texts])
    )
    monkeypatch.setattr(TextEncoder, "encode_query", lambda _, text: vector(text))
    return TextEncoder(cache=tmp_path)


def test_nodes_are_found_by_the_words_the_model_reads(small_dataset: Dataset, encoder: TextEncoder) -> None:
    seen: list[tuple[int, int]] = []
    search = NodeSearch(small_dataset.graph, encoder, progress=lambda done, total: seen.append((done, total)))
    best = search.search("Bo Ek (person).", k=3)
    assert (best[0]["kind"], best[0]["id"]) == ("person", "bo ek")
    assert best[0]["score"] == pytest.approx(1.0, abs=1e-6)
    assert [one["score"] for one in best] == sorted((one["score"] for one in best), reverse=True)
    everything = search.search("Bo Ek (person).", k=1_000)
    assert not any(one["kind"] == "user" for one in everything)
    assert ("item", "03") not in {(one["kind"], one["id"]) for one in everything}  # nothing is known of it
    assert seen[-1] == (len(everything), len(everything))


def test_only_the_kinds_asked_for(small_dataset: Dataset, encoder: TextEncoder) -> None:
    search = NodeSearch(small_dataset.graph, encoder, kinds=["user", "genre", "user"])
    assert {one["kind"] for one in search.search("spy", k=100)} == {"user", "genre"}
    with pytest.raises(UnknownNameError, match="Did you mean 'genre'"):
        NodeSearch(small_dataset.graph, encoder, kinds=["genres"])


def test_an_empty_question_is_refused(small_dataset: Dataset, encoder: TextEncoder) -> None:
    with pytest.raises(InputError, match="nothing to look for"):
        NodeSearch(small_dataset.graph, encoder, kinds=["genre"]).search("  ")
