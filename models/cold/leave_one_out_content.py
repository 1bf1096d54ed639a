"""What the concepts of a known node would say of it, had they been learned from all others."""

from __future__ import annotations

import torch
from torch import Tensor

from models.network.encoder import Messages
from models.posterior import SampledNetwork

__all__ = ["leave_one_out_content"]


@torch.no_grad()
def leave_one_out_content(samples: SampledNetwork, kind: str, counts: Tensor) -> Tensor:
    r"""Return content of all nodes without what each taught its own concepts, half precision, `[num_samples, num_nodes, size]`.

    Given the rest of a sample, the row of concept $c$ is a mean of what its $n_c = \sum_v w_{vc}^2$ rated nodes are beyond
    everything else, pulled to 0 as by $\kappa_r = \mathrm{var}(\epsilon) / \mathrm{var}(V_r)$ more, with $\epsilon_v$ the free
    rows and $V_r$ the relation's table. Without node $u$ it would be $V_c - w_{uc} \epsilon_u / (n_c - w_{uc}^2 + \kappa_r)$,
    the formula of leave-one-out residuals. So those who are known stand as newcomers with the same concepts do.

    Args:
        samples: The trained network.
        kind: `user` or `item`.
        counts: Number of training ratings of each node, `[num_nodes]`.
    """
    posterior = samples.posterior
    shares, spread = _shares(samples.network.messages(kind).content, counts > 0), posterior.factor_variance(kind)
    pulls = {name: spread / posterior.content_variance(kind, name).clamp_min(1e-8) for name in shares}
    content = samples.content_embeddings(kind)
    for number, epsilon in enumerate(posterior.factors(kind)):
        own = torch.zeros_like(epsilon)
        for name, (node, squared, others) in shares.items():
            own.index_add_(0, node, squared[:, None] / (others[:, None] + pulls[name][number]))
        content[number] -= own * epsilon
    return content.half()


def _shares(messages: Messages, known: Tensor) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """Return by relation the receiver of each edge, its squared weight, and the sum of those of the sender's other rated nodes."""
    if messages.operator is None:
        return {}
    matrix = messages.operator.matrix.to_sparse_coo().coalesce()
    (node, column), squared = matrix.indices(), matrix.values().square()
    total = torch.zeros(matrix.shape[1]).index_add_(0, column, squared * known[node])
    others = (total[column] - squared).clamp_min(0)
    shares, start = {}, 0
    for name, width in messages.num_sources.items():
        of_relation = (column >= start) & (column < start + width)
        shares[name], start = (node[of_relation], squared[of_relation], others[of_relation]), start + width
    return shares
