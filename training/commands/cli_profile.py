"""Commands about people: the profile of one user or of all, and segments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pandas as pd
import typer

from kg.counted import counted
from kg.errors import InputError
from training.commands.cli_options import Json, Overwrite

if TYPE_CHECKING:
    from models.people.concept_interest import Interest
    from models.people.profile import Profile
    from models.people.segments import Segments, Trait

__all__ = ["profile", "segments"]

RunArgument = Annotated[Path, typer.Argument(help="Directory of a trained run.", show_default=False)]


def profile(
    run: RunArgument,
    user: Annotated[str | None, typer.Option(help="Id of a user.")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="All users, as a table.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="With --all: a .parquet or .csv file; a page NAME.html lies beside it.")
    ] = None,
    edits: Annotated[
        list[str] | None,
        typer.Option("--set", help="Say what a concept adds, e.g. 'genre: Horror=-0.5'; may be repeated."),
    ] = None,
    count: Annotated[int, typer.Option("-k", "--count", help="Items listed for an edited profile.", min=1)] = 10,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Say who a user is: interests and dislikes with their evidence, habits, change over time, similar users.

    Example: kgrec profile runs/u1 --user 196
    """
    from kg.storage.outputs import claim_file
    from training.bundle import load_run
    from training.commands import console

    if (user is None) == (not everyone):
        raise InputError("give --user ID or --all")
    if everyone and (out is None or edits):
        raise InputError("--all needs --out FILE (.parquet or .csv) and takes no --set")
    if not everyone and out is not None:
        raise InputError("--out goes with --all; --json prints the profile of one user")
    if out is not None:
        claim_file(out, overwrite=overwrite, endings=(".parquet", ".csv"))
        claim_file(out.with_suffix(".html"), overwrite=overwrite)
    recommender = load_run(run).recommender
    if user is None:
        from training.studies.profile_report import write_profiles

        assert out is not None
        with console.progress_bar() as progress:
            written = write_profiles(recommender, out, progress=progress)
        if as_json:
            console.print_json(written)
        else:
            console.out.print(
                f"{counted(written['num_users'], 'profile')} written to {written['table']}; read {written['page']}."
            )
        return
    found = recommender.profile(user)
    for edit in edits or []:
        found = found.set(*_edit(edit))
    items = found.recommend(count) if edits else None
    if as_json:
        listed = {} if items is None else {"items": items.to_dict("records")}
        console.print_json(found.as_json() | listed)
        return
    _print_profile(found)
    if items is not None:
        title = f"for user {user} with this profile"
        console.print_recommendations(title, items, implicit=recommender.implicit)


def segments(
    run: RunArgument,
    k: Annotated[int, typer.Option("--k", help="Number of segments.", min=2)] = 6,
    seed: Annotated[int, typer.Option(help="Seed of the clustering.", min=0)] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Directory for segments.json and members.csv (which user is in which).")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Group the users by taste, and say what sets each group apart.

    Example: kgrec segments runs/u1 --k 6
    """
    from kg.storage.outputs import claim_folder
    from training.bundle import load_run
    from training.commands import console
    from training.studies.profile_report import write_segments

    if out is not None:
        claim_folder(out, ("segments.json", "members.csv"), key="segments", overwrite=overwrite)
    found = load_run(run).recommender.segments(k, seed=seed)
    if out is not None:
        write_segments(found, out)
    if as_json:
        console.print_json(found.as_json())
        return
    title = f"{counted(k, 'segment')} of {counted(found.num_users, 'user')}"
    console.out.print(console.plain_table(title, _segment_rows(found)))
    told = "choices" if found.unit == "score" else "ratings"
    halves = found.stability_samples
    console.out.print(
        f"Weights in {found.unit} beyond the average user; x is the share of their {told} over that of all (--json has the "
        "95 % intervals); "
        f"people: share among members and among all. Adjusted Rand index {found.stability_seeds:.2f} between seeds"
        + (f", {halves:.2f} between halves of the posterior samples." if halves is not None else ".")
    )
    if out is not None:
        console.out.print(f"Written to {out}.")


def _edit(text: str) -> tuple[str, float]:
    concept, equals, weight = text.rpartition("=")
    try:
        value = float(weight)
    except ValueError:
        equals = ""
    if not equals or not concept.strip():
        raise InputError(f"expected concept=weight, got {text!r}; for example --set 'genre: Horror=-0.5'")
    return concept.strip(), value


def _print_profile(found: Profile) -> None:
    from training.commands import console

    console.out.print(f"user {found.label}", style="bold")
    console.out.print(found.sentence)
    lines = [("based on", found.source), ("tags", ", ".join(found.tags)), ("is", ", ".join(found.groups))]
    if found.edits:
        lines.append(("set", ", ".join(f"{concept} = {weight:g}" for concept, weight in found.edits.items())))
    for name, words in lines:
        if words:
            console.out.print(f"{name}: {words}")
    implicit = found.implicit
    for title, some in (("interests", found.interests), ("dislikes", found.dislikes)):
        if some:
            heading = f"{title}: {found.unit} beyond the average user"
            console.out.print(
                console.plain_table(heading, pd.DataFrame([_interest_row(one, implicit) for one in some]))
            )
    habits = found.habits
    said, verb = ("chosen", "chose") if implicit else ("rated", "rated")
    shown = [
        (counted(habits.num_ratings, "choice" if implicit else "rating"), habits.activity, f"{verb} less"),
        (_worded("mean {:.2f} stars", habits.mean_stars), None, ""),
        (
            _worded("{:+.2f} stars beside others on the same items", habits.generosity),
            habits.generosity_rank,
            "are stricter",
        ),
        (
            _worded(f"{said} items are more popular than {{:.0%}} of all", habits.popularity),
            habits.popularity_rank,
            f"{'choose' if implicit else 'rate'} less popular ones",
        ),
        (_worded("correlation of stars and popularity {:.2f}", habits.popularity_correlation), None, ""),
        (_worded("likes {:.1f} kinds of items effectively", habits.breadth), habits.breadth_rank, "like fewer"),
    ]
    for words, rank, others in shown:
        if words:
            place = "" if rank is None else f" ({rank:.0%} of users {others})"
            console.out.print(f"{words}{place}")
    console.out.print(
        f"over time: {found.drift.status} ({counted(found.drift.num_sessions, 'session')} in "
        f"{counted(round(found.drift.days), 'day')})",
    )
    if found.similar:
        words = ", ".join(f"{one['label']} ({one['similarity']:.2f})" for one in found.similar)
        console.out.print(f"similar users: {words}")


def _worded(template: str, value: float | None) -> str:
    return "" if value is None else template.format(value)


def _interest_row(one: Interest, implicit: bool) -> dict[str, str]:
    evidence = one.evidence
    own = counted(evidence.count, "choice" if implicit else "rating")
    above = "" if evidence.above_expected is None else f", {evidence.above_expected:+.1f} beside expected"
    return {
        "concept": one.name,
        "weight": f"{one.weight:+.2f}",
        "80 % interval": f"{one.low:+.2f} to {one.high:+.2f}",
        "chance > 0": f"{one.chance:.0%}",
        "evidence": f"{own}{above}" if evidence.count else "none: inferred",
    }


def _segment_rows(found: Segments) -> pd.DataFrame:
    def traits(some: tuple[Trait, ...]) -> list[str]:
        return [f"{one.name} {one.weight:+.2f} x {one.lift:.1f}" for one in some[:4]]

    return pd.DataFrame(
        [
            {
                "segment": f"{one.number}. {one.name}",
                "users": f"{one.size} ({one.share:.0%})",
                "likes": traits(one.likes),
                "dislikes": traits(one.dislikes),
                "people": [f"{group.name} {group.share:.0%}, all {group.share_of_all:.0%}" for group in one.groups[:4]],
            }
            for one in found.segments
        ]
    )
