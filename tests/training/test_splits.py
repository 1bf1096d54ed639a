"""Splits: disjoint, complete, repeatable; canonical ones first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.errors import InputError
from kg.graph import KnowledgeGraph, Nodes
from kg.named_split import NamedSplit
from kg.ratings import Ratings
from kg.vocabulary import Vocabulary
from training.splits import Split, liked_from, make_split, split_names

NAMES = ("random", "by-time", "liked", "cold-items", "cold-users", "cold-both", "file", "items", "parts")


def nodes(kind: str, size: int) -> Nodes:
    ids = [f"{kind}{index}" for index in range(size)]
    return Nodes(
        vocabulary=Vocabulary(kind, ids), labels=np.array(ids, dtype=object), texts=[None] * size, iris=[None] * size
    )


def world(
    num_users: int = 40, num_items: int = 30, *, seed: int = 0, time: bool = True, **splits: NamedSplit
) -> Dataset:
    """Half of all pairs rated; the value is the row number, so that a rating can be told from all others."""
    rng = np.random.default_rng(seed)
    user, item = np.nonzero(rng.random((num_users, num_items)) < 0.5)
    order = rng.permutation(len(user))
    ratings = Ratings(
        user=user[order],
        item=item[order],
        value=np.arange(len(user)),
        time=rng.integers(0, 50, len(user)) if time else None,
        num_users=num_users,
        num_items=num_items,
    )
    graph = KnowledgeGraph(
        name="made", nodes={"user": nodes("user", num_users), "item": nodes("item", num_items)}, edges={}, sources=()
    )
    return Dataset(graph=graph, ratings=ratings, scale=(0, len(user)), splits=splits)


CANONICAL = {
    "file": NamedSplit(test_ratings=np.arange(0, 200, 3)),
    "items": NamedSplit(test_items=np.array([1, 4, 7]), validation_items=np.array([2, 3])),
    "parts": NamedSplit(
        parts={"warm": np.arange(0, 90, 3), "cold_users": np.arange(1, 90, 3)}, validation_ratings=np.arange(2, 90, 3)
    ),
}


def rows(ratings: Ratings | None) -> list[int]:
    return [] if ratings is None else ratings.value.astype(int).tolist()


def held_out(split: Split) -> set[int]:
    return {row for part in split.test.values() for row in rows(part)}


@given(
    name=st.sampled_from(NAMES),
    seed=st.integers(0, 5),
    test_share=st.floats(0.1, 0.4),
    validation_share=st.sampled_from([0.0, 0.1, 0.3]),
)
@settings(max_examples=60)
def test_every_split_is_disjoint_complete_and_repeatable(
    name: str, seed: int, test_share: float, validation_share: float
) -> None:
    dataset = world(seed=seed, **CANONICAL)
    split = make_split(dataset, name, test_share=test_share, validation_share=validation_share, seed=seed)
    pieces = [*rows(split.train), *rows(split.validation), *held_out(split)]
    assert sorted(pieces) == list(range(len(dataset.ratings)))
    assert rows(split.train) == sorted(rows(split.train))
    assert (split.validation is None) == (validation_share == 0 and name != "parts")
    again = make_split(dataset, name, test_share=test_share, validation_share=validation_share, seed=seed)
    assert rows(again.train) == rows(split.train)
    other = make_split(dataset, name, test_share=test_share, validation_share=0.2, seed=seed)
    assert {part: rows(found) for part, found in other.test.items()} == {
        part: rows(found) for part, found in split.test.items()
    }


def test_random_is_the_stated_permutation() -> None:
    dataset = world()
    n = len(dataset.ratings)
    order = np.random.default_rng(7).permutation(n)
    split = make_split(dataset, "random", test_share=0.25, seed=7)
    assert held_out(split) == set(order[: round(0.25 * n)].tolist())
    assert rows(split.train) == sorted(order[round(0.25 * n) :].tolist())


def test_liked_is_the_stated_draw_among_the_upper_quarter() -> None:
    dataset = world()
    n = len(dataset.ratings)
    liked = [row for row in range(n) if row >= 0.75 * n]  # a rating's value is its row
    drawn = np.random.default_rng(7).random(len(liked))
    split = make_split(dataset, "liked", test_share=0.3, seed=7)
    assert held_out(split) == {row for row, lot in zip(liked, drawn, strict=True) if lot < 0.3}
    assert liked_from((1, 5)) == 4


def test_by_time_holds_out_the_latest_and_ties_go_by_row() -> None:
    dataset = world()
    n = len(dataset.ratings)
    by_hand = sorted(range(n), key=lambda row: (dataset.ratings.time[row], row))[n - round(0.2 * n) :]
    assert rows(make_split(dataset, "by-time", test_share=0.2).test["warm"]) == sorted(by_hand)


def test_by_time_tells_where_it_cuts_between_equal_times(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="training.splits")
    dataset = world()
    times = np.sort(dataset.ratings.time)
    n, held = len(times), round(0.2 * len(times))
    share = int((times == times[n - held]).sum())
    out = int((times[n - held :] == times[n - held]).sum())
    assert 0 < out < share
    make_split(dataset, "by-time", test_share=0.2)
    assert caplog.messages == [
        f"by-time cuts between ratings of the same time: {share} share it, of which {out} are held out, by the order of rows"
    ]
    caplog.clear()
    make_split(replace(dataset, ratings=replace(dataset.ratings, time=np.full(n, 7))), "by-time")
    assert "all ratings have the same time; by-time is no split here" in caplog.text
    caplog.clear()
    make_split(replace(dataset, ratings=replace(dataset.ratings, time=np.arange(n))), "by-time")
    assert caplog.messages == []


def impressions(dataset: Dataset) -> Dataset:
    """The same as choices, with what else was shown to each user: every other item."""
    ratings = dataset.ratings
    width = ratings.num_items
    free = np.setdiff1d(np.arange(ratings.num_users * width), ratings.user * width + ratings.item)
    seen = Ratings(
        user=free // width,
        item=free % width,
        value=np.zeros(len(free)),
        time=np.arange(len(free)) % 50,
        num_users=ratings.num_users,
        num_items=width,
    )
    chosen = replace(ratings, value=np.ones(len(ratings)))
    return replace(dataset, ratings=chosen, shown=seen, scale=(1.0, 1.0))


@pytest.mark.parametrize("name", ["random", "by-time", "cold-items", "cold-users", "cold-both", "items", "parts"])
def test_what_was_shown_tells_nothing_of_what_is_held_out(name: str) -> None:
    dataset = impressions(world(**CANONICAL))
    split = make_split(dataset, name, test_share=0.2)
    assert split.shown is not None
    assert len(split.shown)
    assert (split.train.value == 1).all()
    assert all((part.value == 1).all() for part in split.test.values())
    assert (split.train.user_counts[split.shown.user] > 0).all()
    assert (split.train.item_counts[split.shown.item] > 0).all()
    if name == "by-time":
        assert split.shown.time.max() < min(part.time.min() for part in split.test.values())
    assert make_split(world(), "random").shown is None


def test_by_time_without_times_says_so() -> None:
    dataset = world(time=False)
    assert "by-time" not in split_names(dataset)
    with pytest.raises(InputError, match="needs the time of every rating"):
        make_split(dataset, "by-time")


def test_cold_items_and_users_leave_no_trace_in_training() -> None:
    dataset = world()
    for name, part, column, size in (("cold-items", "cold_items", "item", 6), ("cold-users", "cold_users", "user", 8)):
        split = make_split(dataset, name, test_share=0.2, validation_share=0.1)
        assert set(split.test) == {"warm", part}
        cold = set(getattr(split.test[part], column).tolist())
        assert len(cold) == size  # a fifth of 30 items, of 40 users
        assert not cold & set(getattr(split.train, column).tolist())
        assert not cold & set(getattr(split.validation, column).tolist())
        assert len(split.test["warm"]) == round(0.1 * (len(dataset.ratings) - len(split.test[part])))


def test_cold_both_sorts_ratings_by_what_is_cold() -> None:
    split = make_split(world(), "cold-both", test_share=0.3)
    items, users = set(split.test["cold_both"].item.tolist()), set(split.test["cold_both"].user.tolist())
    assert len(items) == 9
    assert len(users) == 12
    assert set(split.test["cold_items"].item.tolist()) == items
    assert not set(split.test["cold_items"].user.tolist()) & users
    assert set(split.test["cold_users"].user.tolist()) == users
    assert not set(split.test["cold_users"].item.tolist()) & items
    for known in (split.train, split.test["warm"]):
        assert not set(known.item.tolist()) & items
        assert not set(known.user.tolist()) & users


def test_unseen_items_of_a_test_file_are_a_part_of_their_own() -> None:
    dataset = world()
    of_item_5 = np.flatnonzero(dataset.ratings.item == 5)
    test = np.union1d(of_item_5, np.arange(10))
    split = make_split(world(given=NamedSplit(test_ratings=test)), "given")
    assert rows(split.test["warm"]) == test.tolist()
    assert rows(split.test["cold_items"]) == of_item_5.tolist()
    assert set(split.test) == {"warm", "cold_items"}
    assert f"{len(split.train):,} ratings to train on, {len(test)} held out" in split.sentence
    assert f"cold_items {len(of_item_5)}" in split.sentence


def test_canonical_items_come_with_their_own_validation() -> None:
    dataset = world(**CANONICAL)
    split = make_split(dataset, "items", validation_share=0.5)
    assert set(split.test["cold_items"].item.tolist()) == {1, 4, 7}
    assert set(split.validation.item.tolist()) == {2, 3}
    assert not set(split.train.item.tolist()) & {1, 2, 3, 4, 7}


def test_parts_that_come_with_the_data_are_taken_as_they_are_whatever_the_shares() -> None:
    dataset = world(**CANONICAL)
    for share in (0.0, 0.4):
        split = make_split(dataset, "parts", validation_share=share)
        assert {part: rows(found) for part, found in split.test.items()} == {
            "warm": list(range(0, 90, 3)),
            "cold_users": list(range(1, 90, 3)),
        }
        assert rows(split.validation) == list(range(2, 90, 3))
        assert rows(split.train) == list(range(90, len(dataset.ratings)))
    assert (
        "30 to validate on, 60 held out (the parts that come with the data; warm 30, cold_users 30)" in split.sentence
    )


def test_parts_without_validation_leave_the_share_to_the_caller() -> None:
    dataset = world(only=NamedSplit(parts={"cold_items": np.arange(50)}))
    assert make_split(dataset, "only").validation is None
    split = make_split(dataset, "only", validation_share=0.5)
    assert len(split.validation) == round(0.5 * (len(dataset.ratings) - 50))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"parts": {"hot": np.array([1])}}, "no part 'hot'"),
        ({"parts": {"warm": np.array([1, 2]), "cold_items": np.array([2])}}, "overlap"),
        ({"parts": {"warm": np.array([1, 2])}, "validation_ratings": np.array([2])}, "overlap"),
    ],
)
def test_parts_that_cannot_be(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NamedSplit(**given)


def test_canonical_precedes_generic() -> None:
    dataset = world(**{"cold-items": NamedSplit(test_items=np.array([9]))})
    assert split_names(dataset) == ("cold-items", "random", "by-time", "cold-users", "cold-both", "liked", "none")
    assert set(make_split(dataset, "cold-items").test["cold_items"].item.tolist()) == {9}


def test_seeds_differ() -> None:
    dataset = world()
    for name in ("random", "cold-items", "cold-users", "cold-both"):
        assert held_out(make_split(dataset, name, seed=0)) != held_out(make_split(dataset, name, seed=1))


def test_unknown_name_lists_the_names() -> None:
    with pytest.raises(InputError, match=r"no split 'randm'.*random, by-time.*Did you mean 'random'"):
        make_split(world(), "randm")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"test_share": 0.0}, "test share"),
        ({"test_share": 1.0}, "test share"),
        ({"test_share": float("nan")}, "test share"),
        ({"validation_share": 1.0}, "validation share"),
        ({"validation_share": -0.1}, "validation share"),
        ({"seed": -1}, "seed"),
        ({"test_share": 0.0001}, "leaves none for its part 'warm'"),
        ({"validation_share": 0.0001}, "leaves none to validate on"),
        ({"validation_share": 0.9999}, "leaves none to train on"),
    ],
)
def test_shares_out_of_range(arguments: dict[str, float], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        make_split(world(), "random", **arguments)


@pytest.mark.parametrize("name", ["random", "by-time", "cold-items", "cold-users", "cold-both"])
def test_no_ratings_no_split(name: str) -> None:
    with pytest.raises(InputError, match="leaves none"):
        make_split(world(0, 0), name)


def test_small_world_has_its_own_splits(small_dataset: Dataset) -> None:
    split = make_split(small_dataset, "canonical")
    assert (len(split.train), len(split.test["warm"])) == (2, 2)
    assert set(make_split(small_dataset, "cold").test) == {"cold_items"}


@pytest.mark.slow
def test_movielens_canonical_splits(real_data: Path) -> None:
    dataset = build(Description.load("movielens-100k", data=real_data))
    split = make_split(dataset, "u1")
    assert (len(split.train), len(split.test["warm"]), len(split.test["cold_items"])) == (80_000, 20_000, 32)
    assert np.unique(split.test["cold_items"].item).size == 32
    cold = make_split(dataset, "cold-items", validation_share=0.1)
    assert len(cold.test["cold_items"]) == 20_380
    assert len(cold.test["warm"]) == 7_962
    assert np.unique(cold.validation.item).size <= 269


@pytest.mark.slow
def test_liked_movielens_1m_and_its_reference(real_data: Path) -> None:
    dataset = build(Description.load("movielens-1m", data=real_data))
    split = make_split(dataset, "liked", test_share=0.2, seed=0)
    assert (len(dataset.ratings), len(split.train), len(split.test["warm"])) == (999_714, 884_558, 115_156)
    assert split.test["warm"].value.min() == 4
