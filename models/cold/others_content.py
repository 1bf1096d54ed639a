"""What the concepts of a known node would say of it, had they been learned from all others."""

from __future__ import annotations

import torch
from torch import Tensor

from models.cold.residuals import content_rows
from models.encoder import Messages, RelationalEncoder, parameter_key
from models.posterior import Posterior

__all__ = ["content_from_others"]


@torch.no_grad()
def content_from_others(
    posterior: Posterior, encoder: RelationalEncoder, side: str, messages: Messages, counts: Tensor
) -> Tensor:
    r"""Return content of all nodes without what each taught its own concepts, half precision, `[num_samples, num_nodes, size]`.

    Given the rest of a sample, the row of concept $c$ is a mean of what its $n_c = \sum_v w_{vc}^2$ rated nodes are beyond
    everything else, pulled to 0 as by $\kappa_r = \mathrm{var}(\epsilon) / \mathrm{var}(V_r)$ more, with $\epsilon_v$ the free
    rows and $V_r$ the relation's table. Without node $u$ it would be $V_c - w_{uc} \epsilon_u / (n_c - w_{uc}^2 + \kappa_r)$,
    the formula of leave-one-out residuals. So those who are known stand as newcomers with the same concepts do.

    Args:
        posterior: Kept samples.
        encoder: The content encoder of the kind.
        side: Name of its tower in the samples, `users` or `items`.
        messages: Content messages to the nodes.
        counts: Number of training ratings of each node, `[num_nodes]`.
    """
    free, shares = f"{side}.factors.rows", _shares(messages, counts > 0)
    spread, found = posterior.spread(free), []
    pulls = {
        name: spread / posterior.spread(f"{side}.content.tables.{parameter_key(name)}").clamp_min(1e-8)
        for name in shares
    }
    for number in range(len(posterior)):
        epsilon = posterior.samples[free][number].float()
        own = torch.zeros_like(epsilon)
        for name, (node, squared, others) in shares.items():
            own.index_add_(0, node, squared[:, None] / (others[:, None] + pulls[name][number]))
        found.append((content_rows(posterior, encoder, side, messages, number) - own * epsilon).half())
    return torch.stack(found)


def _shares(messages: Messages, known: Tensor) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """Return by relation the receiver of each edge, its squared weight, and the sum of those of the sender's other rated nodes."""
    if messages.operator is None:
        return {}
    matrix = messages.operator.matrix.to_sparse_coo().coalesce()
    (node, column), squared = matrix.indices(), matrix.values().square()
    total = torch.zeros(matrix.shape[1]).index_add_(0, column, squared * known[node])
    others = (total[column] - squared).clamp_min(0)
    found, start = {}, 0
    for name, width in messages.num_sources.items():
        mine = (column >= start) & (column < start + width)
        found[name], start = (node[mine], squared[mine], others[mine]), start + width
    return found
