"""Items that are trained on under one id and held out under another."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binom

from kg.checks.duplicates import duplicates
from kg.checks.findings import EXAMPLES, Finding
from kg.schema import ITEM
from training.audit.held_out import HeldOut

__all__ = ["same_items"]

Indices = NDArray[np.int64]
_CHANCE = 0.001
_LETTERS = re.compile(r"[^\W\d_]{4,}")


def same_items(held: HeldOut) -> Iterator[Finding]:
    """Find items that are trained on under one id and held out under another.

    A leak is: an item held out whole, by design of the split, with a twin to train on; an item whose ratings are held
    out and its twin's are not, beyond what the share of held-out ratings would bring about by chance (binomial, one in
    a thousand over all twins); or users who rated both, one to train on and one held out, for at least 1 % of the
    held-out ratings. Fewer of the latter are a note: MovieLens 100K itself has 18 films under two ids. Two items of
    one link whose titles have no word in common may as well be a wrong link: a warning.
    """
    vocabulary = held.dataset.graph.items.vocabulary
    every = pd.DataFrame(
        [
            (one, other, what, _is_certain(held, one, other, what))
            for (one, other), what in duplicates(held.dataset.graph).items()
        ],
        columns=["one", "other", "what", "certain"],
    )
    test_count = np.bincount(held.test % held.num_items, minlength=held.num_items)
    train_count = held.split.train.item_counts
    share = len(held.test) / (len(held.test) + len(held.train))
    pairs = every[(train_count[every["one"]] > 0) & (test_count[every["other"]] > 0)]
    tested, trained = test_count[pairs["other"]], train_count[pairs["other"]]
    whole = (trained == 0) & held.cold_by_design
    unlikely = binom.sf(tested - 1, tested + trained, share) < _CHANCE / max(len(every), 1)
    apart = pairs[whole | unlikely]
    for certain, found in apart.groupby("certain", sort=False):
        rows = [
            {"item": vocabulary.id_of(other), "twin": vocabulary.id_of(one), "same": what}
            for one, other, what in zip(found["one"], found["other"], found["what"], strict=True)
        ]
        some = "; ".join(
            f"{row['item']} is held out, {row['twin']} trained on (same {row['same']})" for row in rows[:EXAMPLES]
        )
        count, total = found["other"].nunique(), int((test_count > 0).sum())
        how = "are trained on under another id" if certain else "have the link of an item of another title to train on"
        yield Finding(
            check="SameItems" if certain else "SameLinks",
            severity="error" if certain else "warning",
            sentence=f"{count:,} of {total:,} items with held-out ratings {how}, for example {some}.",
            remedy="join the two ids before splitting, or hold both out"
            if certain
            else "correct the wrong link, or join the items if they are one",
            count=count,
            total=total,
            kind=ITEM,
            rows=rows,
        )
    sure = pairs[pairs["certain"].astype(bool)]
    both = _rated_twice(held, sure)
    if len(both):
        yield held.leak(
            "SameItemRatedTwice",
            f"{len(both):,} of {len(held.test):,} held-out ratings are of items whose twin under another id the same user "
            "rated in training",
            both,
            "join the two ids before splitting",
            some=True,
        )


def _is_certain(held: HeldOut, one: int, other: int, what: str) -> bool:
    labels = held.dataset.graph.items.labels
    words = [set(_LETTERS.findall(str(labels[item]).casefold())) for item in (one, other)]
    return what != "link" or bool(words[0] & words[1])


def _rated_twice(held: HeldOut, pairs: pd.DataFrame) -> Indices:
    tested = pd.DataFrame({"user": held.test // held.num_items, "other": held.test % held.num_items})
    trained = pd.DataFrame({"user": held.train // held.num_items, "one": held.train % held.num_items})
    joined = tested.merge(pairs[["one", "other"]], on="other").merge(trained, on=["user", "one"])
    return np.unique(held.pairs(joined["user"].to_numpy(np.int64), joined["other"].to_numpy(np.int64)))
