"""Ranked lists as people read them: items for someone, and people for an item."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from kg.counted import counted
from models.lists.boosts_and_filters import BoostsAndFilters
from models.lists.given import ids_of, mapping_of
from models.lists.item_filter import items_with
from models.lists.ranking import ranking
from models.lists.reasons import Reason, reasons_of_items
from models.lists.recommendation_rows import recommendations, sources, sources_by_content, sources_of_pairs, why_empty
from models.lists.top_items import top_items
from models.lists.trained import Trained
from models.lists.user_query import UserQuery

__all__ = [
    "audience_of",
    "best_items",
    "excluded_items",
    "ranking_scores",
    "ranking_scores_of_users",
    "rows_of_items",
    "sources_of",
    "unrated_items",
    "why_nothing",
]

Items = NDArray[np.int64]
Excluded = NDArray[np.bool_]


def excluded_items(
    recommender: Trained,
    candidates: Collection[str] | None = None,
    filters: Mapping[str, str | Sequence[str]] | None = None,
    rules: BoostsAndFilters | None = None,
) -> Excluded:
    """Return which items no list may show, whoever it is for, bool `[num_items]`."""
    excluded: Excluded = ~recommender.graph.items.present
    if candidates is not None:
        others = np.ones(len(excluded), dtype=bool)
        others[recommender.graph.items.vocabulary.indices(ids_of(candidates, "item"))] = False
        excluded |= others
    conditions = mapping_of(filters, "filters")
    if conditions:
        excluded |= ~items_with(recommender.graph, conditions)
    return excluded if rules is None else excluded | rules.hidden


def ranking_scores(
    recommender: Trained, query: UserQuery, rules: BoostsAndFilters | None = None
) -> NDArray[np.float32]:
    """Return the scores that order a person's list, `[num_items]`, whether the items may stand in it or not."""
    chances = query.chances(recommender.predictor)
    if rules is not None:
        chances = rules.boosted(chances, torch.tensor(recommender.levels))
    relevance = chances[:, recommender.relevant_level :].sum(1).numpy()
    item_item = recommender.item_item(query.seen[None])[0] if query.comes_across else None
    power = recommender.relevance_power if query.comes_across else 1.0
    return ranking(relevance, power, item_item=item_item, nearness=query.nearness)


def ranking_scores_of_users(
    recommender: Trained, users: Items, rules: BoostsAndFilters | None = None
) -> NDArray[np.float32]:
    """Return the scores of all items for known users, `[num_users, num_items]`; `-inf` for what is gone or hidden by rules."""
    level, predictor = recommender.relevant_level, recommender.predictor
    relevance = predictor.at_least(torch.from_numpy(users), level).numpy()
    if rules is not None and rules.boost.any():
        moved = np.flatnonzero(rules.boost)
        levels = torch.tensor(recommender.levels)
        for row, user in enumerate(users):
            pairs = torch.full((len(moved),), int(user)), torch.from_numpy(moved)
            boosted = rules.of_items(moved).boosted(predictor.probabilities(*pairs), levels)
            relevance[row, moved] = boosted[:, level:].sum(1).numpy()
    exposure = recommender.item_item_of(users)
    scores = np.asarray(relevance**recommender.relevance_power * exposure, dtype=np.float32)
    scores[:, excluded_items(recommender, rules=rules)] = -np.inf
    return scores


def best_items(recommender: Trained, query: UserQuery, k: int, excluded: Excluded) -> tuple[Items, NDArray[np.float32]]:
    """Return the best items and their ranking scores; only items that can still enter the list are scored."""
    level, power = recommender.relevant_level, recommender.relevance_power
    predictor, item_item = recommender.predictor, recommender.item_item
    return top_items(predictor, item_item, query, level=level, power=power, k=k, left_out=excluded)


def rows_of_items(recommender: Trained, query: UserQuery, items: Items, num_reasons: int) -> pd.DataFrame:
    """Return the rows of some items for a person, in the order given."""
    return recommendations(
        recommender.graph.items,
        items,
        query.chances(recommender.predictor, torch.from_numpy(items)),
        recommender.levels,
        sources_of(recommender, query, items),
        _reasons(recommender, query, items, num_reasons),
    )


def unrated_items(recommender: Trained, query: UserQuery, k: int, num_reasons: int) -> pd.DataFrame:
    """Return the best items that a person has not rated."""
    excluded = excluded_items(recommender)
    best, _ = best_items(recommender, query, k, excluded | (query.seen > 0))
    return why_empty(rows_of_items(recommender, query, best, num_reasons), why_nothing(recommender, excluded))


def sources_of(recommender: Trained, query: UserQuery, items: Items) -> list[str]:
    """Return what the scores of items for a person are based on; for a sentence, what is known of the items."""
    if query.nearness is not None:
        return sources_by_content(recommender, items)
    counts, described = np.full(len(items), query.num_ratings), np.full(len(items), query.described)
    return sources(recommender, items, counts, described)


def why_nothing(recommender: Trained, excluded: Excluded) -> str:
    """Return a sentence on why a list is empty from which candidates, filters and rules exclude some items."""
    present = int(recommender.graph.items.present.sum())
    if not present:
        return "this run has no items"
    left = int((~excluded).sum())
    if not left:
        return f"candidates, filters and rules leave none of {counted(present, 'item')} to list"
    done = "chosen" if recommender.implicit else "rated"
    items = "the only item" if left == 1 else f"all {left:,} items"
    which = "" if left == present else " that candidates, filters and rules leave"
    return f"the person has {done} {items}{which} already; exclude_seen=False lists them"


def audience_of(recommender: Trained, item: str, k: int, num_reasons: int) -> pd.DataFrame:
    """Return the users most likely to come across an item and like it, best first; see `Recommender.audience`."""
    index = recommender.graph.items.vocabulary.index_of(item)
    users = np.flatnonzero(recommender.train.user_counts)
    users = users[~np.isin(users, recommender.train.user[recommender.train.item == index])]
    chosen = torch.from_numpy(users)
    chances = recommender.predictor.probabilities(chosen, torch.full_like(chosen, index))
    relevance = chances[:, recommender.relevant_level :].sum(1).numpy()
    exposure = recommender.item_item.of_item(recommender.train, index)[users]
    best = np.argsort(-(relevance**recommender.relevance_power * exposure), kind="stable")[:k]
    users = users[best]
    rows = recommendations(
        recommender.graph.users,
        users,
        chances[torch.from_numpy(best)],
        recommender.levels,
        sources_of_pairs(recommender, users, np.full(len(users), index)),
        [_reasons_of_pair(recommender, int(user), index, num_reasons) for user in users],
    )
    done = "chosen" if recommender.implicit else "rated"
    return why_empty(rows, f"every user who has {done} anything has {done} item {item!r} already")


def _reasons(recommender: Trained, query: UserQuery, items: Items, most: int) -> list[list[Reason]]:
    """Return why items suit a person, each by the samples that make its prediction."""
    known = recommender.predictor.known_items.numpy()[items] & (query.warm is not None)
    reasons: list[list[Reason]] = [[] for _ in items]
    for samples, embedding, chosen in (
        (recommender.samples, query.warm, np.flatnonzero(known)),
        (recommender.cold_samples, query.cold, np.flatnonzero(~known)),
    ):
        if embedding is not None and len(chosen):
            by_item = reasons_of_items(samples, recommender.graph, embedding.rows, items[chosen], most=most)
            for place, of_item in zip(chosen, by_item, strict=True):
                reasons[place] = of_item
    return reasons


def _reasons_of_pair(recommender: Trained, user: int, item: int, most: int) -> list[Reason]:
    predictor = recommender.predictor
    known = bool(predictor.known_users[user] and predictor.known_items[item])
    samples = recommender.samples if known else recommender.cold_samples
    rows: Tensor = samples.predictor.users[:, user]
    return reasons_of_items(samples, recommender.graph, rows, np.array([item]), most=most)[0]
