"""Commands about what is new: items and users that join a run, single predictions, items alike, what to ask someone new."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from kg.errors import InputError, UnknownNameError
from training.commands.cli_options import Count, History, Json, RunArgument

if TYPE_CHECKING:
    from kg.tabular.tables import Table
    from models.recommender import Recommender

__all__ = ["add_items", "add_users", "predict", "questions", "similar"]

_SEVERAL = "; with --description maybe several, like its tables in their order"
_Out = Annotated[Path, typer.Option(help="Directory of the new run; the old one stays as it is.")]
_LikeBefore = Annotated[
    str | None,
    typer.Option(
        "--description",
        help="What the graph was built from: tables have the columns of those described there. By default a column a relation.",
    ),
]
_Data = Annotated[Path | None, typer.Option(help="Folder that the description's other files are in.")]


def add_items(
    run: RunArgument,
    items: Annotated[
        list[Path], typer.Argument(help=f"YAML, JSON or table of new items{_SEVERAL}.", show_default=False)
    ],
    out: _Out,
    description: _LikeBefore = None,
    data: _Data = None,
    as_json: Json = False,
) -> None:
    """Let new items join a run by what is known of them, without training: text, concepts, maybe a few ratings.

    Example: kgrec add-items runs/u1 new.yaml --out runs/u1-new
    """
    _add(run, items, out, "item", description, data, as_json)


def add_users(
    run: RunArgument,
    users: Annotated[
        list[Path], typer.Argument(help=f"YAML, JSON or table of new users{_SEVERAL}.", show_default=False)
    ],
    out: _Out,
    description: _LikeBefore = None,
    data: _Data = None,
    as_json: Json = False,
) -> None:
    """Let new users join a run by what is known of them, without training: concepts such as age, maybe a few ratings.

    Example: kgrec add-users runs/u1 people.csv --out runs/u1-new
    """
    _add(run, users, out, "user", description, data, as_json)


def _add(
    run: Path, files: list[Path], out: Path, kind: str, description: str | None, data: Path | None, as_json: bool
) -> None:
    from kg.description import Description
    from kg.growth.addition_files import read_records
    from kg.growth.described_additions import described_records
    from training.additions import write_extended_run
    from training.bundle import load_run
    from training.commands import console

    file, *others = files
    if data is not None and description is None:
        raise InputError(
            "--data says where the files of a description are; give --description as well, or leave it out"
        )
    if description is not None:
        additions = described_records(files, kind, Description.load(description, data=data))
    elif others:
        raise InputError(
            f"expected one file of {kind}s without --description, which says what several hold", file=others[0]
        )
    else:
        additions = read_records(file, kind)
    records = additions.records
    if not records:
        raise InputError(f"there is no {kind} in this file", file=file)
    loaded = load_run(run)
    recommender = loaded.recommender
    add = recommender.add_items if kind == "item" else recommender.add_users
    try:
        extended = add(records, source=" with ".join(each.name for each in files), lines=additions.lines)
    except InputError as error:
        if error.file is not None or others:
            raise
        raise type(error)(str(error), file=file, line=error.line if additions.lines else None) from None
    write_extended_run(loaded.directory, loaded.manifest, extended, out)
    new_notes = extended.notes[len(recommender.notes) :]
    notes = [*additions.notes, *additions.known_links(recommender.graph.items), *new_notes]
    if as_json:
        console.print_json({"run": str(out), f"{kind}s": [str(record["id"]) for record in records], "notes": notes})
        return
    for note in notes:
        console.out.print(f"Note: {note}.")
    console.out.print(f"{len(records):,} new {kind}{'s' * (len(records) != 1)}; written to {out}.")


def predict(
    run: RunArgument,
    user: Annotated[str | None, typer.Option(help="Id of a user.")] = None,
    item: Annotated[str | None, typer.Option(help="Id of an item.")] = None,
    pairs: Annotated[Path | None, typer.Option(help="Table with the columns user and item, for many pairs.")] = None,
    as_json: Json = False,
) -> None:
    """Predict the stars of one pair or of many; without stars, the score that orders a user's choices.

    Example: kgrec predict runs/u1 --user 196 --item 50
    """
    from kg.tabular.tables import read_table
    from training.bundle import load_run
    from training.commands import console

    if (pairs is None) == (user is None and item is None) or (user is None) != (item is None):
        raise InputError("give --user and --item, or --pairs with a file")
    wanted = [(str(user), str(item))]
    table = None if pairs is None else read_table(pairs)
    if table is not None:
        head = str(table.frame.columns[0]) if len(table.frame.columns) == 1 else ""
        if any(mark in head for mark in ";|\t"):
            raise InputError(
                f"expected the columns user and item, found the one column {head!r}; is the separator right? Pairs stand "
                "in a .csv with commas or in a .tsv with tabs",
                file=pairs,
            )
        columns = (table.column(name, remedy=f"name the column of {name} ids so") for name in ("user", "item"))
        wanted = list(zip(*columns, strict=True))
    recommender = load_run(run).recommender
    if table is not None:
        _check_known(recommender, table, wanted)
    rows = recommender.predict(wanted)
    if as_json:
        console.print_json({"pairs": rows.to_dict("records")})
        return
    shown = rows[["user", "item"]].copy()
    shown["score" if recommender.implicit else "stars"] = [f"{score:.2f}" for score in rows["score"]]
    if not recommender.implicit:
        ends = zip(rows["low"], rows["high"], strict=True)
        shown["80 % interval"] = [f"{low:g} - {high:g}" for low, high in ends]
    shown["based on"] = rows["source"]
    console.out.print(console.plain_table("predictions", shown))


def _check_known(recommender: Recommender, table: Table, pairs: list[tuple[str, str]]) -> None:
    """Raise `UnknownNameError` with file and line for the first user or item that the run does not know."""
    graph = recommender.graph
    for nodes, ids in zip((graph.users, graph.items), zip(*pairs, strict=True), strict=False):
        unknown = np.flatnonzero(nodes.vocabulary.find(list(ids)) < 0)
        if len(unknown):
            try:
                nodes.vocabulary.index_of(ids[unknown[0]])
            except UnknownNameError as error:
                raise UnknownNameError(str(error), file=table.file, line=table.line(int(unknown[0]))) from None


def similar(
    run: RunArgument,
    item: Annotated[str, typer.Option(help="Id of an item, rated or not.")],
    count: Count = 10,
    as_json: Json = False,
) -> None:
    """List the items that the same people would like.

    Example: kgrec similar runs/u1 --item 50
    """
    from training.bundle import load_run
    from training.commands import console

    rows = load_run(run).recommender.similar_items(item, k=count)
    if as_json:
        console.print_json({"item": item, "items": rows.to_dict("records"), **console.note_of(rows)})
        return
    if console.nothing_listed(rows):
        return
    shown = rows.assign(similarity=[f"{value:.2f}" for value in rows["similarity"]])
    shown = shown[["label", "id", "similarity", "source", "shares"]].rename(columns={"source": "based on"})
    console.out.print(console.plain_table(f"items like {item}", shown))


def questions(run: RunArgument, history: History = None, count: Count = 5, as_json: Json = False) -> None:
    """Say which items to ask someone new about: those that tell most of their taste, and that they may well know.

    Example: kgrec questions runs/u1 --history 50=5,181=4
    """
    from training.bundle import load_run
    from training.commands import console
    from training.commands.history_option import read_history_of

    recommender = load_run(run).recommender
    if recommender.implicit:
        raise InputError("questions ask for stars, and the feedback of this run is implicit")
    rows = recommender.questions(read_history_of(recommender, history), k=count)
    if as_json:
        console.print_json({"questions": rows.to_dict(orient="records"), **console.note_of(rows)})
        return
    if console.nothing_listed(rows):
        return
    shown = rows.assign(
        known=[f"{100 * share:.0f} %" for share in rows["known"]],
        gain=[f"{100 * gain:.1f} %" for gain in rows["gain"]],
    )
    console.out.print(console.plain_table("questions to someone new", shown))
    console.out.print(
        "known: chance that the person knows it; gain: share of what is open about their scores that an answer settles."
    )
