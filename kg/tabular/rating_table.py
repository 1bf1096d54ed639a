"""The table of ratings, checked row by row and turned into indices."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from kg.errors import did_you_mean
from kg.forgotten import OF_FORGOTTEN, Forgotten
from kg.ratings import Ratings
from kg.report import FileAccount
from kg.tabular.rating_description import RatingTable, Split
from kg.tabular.rating_rows import read_rows, refuse_absent_values
from kg.tabular.raw_ratings import RawRatings
from kg.tabular.repeats import choices_and_others, without_repeats
from kg.tabular.suspicious_ratings import refuse_all_equal, refuse_codes
from kg.tabular.table_format import TableFormat
from kg.vocabulary import Vocabulary

__all__ = ["RawRatings", "index_ratings", "read_held_out", "read_ratings", "scale_of"]

_SHOWN_CANDIDATES = 100_000


def read_ratings(description: RatingTable, folder: Path, splits: Mapping[str, Split]) -> RawRatings:
    """Read and check a table of ratings, with those files of splits that hold none of its ratings.

    Args:
        description: How they are read.
        folder: Where the paths start.
        splits: The splits that come with them.

    Raises:
        InputError: If a row is wrong, with file and line of the first one; or if all ratings are the same.
    """
    raw = read_rows(description.files, folder, description.format, description)
    refuse_absent_values(raw.rows, description)
    groups: dict[str, list[tuple[str, str]]] = {}
    formats: dict[str, TableFormat] = {}
    for name, split in splits.items():
        for part, files in split.rating_files.items():
            for file in files:
                groups.setdefault(file, []).append((name, part))
                formats.setdefault(file, split.format or description.format)
    apart = [file for file in groups if file not in description.files and (folder / file).exists()]
    parts = [raw]
    if apart:
        pairs = _chosen(raw, description).pairs()
        for file in apart:
            held_out = read_rows((file,), folder, formats[file], description)
            chosen = _chosen(held_out, description)
            if len(chosen) and not chosen.pairs().isin(pairs).any():
                held_out.accounts[0].count("held-out ratings that are in no file of ratings, added", len(chosen))
                parts.append(held_out)
    raw = RawRatings.joined(parts) if len(parts) > 1 else raw
    numbers: dict[tuple[tuple[str, str], ...], int] = {(): 0}
    group_of = [numbers.setdefault(tuple(groups.get(name, ())), len(numbers)) for name in raw.rows.names]
    if description.clicked is not None:
        choices, others = choices_and_others(raw, group_of)
        return without_repeats(choices, description, group_of).beside(others)
    raw = without_repeats(raw, description, group_of)
    if not description.implicit:
        if description.repeats in ("sum", "count"):
            _refuse_beyond_scale(raw, description)
        refuse_codes(raw, description)
        refuse_all_equal(raw)
    return raw


def read_held_out(
    files: tuple[str, ...], folder: Path, table_format: TableFormat, description: RatingTable
) -> RawRatings:
    """Read and check files of a split; raises `InputError` as `read_ratings` does, and if a pair of theirs stands twice."""
    strict = description.model_copy(update={"repeats": description.repeats or "error"})
    raw = read_rows(files, folder, table_format, description)
    return without_repeats(_chosen(raw, description), strict, [0] * len(files))


def _chosen(raw: RawRatings, description: RatingTable) -> RawRatings:
    """Return ratings without what was shown and not taken."""
    return raw if description.clicked is None else raw.select(raw.value > 0)


def scale_of(raw: RawRatings, description: RatingTable) -> tuple[float, float]:
    """Return the lowest and the highest value that a rating can have: 1 and 1 for implicit feedback."""
    if description.implicit:
        return (1.0, 1.0)
    if description.repeats not in ("sum", "count") or "scale" in description.model_fields_set or not len(raw):
        return description.scale
    low, high = float(raw.value.min()), float(raw.value.max())
    return low, max(high, low + 1)


def _refuse_beyond_scale(raw: RawRatings, description: RatingTable) -> None:
    """Check what repeats add up to."""
    low, high = scale_of(raw, description)
    raw.refuse(
        ~((raw.value >= low) & (raw.value <= high)),
        lambda row: (
            f"the rows of user {raw.user.iloc[row]!r} and item {raw.item.iloc[row]!r} make a rating of {raw.value[row]:g}, the scale "
            f"goes from {low:g} to {high:g}; correct the scale in the description, or leave it out"
        ),
    )


def index_ratings(
    raw: RawRatings,
    users: Vocabulary,
    items: Vocabulary,
    *,
    unlisted: str,
    files: dict[str, FileAccount],
    forgotten: Forgotten,
) -> Ratings:
    """Replace raw ids by indices.

    Args:
        raw: The ratings.
        users: All users.
        items: All items.
        unlisted: `drop` to leave out and count ratings of unknown users or items; else they are refused.
        files: Receives an account of each file.
        forgotten: People whose ratings are left out and counted.

    Returns:
        The ratings; where the feedback is implicit those of value 0 are no choices, but what was shown and not taken.

    Raises:
        InputError: If an id is unknown and `unlisted` is not `drop`, with file and line.
    """
    user, item = users.find(raw.user.to_numpy(dtype=object)), items.find(raw.item.to_numpy(dtype=object))
    known = ~forgotten.mask(raw.user.to_numpy(dtype=object))
    accounts = [files.setdefault(name, FileAccount()) for name in raw.rows.names]
    for account, own, number in zip(accounts, raw.accounts, raw.counts(~known), strict=True):
        account.include(own)
        account.drop(OF_FORGOTTEN, number)
    table_of = raw.rows.table_of[raw.row]
    for name, cells, index, vocabulary in (("user", raw.user, user, users), ("item", raw.item, item, items)):
        unknown = (index < 0) & known
        if unlisted == "drop":
            for position, (account, number) in enumerate(zip(accounts, raw.counts(unknown), strict=True)):
                mine = cells[unknown & (table_of == position)]
                account.drop(f"no {name} of this id", number, sorted(set(mine[:1000]))[:3])
            known &= ~unknown
        else:
            number = int(unknown.sum())

            def sentence(
                row: int,
                name: str = name,
                cells: pd.Series[str] = cells,
                vocabulary: Vocabulary = vocabulary,
                number: int = number,
            ) -> str:
                hint = _hint(cells.iloc[row], vocabulary)
                others = f" ({number:,} such ratings in all)" if number > 1 else ""
                return (
                    f"the {name} {cells.iloc[row]!r} has no row in the tables of {name}s, which know {len(vocabulary):,}{others}; "
                    f"add it there, or give unlisted: keep (or drop) under ratings.{hint}"
                )

            raw.refuse(unknown, sentence)
    for account, kept in zip(accounts, raw.counts(known), strict=True):
        account.kept += kept
    return Ratings(
        user=user[known],
        item=item[known],
        value=raw.value[known].astype(np.float32),
        time=None if raw.time is None else raw.time[known],
        weight=None if raw.weight is None else raw.weight[known].astype(np.float32),
        num_users=len(users),
        num_items=len(items),
    )


def _hint(raw_id: str, vocabulary: Vocabulary) -> str:
    """Return which known id may be meant: one of other code points that look the same, or a close one."""
    if not raw_id.isascii():
        form = unicodedata.normalize("NFC", raw_id)
        if any(unicodedata.normalize("NFC", known) == form for known in vocabulary if not known.isascii()):
            return " The tables write it in another Unicode form (NFC or NFD), which looks the same; write both alike."
    return did_you_mean(raw_id, vocabulary) if len(vocabulary) <= _SHOWN_CANDIDATES else ""
