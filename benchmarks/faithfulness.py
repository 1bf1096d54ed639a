"""Whether explanations say what the model does: messages are removed, and the model predicts again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.gnn_explainer import edge_masks
from benchmarks.removed_messages import predict_without
from kg.errors import InputError
from kg.ratings import Ratings
from kg.schema import ITEM
from models.attribution.attributions import Attribution, attributions
from models.attribution.contributions import CONCEPT, NEIGHBOUR, PartKey
from models.recommender import Recommender
from training.metrics import bootstrap
from training.progress import Progress, silent

__all__ = ["SHARES", "Curves", "faithfulness", "tables", "top_concepts"]

SHARES = np.array([0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0])  # of the messages that are removed, or put back
TIED = 1e-6  # stars: drops no farther apart are the same
SEED = 0
BLOCK = 100  # pairs at once

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Curves:
    """What predictions become as messages go, or come, in some order.

    Attributes:
        deletion: Stars once a share of the messages, the first of the order, is removed, `[num_pairs, len(SHARES)]`.
        insertion: Stars with no more than a share of them, the first of the order, `[num_pairs, len(SHARES)]`.
    """

    deletion: Floats
    insertion: Floats

    @classmethod
    def of(
        cls,
        recommender: Recommender,
        user: Integers,
        item: Integers,
        orders: Sequence[Sequence[PartKey]],
        progress: Progress = silent,
        name: str = "",
    ) -> Curves:
        """Remove and put back messages of each pair, `orders` first to last."""
        found = []
        for start in range(0, len(user), BLOCK):
            some = slice(start, start + BLOCK)
            cuts = [np.rint(SHARES * len(order)).astype(int).tolist() for order in orders[some]]
            removed = [
                set(part)
                for order, places in zip(orders[some], cuts, strict=True)
                for part in (*(order[:cut] for cut in places), *(order[cut:] for cut in places))
            ]
            each = 2 * len(SHARES)
            stars = predict_without(recommender, np.repeat(user[some], each), np.repeat(item[some], each), removed)
            found.append(stars.reshape(-1, 2, len(SHARES)))
            progress("explain", min(start + BLOCK, len(user)), len(user), f"messages removed: {name}")
        both = np.concatenate(found)
        return cls(deletion=both[:, 0], insertion=both[:, 1])

    def areas(self) -> dict[str, Floats]:
        """Return the areas below the curves of each pair, in stars: means over the shares.

        `deletion` (lower is better for an order that begins with what raises the prediction most), `insertion` (higher
        is better), and `gap`: how far the prediction from the first messages alone is from the whole one, whichever way
        they point (lower is better).
        """
        whole = self.deletion[:, :1]
        curves = {"deletion": self.deletion, "insertion": self.insertion, "gap": np.abs(self.insertion - whole)}
        return {name: np.trapezoid(curve, SHARES, axis=1) for name, curve in curves.items()}

    def as_json(self) -> dict[str, list[float]]:
        """Return both curves as means over pairs, deletion as the change of the prediction."""
        whole = self.deletion[:, :1]
        return {
            "deletion": (self.deletion - whole).mean(0).tolist(),
            "insertion": (self.insertion - whole).mean(0).tolist(),
        }


def faithfulness(
    recommender: Recommender,
    parts: Mapping[str, Ratings],
    *,
    num_pairs: int = 1000,
    num_compared: int = 150,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Measure accounts on held-out pairs against random orders, and against PyG's GNNExplainer.

    What may be removed are the concepts of item and user and the items that the user rated. All predictions come from
    the network on inputs without them (`predict_without`), not from the account. Intervals are 95 % bootstrap intervals
    over users.

    Args:
        recommender: A trained model.
        parts: Held-out ratings by part; pairs are drawn from all of them, their stars are not looked at.
        num_pairs: Number of pairs; all, if there are fewer.
        num_compared: The first so many of them are also explained by GNNExplainer; 0 leaves it out.
        progress: Called with (stage, done, total, message).

    Returns:
        `shares`, `curves` by order, `between` (areas between the curves of account and random order), `top_concept`
        (see `top_concepts`), `sums` (the largest difference of a prediction and the sum of its parts) and
        `gnn_explainer`, as JSON values.

    Raises:
        InputError: If there is no held-out pair with anything to remove.
    """
    rng = np.random.default_rng(SEED)
    user, item = _drawn(parts, num_pairs, rng)
    started = time.process_time()
    found = attributions(recommender, user, item)
    seconds = (time.process_time() - started) / max(len(user), 1)
    keep = np.array([len(_removable(attribution)) > 1 for attribution in found], dtype=bool)
    if not keep.any():
        raise InputError("no held-out pair has concepts or rated items to remove; is the graph without concepts?")
    user, item, found = (
        user[keep],
        item[keep],
        [attribution for attribution, kept in zip(found, keep, strict=True) if kept],
    )
    units = [_removable(attribution) for attribution in found]
    by_stars = [[key for key, _ in sorted(mine, key=lambda one: -one[1])] for mine in units]
    shuffled = [[mine[place][0] for place in rng.permutation(len(mine))] for mine in units]
    orders = {"account": by_stars, "random": shuffled}
    curves = {name: Curves.of(recommender, user, item, order, progress, name) for name, order in orders.items()}
    predicted = predict_without(recommender, user, item, [()] * len(user))
    report = {
        "num_pairs": len(user),
        "num_users": len(np.unique(user)),
        "shares": SHARES.tolist(),
        "curves": {name: one.as_json() for name, one in curves.items()},
        "between": _between(curves["account"], curves["random"], user),
        "top_concept": top_concepts(recommender, user, item, found),
        "sums": {
            "num_pairs": len(user),
            "largest_error": float(np.abs(predicted - [attribution.stars.sum() for attribution in found]).max()),
        },
        "seconds_a_pair": seconds,
    }
    few = min(num_compared, len(user))
    if few:
        report["gnn_explainer"] = _compared(recommender, user[:few], item[:few], units[:few], shuffled[:few], progress)
    return report


def top_concepts(
    recommender: Recommender, user: Integers, item: Integers, found: Sequence[Attribution]
) -> dict[str, dict[str, Any]]:
    """Remove the item's concept with the largest positive part, and each of its other concepts; compare the drops.

    Pairs count whose item has at least two concepts and at least one with a positive part. Among equal parts the first
    one is the top. A tie of two drops (within a millionth of a star) is no win.

    Returns:
        For `message` (the other weights stay) and `fact` (the weights are those of a graph that never stated it):
        `num_pairs`; `random`: share of pairs in which the top concept's drop is larger than that of one other concept,
        drawn at random; `others`: mean share of all others that it beats; `lowers`: share of pairs in which it lowers
        the prediction at all.
    """
    rng = np.random.default_rng(SEED)
    rows = [
        (place, key, stars)
        for place, attribution in enumerate(found)
        for key, stars in zip(attribution.keys, attribution.stars.tolist(), strict=True)
        if key.kind == CONCEPT and key.side == ITEM
    ]
    owner, stars = np.array([row[0] for row in rows], dtype=np.int64), np.array([row[2] for row in rows])
    whole = predict_without(recommender, user, item, [()] * len(user))
    report = {}
    groups = [mine for mine in (np.flatnonzero(owner == place) for place in np.unique(owner)) if len(mine) > 1]
    groups = [mine for mine in groups if stars[mine].max() > 0]
    if not groups:
        return {}
    picks = [int(rng.integers(len(mine) - 1)) for mine in groups]
    for name, renormalise in (("message", False), ("fact", True)):
        after = predict_without(
            recommender, user[owner], item[owner], [(row[1],) for row in rows], renormalise=renormalise
        )
        drop = whole[owner] - after
        wins, shares, lowers = [], [], []
        for mine, pick in zip(groups, picks, strict=True):
            top = mine[np.argmax(stars[mine])]
            beaten = drop[top] > drop[mine[mine != top]] + TIED
            wins.append(float(beaten[pick]))
            shares.append(float(beaten.mean()))
            lowers.append(float(drop[top] > TIED))
        people = user[[owner[mine[0]] for mine in groups]]
        report[name] = {"num_pairs": len(groups)} | {
            measure: bootstrap(np.array(values), groups=people, rng=SEED).as_json()
            for measure, values in (("random", wins), ("others", shares), ("lowers", lowers))
        }
    return report


def tables(report: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Return what `faithfulness` measured as tables of text, by title."""

    def told(estimate: Mapping[str, float], digits: str) -> str:
        return f"{estimate['value']:{digits}} ({estimate['low']:{digits}} to {estimate['high']:{digits}})"

    between = {measure: told(area, ".3f") for measure, area in report["between"].items()}
    rows = [("area between account and random order, deletion, stars", between["deletion"])]
    rows.append(("the same, insertion", between["insertion"]))
    for name, how in (("message", "its message removed"), ("fact", "as if never stated")):
        if name in report["top_concept"]:
            top = report["top_concept"][name]
            rows.append((f"top concept lowers more than a random other, {how}", told(top["random"], ".1%")))
            rows.append((f"mean share of all others that it beats, {how}", told(top["others"], ".1%")))
    rows.append(("largest difference of prediction and sum of parts, stars", f"{report['sums']['largest_error']:.1e}"))
    rows.append(("processor seconds an account", f"{report['seconds_a_pair']:.3f}"))
    measure = f"{report['num_pairs']:,} held-out pairs of {report['num_users']:,} users"
    found = {measure: pd.DataFrame(rows, columns=["measure", "value (95 % interval)"])}
    if "gnn_explainer" in report:
        beside = report["gnn_explainer"]
        columns = ["order", "deletion (lower is better)", "insertion (higher)", "gap (lower)", "seconds a pair"]
        seconds = {"account": report["seconds_a_pair"], "GNNExplainer": beside["seconds_a_pair"]}
        lines = [
            (
                name,
                *(told(areas[area], "+.3f") for area in ("deletion", "insertion", "gap")),
                _digits(seconds.get(name)),
            )
            for name, areas in beside["beside_random"].items()
        ]
        found[f"{beside['num_pairs']:,} of them: areas less those of a random order, stars"] = pd.DataFrame(
            lines, columns=columns
        )
    return found


def _digits(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.3f}"


def _compared(
    recommender: Recommender,
    user: Integers,
    item: Integers,
    units: Sequence[Sequence[tuple[PartKey, float]]],
    shuffled: Sequence[Sequence[PartKey]],
    progress: Progress,
) -> dict[str, Any]:
    """Explain pairs by GNNExplainer, too; its masks have no sign, so the account is also ordered by size alone."""
    keys = [[key for key, _ in mine] for mine in units]
    masks, seconds = edge_masks(recommender, user, item, keys)
    orders: dict[str, Sequence[Sequence[PartKey]]] = {
        "account": [[key for key, _ in sorted(mine, key=lambda one: -one[1])] for mine in units],
        "account by size": [[key for key, _ in sorted(mine, key=lambda one: -abs(one[1]))] for mine in units],
        "GNNExplainer": [
            [mine[place] for place in np.argsort(-mask, kind="stable")] for mine, mask in zip(keys, masks, strict=True)
        ],
        "random": shuffled,
    }
    curves = {name: Curves.of(recommender, user, item, order, progress, name) for name, order in orders.items()}
    random = curves["random"].areas()
    return {
        "num_pairs": len(user),
        "seconds_a_pair": seconds,
        "curves": {name: one.as_json() for name, one in curves.items()},
        "beside_random": {
            name: {
                measure: bootstrap(area - random[measure], groups=user, rng=SEED).as_json()
                for measure, area in one.areas().items()
            }
            for name, one in curves.items()
            if name != "random"
        },
    }


def _between(one: Curves, other: Curves, user: Integers) -> dict[str, Any]:
    """Return the areas between two curves, in stars, positive where the first order is the better one."""
    mine, others = one.areas(), other.areas()
    return {
        "deletion": bootstrap(others["deletion"] - mine["deletion"], groups=user, rng=SEED).as_json(),
        "insertion": bootstrap(mine["insertion"] - others["insertion"], groups=user, rng=SEED).as_json(),
    }


def _removable(attribution: Attribution) -> list[tuple[PartKey, float]]:
    pairs = zip(attribution.keys, attribution.stars.tolist(), strict=True)
    return [(key, stars) for key, stars in pairs if key.kind in (CONCEPT, NEIGHBOUR)]


def _drawn(parts: Mapping[str, Ratings], most: int, rng: np.random.Generator) -> tuple[Integers, Integers]:
    """Draw different pairs from all parts, which may overlap."""
    if not parts:
        raise InputError("this run holds no ratings out, so there are no pairs to measure explanations on")
    pairs = np.concatenate([np.stack([part.user, part.item]) for part in parts.values()], axis=1)
    pairs = np.unique(pairs, axis=1)
    chosen = rng.permutation(pairs.shape[1])[:most]
    return pairs[0, chosen], pairs[1, chosen]
