"""The cold-start study: what can be said of new items and new users, by text, by concepts, by a few ratings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from kg.dataset import Dataset
from kg.errors import InputError
from kg.ratings import Ratings
from kg.schema import ITEM, USER
from kg.storage.atomic import make_directory, write_file
from kg.storage.manifest import canonical, read_content, sha256
from kg.wording import item_sentences
from training.bundle import load_run
from training.comparison.benchmark_run import BenchmarkRun, measured_run
from training.comparison.measurement import Measurement
from training.comparison.peer_baselines import ALL_BASELINES
from training.comparison.result_rows import OURS, table_rows
from training.config import RunConfig
from training.experiment import Experiment
from training.progress import Progress, silent
from training.recipes import quick as quick_recipe
from training.splits import liked_from
from training.spreadsheet import as_csv
from training.studies.asking import interviews
from training.studies.cold_tables import (
    INFORMED,
    asking_table,
    bins_table,
    calibration_table,
    few_shot_table,
    part_gains,
    with_holm,
)
from training.studies.few_shot import concepts_of, draw_given, item_curve, user_curve
from training.studies.few_shot_baselines import baseline_curves

__all__ = ["PARTS", "TABLES", "Study", "cold_start"]

PARTS = ("cold_items", "cold_users", "cold_both")
TABLES = ("settings", "gains", "few_shot_users", "few_shot_items", "bins", "calibration", "questions")
TEST_SHARE = 0.2
STUDY_VERSION = 6  # of what is computed from a run; tables of another one are made anew
ABLATIONS: Mapping[str, str] = {
    f"{OURS} without text": "model.leave_out=[text]",
    f"{OURS} without concepts": "model.leave_out=[concepts]",
    f"{OURS} without text and concepts": "model.leave_out=[concepts, text]",
    f"{OURS} without factors": "model.leave_out=[factors]",
}
QUICK_ABLATIONS = (f"{OURS} without text", f"{OURS} without concepts", f"{OURS} without text and concepts")
QUICK_NEWCOMERS, QUICK_ASKED, MOST_ASKED = 80, 60, 200  # an interview weighs every item after every answer


@dataclass(frozen=True, kw_only=True)
class Study:
    """What the study found.

    Attributes:
        facts: Sizes and settings: `graph`, `split`, `ratings`, `users_few_shot`, `items_few_shot`, `users_asked`,
            `quick`, `scale`.
        tables: By the names in `TABLES`.
    """

    facts: dict[str, Any]
    tables: dict[str, pd.DataFrame]

    def as_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        tables = {name: json.loads(table.to_json(orient="records")) for name, table in self.tables.items()}
        return {"facts": self.facts, "tables": tables}


def cold_start(
    graph: Path,
    config: RunConfig,
    out: Path,
    *,
    quick: bool = False,
    ablate: bool = True,
    progress: Progress = silent,
) -> Study:
    """Run the study; what an earlier, perhaps killed, call has finished is kept.

    One split holds out a share of the items and a share of the users at once, so that one training answers for all
    three settings: a known user and a new item, a new user and a known item, both new. Few-shot curves and questions
    use the same model, which has never seen a rating of theirs.

    Args:
        graph: Graph directory; its ratings are stars.
        config: How to train; the split is replaced unless it is `cold-both` already.
        out: Where `runs/`, `rows/` and the tables (CSV) are written.
        quick: A first look: the quick recipe, fewer ablations, fewer newcomers.
        ablate: Also train without text, without concepts, without both, without factors.
        progress: Called with (stage, done, total, message).

    Raises:
        InputError: If the graph's feedback is implicit, or there are too few ratings to hold out.
    """
    dataset = Dataset.load(graph)
    if dataset.implicit:
        raise InputError("the study compares predicted stars with given ones, and implicit feedback has none")
    chosen = _configured(config, len(dataset.ratings), quick)
    experiment = Experiment(dataset, chosen)
    parts = {part: experiment.split.test[part] for part in PARTS}
    plan = [BenchmarkRun(model=OURS, config=chosen)]
    if ablate:
        names = QUICK_ABLATIONS if quick else tuple(ABLATIONS)
        plan += [BenchmarkRun(model=name, config=chosen.updated([ABLATIONS[name]])) for name in names]
    plan += [BenchmarkRun(model=peer.name, config=chosen, peer=peer) for peer in ALL_BASELINES]
    measured: list[tuple[BenchmarkRun, Measurement]] = []
    for number, run in enumerate(plan):
        progress("models", number, len(plan), run.model)
        measured.append((run, measured_run(run, graph, dataset.fingerprint, out, progress=progress)))
    by_name = {run.model: measurement for run, measurement in measured}
    limit = QUICK_NEWCOMERS if quick else None
    asked = QUICK_ASKED if quick else MOST_ASKED
    kept = _Kept(out / "rows", [measured[0][1].facts["run"], dataset.fingerprint, limit, asked, STUDY_VERSION])
    trained = out / "runs" / plan[0].slug
    users, items = parts["cold_users"], parts["cold_items"]
    tables = {
        "settings": _settings(measured, parts, liked_from(dataset.scale)),
        "gains": part_gains(by_name, parts),
        "few_shot_users": kept("few-shot-users", lambda: _few_shot(trained, users, USER, limit, progress)),
        "few_shot_items": kept("few-shot-items", lambda: _few_shot(trained, items, ITEM, limit, progress)),
        "bins": bins_table(by_name, items, dataset.graph, item_sentences(dataset.graph)),
        "calibration": calibration_table(by_name[OURS], parts),
        "questions": kept("questions", lambda: _questions(trained, users, asked, progress)),
    }
    newcomers = {
        f"few_shot_{by}s": len(draw_given(parts[f"cold_{by}s"], by=by, limit=limit, seed=chosen.split.seed).newcomers)
        for by in (USER, ITEM)
    }
    facts = {
        "graph": dataset.graph.name,
        "split": experiment.split.sentence,
        "ratings": {part: len(ratings) for part, ratings in parts.items()},
        "training_ratings": len(experiment.split.train),
        **newcomers,
        "quick": quick,
        "scale": list(dataset.scale),
        "seed": chosen.seed,
    }
    study = Study(facts=facts, tables=tables)
    write_file(out / "study.json", json.dumps(study.as_json(), indent=1) + "\n")  # first: by it the others are known
    for name, table in tables.items():
        write_file(out / f"{name}.csv", as_csv(table))
    return study


def _configured(config: RunConfig, num_ratings: int, quick: bool) -> RunConfig:
    split = config.split
    if quick:
        config = quick_recipe(num_ratings).model_copy(update={"text": config.text, "seed": config.seed})
    config = config.updated(["text.synthetic_texts=0"])  # no newcomer of the study writes a sentence
    if split.name == "cold-both":
        return config.model_copy(update={"split": split})
    return config.updated(
        [
            "split.name=cold-both",
            f"split.test_share={TEST_SHARE}",
            "split.validation_share=0",
            f"split.seed={split.seed}",
        ]
    )


class _Kept:
    """Tables that take long to make, kept with the identity of what they were made from."""

    def __init__(self, folder: Path, made_from: Sequence[Any]) -> None:
        self.folder = folder
        self.identity = sha256(canonical(list(made_from)))

    def __call__(self, name: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        file = self.folder / f"{name}.json"
        content = read_content(file)
        if content.get("identity") != self.identity:
            table = make()
            rows = json.loads(table.to_json(orient="values", double_precision=15))
            content = {"identity": self.identity, "columns": list(table.columns), "rows": rows}
            make_directory(self.folder)
            write_file(file, json.dumps(content) + "\n")
        return pd.DataFrame(content["rows"], columns=content["columns"])


def _settings(
    measured: Sequence[tuple[BenchmarkRun, Measurement]], parts: Mapping[str, Ratings], relevant_from: float
) -> pd.DataFrame:
    """Return every metric of every model by part, with the p of lists adjusted over the models of a part."""
    table = pd.DataFrame(table_rows(measured, parts, relevant_from))
    table = table.drop(columns=["split", "source", "uses_test_date", "chosen"], errors="ignore")
    for metric in ("rmse", "ndcg@20"):
        if f"{metric} p" in table:
            table[f"{metric} p_holm"] = with_holm(table.assign(p=table[f"{metric} p"]), family=["part"])["p_holm"]
    return table


def _few_shot(run: Path, part: Ratings, by: str, limit: int | None, progress: Progress) -> pd.DataFrame:
    """Return the curve of new users, or of new items, with those of the baselines."""
    loaded = load_run(run)
    recommender = loaded.recommender
    draw = draw_given(part, by=by, limit=limit, seed=loaded.experiment.config.split.seed)
    curve = user_curve if by == USER else item_curve
    curves = {OURS: curve(recommender, draw, progress=progress)}
    if by == USER and any(concepts_of(recommender, int(user)) for user in draw.newcomers):
        curves[INFORMED] = user_curve(recommender, draw, informed=True, progress=progress)
    curves |= baseline_curves(
        recommender.train,
        draw,
        recommender.content,
        recommender.scale,
        recommender.relevant_from,
        lists=by == USER,
        progress=progress,
    )
    return few_shot_table(curves, draw, recommender.levels)


def _questions(run: Path, part: Ratings, limit: int, progress: Progress) -> pd.DataFrame:
    loaded = load_run(run)
    seed = loaded.experiment.config.split.seed
    asked, predicted = interviews(loaded.recommender, part, limit=limit, seed=seed, progress=progress)
    return asking_table(asked, predicted.user, predicted.value)
