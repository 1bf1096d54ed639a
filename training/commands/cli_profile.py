"""Commands about people: the profile of one user or of all, and segments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pandas as pd
import typer

from kg.counted import counted
from kg.errors import InputError
from training.commands.cli_options import Json, Overwrite, RunArgument

if TYPE_CHECKING:
    from models.people.concept_interest import Interest
    from models.people.profile import Profile
    from models.people.segments import Segments, Trait

__all__ = ["profile", "segments"]


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
    described = recommender.profile(user)
    for edit in edits or []:
        described = described.set(*_edit(edit))
    items = described.recommend() if edits else None
    if as_json:
        listed = {} if items is None else {"items": items.to_dict("records")}
        console.print_json(described.as_json() | listed)
        return
    _print_profile(described)
    if items is not None:
        title = f"for user {user} with this profile"
        console.print_recommendations(title, items, implicit=recommender.implicit)


def segments(
    run: RunArgument,
    k: Annotated[int, typer.Option("--k", help="Number of segments.", min=2)] = 6,
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
    grouped = load_run(run).recommender.segments(k)
    if out is not None:
        write_segments(grouped, out)
    if as_json:
        console.print_json(grouped.as_json())
        return
    title = f"{counted(k, 'segment')} of {counted(grouped.num_users, 'user')}"
    console.out.print(console.plain_table(title, _segment_rows(grouped)))
    halves = grouped.stability_samples
    between_halves = "" if halves is None else f", {halves:.2f} between halves of the posterior samples"
    console.out.print(
        f"Weights in {grouped.unit} beyond the average user; x is the share of their "
        f"{'choices' if grouped.unit == 'score' else 'ratings'} over that of all (--json has the 95 % intervals); "
        f"people: share among members and among all. Adjusted Rand index {grouped.stability_seeds:.2f} between seeds"
        f"{between_halves}."
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


def _print_profile(profile: Profile) -> None:
    from training.commands import console

    console.out.print(f"user {profile.label}", style="bold")
    console.out.print(profile.sentence)
    edits = ", ".join(f"{concept} = {weight:g}" for concept, weight in profile.edits.items())
    tags, groups = ", ".join(profile.tags), ", ".join(profile.groups)
    for name, words in (("based on", profile.source), ("tags", tags), ("is", groups), ("set", edits)):
        if words:
            console.out.print(f"{name}: {words}")
    for title, interests in (("interests", profile.interests), ("dislikes", profile.dislikes)):
        if interests:
            rows = pd.DataFrame([_interest_row(interest, profile.implicit) for interest in interests])
            console.out.print(console.plain_table(f"{title}: {profile.unit} beyond the average user", rows))
    for line in _habit_lines(profile):
        console.out.print(line)
    drift = profile.drift
    sessions = f"{counted(drift.num_sessions, 'session')} in {counted(round(drift.days), 'day')}"
    console.out.print(f"over time: {drift.status} ({sessions})")
    if profile.similar:
        words = ", ".join(f"{other['label']} ({other['similarity']:.2f})" for other in profile.similar)
        console.out.print(f"similar users: {words}")


def _habit_lines(profile: Profile) -> Iterator[str]:
    """Yield what is known of the habits, each with the share of users who are less so."""
    habits, implicit = profile.habits, profile.implicit
    noun, rated, rate, rated_less = (
        ("choice", "chosen", "choose", "chose less") if implicit else ("rating", "rated", "rate", "rated less")
    )
    templates = (
        ("mean {:.2f} stars", habits.mean_stars, None, ""),
        ("{:+.2f} stars beside others on the same items", habits.generosity, habits.generosity_rank, "are stricter"),
        (
            f"{rated} items are more popular than {{:.0%}} of all",
            habits.popularity,
            habits.popularity_rank,
            f"{rate} less popular ones",
        ),
        ("correlation of stars and popularity {:.2f}", habits.popularity_correlation, None, ""),
        ("likes {:.1f} kinds of items effectively", habits.breadth, habits.breadth_rank, "like fewer"),
    )
    lines = [(counted(habits.num_ratings, noun), habits.activity, rated_less)]
    lines += [(words.format(value), rank, others) for words, value, rank, others in templates if value is not None]
    for words, rank, others in lines:
        yield words if rank is None else f"{words} ({rank:.0%} of users {others})"


def _interest_row(interest: Interest, implicit: bool) -> dict[str, str]:
    evidence = interest.evidence
    own = counted(evidence.count, "choice" if implicit else "rating")
    above = "" if evidence.above_expected is None else f", {evidence.above_expected:+.1f} beside expected"
    return {
        "concept": interest.name,
        "weight": f"{interest.weight:+.2f}",
        "80 % interval": f"{interest.low:+.2f} to {interest.high:+.2f}",
        "chance > 0": f"{interest.chance:.0%}",
        "evidence": f"{own}{above}" if evidence.count else "none: inferred",
    }


def _segment_rows(grouped: Segments) -> pd.DataFrame:
    def traits(some: tuple[Trait, ...]) -> list[str]:
        return [f"{trait.name} {trait.weight:+.2f} x {trait.lift:.1f}" for trait in some[:4]]

    return pd.DataFrame(
        [
            {
                "segment": f"{segment.number}. {segment.name}",
                "users": f"{segment.size} ({segment.share:.0%})",
                "likes": traits(segment.likes),
                "dislikes": traits(segment.dislikes),
                "people": [
                    f"{group.name} {group.share:.0%}, all {group.share_of_all:.0%}" for group in segment.groups[:4]
                ],
            }
            for segment in grouped.segments
        ]
    )
