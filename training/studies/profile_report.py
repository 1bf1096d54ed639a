"""Profiles of all users as a table with a page to read, and segments as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kg.counted import counted
from kg.errors import InputError
from kg.storage.atomic import make_directory, staged_file, write_file
from models.people.concept_interest import Interest
from models.people.profile import Profile
from models.people.segments import Segments
from models.recommender import Recommender
from training.progress import Progress, silent
from training.spreadsheet import as_csv
from training.studies.rendered_page import rendered_page

__all__ = ["profile_row", "write_profiles", "write_segments"]

BEST = 3  # interests a row
EVERY = 50  # users between two words of progress
_HABITS = {
    "num_ratings": "ratings",
    "mean_stars": "mean stars",
    "generosity": "stars beside others on the same items",
    "popularity": "share of items less popular than the user's own",
    "popularity_correlation": "correlation of stars and popularity",
    "breadth": "effective number of kinds of liked items",
}


def write_profiles(recommender: Recommender, out: Path, *, progress: Progress = silent) -> dict[str, Any]:
    """Write a row a user as Parquet or CSV, and a page that sums them up.

    Args:
        recommender: The model.
        out: A file that ends in `.parquet` or `.csv`; the page is `NAME.html` beside it.
        progress: Called with (stage, done, total, message).

    Returns:
        `num_users`, `table` and `page`.

    Raises:
        InputError: If the name has another ending.
    """
    if out.suffix not in (".parquet", ".csv"):
        raise InputError(f"expected a file that ends in .parquet or .csv, got {out.name!r}", file=out)
    make_directory(out.parent)
    nodes = recommender.graph.users
    rows = []
    present = np.flatnonzero(nodes.present)
    for number, user in enumerate(present):
        if number % EVERY == 0:
            progress("profile", number, len(present), "users described")
        rows.append(profile_row(recommender.profile(nodes.vocabulary.id_of(int(user)))))
    progress("profile", len(present), len(present), "users described")
    table = pd.DataFrame(rows)
    page = out.with_suffix(".html")
    with staged_file(out) as temporary:
        if out.suffix == ".parquet":
            table.to_parquet(temporary, index=False)
        else:
            temporary.write_text(as_csv(table), encoding="utf-8", newline="")
    write_file(page, _page(recommender, table))
    return {"num_users": len(table), "table": str(out), "page": str(page)}


def profile_row(profile: Profile) -> dict[str, Any]:
    """Return a profile as one flat row."""

    def listed(interests: tuple[Interest, ...]) -> str:
        return "; ".join(f"{interest.name} ({interest.weight:+.2f})" for interest in interests[:BEST])

    return {
        "user": profile.user,
        "label": profile.label,
        "source": profile.source,
        "sentence": profile.sentence,
        "tags": ", ".join(profile.tags),
        "interests": listed(profile.interests),
        "dislikes": listed(profile.dislikes),
        "unit": profile.unit,
        **{name: np.nan if value is None else value for name, value in vars(profile.habits).items()},
        "drift": profile.drift.status,
        "num_changes": len(profile.drift.change_points),
        "most_similar": profile.similar[0]["id"] if profile.similar else "",
    }


def write_segments(segments: Segments, out: Path) -> None:
    """Write `segments.json` and `members.csv` into a directory, which is made; each whole or not at all."""
    make_directory(out)
    write_file(out / "segments.json", json.dumps(segments.as_json(), indent=1, ensure_ascii=False) + "\n")
    write_file(out / "members.csv", as_csv(segments.members))


def _page(recommender: Recommender, table: pd.DataFrame) -> str:
    """Return the page: what the audience is like, and the first hundred profiles."""
    rated = table[table["num_ratings"] > 0]
    noun = "choices" if recommender.implicit else "ratings"
    names = rated["interests"].str.split("; ").explode().str.replace(r" \([^()]*\)$", "", regex=True)
    interests = names[names.fillna("") != ""].value_counts().head(20)
    habits = [
        [noun if name == "num_ratings" else words, *(f"{end:.2f}" for end in rated[name].quantile([0.1, 0.5, 0.9]))]
        for name, words in _HABITS.items()
        if rated[name].notna().any()
    ]
    return rendered_page(
        "profiles.html.j2",
        title=f"Profiles of {recommender.graph.name}",
        about=f"{counted(len(table), 'user')}, {len(rated):,} with {noun}. Interests are what concepts add to a user's {noun} "
        f"beyond the average user, in {table['unit'].iloc[0] if len(table) else 'stars'}.",
        interests=[[name, str(count)] for name, count in interests.items()],
        changes=[[name, str(count)] for name, count in rated["drift"].value_counts().items()],
        habits=habits,
        unit=noun,
        profiles=table[["label", "num_ratings", "sentence"]].head(100).to_numpy().tolist(),
    )
