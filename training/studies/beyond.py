"""Lists beyond their accuracy: what ours and the baselines show, to whom, and how alike and how known it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg.errors import InputError, did_you_mean
from kg.graph import KnowledgeGraph
from kg.ratings import Ratings
from kg.schema import ITEM, EdgeType
from models.baselines import Popularity
from models.lists.rerank import Reranker
from training.bundle import Run
from training.chosen_baselines import fitted_baselines
from training.evaluate import fitted_recommender
from training.metrics import Estimate, bootstrap, ndcg_at
from training.predictions import LIST_LENGTH, SEED, Predictions, Scorers, liked_table, liked_users, unrated_only
from training.studies.groups import group_report, groupings
from training.studies.list_measures import (
    coverage_estimate,
    gini_estimate,
    lift_estimate,
    list_diversity,
    miscalibration,
    serendipity,
    shares,
)

__all__ = ["BETTER", "NDCG", "OURS", "Shelf", "beyond_report", "concept_shares", "shelf_of"]

NDCG = f"ndcg@{LIST_LENGTH}"
OURS = "kgrec"
BETTER = {  # which way is better, where one can say so
    NDCG: "more",
    "coverage": "more",
    "gini": "less",
    "novelty": "more",
    "diversity": "more",
    "popularity_lift": "nearer to 0",
    "serendipity": "more",
    "miscalibration": "less",
}
MOST_CONCEPTS = 64  # of the relation whose shares are compared


@dataclass(frozen=True, kw_only=True, eq=False)
class Shelf:
    """What lists are held against: the catalogue, the ratings, and what popularity would list.

    Attributes:
        part: Name of the test part.
        ratings: Its ratings.
        train: Training ratings.
        candidates: Items that may be listed, rising.
        relevant_from: A rating of at least so many stars says that the item was liked.
        reranker: Distances of content, and self-information.
        concepts: Share of each concept in each item, `[num_items, num_concepts]`; no columns where there are none.
        popular: The lists of the baseline `popularity`, `[num_users, LIST_LENGTH]`.
    """

    part: str
    ratings: Ratings
    train: Ratings
    candidates: NDArray[np.int64]
    relevant_from: float
    reranker: Reranker
    concepts: NDArray[np.float64]
    popular: NDArray[np.int64]

    @cached_property
    def users(self) -> NDArray[np.int64]:
        """Users who liked something in the part, rising: whose lists are measured."""
        return liked_users(self.ratings, self.relevant_from)

    @cached_property
    def liked(self) -> NDArray[np.bool_]:
        """What each of them liked in the part, `[num_users, num_items]`."""
        return liked_table(self.ratings, self.relevant_from)

    @cached_property
    def profiles(self) -> NDArray[np.float64]:
        """Share of each concept in what each user liked in training (rated, where they liked nothing), `[num_users, num_concepts]`."""
        liked, rated = (
            shares(self._chosen(least)[self.users], self.concepts) for least in (self.relevant_from, -np.inf)
        )
        return np.where(liked.any(axis=1, keepdims=True), liked, rated)

    @cached_property
    def profile_popularity(self) -> NDArray[np.float64]:
        """Mean popularity of what each user rated in training, `[num_users]`; nan for users without ratings."""
        total = np.bincount(self.train.user, self.train.item_counts[self.train.item], self.train.num_users)
        counts = self.train.user_counts.astype(np.float64)
        found = np.divide(total, counts, out=np.full(len(counts), np.nan), where=counts > 0)
        return np.asarray(found[self.users])

    def _chosen(self, least: float) -> Any:
        rows = self.train.select(self.train.value >= least)
        shape = (self.train.num_users, self.train.num_items)
        return sparse.csr_array((np.ones(len(rows)), (rows.user, rows.item)), shape=shape)

    def measures(self, lists: NDArray[np.integer], distances: NDArray[np.float32] | None = None) -> dict[str, Estimate]:
        """Take every measure of the lists of `users`; means over users with 95 % bootstrap intervals over users.

        Args:
            lists: Items, best first, `[num_users, length]`.
            distances: Distances of the listed items to each other, if they are known, `[num_users, length, length]`.
        """
        lists = lists.astype(np.int64)
        hits = np.take_along_axis(self.liked, lists, axis=1)
        expected = (lists[:, :, None] == self.popular[:, None, :]).any(axis=2)
        if distances is None:
            distances = np.stack([self.reranker.distances(items) for items in lists])
        found = {
            NDCG: bootstrap(ndcg_at(LIST_LENGTH, hits, self.liked.sum(axis=1)), rng=SEED),
            "coverage": coverage_estimate(lists, self.candidates, rng=SEED),
            "gini": gini_estimate(lists, self.candidates, rng=SEED),
            "novelty": bootstrap(self.reranker.novelty[lists].mean(axis=1, dtype=np.float64), rng=SEED),
        }
        if lists.shape[1] >= 2:
            found["diversity"] = bootstrap(list_diversity(distances), rng=SEED)
        rated = np.isfinite(self.profile_popularity)
        if rated.any():
            listed = self.train.item_counts[lists].mean(axis=1)
            found["popularity_lift"] = lift_estimate(listed[rated], self.profile_popularity[rated], rng=SEED)
        found["serendipity"] = bootstrap(serendipity(hits, expected), rng=SEED)
        known = self.profiles.any(axis=1)
        if known.any():
            of_lists = np.stack([self.concepts[items].sum(axis=0) for items in lists])
            total = of_lists.sum(axis=1, keepdims=True)
            of_lists = np.divide(of_lists, total, out=np.zeros_like(of_lists), where=total > 0)
            found["miscalibration"] = bootstrap(miscalibration(self.profiles, of_lists)[known], rng=SEED)
        return found


def beyond_report(
    run: Run,
    *,
    part: str | None = None,
    concept: str | None = None,
    groups: Sequence[str] = (),
    baselines: bool = True,
) -> dict[str, Any]:
    """Measure the lists of a run beyond their accuracy, beside popularity, EASE and content kNN.

    Args:
        run: A trained run.
        part: Test part; by default the first.
        concept: Relation whose shares in lists and profiles are compared; by default the one with most edges among
            those with at most 64 concepts.
        groups: How users are grouped, see `groupings`.
        baselines: Whether the baselines are measured, too.

    Returns:
        `run`, `part`, `num_users`, `list_length`, `num_candidates`, `concept`; `models`: for each model each measure of
        `Shelf.measures`; `groups`: for each grouping, metric and model what `group_report` returns. All as JSON values.

    Raises:
        InputError: If the run has no such part, or its graph no such relation, or nobody liked anything in the part.
    """
    shelf, relation = shelf_of(run, part=part, concept=concept)
    experiment = run.experiment
    removed = ~experiment.dataset.graph.items.present
    levels = run.recommender.levels
    implicit = experiment.dataset.implicit
    answered: dict[str, Predictions] = {}

    def ask(name: str, fitted: Scorers) -> None:
        answered[name] = Predictions.ask(
            fitted,
            shelf.part,
            shelf.ratings,
            known=shelf.train,
            levels=levels,
            relevant_from=shelf.relevant_from,
            removed=removed,
        )

    ask(OURS, fitted_recommender(run.recommender, implicit=implicit))
    for name, fitted in fitted_baselines(
        shelf.train,
        experiment.split.validation,
        content=run.trained.content,
        scale=experiment.dataset.scale,
        relevant_from=shelf.relevant_from,
        names=("popularity", "content_knn", "ease") if baselines else (),
    ):
        ask(name, fitted)
    models = {}
    for name, predictions in answered.items():
        assert predictions.lists is not None
        models[name] = {metric: found.as_json() for metric, found in shelf.measures(predictions.lists).items()}
    return {
        "run": str(run.directory),
        "part": shelf.part,
        "num_users": len(shelf.users),
        "list_length": min(LIST_LENGTH, len(shelf.candidates)),
        "num_candidates": len(shelf.candidates),
        "concept": relation,
        "models": models,
        "groups": _groups(run.experiment.dataset.graph, shelf, answered, groups),
    }


def shelf_of(run: Run, *, part: str | None = None, concept: str | None = None) -> tuple[Shelf, str | None]:
    """Return what the lists of a run are held against, and the relation whose shares are compared, if there is any.

    Raises:
        InputError: As `beyond_report`.
    """
    experiment, recommender = run.experiment, run.recommender
    parts = experiment.split.test
    part = part or next(iter(parts))
    if part not in parts:
        raise InputError(f"this run has no test part {part!r}; it has {', '.join(parts)}.{did_you_mean(part, parts)}")
    ratings, train = parts[part], experiment.split.train
    if not (ratings.value >= recommender.relevant_from).any():
        raise InputError(f"nobody liked anything in the part {part!r}, so its lists cannot be judged")
    graph = experiment.dataset.graph
    cold = part in ("cold_items", "cold_both")
    candidates = np.unique(ratings.item) if cold else np.flatnonzero(graph.items.present)
    popularity = Popularity(experiment.dataset.scale).fit(train)
    popular = Predictions.ask(
        Scorers(rank=unrated_only(popularity.rank, train)),
        part,
        ratings,
        known=train,
        levels=recommender.levels,
        relevant_from=recommender.relevant_from,
        removed=~graph.items.present,
    ).lists
    assert popular is not None
    relation, of_items = concept_shares(graph, concept)
    return (
        Shelf(
            part=part,
            ratings=ratings,
            train=train,
            candidates=candidates.astype(np.int64),
            relevant_from=recommender.relevant_from,
            reranker=recommender.reranker,
            concepts=of_items,
            popular=popular.astype(np.int64),
        ),
        relation,
    )


def concept_shares(graph: KnowledgeGraph, relation: str | None = None) -> tuple[str | None, NDArray[np.float64]]:
    """Return a relation of items, and the share of each of its concepts in each item, `[num_items, num_concepts]`.

    Args:
        graph: The graph.
        relation: Its name; by default the one with most edges among those with 2 to 64 concepts.

    Raises:
        InputError: If items have no such relation, or it has more than 64 concepts.
    """
    sizes = {
        found.relation: (len(np.unique(edges.index[1])), len(edges), found)
        for found, edges in graph.edges.items()
        if found.source == ITEM and found.target != ITEM
    }
    if relation is not None and relation not in sizes:
        raise InputError(f"items have no {relation!r}; there are {', '.join(sizes)}.{did_you_mean(relation, sizes)}")
    if relation is not None and sizes[relation][0] > MOST_CONCEPTS:
        raise InputError(
            f"{relation!r} has {sizes[relation][0]:,} concepts; shares of lists mean little beyond {MOST_CONCEPTS}"
        )
    small = {name: size for name, size in sizes.items() if 2 <= size[0] <= MOST_CONCEPTS}
    chosen = relation or max(small, key=lambda name: small[name][1], default=None)
    if chosen is None:
        return None, np.zeros((len(graph.items), 0))
    edge_type: EdgeType = sizes[chosen][2]
    item, concept = graph.edges[edge_type].index
    used, column = np.unique(concept, return_inverse=True)
    found = np.zeros((len(graph.items), len(used)))
    found[item, column] = 1.0
    total = found.sum(axis=1, keepdims=True)
    return chosen, np.divide(found, total, out=np.zeros_like(found), where=total > 0)


def _groups(
    graph: KnowledgeGraph, shelf: Shelf, answered: dict[str, Predictions], names: Sequence[str]
) -> dict[str, Any]:
    """Compare groups of users by the error of ratings and by the NDCG of lists."""
    found: dict[str, Any] = {}
    for grouping in groupings(graph, shelf.train, names):
        rmse: dict[str, Any] = {}
        ndcg: dict[str, Any] = {}
        for name, predictions in answered.items():
            if predictions.stars is not None:
                squared = predictions.errors(shelf.ratings) ** 2
                rmse[name] = group_report(grouping, shelf.ratings.user, squared, statistic="root_mean", rng=SEED)
            ndcg[name] = group_report(
                grouping, shelf.users, predictions.list_measures(shelf.ratings, shelf.relevant_from)[NDCG], rng=SEED
            )
        found[grouping.name] = {**({"rmse": rmse} if rmse else {}), NDCG: ndcg}
    return found
