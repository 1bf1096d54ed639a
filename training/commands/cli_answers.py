"""Commands that ask a run: lists, predictions, items alike, explanations, and what rules do to lists."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pandas as pd
import typer

from kg.counted import counted
from kg.errors import InputError
from training.commands.cli_options import Count, GraphArgument, History, Json, Overwrite, RunArgument
from training.commands.cli_query import ask_within
from training.commands.history_option import read_history_of

if TYPE_CHECKING:
    from kg.graph import KnowledgeGraph
    from models.attribution.explanation import Explanation
    from models.lists.rules import AppliedRules
    from models.recommender import Recommender

__all__ = ["audience", "explain", "recommend", "rules"]

_SECONDS = 30.0  # a query in a rule takes at most


def recommend(
    run: RunArgument,
    user: Annotated[str | None, typer.Option(help="Id of a known user.")] = None,
    history: History = None,
    text: Annotated[str | None, typer.Option(help="What someone new says they like.")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Lists of all users, written to --out.")] = False,
    out: Annotated[Path | None, typer.Option(help="Parquet file for --all.")] = None,
    rules: Annotated[Path | None, typer.Option(help="YAML file of rules: what to hide, boost, or list alone.")] = None,
    diversity: Annotated[float, typer.Option(help="Weight of how far apart the listed items are, 0 to 1.")] = 0.0,
    novelty: Annotated[float, typer.Option(help="Weight of how few people know an item, 0 to 1.")] = 0.0,
    again: Annotated[
        bool, typer.Option("--again", help="Also list what the person rated or chose before, such as groceries.")
    ] = False,
    count: Count = 10,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Recommend items to a known user, to someone with a few ratings, or for a sentence; or to all users at once.

    Example: kgrec recommend runs/u1 --history 50=5,181=4
    """
    from kg.storage.outputs import claim_file
    from training.bundle import load_run
    from training.commands import console

    if everyone != (out is not None) or (everyone and not user is history is text is None):
        raise InputError("give --all together with --out lists.parquet and without a person, or neither of the two")
    if out is not None and (diversity or novelty):
        raise InputError("--diversity and --novelty are for the list of one person; leave out --all")
    if out is not None:
        claim_file(out, overwrite=overwrite, endings=(".parquet",))
    recommender = load_run(run).recommender
    applied = None if rules is None else _read_rules(run / "graph", recommender.graph, rules)
    if out is not None:
        _recommend_to_all(recommender, applied, out, count, again, as_json)
        return
    ratings = read_history_of(recommender, history)
    rows = recommender.recommend(
        user=user,
        history=ratings,
        text=text,
        k=count,
        exclude_seen=not again,
        rules=applied,
        diversity=diversity,
        novelty=novelty,
    )
    if as_json:
        who: dict[str, Any] = {"user": user} if user is not None else {"history": ratings, "text": text}
        console.print_json({**who, "items": rows.to_dict("records"), **console.note_of(rows)})
        return
    if "understood" in rows.attrs:
        console.out.print(f"Understood: {'; '.join(rows.attrs['understood'])}.")
    if user is not None:
        title = f"for user {user}"
    elif text:
        title = f"for “{text}”"
    else:
        title = f"for someone who {'chose' if recommender.implicit else 'rated'} {history or 'nothing'}"
    console.print_recommendations(title, rows, implicit=recommender.implicit)


def _recommend_to_all(
    recommender: Recommender, rules: AppliedRules | None, out: Path, count: int, again: bool, as_json: bool
) -> None:
    from models.lists.boosts_and_filters import boosts_and_filters_of
    from training.commands import console
    from training.lists import write_lists
    from training.peak_memory import peak_memory_mb

    started = time.perf_counter()
    boosts_and_filters = boosts_and_filters_of(rules, implicit=recommender.implicit)
    with console.progress_bar() as progress:
        written = write_lists(
            recommender, out, count, exclude_seen=not again, rules=boosts_and_filters, progress=progress
        )
    seconds, memory = round(time.perf_counter() - started, 1), round(peak_memory_mb())
    if as_json:
        facts = {"users": written.users, "rows": written.rows, "seconds": seconds, "peak_memory_mb": memory}
        console.print_json({"lists": str(out), **facts})
        return
    size = f"{counted(written.rows, 'row')} for {counted(written.users, 'user')}"
    console.out.print(f"{size} in {seconds:g} s with {memory:,} MB; written to {out}.")
    if written.empty:
        console.out.print(f"Nothing was left to list for {written.empty:,} of them.")


def audience(
    run: RunArgument,
    item: Annotated[str, typer.Option(help="Id of an item, rated or not.")],
    count: Count = 10,
    as_json: Json = False,
) -> None:
    """List the users most likely to come across an item and like it; the item may be new.

    Example: kgrec audience runs/u1 --item 50
    """
    from training.bundle import load_run
    from training.commands import console

    recommender = load_run(run).recommender
    rows = recommender.audience(item, k=count)
    if as_json:
        console.print_json({"item": item, "users": rows.to_dict("records"), **console.note_of(rows)})
    else:
        console.print_recommendations(f"users for item {item}", rows, implicit=recommender.implicit)


def explain(
    run: RunArgument,
    user: Annotated[str | None, typer.Option(help="Id of a known user.")] = None,
    history: History = None,
    item: Annotated[str | None, typer.Option(help="Id of an item, rated or not.")] = None,
    rules: Annotated[Path | None, typer.Option(help="YAML file of rules, whose boosts then count as parts.")] = None,
    count: Annotated[int, typer.Option("-k", "--count", min=1, help="Parts that are shown; --json gives all.")] = 15,
    figure: Annotated[Path | None, typer.Option(help="Also draw the parts; a name that ends in .png or .svg.")] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Say why someone is predicted to like an item: parts in stars (or score) that sum to the prediction, paths, a sentence.

    Example: kgrec explain runs/u1 --user 196 --item 50 --figure why.png
    """
    from kg.storage.outputs import claim_file
    from training.bundle import load_run
    from training.commands import console
    from training.studies.explanation_figure import draw_explanation

    if item is None:
        raise InputError("give --item, and --user or --history; for example --user 196 --item 50")
    if figure is not None:
        claim_file(figure, overwrite=overwrite, endings=(".png", ".svg"))
    recommender = load_run(run).recommender
    ratings = read_history_of(recommender, history)
    boosts = None
    if rules is not None:
        applied = _read_rules(run / "graph", recommender.graph, rules)
        boosts = applied.boosts_of(recommender.graph.items.vocabulary.index_of(item))
    explanation = recommender.explain(item, user=user, history=ratings, boosts=boosts)
    if figure is not None:
        draw_explanation(explanation, figure)
    if as_json:
        console.print_json(explanation.as_json() | ({} if ratings is None else {"history": ratings}))
        return
    console.out.print(explanation.sentence)
    console.out.print(console.plain_table("", _part_rows(explanation, count)))
    for path in explanation.paths:
        console.out.print("  ".join(step.words for step in path))
    if figure is not None:
        console.out.print(f"Drawn to {figure}.")


def _part_rows(explanation: Explanation, count: int) -> pd.DataFrame:
    from training.studies.explanation_figure import shown_parts

    mean = explanation.parts[0]
    rows = [(mean.name, f"{mean.stars:.2f}", "")]
    rows += [(part.name, f"{part.stars:+.2f}", str(part.origin or "")) for part in shown_parts(explanation, count)]
    rows.append(("prediction", f"{explanation.score:.2f}", ""))
    return pd.DataFrame(rows, columns=["part", "score" if explanation.implicit else "stars", "stated in"])


def rules(
    graph: GraphArgument,
    file: Annotated[Path, typer.Argument(help="YAML file of rules.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Say how many items each rule hides, boosts or keeps, and where rules contradict each other.

    Example: kgrec rules graphs/ml-100k rules.yaml
    """
    from kg.dataset import Dataset
    from training.commands import console

    known = Dataset.load(graph).graph
    applied = _read_rules(graph, known, file, quiet=True)
    rows = [
        {"rule": str(rule), "action": rule.action, "stars": rule.stars, "items": int(matches.sum())}
        for rule, matches in zip(applied.rules, applied.matches, strict=True)
    ]
    if as_json:
        console.print_json({"graph": str(graph), "rules": rows, "items_left": applied.num_left, "notes": applied.notes})
        return
    table = [(row["rule"], row["action"], f"{row['items']:,}") for row in rows]
    console.out.print(console.plain_table(f"rules of {file}", pd.DataFrame(table, columns=["rule", "action", "items"])))
    for note in applied.notes:
        console.out.print(f"Note: {note}.")
    console.out.print(f"{applied.num_left:,} of {counted(len(known.items), 'item')} can be listed.")


def _read_rules(directory: Path, graph: KnowledgeGraph, file: Path, *, quiet: bool = False) -> AppliedRules:
    """Read a file of rules and find their items in the graph of a directory; contradictions are noted unless `quiet`."""
    from models.lists.rules import apply_rules
    from training.commands import console

    applied = apply_rules(file, graph, ask=partial(ask_within, directory, ratings=False, seconds=_SECONDS))
    for note in () if quiet else applied.notes:
        console.notes.print(f"note: {note}")
    return applied
