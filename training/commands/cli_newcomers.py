"""Commands about what is new: items and users that join a run, single predictions, items alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from kg.counted import counted
from kg.errors import InputError, UnknownNameError
from training.commands.cli_options import Json

if TYPE_CHECKING:
    from kg.growth.addition_files import Told
    from kg.tabular.tables import Table
    from models.recommender import Recommender

__all__ = ["add_items", "add_users", "predict", "similar"]

RunArgument = Annotated[Path, typer.Argument(help="Directory of a trained run.", show_default=False)]
SEVERAL = "; with --description maybe several, like its tables in their order"
Out = Annotated[Path, typer.Option(help="Directory of the new run; the old one stays as it is.")]
LikeBefore = Annotated[
    str | None,
    typer.Option(
        "--description",
        help="What the graph was built from: tables have the columns of those described there. By default a column a relation.",
    ),
]
Data = Annotated[Path | None, typer.Option(help="Folder that the description's other files are in.")]


def add_items(
    run: RunArgument,
    items: Annotated[
        list[Path], typer.Argument(help=f"YAML, JSON or table of new items{SEVERAL}.", show_default=False)
    ],
    out: Out,
    description: LikeBefore = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Let new items join a run by what is known of them, without training: text, concepts, maybe a few ratings.

    Example: kgrec add-items runs/u1 new.yaml --out runs/u1-new
    """
    _add(run, items, out, "item", description, data, as_json)


def add_users(
    run: RunArgument,
    users: Annotated[
        list[Path], typer.Argument(help=f"YAML, JSON or table of new users{SEVERAL}.", show_default=False)
    ],
    out: Out,
    description: LikeBefore = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Let new users join a run by what is known of them, without training: concepts such as age, maybe a few ratings.

    Example: kgrec add-users runs/u1 people.csv --out runs/u1-new
    """
    _add(run, users, out, "user", description, data, as_json)


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
    shown = rows[["user", "item"]].assign(
        **{"score" if recommender.implicit else "stars": [f"{score:.2f}" for score in rows["score"]]}
    )
    if not recommender.implicit:
        ends = zip(rows["low"], rows["high"], strict=True)
        shown["80 % interval"] = [f"{low:g} - {high:g}" for low, high in ends]
    shown["based on"] = rows["source"]
    console.out.print(console.plain_table("predictions", shown))


def similar(
    run: RunArgument,
    item: Annotated[str, typer.Option(help="Id of an item, rated or not.")],
    count: Annotated[int, typer.Option("-k", "--count", help="Length of the list.")] = 10,
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


def _first_wrong(recommender: Recommender, kind: str, told: Told, file: Path) -> InputError:
    """Return what is wrong with the first record that the run cannot take, with its place."""
    from kg.growth.addition_files import first_wrong
    from kg.growth.new_entities import NewEntities

    return first_wrong(
        told.records,
        told.lines,
        file,
        lambda some: NewEntities.of(recommender.graph, kind, some, scale=recommender.scale),
    )


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
        told = described_records(files, kind, Description.load(description, data=data))
    elif others:
        raise InputError(
            f"expected one file of {kind}s without --description, which says what several hold", file=others[0]
        )
    else:
        told = read_records(file, kind)
    records = told.records
    if not records:
        raise InputError(f"there is no {kind} in this file", file=file)
    found = load_run(run)
    before = len(found.recommender.notes)
    add = found.recommender.add_items if kind == "item" else found.recommender.add_users
    source = " with ".join([file.name, *(other.name for other in others)])
    try:
        grown = add(records, source=source, lines=told.lines)
    except InputError as error:
        if error.file is not None or others:
            raise
        raise _first_wrong(found.recommender, kind, told, file) from None
    write_extended_run(found.directory, found.manifest, grown, out)
    notes = [*told.notes, *told.known_links(found.recommender.graph.items), *grown.notes[before:]]
    if as_json:
        console.print_json({"run": str(out), f"{kind}s": [str(record["id"]) for record in records], "notes": notes})
        return
    for note in notes:
        console.out.print(f"Note: {note}.")
    console.out.print(f"{len(records):,} new {counted(len(records), kind).partition(' ')[2]}; written to {out}.")
