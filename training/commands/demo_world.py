"""The whole idea on one screen: the film world from Turtle to recommendations with reasons."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from kg.build import build
from kg.description import Description
from kg.errors import InputError
from kg.report import report_lines
from kg.storage.manifest import read_content
from models.recommender import Recommender
from training.bundle import load_run
from training.commands import console
from training.films import write_film_source
from training.recipes import quick
from training.report import evaluation_report
from training.runs import train_run

__all__ = ["run_demo"]

SENTENCE = "slow, thoughtful science fiction about memory and what makes us human"
COLD_SHARE = 0.1


def run_demo(directory: Path) -> None:
    """Build, train, evaluate and recommend on the film world; about a minute on two cores.

    Args:
        directory: Where `graph/` and `run/` are written; an earlier demo there is replaced.
    """
    started = time.perf_counter()
    _heading("1. Tables and RDF become a knowledge graph")
    with TemporaryDirectory() as folder:
        dataset = build(Description.load(write_film_source(Path(folder))))
    _refuse_others(directory, dataset.graph.name)
    dataset.save(directory / "graph")
    for line in report_lines(dataset.report):
        console.out.print(line)

    _heading("2. BERT reads it and the hybrid model trains")
    # A tenth of the films is held out with all their ratings, and a tenth of the other ratings. What a simulated audience
    # would say of itself teaches nothing of people; the sentence below finds films by its words.
    config = quick(len(dataset.ratings)).updated(
        ["split.name=cold-items", f"split.test_share={COLD_SHARE}", "text.synthetic_texts=0"]
    )
    with console.progress_bar() as progress:
        outcome = train_run(directory / "graph", config, directory / "run", overwrite=True, progress=progress)
    console.out.print(outcome.sentence)
    console.out.print(f"Trained in {outcome.seconds:.0f} s.")

    _heading("3. How good it is, on films people had rated and on films nobody had")
    run = load_run(directory / "run")
    report = evaluation_report(run)
    for part in report["parts"]:
        console.out.print(console.metrics_table(part, part, report))
    console.out.print(
        "The audience is simulated: compare the rows of a table, not its figures with those of real data."
    )

    _heading("4. What it recommends, and why")
    recommender = run.recommender
    users, items = recommender.graph.users, recommender.graph.items
    user = str(users.vocabulary.id_of(int(np.argmax(recommender.train.user_counts))))
    console.out.print(f"User {user} liked: {', '.join(_liked(recommender, user))}.")
    console.out.print(console.recommendation_table(f"Ten films for user {user}", recommender.recommend(user=user)))
    title = f"Ten films for a new user who writes: “{SENTENCE}”"
    console.out.print(console.recommendation_table(title, recommender.recommend(text=SENTENCE)))
    held_out = run.experiment.split.test["cold_items"]
    cold_film = int(np.argmax(held_out.item_counts))  # the one that most people rated: the reader may know it
    title = f"Ten users for “{items.labels[cold_film]}”, which nobody has rated"
    audience = recommender.audience(items.vocabulary.id_of(cold_film))
    console.out.print(console.recommendation_table(title, audience))
    seconds = time.perf_counter() - started
    console.out.print(f'Done in {seconds:.0f} s. Try: kgrec recommend {directory / "run"} --text "..."')


def _refuse_others(directory: Path, name: str) -> None:
    """Raise `InputError` if the graph or the run there is of other data than the demo's."""
    for folder, key in ((directory / "graph", "name"), (directory / "run", "graph")):
        if (folder / "manifest.json").is_file() and read_content(folder / "manifest.json").get(key) != name:
            raise InputError(
                "this is not of an earlier demo and is not replaced; give another --directory", file=folder
            )


def _heading(text: str) -> None:
    console.out.print()
    console.out.print(text, style="bold")


def _liked(recommender: Recommender, user: str, most: int = 5) -> list[str]:
    """Return labels of the items a user rated highest, the last rated first."""
    train = recommender.train
    rated = train.select(train.user == recommender.graph.users.vocabulary.index_of(user))
    order = np.lexsort((rated.time if rated.time is not None else rated.item, rated.value))[::-1][:most]
    return [str(label) for label in recommender.graph.items.labels[rated.item[order]]]
