"""Someone or something the model never saw: rows of representations from content and from a few ratings."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, pad
from torch_geometric.data import HeteroData

from kg.schema import ITEM, USER
from models.cold.laplace import drawn_around, mode
from models.cold.newcomer_prior import RowPrior
from models.cold.scale_use import ScaleUse
from models.encoder import parameter_key
from models.inputs import HOP, RATED, RATED_BY, relation_name
from models.posterior import Posterior, Predictor, bilinear, rows_of

__all__ = ["Taste", "item_from_raters", "messages_sent", "taste_from_history"]


@dataclass(frozen=True, eq=False)
class Taste:
    """Someone's side of the bilinear score.

    Attributes:
        rows: `[num_samples, embedding_size + 1]`.
        offsets: `[num_samples, num_levels - 1]`.
        precision_factor: Lower Cholesky factor of the precision with which each sample knows the row,
            `[num_samples, embedding_size + 1, embedding_size + 1]`; None of someone the model has learned.
    """

    rows: Tensor
    offsets: Tensor
    precision_factor: Tensor | None = None

    @property
    def covariance(self) -> Tensor | None:
        """What is still open in each sample, `[num_samples, embedding_size + 1, embedding_size + 1]`."""
        return None if self.precision_factor is None else torch.cholesky_inverse(self.precision_factor)

    def part(self, chosen: slice) -> Taste:
        """Return the taste in some of the samples, in the same memory."""
        factor = None if self.precision_factor is None else self.precision_factor[chosen]
        return Taste(self.rows[chosen], self.offsets[chosen], factor)


@torch.no_grad()
def taste_from_history(
    posterior: Posterior,
    predictor: Predictor,
    data: HeteroData,
    item: Tensor,
    level: Tensor,
    *,
    weight: float = 1.0,
    content: Tensor | None = None,
    prior: RowPrior | None = None,
    scale_use: ScaleUse | None = None,
    generator: torch.Generator,
) -> Taste:
    r"""Return the taste of a newcomer who rated some items, without training.

    The messages from rated items and over two hops are those of any user, believed as far as the prior says. What the row
    is beyond them, $w$, has the posterior
    $p(w \mid r) \propto N(w; \mu, \Sigma) \prod_j P(r_j \mid f_j^0 + \langle w, z_j\rangle)$;
    it is log-concave, so a few Newton steps in every sample find its mode, and one draw from the
    Laplace approximation there keeps the uncertainty that a few ratings leave.

    Args:
        posterior: Kept samples.
        predictor: Rows of known nodes.
        data: The graph inputs the model was trained on.
        item: Rated items, int64 `[num_ratings]`, possibly none.
        level: Index of each rating's level, int64 `[num_ratings]`.
        weight: Evidence of each rating: 1 for one that was given, less for one that is only guessed.
        content: What the person's concepts say, `[num_samples, embedding_size + 1]`; None where none is known.
        prior: What is to be expected of someone with so many ratings (`models.cold.newcomer_prior`). By default $\mu = 0$
            and $\Sigma$ is the variance of the known users' free rows in the sample; without ratings,
            the cold view.
        scale_use: What is to be expected of their use of the scale; by default that it is nobody's own.
        generator: Source of the draws.
    """
    offsets = torch.zeros_like(predictor.thresholds)
    if not len(item) and prior is not None:
        rows = prior.draw(1, generator)[:, 0]
        rows = rows if content is None else rows + prior.believed_content(content[:, None])[:, 0]
        return Taste(rows, offsets, torch.linalg.cholesky(prior.precision))
    if not len(item):
        shared = posterior.samples["cold_users.shared.rows"][:, 0].float()
        residual = posterior.spread("cold_users.residual.rows").sqrt()
        drawn = torch.randn(shared.shape, generator=generator) * residual
        rows = shared + drawn + (0.0 if content is None else content)
        return Taste(rows, offsets, torch.diag_embed(residual.clamp_min(1e-6).reciprocal()))
    prior = prior or _independent(posterior.spread("users.factors.rows"))
    base = prior.believed(_messages(posterior, data, USER, item)).sum(1)
    base = base if content is None else base + prior.believed_content(content[:, None])[:, 0]
    partners = rows_of(predictor.items, item)
    cuts = predictor.thresholds[:, None] + rows_of(predictor.item_offsets, item)
    free, factor = _free_row(base, prior, partners, cuts, level, weight=weight, generator=generator)
    rows = base + free
    if scale_use is not None:
        offsets = scale_use.draw(bilinear(rows[:, None], partners), cuts, level, generator)
    return Taste(rows, offsets, factor)


@torch.no_grad()
def item_from_raters(
    posterior: Posterior,
    predictor: Predictor,
    data: HeteroData,
    user: Tensor,
    level: Tensor,
    *,
    content: Tensor,
    prior: RowPrior | None = None,
    generator: torch.Generator,
) -> Tensor:
    """Return the rows of a new item that known users rated, `[num_samples, embedding_size + 1]`.

    As `taste_from_history`, with the sides exchanged: messages of its raters, and a free row. The raters themselves stay
    as they are.

    Args:
        posterior: Kept samples.
        predictor: Rows of known nodes.
        data: The graph inputs the model was trained on.
        user: Users who rated the item, int64 `[num_ratings]`, at least one.
        level: Index of each rating's level, int64 `[num_ratings]`.
        content: What text and concepts of the item say, `[num_samples, embedding_size + 1]`.
        prior: Prior of the free row beyond content and messages; by default that of the known items' free rows.
        generator: Source of the draws.
    """
    cuts = predictor.thresholds[:, None] + rows_of(predictor.user_offsets, user)
    prior = prior or _independent(posterior.spread("items.factors.rows"))
    base = content + prior.believed(_messages(posterior, data, ITEM, user)).sum(1)
    free, _ = _free_row(base, prior, rows_of(predictor.users, user), cuts, level, generator=generator)
    return base + free


def _independent(variance: Tensor) -> RowPrior:
    return RowPrior(torch.zeros_like(variance), torch.diag_embed(variance.clamp_min(1e-6)))


def _free_row(
    base: Tensor,
    prior: RowPrior,
    partners: Tensor,
    cuts: Tensor,
    level: Tensor,
    *,
    weight: float = 1.0,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Draw what a newcomer's few ratings say beyond `base`, `[num_samples, size]`, and return the Cholesky factor of their precision.

    Args:
        base: What is known without their values, `[num_samples, size]`.
        prior: Prior of the free row.
        partners: Rows of what was rated, or of who rated, `[num_samples, num_ratings, size]`.
        cuts: Their thresholds with offsets, `[num_samples, num_ratings, num_levels - 1]`.
        level: Index of each rating's level, `[num_ratings]`.
        weight: Evidence of each rating.
        generator: Source of the draws.
    """
    design = torch.cat([partners[..., :-1], torch.ones_like(partners[..., -1:])], dim=-1)
    bounded = pad(cuts, (1, 1))
    bounded[..., 0], bounded[..., -1] = -1e4, 1e4
    position = level.expand(len(base), -1)[..., None]
    lower, upper = bounded.gather(2, position)[..., 0], bounded.gather(2, position + 1)[..., 0]
    start = _times(design, base + prior.mean) + partners[..., -1]
    spread = prior.factor
    if design.shape[1] < design.shape[2]:
        # Few ratings tell of the directions of their partners alone: the search needs no others.
        spread = spread @ torch.linalg.qr((design @ spread).mT).Q
    standard, score = _mode(start, design @ spread, lower, upper, weight)
    curvature = _curvature(*_beyond(score, lower, upper), weight)
    factor = torch.linalg.cholesky(design.mT @ (curvature[..., None] * design) + prior.precision)
    return drawn_around(prior.mean + _times(spread, standard), factor, generator), factor


def _mode(start: Tensor, design: Tensor, lower: Tensor, upper: Tensor, weight: float) -> tuple[Tensor, Tensor]:
    r"""Return the most likely $v \sim N(0, I)$, `[num_samples, size]`, and the scores there, `[num_samples, num_ratings]`.

    Args:
        start: Scores at zero, `[num_samples, num_ratings]`.
        design: What each entry of $v$ adds to them, `[num_samples, num_ratings, size]`.
        lower: Threshold below each rating's level, `[num_samples, num_ratings]`.
        upper: Threshold above it.
        weight: Evidence of each rating.
    """

    def scores(row: Tensor) -> Tensor:
        return start + _times(design, row)

    def log_density(row: Tensor) -> Tensor:
        score = scores(row)
        likelihood = (logsigmoid(upper - score) + logsigmoid(score - lower)).sum(1)
        return weight * likelihood - 0.5 * row.square().sum(1)

    def derivatives(row: Tensor) -> tuple[Tensor, Tensor]:
        below, above = _beyond(scores(row), lower, upper)
        curvature = _curvature(below, above, weight)[..., None]
        return weight * _times(design.mT, below + above - 1) - row, design.mT @ (curvature * design) + prior

    prior = torch.eye(design.shape[2])
    row = mode(log_density, derivatives, design.new_zeros(len(design), design.shape[2]))
    return row, scores(row)


def _beyond(score: Tensor, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """Return the chances of a level below the rating's own, and of one not above it."""
    return torch.sigmoid(lower - score), torch.sigmoid(upper - score)


def _curvature(below: Tensor, above: Tensor, weight: float) -> Tensor:
    return weight * (below * (1 - below) + above * (1 - above))


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector[..., None])[..., 0]


@torch.no_grad()
def messages_sent(posterior: Posterior, data: HeteroData, kind: str, nodes: Tensor | None = None) -> Tensor:
    r"""Return what each item adds to whoever rated it, before the weight $1 / \sqrt n$; of items, what each rater adds.

    Args:
        posterior: Kept samples.
        data: The graph inputs the model was trained on.
        kind: Kind of the newcomer, user or item.
        nodes: Which senders, int64 `[num_senders]`; by default all there are.

    Returns:
        `[num_samples, num_senders, size]`.
    """
    tower, edge_type = _interactions(kind)
    tables = f"{tower}.interactions.tables."
    size = posterior.samples[f"{tower}.factors.rows"].shape[2]
    nodes = torch.arange(int(data[edge_type[0]].num_nodes)) if nodes is None else nodes
    found = torch.zeros(len(posterior), len(nodes), size)
    if edge_type in data[kind].interactions and len(senders := data[edge_type].senders):
        table = posterior.samples[tables + parameter_key(relation_name(edge_type))]
        row = torch.searchsorted(senders, nodes).clamp(max=len(senders) - 1)
        # Items nobody rated in training have no row in the table of rated items: they send nothing.
        found += rows_of(table, row).float() * (senders[row] == nodes)[:, None]
    for name, centred in data[kind].hop_sources.items():
        found += centred[nodes] @ posterior.samples[tables + parameter_key(HOP + name)].float()
    return found


def _interactions(kind: str) -> tuple[str, tuple[str, str, str]]:
    return ("users", (ITEM, RATED, USER)) if kind == USER else ("items", (USER, RATED_BY, ITEM))


def _messages(posterior: Posterior, data: HeteroData, kind: str, rated: Tensor) -> Tensor:
    """Return a newcomer's messages from what they rated, or from who rated it, `[num_samples, num_ratings, size]`."""
    return messages_sent(posterior, data, kind, rated) * max(len(rated), 1) ** -0.5
