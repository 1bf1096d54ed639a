"""Someone or something the model never saw: rows of representations from content and from a few ratings."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, pad
from torch_geometric.data import HeteroData

from kg.schema import ITEM, USER
from models.cold.newcomer_prior import RowPrior
from models.encoder import parameter_key
from models.inputs import HOP, RATED, RATED_BY, relation_name
from models.posterior import Posterior, Predictor

__all__ = ["Taste", "item_from_raters", "messages_sent", "taste_from_history"]

NEWTON_STEPS = 8
HALVINGS = 8
CONVERGED = 1e-4  # of the largest step, in units of the latent scale


@dataclass(frozen=True, eq=False)
class Taste:
    """Someone's side of the bilinear score.

    Attributes:
        rows: `[num_samples, embedding_size + 1]`.
        offsets: `[num_samples, num_levels - 1]`.
        covariance: What is still open in each sample, `[num_samples, embedding_size + 1, embedding_size + 1]`; None of
            someone the model has learned.
    """

    rows: Tensor
    offsets: Tensor
    covariance: Tensor | None = None


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
    generator: torch.Generator,
) -> Taste:
    r"""Return the taste of a newcomer who rated some items, without training.

    The messages from rated items and over two hops are those of any user. The free row $w$ has the posterior
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
        prior: $\mu$ and $\Sigma$ (`models.cold.newcomer_prior`) of someone of whom the ratings are all that is known. By default
            $\mu = 0$ and $\Sigma$ is the variance of the known users' free rows in the sample; without ratings,
            the cold view.
        generator: Source of the draws.
    """
    offsets = torch.zeros_like(predictor.thresholds)
    if not len(item) and prior is not None:
        return Taste(prior.draw(generator), offsets, prior.covariance)
    if not len(item):
        shared = posterior.samples["cold_users.shared.rows"][:, 0].float()
        residual = posterior.spread("cold_users.residual.rows").sqrt()
        drawn = torch.randn(shared.shape, generator=generator) * residual
        rows = shared + drawn + (0.0 if content is None else content)
        return Taste(rows, offsets, torch.diag_embed(residual.square()))
    base = _messages(posterior, data, USER, item)
    base = base if content is None else base + content
    free, covariance = _free_row(
        base,
        prior or _independent(posterior.spread("users.factors.rows")),
        predictor.items[:, item],
        predictor.thresholds[:, None] + predictor.item_offsets[:, item],
        level,
        weight=weight,
        generator=generator,
    )
    return Taste(base + free, offsets, covariance)


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
    base = content + _messages(posterior, data, ITEM, user)
    cuts = predictor.thresholds[:, None] + predictor.user_offsets[:, user]
    prior = prior or _independent(posterior.spread("items.factors.rows"))
    free, _ = _free_row(base, prior, predictor.users[:, user], cuts, level, generator=generator)
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
    """Draw what a newcomer's few ratings say beyond `base`, `[num_samples, size]`, and return the covariance of the draws.

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
    fixed = _times(design, base) + partners[..., -1]
    bounded = pad(cuts, (1, 1))
    bounded[..., 0], bounded[..., -1] = -1e4, 1e4
    position = level.expand(len(base), -1)[..., None]
    lower, upper = bounded.gather(2, position)[..., 0], bounded.gather(2, position + 1)[..., 0]
    mean, precision = prior.mean, torch.cholesky_inverse(torch.linalg.cholesky(prior.covariance))
    free = mean.clone()

    def log_density(score: Tensor, row: Tensor) -> Tensor:
        likelihood = (logsigmoid(upper - score) + logsigmoid(score - lower)).sum(1)
        off = row - mean
        return weight * likelihood - 0.5 * (off * _times(precision, off)).sum(1)

    score = fixed + _times(design, free)
    here = log_density(score, free)
    for _ in range(NEWTON_STEPS):
        below, above = torch.sigmoid(lower - score), torch.sigmoid(upper - score)
        gradient = weight * ((below + above - 1)[:, None] @ design)[:, 0] - _times(precision, free - mean)
        curvature = weight * (below * (1 - below) + above * (1 - above))
        factor = torch.linalg.cholesky(design.mT @ (curvature[..., None] * design) + precision)
        step = torch.cholesky_solve(gradient[..., None], factor)[..., 0]
        along = _times(design, step)
        # Undamped, a step can swing between the likelihood's flat tails for ever.
        length = torch.ones_like(step[:, :1])
        there = log_density(score + along, free + step)
        for _ in range(HALVINGS):
            worse = (there < here)[:, None]
            if not worse.any():
                break
            length = torch.where(worse, length / 2, length)
            there = log_density(score + length * along, free + length * step)
        free, score, here = free + length * step, score + length * along, there
        if float((length * step).abs().max()) < CONVERGED:
            break
    drawn = torch.randn(free.shape, generator=generator)
    drawn = torch.linalg.solve_triangular(factor.mT, drawn[..., None], upper=True)[..., 0]
    return free + drawn, torch.cholesky_inverse(factor)


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector[..., None])[..., 0]


@torch.no_grad()
def messages_sent(posterior: Posterior, data: HeteroData, kind: str) -> Tensor:
    r"""Return what each item adds to whoever rated it, before the weight $1 / \sqrt n$; of items, what each rater adds.

    Args:
        posterior: Kept samples.
        data: The graph inputs the model was trained on.
        kind: Kind of the newcomer, user or item.

    Returns:
        `[num_samples, num_senders, size]`.
    """
    tower, edge_type = _interactions(kind)
    tables = f"{tower}.interactions.tables."
    size = posterior.samples[f"{tower}.factors.rows"].shape[2]
    found = torch.zeros(len(posterior), int(data[edge_type[0]].num_nodes), size)
    if edge_type in data[kind].interactions:
        table = posterior.samples[tables + parameter_key(relation_name(edge_type))]
        found[:, data[edge_type].senders] = table.float()
    for name, centred in data[kind].hop_sources.items():
        found += centred @ posterior.samples[tables + parameter_key(HOP + name)].float()
    return found


def _interactions(kind: str) -> tuple[str, tuple[str, str, str]]:
    return ("users", (ITEM, RATED, USER)) if kind == USER else ("items", (USER, RATED_BY, ITEM))


def _messages(posterior: Posterior, data: HeteroData, kind: str, rated: Tensor) -> Tensor:
    """Return the sum of a newcomer's messages in every sample, `[num_samples, size]`.

    Args:
        posterior: Kept samples.
        data: The graph inputs the model was trained on.
        kind: Kind of the newcomer, user or item.
        rated: What the newcomer rated, or who rated it, indices `[num_ratings]`.
    """
    tower, edge_type = _interactions(kind)

    def table(name: str) -> Tensor:
        return posterior.samples[f"{tower}.interactions.tables.{parameter_key(name)}"]

    share = max(len(rated), 1) ** -0.5
    total = torch.zeros(len(posterior), posterior.samples[f"{tower}.factors.rows"].shape[2])
    if edge_type in data[kind].interactions:
        # Items nobody rated in training have no row in the table of rated items: they send nothing.
        sends = torch.isin(data[edge_type].senders, rated)
        total = total + table(relation_name(edge_type))[:, sends].float().sum(1) * share
    for name, centred in data[kind].hop_sources.items():
        total = total + (centred[rated].sum(0) * share) @ table(HOP + name).float()
    return total
