"""What variety costs: accuracy of re-ranked lists over the weights of diversity and of novelty, as a table and a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.storage.atomic import write_file
from models.lists.rerank import POOL, greedy, pool_of
from models.recommender import Recommender
from training.figure_files import BLUE, DARK, GREY, save_figure
from training.predictions import LIST_LENGTH
from training.studies.beyond import NDCG, OURS, Shelf

__all__ = ["WEIGHTS", "trade_off", "trade_off_figure", "write_trade_off"]

WEIGHTS = tuple(round(0.1 * step, 1) for step in range(11))
_USERS = 256  # ranked at once: the distances of their pools are 10 MB
_NAMES = {"ease": "EASE", "content_knn": "content kNN"}  # where people read them


def trade_off(recommender: Recommender, shelf: Shelf, weights: Sequence[float] = WEIGHTS) -> pd.DataFrame:
    """Re-rank the lists of all users with each weight of diversity, and with each of novelty.

    Memory does not grow with the number of users beyond their lists: users are taken in blocks.

    Args:
        recommender: What ranks.
        shelf: What lists are held against.
        weights: Weights in [0, 1].

    Returns:
        A row a setting: `parameter` (`diversity` or `novelty`), `weight`, and for each measure its value, `low` and `high`.
    """
    settings = [("diversity", weight) for weight in weights] + [("novelty", weight) for weight in weights]
    length = min(LIST_LENGTH, len(shelf.candidates))
    lists: dict[tuple[str, float], list[NDArray[np.int64]]] = {setting: [] for setting in settings}
    apart: dict[tuple[str, float], list[NDArray[np.float32]]] = {setting: [] for setting in settings}
    for start in range(0, len(shelf.users), _USERS):
        pool, scores, distances = _pools(recommender, shelf, shelf.users[start : start + _USERS])
        novelty = recommender.reranker.novelty[pool]
        rows = np.arange(len(pool))[:, None, None]
        for parameter, weight in settings:
            diversity, rest = (weight, 0.0) if parameter == "diversity" else (0.0, weight)
            places = greedy(scores, distances, novelty, length, diversity=diversity, novelty_weight=rest)
            lists[parameter, weight].append(np.take_along_axis(pool, places, axis=1))
            apart[parameter, weight].append(distances[rows, places[:, :, None], places[:, None, :]])
    found = []
    for parameter, weight in settings:
        measures = shelf.measures(np.concatenate(lists[parameter, weight]), np.concatenate(apart[parameter, weight]))
        row: dict[str, Any] = {"parameter": parameter, "weight": weight}
        for metric, estimate in measures.items():
            row |= {metric: estimate.value, f"{metric} low": estimate.low, f"{metric} high": estimate.high}
        found.append(row)
    return pd.DataFrame(found)


def _pools(
    recommender: Recommender, shelf: Shelf, users: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Return the best candidates of users, their scores, and how far they are apart."""
    scores = np.array(recommender.rank_scores(users), dtype=np.float32)
    mine = np.isin(shelf.train.user, users)
    scores[np.searchsorted(users, shelf.train.user[mine]), shelf.train.item[mine]] = -np.inf
    no_candidate = np.ones(scores.shape[1], dtype=bool)
    no_candidate[shelf.candidates] = False
    scores[:, no_candidate] = -np.inf
    pool = pool_of(scores, min(max(POOL, 5 * LIST_LENGTH), len(shelf.candidates)))
    distances = np.stack([recommender.reranker.distances(items) for items in pool])
    return pool, np.take_along_axis(scores, pool, axis=1), distances


def write_trade_off(
    rows: pd.DataFrame, models: Mapping[str, Mapping[str, Mapping[str, float]]], out: Path
) -> list[Path]:
    """Write `trade-off.csv`, and the curves as `trade-off.png` and `.svg`.

    Args:
        rows: What `trade_off` returned.
        models: Measures of the models that are drawn as points, ours apart.
        out: Folder; made if it is not there.

    Returns:
        The files.
    """
    out.mkdir(parents=True, exist_ok=True)
    files = [out / "trade-off.csv"]
    write_file(files[0], rows.to_csv(index=False, float_format="%.6g"))
    return [*files, *save_figure(trade_off_figure(rows, models), out, "trade-off")]


def trade_off_figure(rows: pd.DataFrame, models: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Any:
    """Return the curves as a `matplotlib.figure.Figure`: NDCG against diversity, and against novelty."""
    # Here, for it takes half a second that no other command should wait.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 5.0), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    words = {
        "diversity": ("diversity", "mean distance of two listed items in text and concepts"),
        "novelty": ("novelty", "mean self-information of listed items, in bits"),
    }
    for panel, (parameter, (metric, label)) in zip(axes, words.items(), strict=True):
        _draw(panel, rows[rows["parameter"] == parameter], metric, parameter)
        for name, found in models.items():
            if name != OURS and metric in found:
                x, y = found[metric]["value"], found[NDCG]["value"]
                panel.scatter(x, y, color=GREY, marker="D", s=34, zorder=3)
                panel.annotate(
                    _NAMES.get(name, name), (x, y), xytext=(7, -4), textcoords="offset points", color=DARK, fontsize=9
                )
        panel.set_xlabel(label)
        panel.set_title(f"weight of {parameter}, 0 to 1", loc="left", fontweight="bold")
        panel.margins(x=0.12, y=0.08)
    axes[0].set_ylabel(f"NDCG@{LIST_LENGTH} on the test ratings")
    figure.text(
        0.01,
        -0.01,
        "A dot a weight; bars and band: 95 % bootstrap intervals over users of both measures. Diamonds: baselines. The axes do not begin at 0.",
        va="top",
        fontsize=8,
        color=GREY,
    )
    return figure


def _draw(axes: Any, rows: pd.DataFrame, metric: str, parameter: str) -> None:
    x, y = rows[metric].to_numpy(), rows[NDCG].to_numpy()
    axes.fill_between(x, rows[f"{NDCG} low"], rows[f"{NDCG} high"], color=BLUE, alpha=0.12, linewidth=0)
    ends = np.stack([x - rows[f"{metric} low"], rows[f"{metric} high"] - x])
    axes.errorbar(x, y, xerr=ends, color=BLUE, marker="o", markersize=5, linewidth=1.8, elinewidth=0.8)
    width, height = max(np.ptp(x), 1e-9), max(np.ptp(y), 1e-9)
    named = (-np.inf, -np.inf)
    for place, (weight, right, up) in enumerate(zip(rows["weight"], x, y, strict=True)):
        # EntityLinker that would lie over each other are left out; the first one is long.
        if np.hypot((right - named[0]) / width, (up - named[1]) / height) > (0.3 if place < 5 else 0.12):
            named = (right, up)
            words = f"kgrec, {parameter} 0" if place == 0 else f"{weight:g}"
            above = 16 if place == 0 else 7
            axes.annotate(
                words, (right, up), xytext=(5, above), textcoords="offset points", color=BLUE, fontsize=9, zorder=4
            )
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(alpha=0.25)
