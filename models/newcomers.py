"""Someone the model never saw: a row of representations from a few ratings."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, pad
from torch_geometric.data import HeteroData

from kg.schema import ITEM, USER
from models.encoder import parameter_key
from models.inputs import HOP, RATED, relation_name
from models.posterior import Posterior, Predictor

__all__ = ["Taste", "taste_from_history"]

NEWTON_STEPS = 8
HALVINGS = 8


@dataclass(frozen=True, eq=False)
class Taste:
    """Someone's side of the bilinear score.

    Attributes:
        rows: `[num_samples, embedding_size + 1]`.
        offsets: `[num_samples, num_levels - 1]`.
    """

    rows: Tensor
    offsets: Tensor


@torch.no_grad()
def taste_from_history(
    posterior: Posterior,
    predictor: Predictor,
    data: HeteroData,
    item: Tensor,
    level: Tensor,
    *,
    weight: float = 1.0,
    generator: torch.Generator,
) -> Taste:
    r"""Return the taste of a newcomer who rated some items, without training.

    The messages from rated items and over two hops are those of any user. The free row $w$ has, with
    $\tau^2$ the variance of the known users' rows in the sample, the posterior $p(w \mid r) \propto N(w; 0, \tau^2) \prod_j P(r_j \mid f_j^0 + \langle w, z_j\rangle)$;
    it is log-concave, so a few Newton steps in every sample find its mode, and one draw from the
    Laplace approximation there keeps the uncertainty that a few ratings leave.

    Args:
        posterior: Kept samples.
        predictor: Rows of known nodes.
        data: The graph inputs the model was trained on.
        item: Rated items, int64 `[num_ratings]`, possibly none.
        level: Index of each rating's level, int64 `[num_ratings]`.
        weight: Evidence of each rating: 1 for one that was given, less for one that is only guessed.
        generator: Source of the draws.
    """
    base = _messages(posterior, data, item)
    variance = posterior.samples["users.factors.rows"].float().var(dim=1, unbiased=False)
    if not len(item):
        shared = posterior.samples["cold_users.shared.rows"][:, 0].float()
        residual = posterior.samples["cold_users.residual.rows"].float().std(dim=1, unbiased=False)
        drawn = torch.randn(base.shape, generator=generator) * residual
        return Taste(shared + drawn, torch.zeros_like(predictor.thresholds))
    partners = predictor.items[:, item]
    design = torch.cat([partners[..., :-1], torch.ones_like(partners[..., -1:])], dim=-1)
    fixed = (design @ base[..., None])[..., 0] + partners[..., -1]
    cuts = pad(predictor.thresholds, (1, 1))
    cuts[:, 0], cuts[:, -1] = -1e4, 1e4
    offsets = pad(predictor.item_offsets[:, item], (1, 1))
    position = level.expand(len(base), -1)
    lower = cuts.gather(1, position) + offsets.gather(2, position[..., None])[..., 0]
    upper = cuts.gather(1, position + 1) + offsets.gather(2, position[..., None] + 1)[..., 0]
    free = torch.zeros_like(base)
    precision = torch.diag_embed(1.0 / variance.clamp_min(1e-6))

    def log_density(row: Tensor) -> Tensor:
        score = fixed + (design @ row[..., None])[..., 0]
        likelihood = (logsigmoid(upper - score) + logsigmoid(score - lower)).sum(1)
        return weight * likelihood - 0.5 * (row[:, None] @ precision @ row[..., None])[:, 0, 0]

    for _ in range(NEWTON_STEPS):
        score = fixed + (design @ free[..., None])[..., 0]
        below, above = torch.sigmoid(lower - score), torch.sigmoid(upper - score)
        gradient = weight * ((below + above - 1)[:, None] @ design)[:, 0] - (precision @ free[..., None])[..., 0]
        curvature = weight * (below * (1 - below) + above * (1 - above))
        factor = torch.linalg.cholesky(design.mT @ (curvature[..., None] * design) + precision)
        step = torch.cholesky_solve(gradient[..., None], factor)[..., 0]
        # Undamped, a step can swing between the likelihood's flat tails for ever.
        length, here = torch.ones_like(step[:, :1]), log_density(free)
        for _ in range(HALVINGS):
            length = torch.where((log_density(free + length * step) < here)[:, None], length / 2, length)
        free = free + length * step
    drawn = torch.randn(free.shape, generator=generator)
    free = free + torch.linalg.solve_triangular(factor.mT, drawn[..., None], upper=True)[..., 0]
    return Taste(base + free, torch.zeros_like(predictor.thresholds))


def _messages(posterior: Posterior, data: HeteroData, item: Tensor) -> Tensor:
    """Return the sum of a newcomer's messages in every sample, `[num_samples, size]`."""

    def table(name: str) -> Tensor:
        return posterior.samples[f"users.interactions.tables.{parameter_key(name)}"]

    share = max(len(item), 1) ** -0.5
    total = torch.zeros(len(posterior), posterior.samples["users.factors.rows"].shape[2])
    rated = relation_name((ITEM, RATED, USER))
    if (ITEM, RATED, USER) in data[USER].interactions:
        # Items nobody rated in training have no row in the table of rated items: they send nothing.
        senders = data[ITEM, RATED, USER].senders
        total = total + table(rated)[:, torch.isin(senders, item)].float().sum(1) * share
    for name, centred in data[USER].hop_sources.items():
        total = total + (centred[item].sum(0) * share) @ table(HOP + name).float()
    return total
