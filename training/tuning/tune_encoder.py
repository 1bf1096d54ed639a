"""Tuning a sentence encoder on the training ratings: the loop, its schedule, and which epoch is kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kg.ratings import Ratings
from models.language.adaptation import Adaptation, adapt, depth_of, trainable
from models.language.precision import bfloat16_is_fast
from models.language.tuned_weights import TunedWeights
from models.text import TextEncoder
from training.loop import train
from training.progress import Progress, silent
from training.tuning.pretraining import DamagedTexts, MaskedWords
from training.tuning.rank_schedule import RankSchedule
from training.tuning.targets import ItemTargets
from training.tuning.text_batch import augmented, batches_by_length, tokens_of
from training.tuning.text_objective import TextObjective
from training.tuning.tune_config import TuneConfig

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["TuningRecord", "tune_encoder"]

# Lengths of a step that suit what is trained; chosen on validation items of MovieLens 100K.
LEARNING_RATES = {
    "projection": 1e-3,
    "top": 1e-4,
    "full": 3e-5,
    "lora": 5e-4,
    "adalora": 1e-3,
    "prefix": 3e-3,
    "ia3": 5e-3,
    "adapter": 1e-3,
}
HEAD_RATE, HEAD_DECAY = 1e-3, 1e-4
LAYER_DECAY = 0.9  # of the step, for each layer further down
WARM_UP = 0.1

Batch = tuple[Any, ...]


@dataclass
class TuningRecord:
    """What a tuning has cost and reached.

    Attributes:
        num_trained: Trained weights of the encoder.
        losses: Mean loss of each epoch, of each of the tunings that are averaged.
        held_out: Mean loss on the items kept apart after each epoch; empty where none are.
    """

    num_trained: int = 0
    losses: list[float] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)


def tune_encoder(
    encoder: TextEncoder,
    texts: Sequence[str | None],
    train: Ratings,
    config: TuneConfig,
    *,
    implicit: bool,
    training_part: str,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[TunedWeights, TuningRecord]:
    """Tune an encoder so that the text of an item tells who chooses it and how they rate it.

    Nothing but the texts and the training ratings is looked at; items without training ratings enter pre-training alone,
    by their texts.

    Args:
        encoder: The encoder before; it is not changed.
        texts: What is known of each item in words, `[num_items]`.
        train: Training ratings.
        config: Strategy, losses, steps.
        implicit: Whether a rating only says that a user chose an item.
        training_part: Fingerprint of the training ratings, which the weights carry.
        seed: Seed of batches, dropout and new weights.
        progress: Called with (stage, done, total, message).

    Returns:
        The trained weights, and what it took.
    """
    adaptation = Adaptation(strategy=config.strategy, layers=config.layers, size=config.size)
    targets = ItemTargets.of(train, implicit=implicit, rng=seed)
    worded = np.flatnonzero([texts[item] is not None for item in targets.items])
    targets = targets.select(worded)
    known = [str(texts[item]) for item in targets.items]
    every = [text for text in texts if text is not None]
    vectors = encoder.encode(known)
    record = TuningRecord()
    members: list[TunedWeights] = []
    for member in range(config.average):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + 1000 * member)
            model = encoder.load(
                attn_implementation="eager"
            )  # the backward pass of "sdpa" takes twice as long on a CPU
            adapt(model, adaptation)
            record.num_trained = sum(weight.numel() for weight in trainable(model).values())
            if record.num_trained:
                _set_dropout(model, config.dropout)
                rng = np.random.default_rng([seed, member])
                if config.pretrain != "none":
                    _pretrain(model, encoder, every, config, rng, progress)
                _learn(model, known, vectors, targets, config, rng, record, progress)
            members.append(
                TunedWeights.of(model, adaptation, base=encoder.base_fingerprint, training_part=training_part)
            )
    return _averaged(members), record


def _learn(
    model: SentenceTransformer,
    texts: list[str],
    vectors: NDArray[np.float32],
    targets: ItemTargets,
    config: TuneConfig,
    rng: np.random.Generator,
    record: TuningRecord,
    progress: Progress,
) -> None:
    """Train an adapted encoder on the ratings, and leave it with the weights of the epoch that is kept."""
    places = rng.permutation(len(texts))
    apart = np.sort(places[: int(config.held_out * len(texts))])
    taught = np.sort(places[len(apart) :])
    objective = TextObjective(model, targets.select(taught), vectors[taught], config)
    lengths = np.array([len(text) for text in texts])

    def batch(chosen: NDArray[np.int64], *, augment: float) -> Batch:
        words = [augmented(texts[place], augment, rng) for place in chosen]
        some = targets.select(chosen)
        stars = (None, None) if some.precision is None or some.pull is None else (some.precision, some.pull)
        return tokens_of(model, words, config.max_length), *(
            None if part is None else torch.from_numpy(part) for part in (some.factors, *stars)
        )

    def batches(epoch: int) -> Iterator[tuple[Batch, int]]:
        for chosen in batches_by_length(lengths[taught], config.batch_size, rng):
            yield batch(taught[chosen], augment=config.augment), len(chosen)

    def judged() -> float:
        model.eval()
        with torch.no_grad():
            losses = [
                float(objective(*batch(apart[start : start + config.batch_size], augment=0.0)))
                * len(apart[start : start + config.batch_size])
                for start in range(0, len(apart), config.batch_size)
            ]
        model.train()
        return sum(losses) / len(apart)

    best, lowest = {name: weight.detach().clone() for name, weight in trainable(model).items()}, math.inf
    ranks = RankSchedule(model, config.size, config.epochs * math.ceil(len(taught) / config.batch_size))
    heads = [*objective.factor_head.parameters(), *(objective.rating_head or nn.Identity()).parameters()]
    for epoch, loss in enumerate(_epochs(objective, model, heads, batches, len(taught), config, config.epochs, ranks)):
        record.losses.append(loss)
        if len(apart):
            record.held_out.append(judged())
        figure = record.held_out[-1] if len(apart) else -epoch
        if figure < lowest:
            best, lowest = {name: weight.detach().clone() for name, weight in trainable(model).items()}, figure
        progress("tune", epoch + 1, config.epochs, f"language model, loss {loss:.4f}")
    model.load_state_dict(best, strict=False)


def _pretrain(
    model: SentenceTransformer,
    encoder: TextEncoder,
    texts: list[str],
    config: TuneConfig,
    rng: np.random.Generator,
    progress: Progress,
) -> None:
    """Let an adapted encoder learn the words of all texts."""
    task: nn.Module = MaskedWords(model, str(encoder.folder)) if config.pretrain == "masked" else DamagedTexts(model)
    own = {id(weight) for weight in model.parameters()}
    heads = [weight for weight in task.parameters() if weight.requires_grad and id(weight) not in own]
    lengths = np.array([len(text) for text in texts])

    def batches(epoch: int) -> Iterator[tuple[Batch, int]]:
        for chosen in batches_by_length(lengths, config.batch_size, rng):
            yield (tokens_of(model, [texts[place] for place in chosen], config.max_length),), len(chosen)

    for epoch, loss in enumerate(
        _epochs(task, model, heads, batches, len(texts), config, config.pretrain_epochs, None)
    ):
        progress("pretrain", epoch + 1, config.pretrain_epochs, f"words of the catalogue, loss {loss:.4f}")


def _epochs(
    task: nn.Module,
    model: SentenceTransformer,
    heads: list[nn.Parameter],
    batches: Callable[[int], Iterator[tuple[Batch, int]]],
    num_texts: int,
    config: TuneConfig,
    epochs: int,
    ranks: RankSchedule | None,
) -> Iterator[float]:
    """Train with AdamW, warm-up and a linear way to zero; yield the mean loss of each epoch."""
    from lightning_fabric import Fabric

    rate = config.learning_rate or LEARNING_RATES[config.strategy]
    optimizer = torch.optim.AdamW(
        [
            {"params": heads, "lr": HEAD_RATE, "weight_decay": HEAD_DECAY},
            *(
                {
                    "params": [weight],
                    "lr": rate * LAYER_DECAY ** depth_of(model, weight),
                    "weight_decay": config.weight_decay,
                }
                for weight in trainable(model).values()
            ),
        ]
    )
    total = epochs * math.ceil(num_texts / config.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / max(1.0, WARM_UP * total)) * max(0.0, 1 - step / total)
    )
    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed" if bfloat16_is_fast() else "32-true")
    module, prepared = fabric.setup(task, optimizer)

    def scheduled(epoch: int) -> Iterator[tuple[Batch, int]]:
        for number, batch in enumerate(batches(epoch)):
            if epoch or number:  # the step before has been taken
                schedule.step()
                if ranks is not None:
                    ranks.after_step()
            yield batch

    def loss(wrapped: nn.Module, batch: Batch) -> Tensor:
        value: Tensor = wrapped(*batch)
        if config.adversary:
            with fabric.autocast():
                value = value + _against_adversary(task, model, batch, config.adversary)
        return value * len(batch[0]["input_ids"])

    module.train()
    clip = float(config.batch_size)  # the loss is a sum over the batch
    for record in train(module, prepared, loss, scheduled, fabric=fabric, epochs=range(epochs), clip_norm=clip):
        yield record.loss


def _against_adversary(task: nn.Module, model: SentenceTransformer, batch: Batch, length: float) -> Tensor:
    """Return the loss once more with word embeddings moved by `length` along its gradient (FGM, arXiv:1605.07725)."""
    words = model.transformers_model.get_input_embeddings()
    kept: list[Tensor] = []

    def keep(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_(True))
        return kept[-1]

    handle = words.register_forward_hook(keep)
    (slope,) = torch.autograd.grad(task(*batch), kept[0])
    handle.remove()
    step = length * slope / slope.norm(dim=(1, 2), keepdim=True).clamp_min(1e-12)
    handle = words.register_forward_hook(lambda _, __, output: output + step)
    moved: Tensor = task(*batch)
    handle.remove()
    return moved


def _set_dropout(model: SentenceTransformer, share: float) -> None:
    """Leave out hidden units, but no attention: its dropout is slow and did not pay."""
    for module in model.modules():
        attends = hasattr(module, "scaling")
        for child in module.children():
            if isinstance(child, nn.Dropout):
                child.p = 0.0 if attends else share


def _averaged(members: Sequence[TunedWeights]) -> TunedWeights:
    first = members[0]
    if len(members) == 1:
        return first
    tensors = {
        name: torch.stack([member.tensors[name].float() for member in members]).mean(0) for name in first.tensors
    }
    return TunedWeights(
        adaptation=first.adaptation, base=first.base, training_part=first.training_part, tensors=tensors
    )
