"""Values that consist of arrays, as flat named tensors of a file, and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from kg.errors import InputError
from kg.storage.atomic import staged_file

__all__ = ["arrays_below", "below", "flat", "read_tensors", "refuse_non_numbers", "write_tensors"]


def flat(prefix: str, parts: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return arrays, tensors and numbers as tensors named `prefix/name`; what is None is left out."""
    return {f"{prefix}/{name}": _tensor(part) for name, part in parts.items() if part is not None}


def below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors that `flat` named with a prefix, by their own names."""
    start = f"{prefix}/"
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def arrays_below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, NDArray[Any]]:
    """Return the same as NumPy arrays, in the same memory."""
    return {name: tensor.numpy() for name, tensor in below(tensors, prefix).items()}


def write_tensors(file: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a file of named tensors.

    Raises:
        InputError: If one holds values that are infinite or no numbers: every answer from it would be wrong.
    """
    refuse_non_numbers(tensors, file)
    apart: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        # One array may have two names, as where all users have ratings; safetensors wants two arrays.
        twice = any(tensor.data_ptr() == other.data_ptr() for other in apart.values())
        apart[name] = tensor.clone() if twice else tensor.contiguous()
    with staged_file(file) as temporary:
        save_file(apart, temporary)


def refuse_non_numbers(tensors: Mapping[str, Tensor], file: Path) -> None:
    """Raise `InputError` if values are infinite or no numbers."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            wrong = int((~tensor.isfinite()).sum())
            raise InputError(
                f"expected finite weights, found {wrong:,} in {name!r} that are infinite or no numbers; train again, with a "
                "smaller learning rate or step size if that is how they came",
                file=file,
            )


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Map a file of named tensors into memory: what nobody reads is never loaded, and processes share the rest."""
    return load_file(file)


def _tensor(part: Any) -> Tensor:
    if isinstance(part, Tensor):
        return part.contiguous()
    if np.ndim(part) == 0:
        return torch.tensor(part, dtype=torch.int64 if isinstance(part, int) else torch.float64)
    array = np.ascontiguousarray(part)
    return torch.from_numpy(array if array.flags.writeable else array.copy())
