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
from training.studies.drawing import BLUE, GREY, LIGHT_BLUE, RED, panels, styled, under

__all__ = ["SHARES", "Curves", "curves_figure", "faithfulness", "tables", "top_concepts"]

SHARES = np.array([0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0])  # of the messages that are removed, or put back
TIED = 1e-6  # stars: drops no farther apart are the same
SEED = 0
BLOCK = 100  # pairs at once

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Order = Sequence[PartKey]

_COLOURS = {"account": BLUE, "account by size": LIGHT_BLUE, "GNNExplainer": RED, "random": GREY}
_NAMES = {"account": "attribution", "account by size": "attribution by size"}  # the field's word, where people read


@dataclass(frozen=True, kw_only=True, eq=False)
class Curves:
    """What predictions become as messages go, or come, in some order.

    Attributes:
        deletion: Stars once a share of the messages, the first of the order, is removed, `[num_pairs, len(SHARES)]`.
        insertion: Stars with no more than a share of them, the first of the order, `[num_pairs, len(SHARES)]`.
    """

    deletion: Floats
    insertion: Floats

    def areas(self) -> dict[str, Floats]:
        """Return the areas below the curves of each pair, in stars: means over the shares.

        `deletion` (lower is better for an order that begins with what raises the prediction most), `insertion` (higher
        is better), and `gap`: how far the prediction from the first messages alone is from the whole one, whichever way
        they point (lower is better).
        """
        gap = np.abs(self.insertion - self.deletion[:, :1])
        curves = {"deletion": self.deletion, "insertion": self.insertion, "gap": gap}
        return {name: np.trapezoid(curve, SHARES, axis=1) for name, curve in curves.items()}

    def as_json(self) -> dict[str, list[float]]:
        """Return both curves as means over pairs of the change of the prediction."""
        whole = self.deletion[:, :1]
        return {name: (curve - whole).mean(0).tolist() for name, curve in vars(self).items()}


def faithfulness(
    recommender: Recommender,
    parts: Mapping[str, Ratings],
    *,
    num_pairs: int = 1000,
    num_compared: int = 150,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Measure attributions of held-out pairs against random orders, and against PyG's GNNExplainer.

    What may be removed are the concepts of item and user and the items that the user rated. All predictions come from
    the network on inputs without them (`predict_without`), not from the attribution. Intervals are 95 % bootstrap
    intervals over users.

    Args:
        recommender: A trained model.
        parts: Held-out ratings by part; pairs are drawn from all of them, their stars are not looked at.
        num_pairs: Number of pairs; all, if there are fewer.
        num_compared: The first so many of them are also explained by GNNExplainer; 0 leaves it out.
        progress: Called with (stage, done, total, message).

    Returns:
        `shares`, `curves` by order (`account` is that of the attribution), `between` (areas between its curves and those
        of a random order), `top_concept` (see `top_concepts`), `sums` (the largest difference of a prediction and the sum
        of its parts) and `gnn_explainer`, as JSON values.

    Raises:
        InputError: If there is no held-out pair with anything to remove.
    """
    rng = np.random.default_rng(SEED)
    user, item = _drawn(parts, num_pairs, rng)
    started = time.process_time()
    explained = attributions(recommender, user, item)
    seconds = (time.process_time() - started) / max(len(user), 1)
    keep = np.array([len(_removable(attribution)) > 1 for attribution in explained], dtype=bool)
    if not keep.any():
        raise InputError("no held-out pair has concepts or rated items to remove; is the graph without concepts?")
    user, item, explained = user[keep], item[keep], [explained[place] for place in np.flatnonzero(keep)]
    parts_of = [_removable(attribution) for attribution in explained]
    shuffled = [
        [parts_of_pair[place][0] for place in rng.permutation(len(parts_of_pair))] for parts_of_pair in parts_of
    ]
    orders = {"account": _ordered(parts_of), "random": shuffled}
    curves = _curves(recommender, user, item, orders, progress)
    areas = {name: of_order.areas() for name, of_order in curves.items()}
    better = {
        "deletion": areas["random"]["deletion"] - areas["account"]["deletion"],
        "insertion": areas["account"]["insertion"] - areas["random"]["insertion"],
    }
    predicted = predict_without(recommender, user, item, [()] * len(user))
    sums = np.array([attribution.stars.sum() for attribution in explained])
    report = {
        "num_pairs": len(user),
        "num_users": len(np.unique(user)),
        "shares": SHARES.tolist(),
        "curves": {name: of_order.as_json() for name, of_order in curves.items()},
        "between": {name: bootstrap(area, groups=user, rng=SEED).as_json() for name, area in better.items()},
        "top_concept": top_concepts(recommender, user, item, explained),
        "sums": {"num_pairs": len(user), "largest_error": float(np.abs(predicted - sums).max())},
        "seconds_a_pair": seconds,
    }
    few = min(num_compared, len(user))
    if few:
        report["gnn_explainer"] = _compared(
            recommender, user[:few], item[:few], parts_of[:few], shuffled[:few], progress
        )
    return report


def _curves(
    recommender: Recommender, user: Integers, item: Integers, orders: Mapping[str, Sequence[Order]], progress: Progress
) -> dict[str, Curves]:
    """Remove and put back messages of each pair, first to last, in each of some orders."""
    curves = {}
    for name, of_pairs in orders.items():
        blocks = []
        for start in range(0, len(user), BLOCK):
            some = slice(start, start + BLOCK)
            removed: list[set[PartKey]] = []
            for order in of_pairs[some]:
                cuts = np.rint(SHARES * len(order)).astype(int).tolist()
                removed += [set(order[:cut]) for cut in cuts] + [set(order[cut:]) for cut in cuts]
            each = 2 * len(SHARES)
            stars = predict_without(recommender, np.repeat(user[some], each), np.repeat(item[some], each), removed)
            blocks.append(stars.reshape(-1, 2, len(SHARES)))
            progress("explain", min(start + BLOCK, len(user)), len(user), f"messages removed: {name}")
        both = np.concatenate(blocks)
        curves[name] = Curves(deletion=both[:, 0], insertion=both[:, 1])
    return curves


def top_concepts(
    recommender: Recommender, user: Integers, item: Integers, explained: Sequence[Attribution]
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
    concepts = [
        (place, key, stars)
        for place, attribution in enumerate(explained)
        for key, stars in zip(attribution.keys, attribution.stars.tolist(), strict=True)
        if key.kind == CONCEPT and key.side == ITEM
    ]
    owner, stars = np.array([row[0] for row in concepts], dtype=np.int64), np.array([row[2] for row in concepts])
    of_pairs = [np.flatnonzero(owner == place) for place in np.unique(owner)]
    of_pairs = [rows for rows in of_pairs if len(rows) > 1 and stars[rows].max() > 0]
    if not of_pairs:
        return {}
    picks = [int(rng.integers(len(rows) - 1)) for rows in of_pairs]
    users = user[[owner[rows[0]] for rows in of_pairs]]
    whole = predict_without(recommender, user, item, [()] * len(user))
    report = {}
    for name, renormalise in (("message", False), ("fact", True)):
        removed = [(key,) for _, key, _ in concepts]
        drop = whole[owner] - predict_without(recommender, user[owner], item[owner], removed, renormalise=renormalise)
        values: dict[str, list[float]] = {"random": [], "others": [], "lowers": []}
        for rows, pick in zip(of_pairs, picks, strict=True):
            top = rows[np.argmax(stars[rows])]
            beaten = drop[top] > drop[rows[rows != top]] + TIED
            values["random"].append(float(beaten[pick]))
            values["others"].append(float(beaten.mean()))
            values["lowers"].append(float(drop[top] > TIED))
        estimates = {what: bootstrap(np.array(of), groups=users, rng=SEED).as_json() for what, of in values.items()}
        report[name] = {"num_pairs": len(of_pairs), **estimates}
    return report


def tables(report: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Return what `faithfulness` measured as tables of text, by title."""

    def text(estimate: Mapping[str, float], digits: str) -> str:
        return f"{estimate['value']:{digits}} ({estimate['low']:{digits}} to {estimate['high']:{digits}})"

    rows = [
        ("area between attribution and random order, deletion, stars", text(report["between"]["deletion"], ".3f")),
        ("the same, insertion", text(report["between"]["insertion"], ".3f")),
    ]
    for name, how in (("message", "its message removed"), ("fact", "as if never stated")):
        if name in report["top_concept"]:
            top = report["top_concept"][name]
            rows.append((f"top concept lowers more than a random other, {how}", text(top["random"], ".1%")))
            rows.append((f"mean share of all others that it beats, {how}", text(top["others"], ".1%")))
    rows.append(("largest difference of prediction and sum of parts, stars", f"{report['sums']['largest_error']:.1e}"))
    rows.append(("processor seconds an attribution", f"{report['seconds_a_pair']:.3f}"))
    title = f"{report['num_pairs']:,} held-out pairs of {report['num_users']:,} users"
    by_title = {title: pd.DataFrame(rows, columns=["measure", "value (95 % interval)"])}
    if beside := report.get("gnn_explainer"):
        headings = {"deletion": "deletion (lower is better)", "insertion": "insertion (higher)", "gap": "gap (lower)"}
        seconds = {"account": report["seconds_a_pair"], "GNNExplainer": beside["seconds_a_pair"]}
        lines = [
            {
                "order": _NAMES.get(name, name),
                **{heading: text(areas[area], "+.3f") for area, heading in headings.items()},
                "seconds a pair": f"{seconds[name]:.3f}" if name in seconds else "",
            }
            for name, areas in beside["beside_random"].items()
        ]
        title = f"{beside['num_pairs']:,} of them: areas less those of a random order, stars"
        by_title[title] = pd.DataFrame(lines)
    return by_title


@styled
def curves_figure(report: Mapping[str, Any]) -> Any:
    """Return the curves of `faithfulness` as a `matplotlib.figure.Figure`.

    The upper row shows the attribution and a random order on all pairs; the lower one, if there is one, the pairs that
    GNNExplainer explained as well.
    """
    rows = [report, *([report["gnn_explainer"]] if "gnn_explainer" in report else [])]
    figure, axes = panels(2, (9.0, 0.6 + 3.1 * len(rows)), rows=len(rows))
    for number, axis in enumerate(axes):
        shown, measure = rows[number // 2], ("deletion", "insertion")[number % 2]
        for name, curve in shown["curves"].items():
            style = "o--" if name == "random" else "o-"
            axis.plot(
                100 * SHARES, curve[measure], style, markersize=3.5, color=_COLOURS[name], label=_NAMES.get(name, name)
            )
        axis.set_title(f"{measure}: {shown['num_pairs']:,} pairs")
        axis.set_xlabel(f"messages {'removed' if measure == 'deletion' else 'kept'}, %")
        axis.set_ylabel("change of the prediction, stars" if measure == "deletion" else "")
        axis.legend(fontsize=8)
    figure.suptitle("Is the explanation what the model does?", fontweight="bold", fontsize=12)
    under(
        figure,
        "Messages (concepts, rated items) are removed from the inputs, and the network predicts again. The order is that "
        "of the parts,\nlargest first; “by size” whichever way they point, as the masks of GNNExplainer do. Means over "
        "held-out pairs.",
    )
    return figure


def _compared(
    recommender: Recommender,
    user: Integers,
    item: Integers,
    parts_of: Sequence[Sequence[tuple[PartKey, float]]],
    shuffled: Sequence[Order],
    progress: Progress,
) -> dict[str, Any]:
    """Explain pairs by GNNExplainer, too; its masks have no sign, so the attribution is also ordered by size alone."""
    keys = [[key for key, _ in of_pair] for of_pair in parts_of]
    masks, seconds = edge_masks(recommender, user, item, keys)
    by_size = [[(key, abs(stars)) for key, stars in of_pair] for of_pair in parts_of]
    by_mask = [list(zip(of_pair, mask.tolist(), strict=True)) for of_pair, mask in zip(keys, masks, strict=True)]
    orders = {
        "account": _ordered(parts_of),
        "account by size": _ordered(by_size),
        "GNNExplainer": _ordered(by_mask),
        "random": shuffled,
    }
    curves = _curves(recommender, user, item, orders, progress)
    random = curves["random"].areas()
    return {
        "num_pairs": len(user),
        "seconds_a_pair": seconds,
        "curves": {name: of_order.as_json() for name, of_order in curves.items()},
        "beside_random": {
            name: {
                measure: bootstrap(area - random[measure], groups=user, rng=SEED).as_json()
                for measure, area in of_order.areas().items()
            }
            for name, of_order in curves.items()
            if name != "random"
        },
    }


def _ordered(parts_of: Sequence[Sequence[tuple[PartKey, float]]]) -> list[list[PartKey]]:
    """Return the messages of each pair, those with the largest number first."""
    return [[key for key, _ in sorted(of_pair, key=lambda part: -part[1])] for of_pair in parts_of]


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
