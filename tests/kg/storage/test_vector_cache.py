"""The cache of text vectors: nothing is encoded twice, and nothing half written is believed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import save_file

import models.text
from kg.storage.cache_directory import default_cache_directory
from kg.storage.vector_cache import VectorCache
from models.text import TextEncoder


class Killed(BaseException):
    """Stands for what ends a process."""


class CountingModel:
    """A language model whose vectors are known: the length of the text, its first letter, and a number of its own."""

    def __init__(self, number: float = 0.0, dies_at: int | None = None) -> None:
        self.number = number
        self.dies_at = dies_at
        self.calls: list[list[str]] = []

    def encode_document(self, texts: Sequence[str], **_: object) -> torch.Tensor:
        if self.dies_at is not None and len(self.calls) == self.dies_at:
            raise Killed
        self.calls.append(list(texts))
        return torch.from_numpy(self.vectors(texts))

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = np.array([[len(text), ord(text[0]), self.number] for text in texts], dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    @property
    def encoded(self) -> list[str]:
        return [text for call in self.calls for text in call]


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models.text, "_SHARD", 4)


def encoder(cache: Path, model: CountingModel, fingerprint: str = "one") -> TextEncoder:
    """An encoder with the network replaced; both are computed when first asked for."""
    made = TextEncoder(cache=cache, precision="float32")
    made.__dict__["_model"] = model
    made.__dict__["fingerprint"] = fingerprint
    return made


def assert_same(actual: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-6)  # the encoder makes unit vectors of unit vectors


def shards(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.safetensors"))


TEXTS = [f"{letter * length}" for length, letter in zip(range(1, 11), "abcdefghij", strict=True)]


def test_a_second_run_encodes_nothing(tmp_path: Path) -> None:
    first, second = CountingModel(), CountingModel()
    vectors = encoder(tmp_path, first).encode(TEXTS)
    assert_same(vectors, first.vectors(TEXTS))
    assert sorted(first.encoded) == sorted(TEXTS)
    assert_same(encoder(tmp_path, second).encode(TEXTS[::-1]), vectors[::-1])
    assert second.calls == []


def test_only_new_texts_are_encoded_and_equal_ones_once(tmp_path: Path) -> None:
    encoder(tmp_path, CountingModel()).encode(TEXTS[:3])
    model = CountingModel()
    wanted = ["new", TEXTS[1], "new", "newer", TEXTS[1]]
    assert_same(encoder(tmp_path, model).encode(wanted), model.vectors(wanted))
    assert sorted(model.encoded) == ["new", "newer"]


def test_long_texts_are_encoded_together(tmp_path: Path) -> None:
    model = CountingModel()
    encoder(tmp_path, model).encode(TEXTS)
    assert [len(call) for call in model.calls] == [4, 4, 2]
    lengths = [len(text) for text in model.encoded]
    assert lengths == sorted(lengths, reverse=True)


def test_a_run_killed_in_the_middle_leaves_whole_shards_and_is_taken_up_there(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        encoder(tmp_path, CountingModel(dies_at=2)).encode(TEXTS)
    assert len(shards(tmp_path)) == 2
    model = CountingModel()
    assert_same(encoder(tmp_path, model).encode(TEXTS), model.vectors(TEXTS))
    assert len(model.encoded) == 2


def test_a_shard_killed_while_it_is_written_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(source: str, target: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", die)
        with pytest.raises(Killed):
            encoder(tmp_path, CountingModel()).encode(TEXTS)
    assert shards(tmp_path) == []
    folder = tmp_path / "vectors" / "one"
    (folder / ".abc.safetensors.x.partial").write_bytes(b"half of a sha")  # what a real kill leaves
    model = CountingModel()
    assert_same(encoder(tmp_path, model).encode(TEXTS), model.vectors(TEXTS))
    assert len(model.encoded) == len(TEXTS)


@pytest.mark.parametrize("content", [b"", b"no safetensors at all", None], ids=["empty", "other", "cut off"])
def test_a_damaged_shard_is_deleted_and_its_texts_encoded_again(
    tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    encoder(tmp_path, CountingModel()).encode(TEXTS)
    damaged = shards(tmp_path)[1]
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[: len(whole) // 2] if content is None else content)
    model = CountingModel()
    assert_same(encoder(tmp_path, model).encode(TEXTS), model.vectors(TEXTS))
    assert 0 < len(model.encoded) <= 4
    assert "damaged shard" in caplog.text
    again = CountingModel()
    encoder(tmp_path, again).encode(TEXTS)
    assert again.calls == []


def test_a_shard_that_lacks_a_part_is_damaged_too(tmp_path: Path) -> None:
    encoder(tmp_path, CountingModel()).encode(TEXTS[:2])
    (shard,) = shards(tmp_path)
    save_file({"vectors": np.zeros((2, 3), dtype=np.float32)}, shard)
    assert len(VectorCache(tmp_path, "one")) == 0
    assert not shard.exists()


def test_two_encoders_do_not_mix(tmp_path: Path) -> None:
    one, other = CountingModel(1.0), CountingModel(2.0)
    encoder(tmp_path, one, "one").encode(TEXTS)
    assert_same(encoder(tmp_path, other, "other").encode(TEXTS), other.vectors(TEXTS))
    assert sorted(other.encoded) == sorted(TEXTS)
    assert_same(encoder(tmp_path, CountingModel(9.0), "one").encode(TEXTS), one.vectors(TEXTS))


def test_progress_ends_at_what_there_was_to_do(tmp_path: Path) -> None:
    encoder(tmp_path, CountingModel()).encode(TEXTS[:1])
    told: list[tuple[int, int]] = []
    encoder(tmp_path, CountingModel()).encode(TEXTS, progress=lambda done, total: told.append((done, total)))
    assert told == [(4, 9), (8, 9), (9, 9)]


def test_empty_texts_are_refused_and_none_are_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="number 1 is empty"):
        encoder(tmp_path, CountingModel()).encode(["a", "  ", "b"])
    assert encoder(tmp_path, CountingModel()).encode([]).shape[0] == 0


@given(st.lists(st.text(min_size=1), min_size=1, max_size=6, unique=True))
def test_any_text_is_found_again(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    folder = tmp_path_factory.mktemp("cache")
    vectors = np.arange(3 * len(texts), dtype=np.float32).reshape(-1, 3)
    VectorCache(folder, "x").add(texts, vectors)
    cache = VectorCache(folder, "x")
    assert len(cache) == len(texts)
    assert_same(cache.get(texts), vectors)


def test_the_cache_lies_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KGREC_CACHE", str(tmp_path / "own"))
    assert default_cache_directory() == tmp_path / "own"
    monkeypatch.delenv("KGREC_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_directory() == tmp_path / "kgrec"
