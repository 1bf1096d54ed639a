"""Items that are trained on under one id and held out under another."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.stats import binom

from kg.checks.duplicates import duplicates
from kg.checks.findings import EXAMPLES, Finding
from kg.schema import ITEM
from training.audit.held_out import HeldOut

__all__ = ["same_items"]

_CHANCE = 0.001
_LETTERS = re.compile(r"[^\W\d_]{4,}")
_REMEDY = "join the two ids before splitting"


def same_items(held: HeldOut) -> Iterator[Finding]:
    """Find items that are trained on under one id and held out under another.

    A leak is: an item held out whole, by design of the split, with a twin to train on; an item whose ratings are held
    out and its twin's are not, beyond what the share of held-out ratings would bring about by chance (binomial, one in
    a thousand over all twins); or users who rated both, one to train on and one held out, for at least 1 % of the
    held-out ratings. Fewer of the latter are a note: MovieLens 100K itself has 18 films under two ids. Two items of
    one link whose titles have no word in common may as well be a wrong link: a warning.
    """
    items, train, num_items = held.dataset.graph.items, held.split.train, held.dataset.ratings.num_items
    twins = duplicates(held.dataset.graph)
    if not twins:
        return
    words = [set(_LETTERS.findall(str(label).casefold())) for label in items.labels]
    pairs = pd.DataFrame(list(twins), columns=["twin", "item"]).assign(same=list(twins.values()))
    pairs["certain"] = [what != "link" or bool(words[twin] & words[item]) for (twin, item), what in twins.items()]
    test_count = np.bincount(held.test % num_items, minlength=num_items)
    pairs = pairs[(train.item_counts[pairs["twin"]] > 0) & (test_count[pairs["item"]] > 0)]
    tested, trained = test_count[pairs["item"]], train.item_counts[pairs["item"]]
    share = len(held.test) / (len(held.test) + len(train))
    unlikely = binom.sf(tested - 1, tested + trained, share) < _CHANCE / len(twins)
    apart = pairs[(trained == 0) & held.cold_by_design | unlikely]
    for certain, group in apart.groupby("certain", sort=False):
        columns = (group["item"].tolist(), group["twin"].tolist(), group["same"])
        rows = [
            {"item": items.vocabulary.id_of(item), "twin": items.vocabulary.id_of(twin), "same": same}
            for item, twin, same in zip(*columns, strict=True)
        ]
        some = "; ".join("{item} is held out, {twin} trained on (same {same})".format(**row) for row in rows[:EXAMPLES])
        count, total = group["item"].nunique(), int((test_count > 0).sum())
        how = "are trained on under another id" if certain else "have the link of an item of another title to train on"
        yield Finding(
            check="SameItems" if certain else "SameLinks",
            severity="error" if certain else "warning",
            sentence=f"{count:,} of {total:,} items with held-out ratings {how}, for example {some}.",
            remedy=f"{_REMEDY}, or hold both out"
            if certain
            else "correct the wrong link, or join the items if they are one",
            count=count,
            total=total,
            kind=ITEM,
            rows=rows,
        )
    tested_pairs = pd.DataFrame({"user": held.test // num_items, "item": held.test % num_items})
    trained_pairs = pd.DataFrame({"user": train.user, "twin": train.item})
    both = tested_pairs.merge(pairs[pairs["certain"]], on="item").merge(trained_pairs, on=["user", "twin"])
    if len(both):
        rated_twice = held.among(both["user"].to_numpy(), both["item"].to_numpy())
        sentence = "are of items whose twin under another id the same user rated in training"
        yield held.leak("SameItemRatedTwice", sentence, rated_twice, _REMEDY, some=True)
