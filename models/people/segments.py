"""Groups of users by taste, described by what sets each apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from kg.errors import InputError
from kg.schema import USER
from models.lists.trained import Trained
from models.people.behaviour import Behaviour

__all__ = ["GroupShare", "Segment", "Segments", "Trait", "cluster", "segments_of", "wilson"]

COMPONENTS = 16
KEPT_VARIANCE = 0.9
STARTS = 40  # of k-means, the best of which counts
OTHER_SEEDS = 5
DRAWS = 400  # of the bootstrap over users
LIKED, DISLIKED, GROUPS = 6, 4, 6
Z_95 = 1.96

Floats = NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
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


@dataclass(frozen=True, kw_only=True)
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


def segments_of(recommender: Trained, behaviour: Behaviour, k: int, *, seed: int = 0) -> Segments:
    """Group the users with training ratings by taste.

    A user is the vector of the posterior-mean weights of all concepts that matter (of at least five items and a
    hundredth of the ratings).

    Args:
        recommender: The model.
        behaviour: What is read from it of its users.
        k: Number of groups.
        seed: Seed of the clustering.

    Raises:
        InputError: If k is not from 2 to the number of users, or no concept matters.
    """
    from sklearn.metrics import adjusted_rand_score  # as in `cluster`

    train = recommender.train
    users = np.flatnonzero(train.user_counts)
    if len(users) < 2:
        raise InputError(f"segments need at least two users with ratings; this run has {len(users)}")
    if not 2 <= k <= len(users):
        raise InputError(f"the number of segments must be from 2 to the {len(users):,} users with ratings, got {k}")
    concepts = behaviour.concepts
    mass, matter = behaviour.share_of_ratings(recommender), np.flatnonzero(behaviour.common)
    if not len(matter):
        raise InputError(
            "no concept has five items and a hundredth of the ratings, so nothing can set users apart; "
            "describe the items by concepts and build the graph again"
        )
    rows = recommender.predictor.samples.users[:, users]
    weights = behaviour.warm.mean_weights(rows)[:, matter]
    labels = cluster(weights, k, seed=seed)
    others = [cluster(weights, k, seed=seed + 1 + number) for number in range(OTHER_SEEDS)]
    num_samples = len(rows)
    halves = None
    if num_samples > 1:
        parts = (range(num_samples // 2), range(num_samples // 2, num_samples))
        found = [cluster(behaviour.warm.mean_weights(rows, part)[:, matter], k, seed=seed) for part in parts]
        halves = float(adjusted_rand_score(*found))
    seen = sparse.csr_array((np.ones(len(train)), (train.user, train.item)), shape=(train.num_users, train.num_items))
    counts = np.asarray((seen[users] @ concepts.holds[:, matter]).todense())
    rng = np.random.default_rng(seed)
    traits = [
        _traits(
            weights[labels == number],
            counts[labels == number],
            train.user_counts[users[labels == number]],
            mass[matter],
            [(concepts.keys[one], concepts.names[one]) for one in matter],
            rng,
        )
        for number in range(k)
    ]
    return Segments(
        unit="score" if recommender.implicit else "stars",
        num_users=len(users),
        stability_seeds=float(np.mean([adjusted_rand_score(labels, other) for other in others])),
        stability_samples=halves,
        segments=tuple(_segment(recommender, behaviour, number, users, labels, traits[number]) for number in range(k)),
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
    found = KMeans(n_clusters=k, n_init=STARTS, random_state=seed % 2**32).fit_predict(rows)
    order = np.argsort(-np.bincount(found, minlength=k), kind="stable")
    return np.argsort(order)[found].astype(np.int64)


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a share."""
    if not total:
        return 0.0, 1.0
    share, square = hits / total, Z_95**2
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = Z_95 / (1 + square / total) * np.sqrt(share * (1 - share) / total + square / (4 * total**2))
    return float(max(middle - half, 0.0)), float(min(middle + half, 1.0))


def _traits(
    weights: Floats,
    counts: Floats,
    num_ratings: NDArray[np.int64],
    mass: Floats,
    named: Sequence[tuple[str, str]],
    rng: np.random.Generator,
) -> tuple[tuple[Trait, ...], tuple[Trait, ...]]:
    """Return what the members of a segment like and dislike, the clearest first."""
    size = len(weights)
    if not size:
        return (), ()
    drawn = rng.multinomial(size, np.full(size, 1 / size), size=DRAWS).astype(np.float64)
    means = drawn @ weights / size
    lifts = (drawn @ counts) / (drawn @ num_ratings)[:, None] / mass
    mean, lift = weights.mean(axis=0), counts.sum(axis=0) / num_ratings.sum() / mass
    ends = [np.quantile(values, (0.025, 0.975), axis=0) for values in (means, lifts)]

    def chosen(order: NDArray[np.int64], wanted: NDArray[np.bool_], most: int) -> tuple[Trait, ...]:
        found: dict[str, Trait] = {}
        for one in order[wanted[order]]:
            key, name = named[one]
            if name not in found and len(found) < most:
                found[name] = Trait(
                    concept=key,
                    name=name,
                    weight=float(mean[one]),
                    weight_low=float(ends[0][0, one]),
                    weight_high=float(ends[0][1, one]),
                    lift=float(lift[one]),
                    lift_low=float(ends[1][0, one]),
                    lift_high=float(ends[1][1, one]),
                )
        return tuple(found.values())

    return (
        chosen(np.argsort(-ends[0][0], kind="stable"), ends[0][0] > 0, LIKED),
        chosen(np.argsort(ends[0][1], kind="stable"), ends[0][1] < 0, DISLIKED),
    )


def _segment(
    recommender: Trained,
    behaviour: Behaviour,
    number: int,
    users: NDArray[np.int64],
    labels: NDArray[np.int64],
    traits: tuple[tuple[Trait, ...], tuple[Trait, ...]],
) -> Segment:
    members = users[labels == number]
    likes, dislikes = traits
    means = behaviour.habits.iloc[members].mean()
    names = list(dict.fromkeys(trait.name.partition(": ")[2] for trait in likes))[:3]
    return Segment(
        number=number + 1,
        name=", ".join(names) or "no clear taste",
        size=len(members),
        share=len(members) / len(users),
        likes=likes,
        dislikes=dislikes,
        groups=_groups(recommender, users, members),
        habits={str(name): None if np.isnan(value) else float(value) for name, value in means.items()},
    )


def _groups(recommender: Trained, users: NDArray[np.int64], members: NDArray[np.int64]) -> tuple[GroupShare, ...]:
    """Return the groups of people that are more or less common among members, the farthest from their share first."""
    graph, found = recommender.graph, []
    for (source, relation, target), edges in graph.edges.items():
        if source != USER:
            continue
        pairs = np.unique(edges.index, axis=1)
        size = len(graph.nodes[target])
        of_all = np.bincount(pairs[1][np.isin(pairs[0], users)], minlength=size)
        of_members = np.bincount(pairs[1][np.isin(pairs[0], members)], minlength=size)
        for concept in np.flatnonzero(of_all):
            share = float(of_all[concept]) / len(users)
            low, high = wilson(int(of_members[concept]), len(members))
            if not low <= share <= high:
                label = str(graph.nodes[target].labels[concept])
                mine = float(of_members[concept]) / max(len(members), 1)
                found.append(
                    GroupShare(name=f"{relation}: {label}", share=mine, low=low, high=high, share_of_all=share)
                )
    return tuple(sorted(found, key=lambda one: -abs(one.share - one.share_of_all))[:GROUPS])
