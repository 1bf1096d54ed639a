"""Tuning of a tiny encoder: every strategy runs, learns what it can, and remembers nothing that is held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kg.errors import InputError
from kg.ratings import Ratings
from models.language.adaptation import STRATEGIES, Adaptation, adapt, trainable
from models.language.tuned_weights import TunedWeights
from models.text import TextEncoder
from training.tuning.tune_config import TuneConfig
from training.tuning.tune_encoder import TuningRecord, tune_encoder
from training.tuning.tuned_encoder import fingerprint_of, tuned_encoder

DRAMA = ["love", "tears", "family", "letter"]
WAR = ["tank", "soldier", "bomb", "front"]
NUM_ITEMS, NUM_USERS = 24, 16


def text_of(item: int) -> str:
    words = DRAMA if item % 2 else WAR
    return f"a film about {words[item % 4]} and {words[(item // 2) % 4]} number {item}"


TEXTS: list[str | None] = [text_of(item) for item in range(NUM_ITEMS)]


@pytest.fixture(scope="module")
def ratings() -> Ratings:
    """Users with an even number choose and love war, the others drama; nobody has rated the last four items."""
    rng = np.random.default_rng(0)
    user, item = (part.ravel() for part in np.meshgrid(np.arange(NUM_USERS), np.arange(NUM_ITEMS - 4), indexing="ij"))
    alike = user % 2 == item % 2
    kept = rng.random(len(user)) < np.where(alike, 0.9, 0.2)
    value = np.where(alike, 5.0, 1.0)[kept].astype(np.float32)
    return Ratings(user=user[kept], item=item[kept], value=value, num_users=NUM_USERS, num_items=NUM_ITEMS)


def tuned(
    encoder: TextEncoder, ratings: Ratings, texts: Sequence[str | None] = TEXTS, **settings: object
) -> tuple[TunedWeights, TuningRecord]:
    config = TuneConfig(**{"strategy": "top", "layers": 1, "epochs": 3, "batch_size": 8, "size": 2, **settings})  # type: ignore[arg-type]
    return tune_encoder(encoder, texts, ratings, config, implicit=False, training_part="part", seed=0)


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name != "frozen"])
def test_every_strategy_learns_and_changes_nothing_but_its_own_weights(
    tiny_bert: TextEncoder, ratings: Ratings, strategy: str
) -> None:
    weights, record = tuned(tiny_bert, ratings, strategy=strategy)
    assert record.losses[-1] < record.losses[0]
    before = tiny_bert.load()
    adapt(before, weights.adaptation)
    assert weights.tensors.keys() == trainable(before).keys()
    assert record.num_trained == sum(tensor.numel() for tensor in weights.tensors.values()) > 0
    again = TextEncoder(tiny_bert.name, cache=tiny_bert.cache_directory, tuned=weights, precision="float32")
    assert again.fingerprint != tiny_bert.fingerprint
    assert not np.array_equal(again.encode(["a film about love"]), tiny_bert.encode(["a film about love"]))


def test_texts_of_what_the_same_people_love_come_nearer(tiny_bert: TextEncoder, ratings: Ratings) -> None:
    """Of new items, too: the words are what was learned."""
    weights, _ = tuned(tiny_bert, ratings, strategy="full", epochs=12, learning_rate=3e-3)
    again = TextEncoder(tiny_bert.name, cache=tiny_bert.cache_directory, tuned=weights, precision="float32")

    def margin(encoder: TextEncoder) -> float:
        vectors = encoder.encode([str(text) for text in TEXTS])
        nearness = vectors @ vectors[-4:].T  # to items that nobody has rated
        alike = np.equal.outer(np.arange(NUM_ITEMS) % 2, np.arange(NUM_ITEMS - 4, NUM_ITEMS) % 2)
        return float(nearness[alike].mean() - nearness[~alike].mean())

    assert margin(again) > margin(tiny_bert) + 0.1


def test_held_out_ratings_change_no_weight(tiny_bert: TextEncoder, ratings: Ratings) -> None:
    """The tuning sees the training part alone; the same ratings with other values do change it."""
    first, _ = tuned(tiny_bert, ratings)
    again, _ = tuned(tiny_bert, replace(ratings))
    assert first.fingerprint == again.fingerprint
    other, _ = tuned(tiny_bert, replace(ratings, value=np.roll(ratings.value, 1)))
    assert other.fingerprint != first.fingerprint
    # Items without training ratings have no target, and their texts are not read: they may say anything.
    elsewhere: list[str | None] = [*TEXTS[:-4], *("a bomb" for _ in range(4))]
    assert tuned(tiny_bert, ratings, elsewhere)[0].fingerprint == first.fingerprint


@pytest.mark.parametrize(
    "settings",
    [{"pretrain": "masked"}, {"pretrain": "tsdae"}, {"augment": 0.3}, {"adversary": 0.5}, {"contrast": 1.0}],
)
def test_options_change_what_is_learned(tiny_bert: TextEncoder, ratings: Ratings, settings: dict[str, object]) -> None:
    plain, _ = tuned(tiny_bert, ratings)
    changed, record = tuned(tiny_bert, ratings, **settings)
    assert np.isfinite(record.losses).all()
    assert changed.fingerprint != plain.fingerprint


def test_the_best_epoch_on_items_kept_apart_is_kept(tiny_bert: TextEncoder, ratings: Ratings) -> None:
    """With steps far too long later epochs are worse, and the weights are those of the best one."""
    weights, record = tuned(tiny_bert, ratings, held_out=0.3, epochs=4, learning_rate=0.05, strategy="full")
    best = int(np.argmin(record.held_out))
    assert len(record.held_out) == 4
    shorter, _ = tuned(tiny_bert, ratings, held_out=0.3, epochs=4, learning_rate=0.05, strategy="full", average=1)
    assert shorter.fingerprint == weights.fingerprint
    assert record.held_out[best] <= record.held_out[-1]


def test_an_average_of_tunings_is_the_mean_of_their_weights(tiny_bert: TextEncoder, ratings: Ratings) -> None:
    one, _ = tuned(tiny_bert, ratings)
    both, _ = tuned(tiny_bert, ratings, average=2)
    name = next(iter(one.tensors))
    assert not torch.equal(one.tensors[name], both.tensors[name])


def test_an_encoder_of_another_split_is_refused(tiny_bert: TextEncoder, ratings: Ratings, tmp_path: Path) -> None:
    weights, _ = tuned(tiny_bert, ratings)
    weights = replace(weights, training_part=fingerprint_of(ratings))
    encoder = TextEncoder(tiny_bert.name, cache=tmp_path, tuned=weights, precision="float32")
    encoder.export(tmp_path / "exported")
    exported = TextEncoder(str(tmp_path / "exported"), cache=tmp_path, precision="float32")
    np.testing.assert_allclose(exported.encode(["a film"]), encoder.encode(["a film"]), atol=1e-5)
    frozen = TuneConfig()
    assert tuned_encoder(exported, TEXTS, ratings, frozen, implicit=False, seed=0) is exported
    others = replace(ratings, value=np.roll(ratings.value, 1))
    with pytest.raises(InputError, match="tuned on other ratings"):
        tuned_encoder(exported, TEXTS, others, frozen, implicit=False, seed=0)


@pytest.mark.parametrize("strategy", ["lora", "ia3", "adalora", "projection", "full"])
def test_an_exported_encoder_needs_nothing_of_ours(
    tiny_bert: TextEncoder, ratings: Ratings, tmp_path: Path, strategy: str
) -> None:
    from sentence_transformers import SentenceTransformer

    weights, _ = tuned(tiny_bert, ratings, strategy=strategy)
    encoder = TextEncoder(tiny_bert.name, cache=tmp_path, tuned=weights, precision="float32")
    encoder.export(tmp_path / "exported")
    plain = SentenceTransformer(str(tmp_path / "exported"), device="cpu", local_files_only=True)
    np.testing.assert_allclose(plain.encode(["a tank"]), encoder.encode(["a tank"]), atol=1e-5)


def test_what_needs_our_code_cannot_be_exported(tiny_bert: TextEncoder, ratings: Ratings, tmp_path: Path) -> None:
    weights, _ = tuned(tiny_bert, ratings, strategy="adapter")
    encoder = TextEncoder(tiny_bert.name, cache=tmp_path, tuned=weights, precision="float32")
    with pytest.raises(InputError, match="strategy=lora"):
        encoder.export(tmp_path / "exported")
    assert not (tmp_path / "exported").exists()


def test_tuned_weights_survive_their_file(tiny_bert: TextEncoder, ratings: Ratings, tmp_path: Path) -> None:
    weights, _ = tuned(tiny_bert, ratings, strategy="lora")
    weights.write(tmp_path / "tuned.safetensors")
    read = TunedWeights.read(tmp_path / "tuned.safetensors")
    assert read.fingerprint == weights.fingerprint
    assert (read.adaptation, read.base, read.training_part) == (weights.adaptation, weights.base, "part")
    (tmp_path / "damaged.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="tuned weights"):
        TunedWeights.read(tmp_path / "damaged.safetensors")


def test_a_tuning_is_done_once(tiny_bert: TextEncoder, ratings: Ratings, monkeypatch: pytest.MonkeyPatch) -> None:
    config = TuneConfig(strategy="top", layers=1, epochs=1)
    first = tuned_encoder(tiny_bert, TEXTS, ratings, config, implicit=False, seed=0)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("tuned twice")

    monkeypatch.setattr("training.tuning.tuned_encoder.tune_encoder", never)
    again = tuned_encoder(tiny_bert, TEXTS, ratings, config, implicit=False, seed=0)
    assert first.tuned is not None
    assert again.fingerprint == first.fingerprint
    with pytest.raises(AssertionError, match="twice"):
        tuned_encoder(tiny_bert, TEXTS, ratings, config, implicit=False, seed=1)


def test_more_layers_than_there_are_are_refused(tiny_bert: TextEncoder, ratings: Ratings) -> None:
    with pytest.raises(InputError, match="has 2 layers"):
        tuned(tiny_bert, ratings, layers=3)


def test_a_decoder_reads_by_its_last_token(tiny_decoder: TextEncoder, ratings: Ratings) -> None:
    weights, record = tuned(tiny_decoder, ratings, strategy="lora")
    assert record.losses[-1] < record.losses[0]
    plain = tiny_decoder.load().eval()
    with torch.no_grad():
        tokens = plain.tokenizer(["a film about love"], return_tensors="pt")
        hidden = plain.transformers_model(**tokens).last_hidden_state[0, -1]
    expected = torch.nn.functional.normalize(hidden, dim=0).numpy()
    np.testing.assert_allclose(tiny_decoder.encode(["a film about love"])[0], expected, atol=1e-5)
    assert Adaptation(strategy="lora", layers=1, size=2) == weights.adaptation
