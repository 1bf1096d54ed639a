"""What variety costs: accuracy of re-ranked lists over the weights of diversity and of novelty, as a table and a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.storage.atomic import make_directory, write_file
from models.lists.rerank import POOL, greedy, pool_of
from models.recommender import Recommender
from training.predictions import LIST_LENGTH
from training.studies.beyond import NDCG, OURS, Shelf
from training.studies.drawing import BLUE, DARK, GREY, panels, save_figure, styled, under

__all__ = ["WEIGHTS", "trade_off", "trade_off_figure", "write_trade_off"]

WEIGHTS = tuple(round(0.1 * step, 1) for step in range(11))
_USERS = 256  # ranked at once: the distances of their pools are 10 MB
_NAMES = {"ease": "EASE", "content_knn": "content kNN"}  # where people read them
_AXES = {
    "diversity": "mean distance of two listed items in text and concepts",
    "novelty": "mean self-information of listed items, in bits",
}


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
    settings = [(parameter, weight) for parameter in _AXES for weight in weights]
    length = min(LIST_LENGTH, len(shelf.candidates))
    lists: dict[tuple[str, float], list[NDArray[np.int64]]] = {setting: [] for setting in settings}
    apart: dict[tuple[str, float], list[NDArray[np.float32]]] = {setting: [] for setting in settings}
    for start in range(0, len(shelf.users), _USERS):
        pool, scores, distances = _pools(recommender, shelf, shelf.users[start : start + _USERS])
        novelty = recommender.reranker.novelty[pool]
        users = np.arange(len(pool))[:, None, None]
        for parameter, weight in settings:
            diversity, rest = (weight, 0.0) if parameter == "diversity" else (0.0, weight)
            places = greedy(scores, distances, novelty, length, diversity=diversity, novelty_weight=rest)
            lists[parameter, weight].append(np.take_along_axis(pool, places, axis=1))
            apart[parameter, weight].append(distances[users, places[:, :, None], places[:, None, :]])
    rows = []
    for parameter, weight in settings:
        measures = shelf.measures(np.concatenate(lists[parameter, weight]), np.concatenate(apart[parameter, weight]))
        row: dict[str, Any] = {"parameter": parameter, "weight": weight}
        for metric, estimate in measures.items():
            row |= {metric: estimate.value, f"{metric} low": estimate.low, f"{metric} high": estimate.high}
        rows.append(row)
    return pd.DataFrame(rows)


def _pools(
    recommender: Recommender, shelf: Shelf, users: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Return the best candidates of users, their scores, and how far they are apart."""
    scores = np.array(recommender.rank_scores(users), dtype=np.float32)
    rated = np.isin(shelf.train.user, users)
    scores[np.searchsorted(users, shelf.train.user[rated]), shelf.train.item[rated]] = -np.inf
    scores[:, np.setdiff1d(np.arange(scores.shape[1]), shelf.candidates)] = -np.inf
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
    make_directory(out)
    write_file(out / "trade-off.csv", rows.to_csv(index=False, float_format="%.6g"))
    return [out / "trade-off.csv", *save_figure(trade_off_figure(rows, models), out, "trade-off")]


@styled
def trade_off_figure(rows: pd.DataFrame, models: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Any:
    """Return the curves as a `matplotlib.figure.Figure`: NDCG against diversity, and against novelty."""
    figure, axes = panels(2, (11.0, 5.0), sharey=True)
    for axis, (metric, label) in zip(axes, _AXES.items(), strict=True):
        curve = rows[rows["parameter"] == metric]
        x, y = curve[metric], curve[NDCG]
        axis.fill_between(x, curve[f"{NDCG} low"], curve[f"{NDCG} high"], color=BLUE, alpha=0.12, linewidth=0)
        ends = [x - curve[f"{metric} low"], curve[f"{metric} high"] - x]
        axis.errorbar(x, y, xerr=ends, color=BLUE, marker="o", markersize=5, linewidth=1.8, elinewidth=0.8)
        for weight in (0.0, 0.5, 1.0):
            for _, row in curve[curve["weight"] == weight].iterrows():
                words = f"kgrec, {metric} 0" if weight == 0 else f"{weight:g}"
                _name_point(axis, words, row[metric], row[NDCG], BLUE)
        for name, measures in models.items():
            if name != OURS and metric in measures:
                at = measures[metric]["value"], measures[NDCG]["value"]
                axis.scatter(*at, color=GREY, marker="D", s=34, zorder=3)
                _name_point(axis, _NAMES.get(name, name), *at, DARK)
        axis.set(xlabel=label, title=f"weight of {metric}, 0 to 1")
        axis.margins(x=0.12, y=0.08)
    axes[0].set_ylabel(f"NDCG@{LIST_LENGTH} on the test ratings")
    under(
        figure,
        "A dot a weight; bars and band: 95 % bootstrap intervals over users of both measures. Diamonds: baselines. The axes do not begin at 0.",
    )
    return figure


def _name_point(axis: Any, name: str, x: float, y: float, colour: str) -> None:
    axis.annotate(name, (x, y), xytext=(6, 7), textcoords="offset points", color=colour, fontsize=9, zorder=4)
