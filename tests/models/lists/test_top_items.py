"""The pruned head of a list against scoring everything."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.lists.item_item import ItemItemModel
from models.lists.relevance import Part
from models.lists.top_items import best_by_bound, top_items
from models.lists.user_query import UserQuery
from models.posterior import PhasedPredictor, Predictor, UserEmbedding

ITEMS, SIZE, LEVELS = 3_000, 4, 5


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["steep", "flat", "ties", "nobody"]),
    st.integers(1, 40),
    st.sampled_from([1, 5, 300]),
)
def test_it_is_the_head_of_the_whole_list(seed: int, shape: str, k: int, num_items: int) -> None:
    rng = np.random.default_rng(seed)
    weight = {
        "steep": rng.pareto(1.0, num_items),
        "flat": 1 + 1e-3 * rng.random(num_items),
        "ties": rng.integers(0, 3, num_items).astype(float),
        "nobody": np.full(num_items, -np.inf),
    }[shape].astype(np.float32)
    weight[rng.random(num_items) < 0.2] = -np.inf
    relevance = np.round(rng.random(num_items), 1).astype(np.float32)
    items, scores = best_by_bound(weight, lambda some, _: relevance[some], k)
    there = np.isfinite(weight)
    whole = np.where(there, np.where(there, weight, 0) * relevance, -np.inf).astype(np.float32)
    order = np.lexsort((np.arange(num_items), -whole))[: min(k, int(np.isfinite(weight).sum()))]
    assert items.tolist() == order.tolist()
    assert np.array_equal(scores, whole[order])


def test_few_items_are_scored_where_weights_fall_steeply() -> None:
    scored: list[int] = []

    def relevance(some: NDArray[np.int64], _: Part) -> NDArray[np.float32]:
        scored.extend(some.tolist())
        return np.full(len(some), 0.6, dtype=np.float32)

    weight = (1 / np.arange(1, 100_001)).astype(np.float32)
    items, _ = best_by_bound(weight, relevance, 10)
    assert items.tolist() == list(range(10))
    assert len(scored) == len(set(scored)) < 100


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 2, 7, 40]),
    st.sampled_from([((0.0, 1.0),), ((0.0, 0.5), (0.5, 1.0)), ((0.0, 0.1), (0.1, 0.3), (0.3, 1.0))]),
    st.sampled_from([1.0, 0.1, 2.0]),
    st.integers(1, 40),
)
def test_items_ruled_out_by_a_part_of_the_samples_are_not_in_the_list(
    seed: int, num_samples: int, parts: tuple[Part, ...], power: float, k: int
) -> None:
    rng = np.random.default_rng(seed)
    weight = (1 + rng.random(600)).astype(np.float32)
    # Halves: sums are exact, and many items are alike.
    chances = rng.integers(0, 3, (600, num_samples)) / 2

    def relevance(some: NDArray[np.int64], part: Part) -> NDArray[np.float32]:
        first, last = (round(end * num_samples) for end in part)
        return (chances[some, first:last].sum(1) / num_samples).astype(np.float32)

    weight[rng.random(600) < 0.5] = 1.5
    items, scores = best_by_bound(weight, relevance, k, parts=parts, slack=0.5 / num_samples, power=power)
    whole = weight * chances.mean(1) ** power
    np.testing.assert_allclose(whole[items], np.sort(whole)[::-1][:k], rtol=1e-6)
    np.testing.assert_allclose(scores, whole[items], rtol=1e-6)
    assert len(set(items.tolist())) == k


def test_half_of_the_samples_are_enough_where_they_dislike() -> None:
    asked: list[tuple[int, Part]] = []
    weight = np.ones(5_000, dtype=np.float32)
    liked = np.where(np.arange(5_000) < 64, 0.8, 0.1).astype(np.float32)

    def relevance(some: NDArray[np.int64], part: Part) -> NDArray[np.float32]:
        asked.append((len(some), part))
        return liked[some] * np.float32(part[1] - part[0])

    weight[:64] = 1.1  # these come first
    best_by_bound(weight, relevance, 10, parts=((0.0, 0.5), (0.5, 1.0)))
    assert sum(number for number, part in asked if part == (0.0, 0.5)) == 4_936
    assert not [number for number, part in asked if part == (0.5, 1.0)]


@pytest.mark.parametrize(("num_samples", "num_cold"), [(5, 2), (70, 33)])
@pytest.mark.parametrize("k", [25, ITEMS])
def test_the_top_of_a_person_is_that_of_all_chances(num_samples: int, num_cold: int, k: int) -> None:
    generator = torch.Generator().manual_seed(0)

    def predictor() -> Predictor:
        return Predictor(
            users=torch.zeros(num_samples, 1, SIZE),
            items=torch.randn(num_samples, ITEMS, SIZE, generator=generator),
            thresholds=torch.tensor([-2.0, -1.0, 0.0, 1.0]).expand(num_samples, LEVELS - 1),
            preferences=torch.zeros(num_samples, 1, LEVELS),
        )

    known = torch.rand(ITEMS, generator=generator) < 0.7
    phased = PhasedPredictor(predictor(), num_cold, torch.ones(1, dtype=torch.bool), known)
    rng = np.random.default_rng(0)
    item_item = ItemItemModel(
        rng.normal(0, 0.02, (50, 50)).astype(np.float32),
        rng.pareto(1.5, ITEMS).astype(np.float32),
        head=np.arange(0, 500, 10),
    )
    seen = (rng.random(ITEMS) < 0.05).astype(np.float32)
    rows, preferences = (
        torch.randn(num_samples, SIZE, generator=generator),
        torch.randn(num_samples, LEVELS, generator=generator),
    )
    warm, cold = UserEmbedding(rows, preferences), UserEmbedding(rows[:num_cold], preferences[:num_cold])
    left_out = (seen > 0) | (rng.random(ITEMS) < 0.1)
    for person in (UserQuery(warm=warm, cold=cold, seen=seen), UserQuery(cold=cold, seen=seen)):
        items, scores = top_items(phased, item_item, person, level=3, power=0.7, k=k, left_out=left_out)
        chances = person.chances(phased)
        whole = chances[:, 3:].sum(1).numpy() ** 0.7 * item_item(seen[None])[0]
        whole[left_out] = -np.inf
        best = np.argsort(-whole, kind="stable")[: min(k, int(np.isfinite(whole).sum()))]
        assert {int(item) for item in items} - set(
            item_item.personal.tolist()
        )  # what all come across alike is listed, too
        np.testing.assert_allclose(whole[items], whole[best], rtol=5e-5)  # nearly equal ones may swap
        assert set(items.tolist()) == set(best.tolist())
        np.testing.assert_allclose(scores, whole[best], rtol=5e-5)  # preferences of e^2 and more cost a digit
