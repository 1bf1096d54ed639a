"""The state of an unfinished run, so that a killed one goes on and ends as if nothing had happened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.optim import Optimizer

from kg.storage.atomic import staged_file

__all__ = ["Checkpoint", "optimizer_tensors", "restore_optimizer"]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Everything a run needs to go on.

    Attributes:
        state: JSON values: identity of the run, chain, next epoch, history.
        tensors: Parameters, optimizer, random state, kept samples; by name.
    """

    state: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    @classmethod
    def of(cls, state: Mapping[str, Any], **parts: Tensor | Mapping[str, Tensor]) -> Checkpoint:
        """Return a checkpoint of tensors and of groups of tensors, which `part("group/")` returns."""
        tensors: dict[str, Tensor] = {}
        for group, part in parts.items():
            named = {group: part} if isinstance(part, Tensor) else {f"{group}/{name}": part[name] for name in part}
            tensors |= named
        return cls(state, tensors)

    def write(self, file: Path) -> None:
        """Write as one file, whole or not at all."""
        tensors = {name: tensor.detach().contiguous() for name, tensor in self.tensors.items()}
        with staged_file(file) as temporary:  # straight from the tensors: in memory, samples would be there twice
            save_file(tensors, temporary, metadata={"state": json.dumps(self.state)})

    @classmethod
    def read(cls, file: Path) -> Checkpoint | None:
        """Read a checkpoint; None if there is none or it is damaged."""
        try:
            with safe_open(file, framework="pt") as opened:
                state = json.loads(opened.metadata()["state"])
                return cls(state, {name: opened.get_tensor(name) for name in opened.keys()})  # noqa: SIM118
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return None

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors below a prefix, without it."""
        return {name.removeprefix(prefix): tensor for name, tensor in self.tensors.items() if name.startswith(prefix)}


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's state as flat named tensors."""
    return {
        f"{number}/{name}": torch.as_tensor(value)
        for number, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }


def restore_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` returned."""
    whole = optimizer.state_dict()
    state: dict[int, dict[str, Tensor]] = {}
    for path, tensor in tensors.items():
        number, _, name = path.partition("/")
        state.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({**whole, "state": state})
