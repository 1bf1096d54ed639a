"""What content cannot say of a node that nobody has rated: drawn from what it cannot say of rated ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import torch
from torch import Tensor

from models.posterior import SampledNetwork

__all__ = ["Residuals", "drawn_residuals"]


def drawn_residuals(beyond: Tensor, counts: Tensor, num_rows: int, generator: torch.Generator) -> Tensor:
    """Draw residuals of unrated nodes in one sample, `[num_rows, size]`.

    Each is that of a rated node, picked by its number of ratings, around the mean of all: so the dimensions vary
    together as they really do.

    Args:
        beyond: What the rated nodes have beyond content and what all share, `[num_nodes, size]`.
        counts: Number of ratings of each node, `[num_nodes]`.
        num_rows: Number of nodes to draw for.
        generator: Source of the draws.
    """
    weight = counts.float()
    picked = torch.multinomial(weight, num_rows, replacement=True, generator=generator)
    return beyond[picked] - weight @ beyond / weight.sum()


@dataclass(frozen=True, eq=False)
class Residuals:
    """Residuals of the rated nodes of one kind in every sample, for nodes without ratings.

    What a node has beyond its content understates what content leaves open of another, since the node taught its own
    concepts; beyond content that only the others taught (`models.cold.leave_one_out_content`) it overstates it, since each
    relation gives its share back as if the others stayed. Where both are known a residual is the mean of the two.

    Attributes:
        beyond: Half precision, `[num_samples, num_nodes, size]`.
        mean: Their mean by number of ratings, `[num_samples, size]`.
        counts: Numbers of training ratings, `[num_nodes]`.
        expected: What is to be expected of a node, beyond its content and what all share, `[num_samples, size]`; None: nothing.
    """

    beyond: Tensor
    mean: Tensor
    counts: Tensor
    expected: Tensor | None = None

    @classmethod
    @torch.no_grad()
    def of(
        cls,
        samples: SampledNetwork,
        kind: str,
        counts: Tensor,
        *,
        beyond_others: Tensor | None = None,
        expected: Tensor | None = None,
    ) -> Residuals:
        """Take them from the embeddings of rated nodes.

        Args:
            samples: The trained network, in the samples that answer for new nodes.
            kind: `user` or `item`.
            counts: Numbers of training ratings, `[num_nodes]`.
            beyond_others: What nodes are beyond content that the others taught, `[num_samples, num_nodes, size]`, if known.
            expected: What is to be expected of a node beyond its content, `[num_samples, size]`; by default what all share.
        """
        shared, content, rows = (
            samples.posterior.shared(kind),
            samples.content_embeddings(kind),
            samples.embeddings(kind),
        )
        weight = counts.float() / counts.sum().clamp_min(1)
        beyond, means = [], []
        for number in range(len(samples)):
            residual = rows[number] - content[number]
            if beyond_others is not None:
                residual = (residual + beyond_others[number]) / 2
            residual = residual - shared[number]
            beyond.append(residual.half())
            means.append(weight @ residual)
        return cls(torch.stack(beyond), torch.stack(means), counts, None if expected is None else expected - shared)

    @cached_property
    def _up_to(self) -> Tensor:
        """Ratings of each node and all before it: a draw by numbers of ratings finds its node among them."""
        return self.counts.double().cumsum(0)

    def draw(self, kind: str, ids: Sequence[str]) -> Tensor:
        """Draw residuals for nodes without ratings, `[num_samples, num_nodes, size]`, the same ones for the same id.

        As in training (`drawn_residuals`), every second sample holds the mirror image of the one before, here around what is
        expected. A single sample has no spread to draw from: there a node is its content and what is expected.
        """
        num_samples, _, size = self.beyond.shape
        residuals = torch.zeros(num_samples, len(ids), size)
        even = torch.arange(0, num_samples, 2)
        for place, raw_id in enumerate(ids if num_samples > 1 and int(self.counts.sum()) else ()):
            seed = int.from_bytes(sha256(f"{kind}\n{raw_id}".encode()).digest()[:7])
            generator = torch.Generator().manual_seed(seed)
            chance = torch.rand(len(even), generator=generator, dtype=torch.float64)
            picked = torch.searchsorted(self._up_to, chance * self._up_to[-1], right=True)
            drawn = self.beyond[even, picked].float() - self.mean[even]
            residuals[0::2, place] = drawn
            residuals[1::2, place] = -drawn[: num_samples // 2]
        return residuals if self.expected is None else residuals + self.expected[:, None]
