"""The encoder that an experiment reads texts with: tuned on its training part, or found tuned already."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

from kg.errors import InputError
from kg.ratings import Ratings
from kg.storage.cache_directory import default_cache_directory
from models.language.export import tuned_on
from models.language.tuned_weights import TunedWeights
from models.text import TextEncoder
from training.progress import Progress, silent
from training.tuning.tune_config import TuneConfig
from training.tuning.tune_encoder import tune_encoder

__all__ = ["fingerprint_of", "tuned_encoder"]

logger = logging.getLogger(__name__)


def fingerprint_of(train: Ratings) -> str:
    """Return the identity of a training part: hash of who rated what how."""
    digest = sha256(f"{train.num_users} {train.num_items}".encode())
    for part in (train.user, train.item, train.value):
        digest.update(part.tobytes())
    return digest.hexdigest()[:32]


def tuned_encoder(
    base: TextEncoder,
    texts: Sequence[str | None],
    train: Ratings,
    config: TuneConfig,
    *,
    implicit: bool,
    seed: int,
    progress: Progress = silent,
) -> TextEncoder:
    """Return the encoder tuned on a training part; the same tuning is done once and kept beside the vectors.

    Args:
        base: The encoder before.
        texts: What is known of each item in words.
        train: Training ratings.
        config: How to tune.
        implicit: Whether a rating only says that a user chose an item.
        seed: Seed of the tuning.
        progress: Called with (stage, done, total, message).

    Raises:
        InputError: If the encoder is one of ours that was tuned on another training part, whose ratings it remembers.
    """
    part = fingerprint_of(train)
    origin = tuned_on(base.folder)
    if origin not in (None, part):
        raise InputError(
            f"the encoder in {base.folder} was tuned on other ratings, among which those held out here may be; "
            "train with the split it was tuned on, or start from the encoder before"
        )
    known = [text for text in texts if text is not None]
    if config.strategy == "frozen" or not known or not len(train):
        return base
    identity = "\n".join([part, base.base_fingerprint, config.model_dump_json(), str(seed), str(implicit), *known])
    file = (
        (base.cache_directory or default_cache_directory())
        / "tuned"
        / f"{sha256(identity.encode()).hexdigest()[:32]}.safetensors"
    )
    weights = _found(file)
    if weights is None:
        started = time.process_time()
        weights, record = tune_encoder(
            base, texts, train, config, implicit=implicit, training_part=part, seed=seed, progress=progress
        )
        weights = replace(weights, record={**asdict(record), "seconds": round(time.process_time() - started, 1)})
        file.parent.mkdir(parents=True, exist_ok=True)
        weights.write(file)
    return TextEncoder(
        base.name,
        max_length=base.max_length,
        batch_size=base.batch_size,
        device=base.device,
        cache=base.cache_directory,
        tuned=weights,
        precision=base.precision,
    )


def _found(file: Path) -> TunedWeights | None:
    if not file.exists():
        return None
    try:
        return TunedWeights.read(file)
    except InputError as error:
        logger.warning("tunes again: %s", error)
        return None
