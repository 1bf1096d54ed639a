"""The messages that one node receives in every sample, each by itself: what a score is a sum of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from kg.ratings import Ratings
from kg.schema import ITEM, USER
from models.network.bilinear import with_one
from models.network.graph_inputs import MessageType
from models.network.head import slopes
from models.network.message_names import HOP, RATED, RATED_BY, RATED_OVER, TEXT
from models.posterior import EmbeddingPrior, Message, SampledNetwork, UserEmbedding

__all__ = [
    "BIAS",
    "CONCEPT",
    "FACTORS",
    "LEVELS",
    "MEAN",
    "NEIGHBOUR",
    "NEW",
    "RATERS",
    "RELATED",
    "RULE",
    "TEXTS",
    "Contributions",
    "PartKey",
    "contributions_of_history",
    "contributions_to",
]

# Kinds of parts.
MEAN = "mean"  # the average of everything
BIAS = "bias"  # bias column of a free row
FACTORS = "factors"  # other columns of a free row
CONCEPT = "concept"  # one concept, or one item that another names
TEXTS = "text"
NEIGHBOUR = "rated"  # one item that the user rated
RATERS = "raters"  # all users who rated the item; single ones are nobody's business
RELATED = "related"  # all that related users rated, or all who rated related items, by relation
LEVELS = "levels"  # which levels the user likes to give
NEW = "new"  # what all users, or items, without ratings share
RULE = "rule"  # what a rule adds


class PartKey(NamedTuple):
    """Which part of a score is meant.

    Attributes:
        kind: One of the kinds of parts.
        side: `user` or `item`: whose message it is; empty for the mean and for rules.
        message: Edge type of the message, for concepts and for what is related.
        sender: Index of the concept or of the rated item.
        name: Name of a rule.
    """

    kind: str
    side: str = ""
    message: MessageType | None = None
    sender: int | None = None
    name: str = ""


@dataclass(frozen=True, eq=False)
class Contributions:
    r"""Everything that adds up to a node's row: $z_v = \sum_m m$, in every sample.

    Attributes:
        keys: What each part is.
        messages: The terms, each with the position of the part that every sender belongs to, int64 `[num_senders]`.
    """

    keys: tuple[PartKey, ...]
    messages: tuple[tuple[Tensor, Message], ...]

    def weighed(self, weights: Tensor) -> Tensor:
        r"""Return $\sum_s \langle m_s, x_s \rangle$ for each part $m$.

        Args:
            weights: $x$ of each pair, float64 `[num_pairs, num_samples, size]`.

        Returns:
            float64 `[num_pairs, num_parts]`.
        """
        total = weights.new_zeros(len(weights), len(self.keys))
        for owner, message in self.messages:
            of_rows = torch.einsum("psd,srd->pr", weights, message.rows.double())
            share = message.weight.double()
            total.index_add_(1, owner, of_rows * share if share.dim() == 1 else of_rows @ share.T)
        return total

    def embeddings(self) -> Tensor:
        """Return every part's messages, summed, float64 `[num_samples, num_parts, size]`."""
        terms = torch.cat([_terms(message) for _, message in self.messages], dim=1)
        total = terms.new_zeros(len(terms), len(self.keys), terms.shape[2])
        return total.index_add_(1, torch.cat([owner for owner, _ in self.messages]), terms)


def _terms(message: Message) -> Tensor:
    """Return what each sender adds, float64 `[num_samples, num_senders, size]`."""
    rows, weight = message.rows.double(), message.weight.double()
    return rows * weight[:, None] if weight.dim() == 1 else weight @ rows


class _Collector:
    """Gathers parts; those of one key are summed."""

    def __init__(self) -> None:
        self.positions: dict[PartKey, int] = {}
        self.messages: list[tuple[Tensor, Message]] = []

    def add(self, keys: list[PartKey], message: Message) -> None:
        """Add messages, one key for each sender."""
        owner = [self.positions.setdefault(key, len(self.positions)) for key in keys]
        self.messages.append((torch.tensor(owner, dtype=torch.int64), message))

    def add_rows(self, keys: list[PartKey], rows: Tensor) -> None:
        """Add messages `[num_samples, num_keys, size]` as they are."""
        self.add(keys, Message("", [-1] * len(keys), torch.ones(len(keys)), rows))

    def add_free(self, side: str, rows: Tensor) -> None:
        """Add latent factors `[num_samples, size]` as two parts: their bias, and what meets the other side."""
        bias, rest = torch.zeros_like(rows), rows.clone()
        bias[:, -1], rest[:, -1] = rows[:, -1], 0.0
        self.add_rows([PartKey(BIAS, side), PartKey(FACTORS, side)], torch.stack([bias, rest], dim=1))

    def contributions(self) -> Contributions:
        return Contributions(tuple(self.positions), tuple(self.messages))


@torch.no_grad()
def contributions_to(samples: SampledNetwork, train: Ratings, side: str, node: int) -> Contributions:
    """Take a known or new node of the graph apart into its messages.

    Args:
        samples: The trained network.
        train: Ratings that messages are made of (`TrainedNetwork.learned_ratings`).
        side: `user` or `item`.
        node: Index of the node.
    """
    collect = _Collector()
    mine = train.user == node if side == USER else train.item == node
    partners = torch.from_numpy((train.item if side == USER else train.user)[mine])
    for message in samples.contributions(side, node, partners):
        if message.name in ("factors", "residual"):
            collect.add_free(side, message.rows[:, 0])
        elif message.name == "shared":
            collect.add([PartKey(NEW, side)], message)
        elif message.name == TEXT:
            collect.add([PartKey(TEXTS, side)], message)
        elif message.name in (RATED, RATED_BY) or message.name.startswith(HOP):
            # Who rated an item is one part: single people are nobody's business.
            keys = [
                PartKey(NEIGHBOUR, side, sender=sender) if side == USER else PartKey(RATERS, side)
                for sender in message.senders
            ]
            collect.add(keys, message)
        else:
            assert message.relation is not None
            related = message.relation[1].startswith(RATED_OVER)
            keys = [
                PartKey(RELATED, side, message.relation)
                if related
                else PartKey(CONCEPT, side, message.relation, sender)
                for sender in message.senders
            ]
            collect.add(keys, message)
    return collect.contributions()


@torch.no_grad()
def contributions_of_history(
    samples: SampledNetwork, taste: UserEmbedding, item: Tensor, level: Tensor, *, prior: EmbeddingPrior | None = None
) -> Contributions:
    r"""Take someone new apart into what each of their ratings brings.

    A newcomer's row beyond what the messages of these ratings are believed to say, $w$, maximises
    $\log N(w; \mu, \Sigma) + \sum_j \log P(r_j \mid f_j)$, up to the draw that keeps its uncertainty (`SampledNetwork.fold_in`). Where the gradient vanishes

    $$w = \mu + \Sigma \sum_j \frac{\partial \log P(r_j \mid f_j)}{\partial f_j} (z_j, 1),$$

    so the row, too, is a sum over ratings: a rating higher than expected pulls it towards the item. $\mu$, which is what
    people are like, counts as what anyone new is given. What is left is the draw, which stays with the factors.

    Args:
        samples: The trained network.
        taste: The newcomer's rows and preferences for levels.
        item: Rated items, int64 `[num_ratings]`, possibly none.
        level: Index of each rating's level, int64 `[num_ratings]`.
        prior: What the taste was made with; by default $\mu = 0$ and the variance of the known free rows.
    """
    rows = taste.rows
    collect = _Collector()
    if prior is not None:
        collect.add_rows([PartKey(NEW, USER)], prior.mean[:, None])
    elif not len(item):
        collect.add_rows([PartKey(NEW, USER)], samples.posterior.shared(USER)[:, None])
    prior = prior or samples.covariance_prior(USER, rated=bool(len(item)))
    keys = [PartKey(NEIGHBOUR, USER, sender=one) for one in item.tolist()]
    if len(item):
        collect.add_rows(keys, prior.believed(samples.messages_sent(USER, item) * len(item) ** -0.5))
        partners = samples.embeddings(ITEM, item).double()
        design = with_one(partners)
        score = (design @ rows.double()[..., None])[..., 0] + partners[..., -1]
        thresholds, preferences = (part.double()[:, None] for part in (samples.predictor.thresholds, taste.preferences))
        slope, _ = slopes(score, thresholds, preferences, level)
        collect.add_rows(keys, (slope[..., None] * design) @ prior.covariance.double())
    explained = collect.contributions()
    free = rows.double() - explained.embeddings().sum(1) if explained.messages else rows.double()
    collect.add_free(USER, free)
    return collect.contributions()
