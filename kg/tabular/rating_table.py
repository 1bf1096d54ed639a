"""The ratings of a description, read from all their files and turned into indices."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.errors import InputError, did_you_mean
from kg.forgotten import OF_FORGOTTEN, Forgotten
from kg.ratings import Ratings
from kg.report import FileAccount
from kg.tabular.rating_description import RatingTable, Split
from kg.tabular.rating_rows import read_rows
from kg.tabular.raw_ratings import RawRatings
from kg.tabular.repeats import choices_and_others, without_repeats
from kg.tabular.suspicious_ratings import refuse_all_equal, refuse_codes
from kg.tabular.table_format import TableFormat
from kg.vocabulary import Vocabulary

__all__ = ["RawRatings", "index_ratings", "read_held_out", "read_ratings", "scale_of"]


def read_ratings(description: RatingTable, folder: Path, splits: Mapping[str, Split]) -> RawRatings:
    """Read and check the ratings, with those files of splits that hold none of them.

    Args:
        description: How they are read.
        folder: Where the paths start.
        splits: The splits that come with them.

    Raises:
        InputError: If a row is wrong, with file and line; if there is no rating, or all are the same.
    """
    raw = read_rows(description.files, folder, description.format, description, every=True)
    parts_of: dict[str, list[tuple[str, str]]] = {}
    formats: dict[str, TableFormat] = {}
    for name, split in splits.items():
        for part, files in split.rating_files.items():
            for file in files:
                parts_of.setdefault(file, []).append((name, part))
                formats.setdefault(file, split.format or description.format)
    together, pairs = [raw], _chosen(raw, description).pairs()
    for file, table_format in formats.items():
        if file not in description.files and (folder / file).exists():
            held_out = read_rows((file,), folder, table_format, description)
            chosen = _chosen(held_out, description)
            if len(chosen) and not chosen.pairs().isin(pairs).any():
                held_out.accounts[0].count("held-out ratings that are in no file of ratings, added", len(chosen))
                together.append(held_out)
    raw = RawRatings.joined(together)
    if not len(raw):
        raise InputError(
            "expected ratings, found none; is this the right file, and does it hold more than a header?",
            file=raw.paths[0],
        )
    numbers: dict[tuple[tuple[str, str], ...], int] = {(): 0}
    group_of = [numbers.setdefault(tuple(parts_of.get(name, ())), len(numbers)) for name in raw.names]
    if description.clicked is not None:
        choices, others = choices_and_others(raw, group_of)
        frames = [without_repeats(choices, description, group_of).frame, others.frame]
        if "weight" in frames[0]:
            frames[1] = frames[1].assign(weight=frames[1].get("weight", 1.0))
        return replace(raw, frame=pd.concat(frames).sort_values(["file", "line"], kind="stable", ignore_index=True))
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
    return raw if description.clicked is None else raw.select(raw.values("value") > 0)


def scale_of(raw: RawRatings, description: RatingTable) -> tuple[float, float]:
    """Return the lowest and the highest value that a rating can have: 1 and 1 for implicit feedback."""
    if description.implicit:
        return (1.0, 1.0)
    if description.repeats not in ("sum", "count") or "scale" in description.model_fields_set:
        return description.scale
    low, high = float(raw.values("value").min()), float(raw.values("value").max())
    return low, max(high, low + 1)


def _refuse_beyond_scale(raw: RawRatings, description: RatingTable) -> None:
    """Check what repeats add up to."""
    low, high = scale_of(raw, description)

    def sentence(rating: int) -> str:
        user, item, value = raw.frame.loc[rating, ["user", "item", "value"]]
        return (
            f"the rows of user {user!r} and item {item!r} make a rating of {value:g}, the scale "
            f"goes from {low:g} to {high:g}; correct the scale in the description, or leave it out"
        )

    raw.refuse(~raw.frame["value"].between(low, high).to_numpy(), sentence)


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
    ids = {kind: raw.frame[kind].to_numpy(dtype=object) for kind in ("user", "item")}
    index = {"user": users.find(ids["user"]), "item": items.find(ids["item"])}
    known = ~forgotten.mask(ids["user"])
    accounts = [files.setdefault(name, FileAccount()) for name in raw.names]
    for account, own, number in zip(accounts, raw.accounts, raw.counts(~known), strict=True):
        account.include(own)
        account.drop(OF_FORGOTTEN, number)
    for kind, vocabulary in (("user", users), ("item", items)):
        unknown = (index[kind] < 0) & known
        if unlisted == "drop":
            for file, (account, number) in enumerate(zip(accounts, raw.counts(unknown), strict=True)):
                dropped = ids[kind][unknown & (raw.frame["file"] == file).to_numpy()]
                account.drop(f"no {kind} of this id", number, sorted(set(dropped[:1000]))[:3])
            known &= ~unknown
        else:
            _refuse_unknown(raw, unknown, kind, vocabulary)
    for account, number in zip(accounts, raw.counts(known), strict=True):
        account.kept += number
    frame = raw.frame[known]
    return Ratings(
        user=index["user"][known],
        item=index["item"][known],
        value=frame["value"].to_numpy(dtype=np.float32),
        time=frame["time"].to_numpy() if "time" in frame else None,
        weight=frame["weight"].to_numpy(dtype=np.float32) if "weight" in frame else None,
        num_users=len(users),
        num_items=len(items),
    )


def _refuse_unknown(raw: RawRatings, unknown: NDArray[np.bool_], kind: str, vocabulary: Vocabulary) -> None:
    number = int(unknown.sum())
    others = f" ({number:,} such ratings in all)" if number > 1 else ""

    def sentence(rating: int) -> str:
        raw_id = str(raw.frame.loc[rating, kind])
        return (
            f"the {kind} {raw_id!r} has no row in the tables of {kind}s, which know {len(vocabulary):,}{others}; "
            f"add it there, or give unlisted: keep (or drop) under ratings.{_hint(raw_id, vocabulary)}"
        )

    raw.refuse(unknown, sentence)


def _hint(raw_id: str, vocabulary: Vocabulary) -> str:
    """Return which known id may be meant: one of other code points that look the same, or a close one."""
    if not raw_id.isascii():
        form = unicodedata.normalize("NFC", raw_id)
        if any(unicodedata.normalize("NFC", known) == form for known in vocabulary if not known.isascii()):
            return " The tables write it in another Unicode form (NFC or NFD), which looks the same; write both alike."
    return did_you_mean(raw_id, vocabulary)
