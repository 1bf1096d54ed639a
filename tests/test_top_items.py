"""The pruned head of a list against scoring everything."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.cold.newcomers import Taste
from models.lists.exposure import Exposure
from models.lists.person import Person
from models.lists.top_items import best_by_bound, top_items
from models.network.phases import PhasedPredictor
from models.posterior import Predictor

SAMPLES, ITEMS, SIZE, LEVELS = 5, 3_000, 4, 5


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
    liking = np.round(rng.random(num_items), 1).astype(np.float32)
    items, scores = best_by_bound(weight, lambda some: liking[some], k)
    there = np.isfinite(weight)
    whole = np.where(there, np.where(there, weight, 0) * liking, -np.inf).astype(np.float32)
    order = np.lexsort((np.arange(num_items), -whole))[: min(k, int(np.isfinite(weight).sum()))]
    assert items.tolist() == order.tolist()
    assert np.array_equal(scores, whole[order])


def test_few_items_are_scored_where_weights_fall_steeply() -> None:
    scored: list[int] = []

    def liking(some: NDArray[np.int64]) -> NDArray[np.float32]:
        scored.extend(some.tolist())
        return np.full(len(some), 0.6, dtype=np.float32)

    weight = (1 / np.arange(1, 100_001)).astype(np.float32)
    items, _ = best_by_bound(weight, liking, 10)
    assert items.tolist() == list(range(10))
    assert len(scored) == len(set(scored)) < 100


def test_the_top_of_a_person_is_that_of_all_chances() -> None:
    generator = torch.Generator().manual_seed(0)

    def predictor() -> Predictor:
        return Predictor(
            users=torch.zeros(SAMPLES, 1, SIZE),
            items=torch.randn(SAMPLES, ITEMS, SIZE, generator=generator),
            thresholds=torch.tensor([-2.0, -1.0, 0.0, 1.0]).expand(SAMPLES, LEVELS - 1),
            user_offsets=torch.zeros(SAMPLES, 1, LEVELS - 1),
            item_offsets=0.2 * torch.randn(SAMPLES, ITEMS, LEVELS - 1, generator=generator),
        )

    known = torch.rand(ITEMS, generator=generator) < 0.7
    phased = PhasedPredictor(predictor(), 2, torch.ones(1, dtype=torch.bool), known)
    rng = np.random.default_rng(0)
    exposure = Exposure(
        rng.normal(0, 0.02, (50, 50)).astype(np.float32),
        rng.pareto(1.5, ITEMS).astype(np.float32),
        head=np.arange(0, 500, 10),
    )
    seen = (rng.random(ITEMS) < 0.05).astype(np.float32)
    rows, offsets = (
        torch.randn(SAMPLES, SIZE, generator=generator),
        torch.randn(SAMPLES, LEVELS - 1, generator=generator),
    )
    warm, cold = Taste(rows, 0.1 * offsets), Taste(rows[:2], 0.1 * offsets[:2])
    for person in (Person(warm=warm, cold=cold, seen=seen), Person(cold=cold, seen=seen)):
        items, scores = top_items(phased, exposure, person, level=3, power=0.7, k=25)
        chances = person.chances(phased)
        whole = chances[:, 3:].sum(1).numpy() ** 0.7 * exposure(seen[None])[0]
        whole[seen > 0] = -np.inf
        best = np.argsort(-whole, kind="stable")[:25]
        assert items.tolist() == best.tolist()
        np.testing.assert_allclose(scores, whole[best], rtol=1e-5)
