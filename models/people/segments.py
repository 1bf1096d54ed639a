"""Segments: groups of users by taste, described by what sets each apart."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from kg.errors import InputError
from kg.schema import USER
from models.people.behaviour import Behaviour

__all__ = ["GroupShare", "Segment", "Segments", "Trait", "cluster", "segments_of", "wilson"]

COMPONENTS = 16
KEPT_VARIANCE = 0.9
STARTS = 40  # of k-means, the best of which counts
OTHER_SEEDS = 5
DRAWS = 400  # of the bootstrap over users
LIKED, DISLIKED, GROUPS = 6, 4, 6
WITHIN = (0.025, 0.975)  # the 95 % interval

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Trait:
    """What a concept means to a segment.

    Attributes:
        concept: `relation:id`.
        name: `genre: Drama`.
        weight: Mean weight of the members, beyond the average user, in the unit of the segments.
        weight_low: Lower end of its 95 % bootstrap interval over the members.
        weight_high: Upper end.
        lift: Share of the segment's ratings that are of items with the concept, over the share among all ratings.
        lift_low: Lower end of its 95 % bootstrap interval over the members.
        lift_high: Upper end.
    """

    concept: str
    name: str
    weight: float
    weight_low: float
    weight_high: float
    lift: float
    lift_low: float
    lift_high: float


@dataclass(frozen=True)
class GroupShare:
    """How common a group of people is in a segment: `share` with its 95 % Wilson interval, and among all users."""

    name: str
    share: float
    low: float
    high: float
    share_of_all: float


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One group of users.

    Attributes:
        number: From 1, the largest first.
        name: Labels of what sets it apart most.
        size: Number of users.
        share: Their share of the users with ratings.
        likes: Concepts the members like more than the average user, the clearest first.
        dislikes: Concepts they like less.
        groups: Groups of people whose share differs from that among all users beyond its interval.
        habits: Means over the members, of the numbers in `Habits`; None where they cannot be told.
    """

    number: int
    name: str
    size: int
    share: float
    likes: tuple[Trait, ...]
    dislikes: tuple[Trait, ...]
    groups: tuple[GroupShare, ...]
    habits: dict[str, float | None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Segments:
    """All groups.

    Attributes:
        unit: Unit of the weights: `stars`, or `score` of implicit feedback.
        num_users: Users with ratings; each is in one segment.
        stability_seeds: Mean adjusted Rand index with clusterings from five other seeds: 1 is the same, 0 is chance.
        stability_samples: Adjusted Rand index between clusterings by either half of the posterior samples; None below 2.
        segments: The groups, the largest first.
        members: Columns `user` (id) and `segment` (number).
    """

    unit: str
    num_users: int
    stability_seeds: float
    stability_samples: float | None
    segments: tuple[Segment, ...]
    members: pd.DataFrame

    def as_json(self) -> dict[str, Any]:
        """Return all but the members as JSON values."""
        return {
            "unit": self.unit,
            "num_users": self.num_users,
            "stability": {"seeds": self.stability_seeds, "posterior_halves": self.stability_samples},
            "segments": [asdict(segment) for segment in self.segments],
        }


def segments_of(behaviour: Behaviour, k: int, *, seed: int = 0) -> Segments:
    """Group the users with training ratings by taste.

    A user is the vector of the posterior-mean weights of all common concepts (of at least five items and a hundredth of
    the ratings).

    Args:
        behaviour: What the model says of its users.
        k: Number of groups.
        seed: Seed of the clustering.

    Raises:
        InputError: If k is not from 2 to the number of users, or no concept is common.
    """
    from sklearn.metrics import adjusted_rand_score  # as in `cluster`

    recommender, train = behaviour.recommender, behaviour.recommender.train
    users = np.flatnonzero(train.user_counts)
    if len(users) < 2:
        raise InputError(f"segments need at least two users with ratings; this run has {len(users)}")
    if not 2 <= k <= len(users):
        raise InputError(f"the number of segments must be from 2 to the {len(users):,} users with ratings, got {k}")
    chosen = np.flatnonzero(behaviour.common)
    if not len(chosen):
        raise InputError(
            "no concept has five items and a hundredth of the ratings, so nothing can set users apart; "
            "describe the items by concepts and build the graph again"
        )
    rows = recommender.predictor.samples.users[:, users]
    weights, num_samples = behaviour.warm.mean_weights(rows)[:, chosen], len(rows)
    labels = cluster(weights, k, seed=seed)
    others = [cluster(weights, k, seed=seed + 1 + number) for number in range(OTHER_SEEDS)]
    halves = None
    if num_samples > 1:
        parts = range(num_samples // 2), range(num_samples // 2, num_samples)
        by_half = [cluster(behaviour.warm.mean_weights(rows, part)[:, chosen], k, seed=seed) for part in parts]
        halves = float(adjusted_rand_score(*by_half))
    ones = np.ones(len(train))
    rated = sparse.csr_array((ones, (train.user, train.item)), shape=(train.num_users, train.num_items))[users]
    counts = (rated @ behaviour.concepts.holds[:, chosen]).toarray()
    clustered = _Clustered(behaviour, users, labels, chosen, weights, counts)
    rng = np.random.default_rng(seed)
    return Segments(
        unit="score" if recommender.implicit else "stars",
        num_users=len(users),
        stability_seeds=float(np.mean([adjusted_rand_score(labels, other) for other in others])),
        stability_samples=halves,
        segments=tuple(clustered.segment(number, rng) for number in range(k)),
        members=pd.DataFrame(
            {"user": recommender.graph.users.vocabulary.ids[users].astype(str), "segment": labels + 1}
        ),
    )


def cluster(weights: Floats, k: int, *, seed: int) -> NDArray[np.int64]:
    """Return the group of each user, from 0, the largest group first.

    Weights are scaled to variance 1 a concept and rotated to the principal components that hold nine tenths of the
    variance, at most 16; these keep their variance, since the small ones are mostly noise. Rows are then set to length
    1, so that k-means groups users by the direction of a taste, not by how many ratings have made it strong.

    Args:
        weights: `[num_users, num_concepts]`.
        k: Number of groups.
        seed: Seed of k-means.
    """
    # scikit-learn takes half a second to load, which only who asks for segments should wait for.
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    spread = weights.std(axis=0)
    scaled = (weights - weights.mean(axis=0))[:, spread > 1e-9] / spread[spread > 1e-9]
    if not scaled.shape[1]:
        return np.zeros(len(weights), dtype=np.int64)
    pca = PCA(n_components=min(COMPONENTS, *scaled.shape), svd_solver="full").fit(scaled)
    kept = 1 + int(np.searchsorted(pca.explained_variance_ratio_.cumsum(), KEPT_VARIANCE))
    rows = pca.transform(scaled)[:, :kept]
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    groups = KMeans(n_clusters=k, n_init=STARTS, random_state=seed % 2**32).fit_predict(rows)
    order = np.argsort(-np.bincount(groups, minlength=k), kind="stable")
    return np.argsort(order)[groups].astype(np.int64)


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a share."""
    from scipy.stats import binomtest

    if not total:
        return 0.0, 1.0
    interval = binomtest(hits, total).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


@dataclass(frozen=True, eq=False)
class _Clustered:
    """Users with ratings, their segments from 0, the common concepts, and weights and numbers of ratings by user and concept."""

    behaviour: Behaviour
    users: NDArray[np.int64]
    labels: NDArray[np.int64]
    concepts: NDArray[np.int64]
    weights: Floats
    counts: Floats

    def segment(self, number: int, rng: np.random.Generator) -> Segment:
        """Return the description of one segment."""
        members = self.users[self.labels == number]
        likes, dislikes = self._traits(number, rng) if len(members) else ((), ())
        names = list(dict.fromkeys(trait.name.partition(": ")[2] for trait in likes))[:3]
        means = self.behaviour.habits.iloc[members].mean()
        return Segment(
            number=number + 1,
            name=", ".join(names) or "no clear taste",
            size=len(members),
            share=len(members) / len(self.users),
            likes=likes,
            dislikes=dislikes,
            groups=self._groups(members),
            habits={str(name): None if np.isnan(value) else float(value) for name, value in means.items()},
        )

    def _traits(self, number: int, rng: np.random.Generator) -> tuple[tuple[Trait, ...], tuple[Trait, ...]]:
        """Return what the members of a segment like and dislike, the clearest first."""
        inside, usual = self.labels == number, self.behaviour.share[self.concepts]
        weights, counts = self.weights[inside], self.counts[inside]
        num_ratings, size = self.behaviour.recommender.train.user_counts[self.users[inside]], int(inside.sum())
        drawn = rng.multinomial(size, np.full(size, 1 / size), size=DRAWS).astype(np.float64)
        means, lifts = drawn @ weights / size, (drawn @ counts) / (drawn @ num_ratings)[:, None] / usual
        (weight_low, weight_high), (lift_low, lift_high) = (
            np.quantile(values, WITHIN, axis=0) for values in (means, lifts)
        )
        table = pd.DataFrame(
            {
                "concept": np.array(self.behaviour.concepts.keys, dtype=object)[self.concepts],
                "name": np.array(self.behaviour.concepts.names, dtype=object)[self.concepts],
                "weight": weights.mean(axis=0).astype(np.float64),
                "weight_low": weight_low,
                "weight_high": weight_high,
                "lift": counts.sum(axis=0) / num_ratings.sum() / usual,
                "lift_low": lift_low,
                "lift_high": lift_high,
            }
        )

        def first(rows: pd.DataFrame, most: int) -> tuple[Trait, ...]:
            first_rows = rows.drop_duplicates("name").head(most)
            return tuple(Trait(*row) for row in first_rows.itertuples(index=False, name=None))

        liked = table[weight_low > 0].sort_values("weight_low", ascending=False, kind="stable")
        disliked = table[weight_high < 0].sort_values("weight_high", kind="stable")
        return first(liked, LIKED), first(disliked, DISLIKED)

    def _groups(self, members: NDArray[np.int64]) -> tuple[GroupShare, ...]:
        """Return the groups of people that are more or less common among members, the farthest from their share first."""
        graph, groups = self.behaviour.recommender.graph, []
        for (source, relation, target), edges in graph.edges.items():
            if source != USER:
                continue
            user, group = np.unique(edges.index, axis=1)
            num_all, num_members = (
                np.bincount(group[np.isin(user, some)], minlength=len(graph.nodes[target])).tolist()
                for some in (self.users, members)
            )
            for label, of_all, of_members in zip(graph.nodes[target].labels, num_all, num_members, strict=True):
                share_of_all = of_all / len(self.users)
                low, high = wilson(of_members, len(members))
                if of_all and not low <= share_of_all <= high:
                    share = of_members / max(len(members), 1)
                    groups.append(GroupShare(f"{relation}: {label}", share, low, high, share_of_all))
        return tuple(sorted(groups, key=lambda group: -abs(group.share - group.share_of_all))[:GROUPS])
