"""The difference between a tuned encoder and the one it came from, as a value that a run keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from kg.errors import InputError
from kg.storage.atomic import staged_file
from models.language.adaptation import Adaptation, adapt, trainable

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["TunedWeights"]


@dataclass(frozen=True, kw_only=True, eq=False)
class TunedWeights:
    """What tuning changed of an encoder: 14 MB for two layers of MiniLM and 1.4 MB for LoRA, where the whole has 90.

    Attributes:
        adaptation: Which weights were trained.
        base: Fingerprint of the encoder before.
        training_part: Fingerprint of the ratings it was tuned on; it remembers them, so that it may serve no other split.
        tensors: The trained weights by name.
        record: What the tuning took and reached, for reports.
    """

    adaptation: Adaptation
    base: str
    training_part: str
    tensors: Mapping[str, Tensor]
    record: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, encoder: SentenceTransformer, adaptation: Adaptation, *, base: str, training_part: str) -> TunedWeights:
        """Take the trained weights out of an adapted encoder."""
        tensors = {name: weight.detach().clone().contiguous() for name, weight in trainable(encoder).items()}
        return cls(adaptation=adaptation, base=base, training_part=training_part, tensors=tensors)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of everything that decides a vector beside the encoder before."""
        digest = sha256(json.dumps(asdict(self.adaptation), sort_keys=True).encode())
        for name, tensor in sorted(self.tensors.items()):
            digest.update(name.encode())
            digest.update(tensor.detach().float().contiguous().numpy().tobytes())
        return digest.hexdigest()[:32]

    def put_into(self, encoder: SentenceTransformer) -> None:
        """Adapt a freshly loaded encoder and give it the trained weights; in place."""
        adapt(encoder, self.adaptation)
        unknown = self.tensors.keys() - encoder.state_dict().keys()
        if unknown:
            raise InputError(
                f"the tuned weights hold {min(unknown)!r}, which the encoder does not have; it is not the one they came from"
            )
        encoder.load_state_dict(dict(self.tensors), strict=False)

    def write(self, file: Path) -> None:
        """Write as one safetensors file, whole or not at all."""
        facts = {
            "adaptation": json.dumps(asdict(self.adaptation)),
            "base": self.base,
            "training_part": self.training_part,
            "record": json.dumps(dict(self.record)),
        }
        with staged_file(file) as temporary:
            save_file(dict(self.tensors), temporary, metadata=facts)

    @classmethod
    def read(cls, file: Path) -> TunedWeights:
        """Read what `write` wrote.

        Raises:
            InputError: If the file is damaged.
        """
        try:
            with safe_open(file, framework="pt") as opened:
                facts = opened.metadata()
                tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
                adaptation = Adaptation(**json.loads(facts["adaptation"]))
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise InputError("expected the tuned weights of an encoder, found something else", file=file) from error
        return cls(
            adaptation=adaptation,
            base=facts["base"],
            training_part=facts["training_part"],
            tensors=tensors,
            record=json.loads(facts.get("record", "{}")),
        )
