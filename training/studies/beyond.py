"""Lists beyond their accuracy: what ours and the baselines show, to whom, and how alike and how known it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg.errors import InputError, did_you_mean
from kg.graph import KnowledgeGraph
from kg.ratings import Ratings
from kg.schema import ITEM
from models.baselines import Popularity
from models.lists.rerank import Reranker
from training.bundle import Run
from training.chosen_baselines import fitted_baselines
from training.evaluate import fitted_recommender
from training.metrics import Estimate, bootstrap, ndcg_at
from training.predictions import LIST_LENGTH, SEED, Predictions, Scorers, liked_table, liked_users, unrated_only
from training.studies.groups import group_report, groupings
from training.studies.list_measures import (
    coverage,
    gini,
    lift_estimate,
    list_diversity,
    miscalibration,
    of_counts,
    serendipity,
    shares,
)

__all__ = ["BETTER", "NDCG", "OURS", "Shelf", "beyond_report", "shelf_of"]

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
        means = np.divide(total, counts, out=np.full(len(counts), np.nan), where=counts > 0)
        return np.asarray(means[self.users])

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
        estimates = {
            NDCG: bootstrap(ndcg_at(LIST_LENGTH, hits, self.liked.sum(axis=1)), rng=SEED),
            "coverage": of_counts(coverage, lists, self.candidates, rng=SEED),
            "gini": of_counts(gini, lists, self.candidates, rng=SEED),
            "novelty": bootstrap(self.reranker.novelty[lists].mean(axis=1, dtype=np.float64), rng=SEED),
        }
        if lists.shape[1] >= 2:
            estimates["diversity"] = bootstrap(list_diversity(distances), rng=SEED)
        rated = np.isfinite(self.profile_popularity)
        if rated.any():
            listed = self.train.item_counts[lists].mean(axis=1)
            estimates["popularity_lift"] = lift_estimate(listed[rated], self.profile_popularity[rated], rng=SEED)
        estimates["serendipity"] = bootstrap(serendipity(hits, expected), rng=SEED)
        known = self.profiles.any(axis=1)
        if known.any():
            of_lists = np.stack([shares(np.ones((1, lists.shape[1])), self.concepts[items])[0] for items in lists])
            estimates["miscalibration"] = bootstrap(miscalibration(self.profiles, of_lists)[known], rng=SEED)
        return estimates


def beyond_report(run: Run, *, part: str | None = None) -> dict[str, Any]:
    """Measure the lists of a run beyond their accuracy, beside popularity, EASE and content kNN.

    Args:
        run: A trained run.
        part: Test part; by default the first.

    Returns:
        `run`, `part`, `num_users`, `list_length`, `num_candidates`, `concept` (the relation whose shares in lists and in
        profiles are compared); `models`: for each model each measure of `Shelf.measures`; `groups`: for each grouping,
        metric and model what `group_report` returns. All as JSON values.

    Raises:
        InputError: If the run has no such part, or nobody liked anything in it.
    """
    shelf, relation = shelf_of(run, part=part)
    experiment = run.experiment
    models = [(OURS, fitted_recommender(run.recommender, implicit=experiment.dataset.implicit))]
    models += fitted_baselines(
        shelf.train,
        experiment.split.validation,
        content=run.trained.content,
        scale=experiment.dataset.scale,
        relevant_from=shelf.relevant_from,
        names=("popularity", "content_knn", "ease"),
    )
    predictions = {name: _predictions(run, shelf.part, scorers) for name, scorers in models}
    measures = {}
    for name, of_model in predictions.items():
        assert of_model.lists is not None
        measures[name] = {metric: found.as_json() for metric, found in shelf.measures(of_model.lists).items()}
    return {
        "run": str(run.directory),
        "part": shelf.part,
        "num_users": len(shelf.users),
        "list_length": min(LIST_LENGTH, len(shelf.candidates)),
        "num_candidates": len(shelf.candidates),
        "concept": relation,
        "models": measures,
        "groups": _groups(experiment.dataset.graph, shelf, predictions),
    }


def shelf_of(run: Run, *, part: str | None = None) -> tuple[Shelf, str | None]:
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
    popular = _predictions(run, part, Scorers(rank=unrated_only(popularity.rank, train))).lists
    assert popular is not None
    relation, of_items = _concept_shares(graph)
    shelf = Shelf(
        part=part,
        ratings=ratings,
        train=train,
        candidates=candidates.astype(np.int64),
        relevant_from=recommender.relevant_from,
        reranker=recommender.reranker,
        concepts=of_items,
        popular=popular.astype(np.int64),
    )
    return shelf, relation


def _predictions(run: Run, part: str, scorers: Scorers) -> Predictions:
    split, recommender = run.experiment.split, run.recommender
    return Predictions.ask(
        scorers,
        part,
        split.test[part],
        known=split.train,
        levels=recommender.levels,
        relevant_from=recommender.relevant_from,
        removed=~run.experiment.dataset.graph.items.present,
    )


def _concept_shares(graph: KnowledgeGraph) -> tuple[str | None, NDArray[np.float64]]:
    """Return the relation of items with most edges among those of 2 to 64 concepts, and their shares `[num_items, num_concepts]`."""
    small = [
        edge_type
        for edge_type, edges in graph.edges.items()
        if edge_type.source == ITEM != edge_type.target and 2 <= len(np.unique(edges.index[1])) <= MOST_CONCEPTS
    ]
    if not small:
        return None, np.zeros((len(graph.items), 0))
    chosen = max(small, key=lambda edge_type: len(graph.edges[edge_type]))
    item, concept = graph.edges[chosen].index
    used, column = np.unique(concept, return_inverse=True)
    has = np.zeros((len(graph.items), len(used)))
    has[item, column] = 1.0
    return chosen.relation, has / np.maximum(has.sum(axis=1, keepdims=True), 1.0)


def _groups(graph: KnowledgeGraph, shelf: Shelf, predictions: dict[str, Predictions]) -> dict[str, Any]:
    """Compare groups of users by the error of ratings and by the NDCG of lists."""
    groups: dict[str, Any] = {}
    for grouping in groupings(graph, shelf.train):
        rmse: dict[str, Any] = {}
        ndcg: dict[str, Any] = {}
        for name, of_model in predictions.items():
            if of_model.stars is not None:
                squared = of_model.errors(shelf.ratings) ** 2
                rmse[name] = group_report(grouping, shelf.ratings.user, squared, statistic="root_mean", rng=SEED)
            of_lists = of_model.list_measures(shelf.ratings, shelf.relevant_from)[NDCG]
            ndcg[name] = group_report(grouping, shelf.users, of_lists, rng=SEED)
        groups[grouping.name] = {**({"rmse": rmse} if rmse else {}), NDCG: ndcg}
    return groups
