"""A tuned encoder as a folder that sentence-transformers reads without this package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from kg.errors import InputError
from kg.storage.atomic import staged_directory
from models.language.added_weights import Bottleneck, Prefix, VectorMap

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["TUNED_ON", "export_encoder", "tuned_on"]

TUNED_ON = "tuned_on.json"


def export_encoder(encoder: SentenceTransformer, folder: Path, *, training_part: str | None) -> None:
    """Write an encoder as plain weights, whole or not at all; what was added is multiplied into them.

    Args:
        encoder: Loaded with its tuned weights; it is changed.
        folder: A new directory.
        training_part: Fingerprint of the ratings it was tuned on, which goes with it; None of one that was not tuned.

    Raises:
        InputError: If it has weights that only this package can run.
    """
    if folder.exists():
        raise InputError("something is here already; give a new directory", file=folder)
    if any(isinstance(module, Prefix | Bottleneck) for module in encoder.modules()):
        raise InputError(
            "an encoder tuned by prefix or adapter has weights that sentence-transformers cannot run; "
            "train with text.tune.strategy=lora, top, full or projection to export it"
        )
    _merge(encoder)
    with staged_directory(folder) as temporary:
        encoder.save(str(temporary), create_model_card=False)
        if training_part is not None:
            (temporary / TUNED_ON).write_text(json.dumps({"training_part": training_part}) + "\n")


def tuned_on(folder: Path) -> str | None:
    """Return the fingerprint of the ratings that the encoder of a folder was tuned on; None if on none of ours."""
    file = folder / TUNED_ON
    if not file.exists():
        return None
    try:
        return str(json.loads(file.read_bytes())["training_part"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("expected the fingerprint of a training part", file=file) from error


@torch.no_grad()
def _merge(encoder: SentenceTransformer) -> None:
    from peft.tuners.tuners_utils import BaseTunerLayer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize

    for parent in list(encoder.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, BaseTunerLayer):
                child.merge()
                setattr(parent, name, child.get_base_layer())
    if isinstance(encoder[-1], VectorMap):
        difference = encoder.pop(-1).difference.weight
        size = len(difference)
        dense = Dense(
            size, size, bias=False, activation_function=nn.Identity(), init_weight=difference + torch.eye(size)
        )
        encoder.append(dense)
        encoder.append(Normalize())
