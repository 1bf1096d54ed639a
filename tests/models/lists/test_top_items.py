"""The head of a list against scoring everything."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.lists.item_item import ItemItemModel
from models.lists.top_items import FIRST, top_items
from models.lists.user_query import UserQuery
from models.posterior import PhasedPredictor, Predictor, UserEmbedding

ITEMS, SIZE, LEVELS, SAMPLES, COLD = 3_000, 4, 5, 7, 3


def world(base: NDArray[np.floating]) -> tuple[PhasedPredictor, ItemItemModel, UserQuery, UserQuery]:
    """Items of which three in ten are new, and two users: one whom all samples know, one whom only the first know."""
    generator = torch.Generator().manual_seed(0)
    samples = Predictor(
        users=torch.zeros(SAMPLES, 1, SIZE),
        items=torch.randn(SAMPLES, ITEMS, SIZE, generator=generator),
        thresholds=torch.tensor([-2.0, -1.0, 0.0, 1.0]).expand(SAMPLES, LEVELS - 1),
        preferences=torch.zeros(SAMPLES, 1, LEVELS),
    )
    known = torch.rand(ITEMS, generator=generator) < 0.7
    predictor = PhasedPredictor(samples, COLD, torch.ones(1, dtype=torch.bool), known)
    rng = np.random.default_rng(0)
    weights = rng.normal(0, 0.02, (50, 50)).astype(np.float32)
    item_item = ItemItemModel(weights, base.astype(np.float32), head=np.arange(0, 500, 10))
    seen = (rng.random(ITEMS) < 0.05).astype(np.float32)
    rows = torch.randn(SAMPLES, SIZE, generator=generator)
    preferences = torch.randn(SAMPLES, LEVELS, generator=generator)
    cold = UserEmbedding(rows[:COLD], preferences[:COLD])
    users = UserQuery(warm=UserEmbedding(rows, preferences), cold=cold, seen=seen), UserQuery(cold=cold, seen=seen)
    return predictor, item_item, *users


@pytest.mark.parametrize("falls", ["steeply", "hardly", "in steps"])
@pytest.mark.parametrize("k", [1, 25, ITEMS])
def test_it_is_the_head_of_the_whole_list(falls: str, k: int) -> None:
    rng = np.random.default_rng(1)
    base = {"steeply": rng.pareto(1.5, ITEMS), "hardly": 1 + 0.01 * rng.random(ITEMS)}.get(
        falls, rng.integers(1, 3, ITEMS)
    )
    predictor, item_item, *users = world(base)
    for user in users:
        left_out = (user.seen > 0) | (rng.random(ITEMS) < 0.1)
        items, scores = top_items(predictor, item_item, user, level=3, power=0.7, k=k, left_out=left_out)
        whole = user.chances(predictor)[:, 3:].sum(1).numpy() ** 0.7 * item_item(user.seen[None])[0]
        whole[left_out] = -np.inf
        best = np.argsort(-whole, kind="stable")[: min(k, int(np.isfinite(whole).sum()))]
        np.testing.assert_allclose(scores, whole[best], rtol=1e-6)
        np.testing.assert_allclose(whole[items], whole[best], rtol=1e-6)  # what differs by rounding alone may swap
        assert len(set(items.tolist())) == len(best)


def test_equal_items_stand_in_their_order() -> None:
    predictor, item_item, user, _ = world(np.full(ITEMS, 0.5))
    equal = Predictor(
        users=predictor.samples.users,
        items=predictor.samples.items[:, :1].expand(-1, ITEMS, -1),
        thresholds=predictor.samples.thresholds,
        preferences=predictor.samples.preferences,
    )
    alike = PhasedPredictor(equal, SAMPLES, predictor.known_users, torch.ones(ITEMS, dtype=torch.bool))
    left_out = np.arange(ITEMS) < 500  # those with a score of their own
    items, scores = top_items(alike, item_item, user, level=3, power=1.0, k=30, left_out=left_out)
    assert items.tolist() == list(range(500, 530))
    assert np.ptp(scores) == 0


def test_few_items_are_scored_where_scores_fall_steeply(monkeypatch: pytest.MonkeyPatch) -> None:
    predictor, item_item, user, _ = world(0.5 ** np.arange(ITEMS))
    scored: list[int] = []
    chances = UserQuery.chances

    def recorded(self: UserQuery, predictor: PhasedPredictor, items: Any = None) -> torch.Tensor:
        scored.extend(items.tolist())
        return chances(self, predictor, items)

    monkeypatch.setattr(UserQuery, "chances", recorded)
    top_items(predictor, item_item, user, level=1, power=1.0, k=3, left_out=np.zeros(ITEMS, dtype=bool))
    assert len(scored) == len(set(scored)) == FIRST
    assert not top_items(predictor, item_item, user, level=1, power=1.0, k=3, left_out=np.ones(ITEMS, dtype=bool))[
        0
    ].size
