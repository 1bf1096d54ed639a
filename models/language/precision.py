"""Which numbers an encoder calculates in."""

from __future__ import annotations

from typing import Literal

import torch

__all__ = ["Precision", "bfloat16_is_fast"]

Precision = Literal["float32", "bfloat16"]

_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "amx_tile", "bf16")


def bfloat16_is_fast() -> bool:
    """Return whether this processor multiplies in bfloat16; others only imitate it, slower than float32."""
    capabilities = torch.cpu.get_capabilities()
    return any(bool(capabilities.get(name)) for name in _INSTRUCTIONS)
