"""Embeddings whose last column is a bias, and the bilinear score of two of them."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["bilinear", "with_one"]


def with_one(embeddings: Tensor) -> Tensor:
    r"""Return $\tilde z = (z, 1)$: the factors, and a one in place of the bias; what a score is linear in from the other side."""
    return torch.cat([embeddings[..., :-1], torch.ones_like(embeddings[..., -1:])], dim=-1)


def bilinear(users: Tensor, items: Tensor) -> Tensor:
    r"""Return $\langle z_u, z_i \rangle + b_u + b_i$ over the last dimension, whose last column is the bias."""
    inner = (users[..., None, :-1] @ items[..., :-1, None])[..., 0, 0]
    return inner + users[..., -1] + items[..., -1]
