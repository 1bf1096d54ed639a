"""Commands about what is new: items and users that join a run, single predictions, items alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kg.errors import InputError
from training.commands.cli_options import Json

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
    """Predict the stars of one pair or of many.

    Example: kgrec predict runs/u1 --user 196 --item 50
    """
    from kg.tables import read_table
    from training.bundle import load_run
    from training.commands import console

    if (pairs is None) == (user is None and item is None) or (user is None) != (item is None):
        raise InputError("give --user and --item, or --pairs with a file")
    wanted = [(str(user), str(item))]
    if pairs is not None:
        table = read_table(pairs)
        columns = (table.column(name, remedy=f"name the column of {name} ids so") for name in ("user", "item"))
        wanted = list(zip(*columns, strict=True))
    rows = load_run(run).recommender.predict(wanted)
    if as_json:
        console.print_json({"pairs": rows.to_dict("records")})
        return
    shown = rows.assign(
        score=[f"{score:.2f}" for score in rows["score"]],
        low=[f"{low:g} - {high:g}" for low, high in zip(rows["low"], rows["high"], strict=True)],
    )
    shown = shown.drop(columns="high").rename(columns={"score": "stars", "low": "80 % interval", "source": "stands on"})
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
        console.print_json({"item": item, "items": rows.to_dict("records")})
        return
    shown = rows.assign(similarity=[f"{value:.2f}" for value in rows["similarity"]])
    shown = shown[["label", "id", "similarity", "source", "shares"]].rename(columns={"source": "stands on"})
    console.out.print(console.plain_table(f"items like {item}", shown))


def _add(
    run: Path, files: list[Path], out: Path, kind: str, description: str | None, data: Path | None, as_json: bool
) -> None:
    from kg.description import Description
    from kg.growth.addition_files import read_records
    from kg.growth.described_additions import described_records
    from training.additions import write_grown_run
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
    grown = add(records, source=" with ".join([file.name, *(other.name for other in others)]), lines=told.lines)
    write_grown_run(found.directory, found.manifest, grown, out)
    notes = [*told.notes, *told.known_links(found.recommender.graph.items), *grown.notes[before:]]
    if as_json:
        console.print_json({"run": str(out), f"{kind}s": [str(record["id"]) for record in records], "notes": notes})
        return
    for note in notes:
        console.out.print(f"Note: {note}.", markup=False, soft_wrap=True)
    console.out.print(f"{len(records):,} new {kind}{'s' * (len(records) != 1)}; written to {out}.", markup=False)
