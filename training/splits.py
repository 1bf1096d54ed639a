"""Which ratings train, which choose the epoch, which are held out: made once, before any model sees them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from kg.counted import counted
from kg.dataset import Dataset
from kg.errors import InputError, did_you_mean
from kg.named_split import NamedSplit
from kg.ratings import Ratings

__all__ = ["NONE", "Split", "liked_from", "make_split", "split_names"]

logger = logging.getLogger(__name__)

Rows = NDArray[np.int64]

LIKED = "liked"
NONE = "none"
WARM_SHARE = 0.1  # of the ratings that a cold split leaves over: shows what cold training costs warm users
PURPOSES = ("items", "users", "warm", "validation")  # a stream of random numbers each, so none moves another


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Ratings to train on, to choose on and to test on.

    Attributes:
        name: The name it was made by.
        sentence: How it was made, with counts, for people.
        train: Ratings to train on, in the order of the data.
        validation: Ratings to stop early and to choose settings on; None where none were asked for.
        test: Held-out ratings by part, among `warm`, `cold_items`, `cold_users`, `cold_both`; only non-empty ones.
            Where all ratings are held out without regard to item and user (`random`, `by-time`, a file of test
            ratings), `warm` is all of them, and `cold_items` and `cold_users` are those of them whose item or user
            has no other rating left. In the cold splits, and where the data name the parts, the parts are disjoint.
        shown: Of implicit feedback, what was shown and not taken and may be trained on; None where nobody knows.
    """

    name: str
    sentence: str
    train: Ratings
    validation: Ratings | None
    test: Mapping[str, Ratings]
    shown: Ratings | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "test", MappingProxyType(dict(self.test)))


@dataclass(frozen=True, kw_only=True)
class _Holdout:
    """What a way of splitting holds out.

    Attributes:
        parts: Row numbers of the test parts.
        how: How they were chosen, in words.
        required: Parts that must not be empty.
        validation: Rows that validation takes whole, if the data names them.
        apart: Whether these are never trained on, whatever share was asked for.
        until: Time from which on nothing is trained on, where times decide.
    """

    parts: Mapping[str, Rows]
    how: str
    required: tuple[str, ...]
    validation: Rows | None = None
    apart: bool = False
    until: int | None = None


def liked_from(scale: tuple[float, float]) -> float:
    """Return the stars from which on an item counts as liked: three quarters up the scale, 4 of 1 to 5."""
    low, high = scale
    return low + 0.75 * (high - low)


def split_names(dataset: Dataset) -> tuple[str, ...]:
    """Return the names that `make_split` takes for these data: the canonical ones first."""
    generic = (name for name in (*GENERIC, LIKED, NONE) if name != "by-time" or dataset.ratings.time is not None)
    return tuple(dict.fromkeys((*dataset.splits, *generic)))


def make_split(
    dataset: Dataset, name: str, *, test_share: float = 0.1, validation_share: float = 0.0, seed: int = 0
) -> Split:
    """Split the ratings of a data set; every rating lands in train, validation or a test part.

    A canonical split of the data has precedence over a generic one of the same name, and ignores `test_share`.

    Args:
        dataset: The data.
        name: A canonical split of the data, or one of:
            `random`: the first `round(test_share * n)` rows of `default_rng(seed).permutation(n)` are held out;
            `liked`: of the ratings at or above `liked_from`, in the order of the data, those whose number of
            `default_rng(seed).random(num_liked)` is below `test_share` are held out;
            `by-time`: the latest ratings are held out, ties by row;
            `cold-items`, `cold-users`: a share of the items (users) is held out with all ratings;
            `cold-both`: both at once, in three parts. The cold splits also hold out a tenth of the rest as `warm`;
            `none`: nothing is held out to test on, for a model that is to be used and not to be measured.
        test_share: Fraction in (0, 1) of the ratings (items, users) to hold out.
        validation_share: Fraction in [0, 1) of what is left to put aside for validation. A canonical split that
            names validation items takes all their remaining ratings instead, if the share is positive; one that
            names validation ratings takes just these, whatever the share. The share never changes the test parts.
        seed: Non-negative seed of every random choice.

    Raises:
        InputError: If the name is unknown, a share or the seed is out of range, times are needed but missing, or
            the ratings are too few for a part.
    """
    if not 0 < test_share < 1:
        raise InputError(f"The test share must lie between 0 and 1, exclusive; it is {test_share:g}; 0.1 is usual.")
    if not 0 <= validation_share < 1:
        raise InputError(f"The validation share must be at least 0 and below 1; it is {validation_share:g}.")
    if seed < 0:
        raise InputError(f"The seed must be 0 or more; it is {seed}.")
    ratings = dataset.ratings
    if name in dataset.splits:
        holdout = _canonical(dataset.splits[name], ratings, seed)
    elif name in GENERIC:
        holdout = GENERIC[name](ratings, test_share, seed)
    elif name == NONE:
        holdout = _Holdout(parts={}, how="", required=())
    elif name == LIKED:
        holdout = _liked(ratings, liked_from(dataset.scale), test_share, seed)
    else:
        known = split_names(dataset)
        raise InputError(
            f"There is no split {name!r} of these data; choose one of {', '.join(known)}.{did_you_mean(name, known)}"
        )
    for part in holdout.required:
        if not len(holdout.parts[part]):
            raise InputError(
                f"The split {name!r} of {counted(len(ratings), 'rating')} leaves none for its part {part!r}; "
                "give more ratings or a larger test share."
            )
    rest = _others(len(ratings), *holdout.parts.values())
    held_out = len(ratings) - len(rest)
    validation = _validation(rest, holdout, validation_share, seed)
    train = rest if validation is None else np.setdiff1d(rest, validation, assume_unique=True)
    for purpose, rows in (("train on", train), ("validate on", validation)):
        if rows is not None and not len(rows):
            raise InputError(
                f"The split {name!r} of {counted(len(ratings), 'rating')} leaves none to {purpose}; "
                "give more ratings or other shares."
            )
    trained = ratings.select(train)
    return Split(
        name=name,
        sentence=_sentence(name, holdout, len(train), validation, held_out),
        train=trained,
        validation=None if validation is None else ratings.select(validation),
        test={part: ratings.select(rows) for part, rows in holdout.parts.items() if len(rows)},
        shown=None if dataset.shown is None else _trainable(dataset.shown, ratings, trained, holdout.until),
    )


def _trainable(shown: Ratings, ratings: Ratings, train: Ratings, until: int | None) -> Ratings:
    """Return what was shown and not taken, without users and items whose choices are all held out, and what came later."""
    cold_user = (ratings.user_counts > 0) & (train.user_counts == 0)
    cold_item = (ratings.item_counts > 0) & (train.item_counts == 0)
    kept = ~(cold_user[shown.user] | cold_item[shown.item])
    if until is not None and shown.time is not None:
        kept &= shown.time < until
    return shown.select(kept)


def _sentence(name: str, holdout: _Holdout, num_train: int, validation: Rows | None, num_test: int) -> str:
    parts = ", ".join(f"{part} {len(rows):,}" for part, rows in holdout.parts.items() if len(rows))
    chosen = "" if validation is None else f"{len(validation):,} to validate on, "
    if validation is not None and holdout.validation is not None and not holdout.apart:
        shared = len(holdout.validation) - len(validation)
        chosen = f"{len(validation):,} of the validation items to validate on ({shared:,} more of theirs are in warm), "
    if not holdout.parts:
        return f"{name}: {counted(num_train, 'rating')} to train on, {chosen}none held out."
    return (
        f"{name}: {counted(num_train, 'rating')} to train on, {chosen}{num_test:,} held out ({holdout.how}; {parts})."
    )


def _validation(rest: Rows, holdout: _Holdout, share: float, seed: int) -> Rows | None:
    if share == 0 and not holdout.apart:
        return None
    if holdout.validation is not None:
        return np.intersect1d(rest, holdout.validation, assume_unique=True)
    return _draw(rest, share, "validation", seed)


def _canonical(split: NamedSplit, ratings: Ratings, seed: int) -> _Holdout:
    apart = split.validation_ratings is not None
    if split.parts:
        how, required = "the parts that come with the data", tuple(split.parts)
        holdout = _Holdout(parts=split.parts, how=how, required=required)
        return replace(holdout, validation=split.validation_ratings, apart=apart)
    if split.test_ratings is not None:
        holdout = _scattered(ratings, split.test_ratings, "the test ratings that come with the data")
        return replace(holdout, validation=split.validation_ratings, apart=apart)
    if split.test_items is None:
        raise InputError("This split of the data names neither parts nor test ratings nor test items; correct it.")
    cold, validation = np.isin(ratings.item, split.test_items), None
    if split.validation_items is not None:
        validation = np.flatnonzero(np.isin(ratings.item, split.validation_items) & ~cold)
    parts = {"warm": _draw(np.flatnonzero(~cold), WARM_SHARE, "warm", seed), "cold_items": np.flatnonzero(cold)}
    how = f"all of the {len(split.test_items):,} test items that come with the data, and a random tenth of the others"
    return _Holdout(parts=parts, how=how, required=("cold_items",), validation=validation)


def _random(ratings: Ratings, share: float, seed: int) -> _Holdout:
    order = np.random.default_rng(seed).permutation(len(ratings))
    return _scattered(ratings, order[: round(share * len(ratings))], f"a random {share:g} of all")


def _liked(ratings: Ratings, least: float, share: float, seed: int) -> _Holdout:
    liked = np.flatnonzero(ratings.value >= least)
    test = liked[np.random.default_rng(seed).random(len(liked)) < share]
    return _scattered(ratings, test, f"a random {share:g} of those of at least {least:g} stars")


def _by_time(ratings: Ratings, share: float, seed: int) -> _Holdout:
    if ratings.time is None:
        raise InputError("The split 'by-time' needs the time of every rating and these data have none; use 'random'.")
    order = np.argsort(ratings.time, kind="stable")
    border = len(order) - round(share * len(order))
    _log_ties(ratings.time[order], border)
    scattered = _scattered(ratings, order[border:], f"the latest {share:g} of all")
    return replace(scattered, until=int(ratings.time[order[border]]) if border < len(order) else None)


def _log_ties(time: NDArray[np.int64], border: int) -> None:
    """Log where a cut at a place in sorted times goes by the order of rows, as it falls between equal times."""
    if not 0 < border < len(time) or time[border - 1] != time[border]:
        return
    first, end = np.searchsorted(time, time[border], "left"), np.searchsorted(time, time[border], "right")
    if end - first == len(time):
        logger.warning(
            "all ratings have the same time; by-time is no split here, it cuts by the order of rows: use random"
        )
        return
    same = "by-time cuts between ratings of the same time: %s share it, of which %s are held out, by the order of rows"
    logger.info(same, f"{end - first:,}", f"{end - border:,}")


def _scattered(ratings: Ratings, test: Rows, how: str) -> _Holdout:
    """Hold out single ratings; those of items or users that keep no other rating are parts of their own, too."""
    test = np.unique(test)
    rest = ratings.select(_others(len(ratings), test))
    parts = {
        "warm": test,
        "cold_items": test[rest.item_counts[ratings.item[test]] == 0],
        "cold_users": test[rest.user_counts[ratings.user[test]] == 0],
    }
    return _Holdout(parts=parts, how=f"{how}, warm being all of them", required=("warm",))


def _cold(ratings: Ratings, share: float, seed: int, *, kinds: tuple[str, ...]) -> _Holdout:
    """Hold out all ratings of a share of the `items`, the `users` or both, and a tenth of the others as `warm`."""
    ends = {"items": (ratings.item, ratings.item_counts), "users": (ratings.user, ratings.user_counts)}
    cold, how = {kind: np.zeros(len(ratings), dtype=bool) for kind in ends}, []
    for kind in kinds:
        end, counts = ends[kind]
        drawn = _draw(np.flatnonzero(counts), share, kind, seed)
        cold[kind] = np.isin(end, drawn)
        how.append(counted(len(drawn), kind[:-1]).replace(" ", " random "))
    of_item, of_user = cold["items"], cold["users"]
    every = {
        "warm": _draw(np.flatnonzero(~(of_item | of_user)), WARM_SHARE, "warm", seed),
        "cold_items": np.flatnonzero(of_item & ~of_user),
        "cold_users": np.flatnonzero(of_user & ~of_item),
        "cold_both": np.flatnonzero(of_item & of_user),
    }
    required = tuple(f"cold_{kind}" for kind in kinds) + (("cold_both",) if len(kinds) == 2 else ())
    return _Holdout(
        parts={part: every[part] for part in ("warm", *required)},
        how=f"all of {' and of '.join(how)}, and a random tenth of the others",
        required=required,
    )


def _draw(rows: Rows, share: float, purpose: str, seed: int) -> Rows:
    """Return `round(share * len(rows))` of the rows at random, rising."""
    stream = np.random.SeedSequence(seed, spawn_key=(PURPOSES.index(purpose),))
    order = np.random.default_rng(stream).permutation(len(rows))
    return np.sort(rows[order[: round(share * len(rows))]])


def _others(size: int, *taken: Rows) -> Rows:
    left = np.ones(size, dtype=bool)
    for rows in taken:
        left[rows] = False
    return np.flatnonzero(left)


GENERIC: Mapping[str, Callable[[Ratings, float, int], _Holdout]] = MappingProxyType(
    {
        "random": _random,
        "by-time": _by_time,
        "cold-items": partial(_cold, kinds=("items",)),
        "cold-users": partial(_cold, kinds=("users",)),
        "cold-both": partial(_cold, kinds=("items", "users")),
    }
)
