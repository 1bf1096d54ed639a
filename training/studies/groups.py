"""Whether a model serves some groups of users worse than others: measures of each group, and a test of the widest gap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kg.graph import KnowledgeGraph
from kg.ratings import Ratings
from kg.schema import USER, EdgeType
from training.metrics import bootstrap

__all__ = ["ACTIVITY", "Grouping", "by_activity", "gap_p", "group_report", "groupings"]

ACTIVITY = "activity"
MOST_GROUPS = 12  # of a relation, for users to be compared by it
LEAST_USERS = 10  # smaller groups are shown, but their luck is no gap

Statistic = Literal["mean", "root_mean"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Grouping:
    """Users by something they have in common.

    Attributes:
        name: What it is: a relation of the graph, or `activity`.
        labels: Names of the groups.
        group: Group of each user, int64 `[num_users]`; -1 for users of none, or of several.
    """

    name: str
    labels: tuple[str, ...]
    group: NDArray[np.int64]


def groupings(graph: KnowledgeGraph, train: Ratings) -> list[Grouping]:
    """Return the groupings of users by each relation of the graph with 2 to 12 concepts, and by activity in training."""
    of_users = [edge_type for edge_type in graph.edges if edge_type.source == USER and edge_type.target != USER]
    by_concept = [_by_concept(graph, edge_type) for edge_type in of_users]
    return [*(each for each in by_concept if 2 <= len(each.labels) <= MOST_GROUPS), by_activity(train)]


def by_activity(train: Ratings, num_groups: int = 4) -> Grouping:
    """Return the users in quarters by their number of training ratings; those without any are in none."""
    counts = train.user_counts
    rated = counts[counts > 0]
    ends = np.unique(np.quantile(rated, np.arange(1, num_groups) / num_groups)) if len(rated) else np.zeros(0)
    group = np.where(counts > 0, np.searchsorted(ends, counts, side="left"), -1)
    labels = []
    for number in range(len(ends) + 1):
        of_group = counts[group == number]
        labels.append(f"{of_group.min()} to {of_group.max()} ratings" if len(of_group) else "nobody")
    return Grouping(name=ACTIVITY, labels=tuple(labels), group=group.astype(np.int64))


def group_report(
    grouping: Grouping,
    user: NDArray[np.int64],
    values: NDArray[np.float64],
    *,
    statistic: Statistic = "mean",
    num_draws: int = 1000,
    rng: int = 0,
) -> dict[str, Any]:
    """Measure each group, and test the widest gap between two groups of at least 10 users.

    Args:
        grouping: The groups.
        user: User of each value, `[num_values]`.
        values: What is measured: squared errors, or NDCG of lists, `[num_values]`.
        statistic: `mean`, or `root_mean` of squared errors.
        num_draws: Number of bootstrap draws, and of permutations.
        rng: Seed.

    Returns:
        `groups`: for each label `num_users`, `value`, `low`, `high` (95 % bootstrap interval over users); and, where two
        groups are large enough, `gap`, `least` and `most` (labels), and `p` of the permutation test.
    """
    group = grouping.group[user]
    groups: dict[str, Any] = {}
    large = []
    for number, label in enumerate(grouping.labels):
        members = group == number
        if not members.any():
            continue
        estimate = bootstrap(values[members], statistic=statistic, groups=user[members], num_draws=num_draws, rng=rng)
        num_users = len(np.unique(user[members]))
        groups[label] = {"num_users": num_users, **estimate.as_json()}
        if num_users >= LEAST_USERS:
            large.append(number)
    if len(large) < 2:
        return {"groups": groups}
    kept = np.isin(group, large)
    gap, p = gap_p(values[kept], user[kept], group[kept], statistic=statistic, num_draws=num_draws, rng=rng)
    order = sorted((grouping.labels[number] for number in large), key=lambda label: float(groups[label]["value"]))
    return {"groups": groups, "gap": gap, "least": order[0], "most": order[-1], "p": p}


def gap_p(
    values: NDArray[np.float64],
    user: NDArray[np.int64],
    group: NDArray[np.int64],
    *,
    statistic: Statistic = "mean",
    num_draws: int = 1000,
    rng: int | np.random.Generator,
) -> tuple[float, float]:
    """Return the widest gap between two groups, and how often one as wide comes about if groups mean nothing.

    Users change places with each other, each with all its values: `p = (1 + #{gap* >= gap}) / (1 + num_draws)`
    (Phipson & Smyth 2010). So the test holds its level however many groups there are and however they differ in size.

    Args:
        values: What is measured `[num_values]`.
        user: User of each value.
        group: Group of each value, the same for all of one user.
        statistic: `mean`, or `root_mean`.
        num_draws: Number of permutations.
        rng: Seed or generator.
    """
    _, first, of_value = np.unique(user, return_index=True, return_inverse=True)
    _, of_user = np.unique(group[first], return_inverse=True)
    size = int(of_user.max()) + 1
    sums, counts = np.bincount(of_value, values), np.bincount(of_value).astype(np.float64)

    def gap(labels: NDArray[np.int64]) -> float:
        means = np.bincount(labels, sums, size) / np.bincount(labels, counts, size)
        found = np.sqrt(means) if statistic == "root_mean" else means
        return float(found.max() - found.min())

    generator = np.random.default_rng(rng)
    seen = gap(of_user)
    as_wide = sum(gap(generator.permutation(of_user)) >= seen - 1e-12 for _ in range(num_draws))
    return seen, (1 + as_wide) / (1 + num_draws)


def _by_concept(graph: KnowledgeGraph, edge_type: EdgeType) -> Grouping:
    user, concept = graph.edges[edge_type].index
    labels = graph.nodes[edge_type.target].labels
    used = sorted(np.unique(concept).tolist(), key=lambda number: str(labels[number]))
    place = np.full(len(labels), -1, dtype=np.int64)
    place[used] = np.arange(len(used))
    group = np.full(len(graph.users), -1, dtype=np.int64)
    group[user] = place[concept]
    group[np.bincount(user, minlength=len(group)) > 1] = -1
    return Grouping(name=edge_type.relation, labels=tuple(str(labels[number]) for number in used), group=group)
