"""Someone or something the model never saw: rows of representations from content and from a few ratings."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kg.schema import ITEM, USER
from models.cold.cold_start_prior import EmbeddingPrior
from models.cold.latent_factors import LatentFactors
from models.cold.user_thresholds import UserThresholds
from models.inputs import relation_name
from models.network.graph_inputs import GraphInputs
from models.network.message_names import HOP, RATED, RATED_BY
from models.posterior import Posterior, Predictor, rows_of

__all__ = ["UserEmbedding", "item_from_raters", "messages_sent", "user_embedding_from_history"]


@dataclass(frozen=True, eq=False)
class UserEmbedding:
    """Someone's side of the bilinear score.

    Attributes:
        rows: `[num_samples, embedding_size + 1]`.
        preferences: For levels, `[num_samples, num_levels]`.
        precision: How well each sample knows the row, `[num_samples, embedding_size + 1, embedding_size + 1]`; None of
            someone the model has learned.
    """

    rows: Tensor
    preferences: Tensor
    precision: Tensor | None = None

    @classmethod
    def learned(cls, predictor: Predictor, user: int) -> UserEmbedding:
        """Return the taste of a user whom the model knows, in the same memory."""
        return cls(predictor.users[:, user], predictor.preferences[:, user])

    @property
    def covariance(self) -> Tensor | None:
        """What is still open in each sample, `[num_samples, embedding_size + 1, embedding_size + 1]`."""
        return None if self.precision is None else torch.cholesky_inverse(torch.linalg.cholesky(self.precision))

    def part(self, chosen: slice) -> UserEmbedding:
        """Return the taste in some of the samples, in the same memory."""
        precision = None if self.precision is None else self.precision[chosen]
        return UserEmbedding(self.rows[chosen], self.preferences[chosen], precision)


@torch.no_grad()
def user_embedding_from_history(
    posterior: Posterior,
    predictor: Predictor,
    data: GraphInputs,
    item: Tensor,
    level: Tensor,
    *,
    weight: float = 1.0,
    content: Tensor | None = None,
    prior: EmbeddingPrior | None = None,
    user_thresholds: UserThresholds | None = None,
    generator: torch.Generator,
) -> UserEmbedding:
    r"""Return the taste of a newcomer who rated some items, without training.

    The messages from rated items and over two hops are those of any user, believed as far as the prior says. What the row
    is beyond them, $w$, has the posterior
    $p(w \mid r) \propto N(w; \mu, \Sigma) \prod_j P(r_j \mid f_j^0 + \langle w, z_j\rangle)$ (`models.cold.latent_factors`);
    a few scoring steps in every sample find its mode, and one draw from the Laplace approximation there keeps the
    uncertainty that a few ratings leave. Preferences for levels are found and drawn together with it.

    Args:
        posterior: Kept samples.
        predictor: Rows of known nodes.
        data: The graph inputs the model was trained on.
        item: Rated items, int64 `[num_ratings]`, possibly none.
        level: Index of each rating's level, int64 `[num_ratings]`.
        weight: Evidence of each rating: 1 for one that was given, less for one that is only guessed.
        content: What the person's concepts say, `[num_samples, embedding_size + 1]`; None where none is known.
        prior: What is to be expected of someone with so many ratings (`models.cold.cold_start_prior`). By default $\mu = 0$
            and $\Sigma$ is the covariance of the known users' free rows in the sample; without ratings,
            the cold view.
        user_thresholds: What is to be expected of their use of the scale; by default that it is nobody's own.
        generator: Source of the draws.
    """
    nothing = torch.zeros_like(predictor.preferences[:, 0])
    if not len(item) and prior is not None:
        rows = prior.draw(1, generator)[:, 0]
        rows = rows if content is None else rows + prior.believed_content(content[:, None])[:, 0]
        return UserEmbedding(rows, nothing, prior.precision)
    if not len(item):
        residual = _beyond_nothing(posterior.residual_covariance(USER))
        rows = posterior.shared(USER) + residual.draw(1, generator)[:, 0] + (0.0 if content is None else content)
        return UserEmbedding(rows, nothing, residual.precision)
    prior = prior or _beyond_nothing(posterior.factor_covariance(USER))
    base = prior.believed(_messages(posterior, data, USER, item)).sum(1)
    base = base if content is None else base + prior.believed_content(content[:, None])[:, 0]
    partners = rows_of(predictor.items, item)
    free = LatentFactors.of(base, prior, partners, predictor.thresholds, level, use=user_thresholds, weight=weight)
    row, preferences, precision = free.draw(generator)
    return UserEmbedding(base + row, nothing if preferences is None else preferences, precision)


@torch.no_grad()
def item_from_raters(
    posterior: Posterior,
    predictor: Predictor,
    data: GraphInputs,
    user: Tensor,
    level: Tensor,
    *,
    content: Tensor,
    prior: EmbeddingPrior | None = None,
    generator: torch.Generator,
) -> Tensor:
    """Return the rows of a new item that known users rated, `[num_samples, embedding_size + 1]`.

    As `user_embedding_from_history`, with the sides exchanged: messages of its raters, and a free row. The raters themselves stay
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
    prior = prior or _beyond_nothing(posterior.factor_covariance(ITEM))
    base = content + prior.believed(_messages(posterior, data, ITEM, user)).sum(1)
    raters, preferences = rows_of(predictor.users, user), rows_of(predictor.preferences, user)
    row, _, _ = LatentFactors.of(base, prior, raters, predictor.thresholds, level, use=preferences).draw(generator)
    return base + row


def _beyond_nothing(covariance: Tensor) -> EmbeddingPrior:
    return EmbeddingPrior(torch.zeros_like(covariance[..., 0]), covariance)


@torch.no_grad()
def messages_sent(posterior: Posterior, data: GraphInputs, kind: str, nodes: Tensor | None = None) -> Tensor:
    r"""Return what each item adds to whoever rated it, before the weight $1 / \sqrt n$; of items, what each rater adds.

    Args:
        posterior: Kept samples.
        data: The graph inputs the model was trained on.
        kind: Kind of the newcomer, user or item.
        nodes: Which senders, int64 `[num_senders]`; by default all there are.

    Returns:
        `[num_samples, num_senders, size]`.
    """
    edge_type = (ITEM, RATED, USER) if kind == USER else (USER, RATED_BY, ITEM)
    nodes = torch.arange(int(data[edge_type[0]].num_nodes)) if nodes is None else nodes
    found = torch.zeros(len(posterior), len(nodes), posterior.size)
    if edge_type in data[kind].interactions and len(senders := data[edge_type].senders):
        table = posterior.table(kind, "interactions", relation_name(edge_type))
        row = torch.searchsorted(senders, nodes).clamp(max=len(senders) - 1)
        # Items nobody rated in training have no row in the table of rated items: they send nothing.
        found += rows_of(table, row).float() * (senders[row] == nodes)[:, None]
    for name, centred in data[kind].hop_sources.items():
        found += centred[nodes] @ posterior.table(kind, "interactions", HOP + name).float()
    return found


def _messages(posterior: Posterior, data: GraphInputs, kind: str, rated: Tensor) -> Tensor:
    """Return a newcomer's messages from what they rated, or from who rated it, `[num_samples, num_ratings, size]`."""
    return messages_sent(posterior, data, kind, rated) * max(len(rated), 1) ** -0.5
