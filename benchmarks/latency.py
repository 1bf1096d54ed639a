"""How long answers take: a new item, a new user, and the head of a list over a large synthetic catalogue."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kg.schema import ITEM
from models.lists.item_item import HEAD, ItemItemModel
from models.lists.top_items import top_items
from models.posterior import PhasedPredictor, by_node
from models.recommender import Recommender

__all__ = ["Latency", "measure_latency"]

CATALOGUE = 100_000
LIKES = 5
LIST_LENGTH = 10
WARM_UP = 5  # calls before the clock runs


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Times of one kind of call in milliseconds: the median, and what 95 of 100 calls take at most.

    Processor time, of all threads, is lengthened less by other programs than that by the clock.
    """

    name: str
    p50: float
    p95: float
    processor_p50: float
    processor_p95: float
    calls: int

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        names = ("p50", "p95", "processor_p50", "processor_p95")
        times = {f"{name}_ms": round(getattr(self, name), 2) for name in names}
        return {"name": self.name, **times, "calls": self.calls}


def measure_latency(recommender: Recommender, *, calls: int = 200, catalogue: int = CATALOGUE) -> list[Latency]:
    """Time three kinds of calls, each with other arguments every time, on one thread: calls are too short to be shared out.

    - A new item: concepts and text, the text read already, to its prediction for one user (`add_items`, `predict`).
    - A new user: five liked items to a list of ten with and without reasons (`recommend`).
    - The ten best items of one user among 100,000: `top_items` on a synthetic catalogue. Its items are those of the run,
      drawn again and moved by a tenth of their spread in every sample. Its 10,000 best-known items have the exposure
      of those they were drawn from, the others shares from the less known half of the run. A user saw copies of
      what they saw. A tenth of the answers is compared with scoring all items.

    Args:
        recommender: A trained recommender.
        calls: Number of timed calls of each kind.
        catalogue: Number of synthetic items.

    Raises:
        RuntimeError: If an answer over the synthetic catalogue is not the exact one.
    """
    rng, before = np.random.default_rng(0), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [
            _new_item(recommender, calls, rng),
            _new_user(recommender, calls, rng, num_reasons=0),
            _new_user(recommender, calls, rng, num_reasons=2),
            _large_catalogue(recommender, calls, catalogue, rng),
        ]
    finally:
        torch.set_num_threads(before)


def _timed(name: str, call: Callable[[int], object], calls: int) -> Latency:
    times = []
    for number in range(WARM_UP + calls):
        started, before = time.perf_counter(), time.process_time()
        call(number)
        times.append((time.perf_counter() - started, time.process_time() - before))
    (p50, processor_p50), (p95, processor_p95) = 1000 * np.percentile(times[WARM_UP:], [50, 95], axis=0)
    return Latency(
        name=name,
        p50=float(p50),
        p95=float(p95),
        processor_p50=float(processor_p50),
        processor_p95=float(processor_p95),
        calls=calls,
    )


def _new_item(recommender: Recommender, calls: int, rng: np.random.Generator) -> Latency:
    graph = recommender.graph
    chosen = rng.choice(np.flatnonzero(graph.items.present), WARM_UP + calls)
    users = [
        graph.users.vocabulary.id_of(int(user))
        for user in rng.choice(np.flatnonzero(recommender.train.user_counts), WARM_UP + calls)
    ]
    records = []
    for number, item in enumerate(chosen):
        concepts = {
            edge_type.relation: graph.nodes[edge_type.target].vocabulary.ids[found.index[1][found.index[0] == item]]
            for edge_type, found in graph.edges.items()
            if edge_type.source == ITEM and edge_type.target != ITEM
        }
        text = graph.items.texts[item] or graph.items.labels[item]
        records.append({"id": f"new item {number} of the measurement", "text": str(text), "concepts": concepts})
    # Reading a text is the encoder's time: these are read beforehand, and looked up.
    recommender.encoder.encode([str(record["text"]) for record in records])

    def call(number: int) -> None:
        grown = recommender.add_items([records[number]])
        grown.predict([(users[number], str(records[number]["id"]))])

    return _timed("new item by text and concepts, predicted for a user", call, calls)


def _new_user(recommender: Recommender, calls: int, rng: np.random.Generator, num_reasons: int) -> Latency:
    rated = np.flatnonzero(recommender.train.item_counts)
    ids, high = recommender.graph.items.vocabulary.ids, recommender.scale[1]
    histories = [
        dict.fromkeys(map(str, ids[rng.choice(rated, min(LIKES, len(rated)), replace=False)]), high)
        for _ in range(WARM_UP + calls)
    ]

    def call(number: int) -> None:
        recommender.recommend(history=histories[number], k=LIST_LENGTH, num_reasons=num_reasons)

    with_reasons = f", {num_reasons} reasons an item" if num_reasons else ""
    return _timed(f"new user from {LIKES} likes, a list of {LIST_LENGTH}{with_reasons}", call, calls)


def _large_catalogue(recommender: Recommender, calls: int, catalogue: int, rng: np.random.Generator) -> Latency:
    head = recommender.item_item.head
    rated = np.flatnonzero(recommender.learned(ITEM).numpy()) if head is None else head
    raters = np.flatnonzero(recommender.train.user_counts)
    source = torch.from_numpy(rng.choice(rated, catalogue))
    generator = torch.Generator().manual_seed(0)
    before = recommender.predictor.samples
    items = before.items[:, source]
    for rows in items:  # in place, a sample at a time
        rows += 0.1 * rows.std(0) * torch.randn(rows.shape, generator=generator)
    predictor = replace(before, items=by_node(items))
    everything = torch.ones(catalogue, dtype=torch.bool)
    phased = PhasedPredictor(predictor, len(predictor), recommender.predictor.known_users, everything)
    item_item, seen_of = _synthetic_item_item(recommender, source.numpy(), rng)
    ids = recommender.graph.users.vocabulary
    people = [
        replace(recommender.user_query(user=ids.id_of(int(user))), seen=seen_of(int(user)))
        for user in rng.choice(raters, WARM_UP + calls)
    ]
    level, power = recommender.relevant_level, recommender.relevance_power
    answers: list[NDArray[np.int64]] = []

    def call(number: int) -> None:
        person = people[number]
        how: dict[str, Any] = {"level": level, "power": power, "k": LIST_LENGTH, "left_out": person.seen > 0}
        answers.append(top_items(phased, item_item, person, **how)[0])

    latency = _timed(f"the {LIST_LENGTH} best of {catalogue:,} synthetic items for a user, exact", call, calls)
    for person, answer in list(zip(people, answers, strict=True))[:: max(1, calls // 10)]:
        chances = person.chances(phased)[:, level:].sum(1).numpy()
        whole = chances**power * item_item(person.seen[None])[0]
        whole[person.seen > 0] = -np.inf
        best = np.argsort(-whole, kind="stable")[:LIST_LENGTH]
        # The two ways add up in other orders: nearly equal ones may swap.
        if not np.allclose(whole[answer], whole[best], rtol=1e-5):
            raise RuntimeError(f"the pruned list {answer} is not the exact one {best}")
    return latency


def _synthetic_item_item(
    recommender: Recommender, source: NDArray[np.int64], rng: np.random.Generator
) -> tuple[ItemItemModel, Callable[[int], NDArray[np.float32]]]:
    """Return the exposure of a synthetic catalogue, and what each user of the run saw of it."""
    before, train = recommender.item_item, recommender.train
    counts = train.item_counts[source]
    head = np.sort(np.argsort(-counts - rng.random(len(source)), kind="stable")[: min(HEAD, len(source))])
    of_head = source[head]
    share = train.item_counts / max(int((train.user_counts > 0).sum()), 1)
    known = share[share > 0]
    base = rng.choice(known[known <= np.median(known)], len(source)).astype(np.float32)
    base[head] = before.base[of_head]
    rows = of_head if before.head is None else np.searchsorted(before.head, of_head)
    weights = np.ascontiguousarray(before.weights[np.ix_(rows, rows)])
    copies: dict[int, list[int]] = {}
    for place, item in zip(head.tolist(), of_head.tolist(), strict=True):
        copies.setdefault(item, []).append(place)

    def seen_of(user: int) -> NDArray[np.float32]:
        seen = np.zeros(len(source), dtype=np.float32)
        for item in train.item[train.user == user].tolist():
            if item in copies:
                seen[rng.choice(copies[item])] = 1.0
        return seen

    return ItemItemModel(weights, base, head=head), seen_of
