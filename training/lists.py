"""The lists of all users, streamed to a file in blocks: memory does not grow with the number of users."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from kg.errors import InputError
from kg.storage.atomic import make_directory, staged_file
from models.lists.boosts_and_filters import BoostsAndFilters
from models.lists.recommendation_rows import sources_of_pairs, stars_of
from models.lists.rerank import pool_of
from models.recommender import Recommender
from training.progress import Progress, silent

__all__ = ["Written", "block_of_lists", "write_lists"]

_NUMBERS = 4_000_000  # scores in memory at once
_USERS = 512  # users at once at most
_SCHEMA = pa.schema(
    [
        ("user", pa.string()),
        ("rank", pa.int32()),
        ("item", pa.string()),
        ("score", pa.float32()),
        ("low", pa.float32()),
        ("high", pa.float32()),
        ("source", pa.dictionary(pa.int32(), pa.string())),
    ]
)


@dataclass(frozen=True)
class Written:
    """How much `write_lists` wrote: users, rows over all of them, and users for whom nothing was left to list."""

    users: int
    rows: int
    empty: int = 0


def write_lists(
    recommender: Recommender,
    out: Path,
    k: int,
    *,
    exclude_seen: bool = True,
    rules: BoostsAndFilters | None = None,
    progress: Progress = silent,
) -> Written:
    """Write the best items of every user to a Parquet file, whole or not at all.

    The rows are those that `Recommender.recommend` lists, without labels and reasons: `user`, `rank` from 1, `item`, `score`,
    `low`, `high`, `source`. Users without ratings are there as well, by what is known of them.

    Args:
        recommender: What answers.
        out: The file.
        k: Length of a list, at least 1.
        exclude_seen: Leave out what a user rated in training.
        rules: Which items to hide, and which to rank higher or lower.
        progress: Called with (stage, done, total, message).

    Raises:
        InputError: If `k` is not positive or the file cannot be written.
    """
    if k < 1:
        raise InputError(f"the length of the list must be at least 1, got {k}")
    if out.suffix.lower() != ".parquet":
        raise InputError(
            f"lists are written as Parquet; expected a name that ends in .parquet, got {out.name!r}", file=out
        )
    users = np.flatnonzero(recommender.graph.users.present)
    size = int(np.clip(_NUMBERS // max(recommender.train.num_items, 1), 1, _USERS))
    rows, empty = 0, 0
    make_directory(out.parent)
    with staged_file(out) as temporary, pq.ParquetWriter(temporary, _SCHEMA, compression="zstd") as writer:
        for start in range(0, len(users), size):
            block = users[start : start + size]
            lists = block_of_lists(recommender, block, k, exclude_seen=exclude_seen, rules=rules)
            writer.write_table(pa.Table.from_pandas(lists, schema=_SCHEMA, preserve_index=False))
            rows += len(lists)
            empty += len(block) - int((lists["rank"] == 1).sum())
            progress("lists", min(start + size, len(users)), len(users), "users")
    return Written(users=len(users), rows=rows, empty=empty)


def block_of_lists(
    recommender: Recommender,
    users: NDArray[np.int64],
    k: int,
    *,
    exclude_seen: bool = True,
    rules: BoostsAndFilters | None = None,
) -> pd.DataFrame:
    """Return the lists of some users under each other, in the order of the users."""
    scores = recommender.rank_scores(users, rules=rules)
    if exclude_seen:
        scores[recommender.seen_by(users) > 0] = -np.inf
    best = pool_of(scores, k)
    there = np.isfinite(np.take_along_axis(scores, best, axis=1))
    row, rank = np.nonzero(there)
    user, item = users[row], best[there]
    probabilities = recommender.predictor.probabilities(torch.from_numpy(user), torch.from_numpy(item))
    user_ids, item_ids = recommender.graph.users.vocabulary.ids, recommender.graph.items.vocabulary.ids
    return pd.DataFrame(
        {
            "user": user_ids[user],
            "rank": (rank + 1).astype(np.int32),
            "item": item_ids[item],
            **stars_of(probabilities, recommender.levels),
            "source": pd.Categorical(sources_of_pairs(recommender, user, item)),
        }
    )
