"""The ledger of ids: raw id <-> contiguous index, with the IRI beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from kg.errors import UnknownNameError, did_you_mean

__all__ = ["Vocabulary"]

MISSING = -1


class Vocabulary:
    """An immutable, ordered set of raw ids of one node kind.

    Raw ids are text and are never changed: leading zeros, spaces, slashes, emoji and 64-bit
    numbers all round-trip. The index of an id is its position, and stays so while the graph is updated: an id
    that goes leaves a tombstone at its index, which no look-up finds.

    Args:
        kind: Node kind the ids belong to, used in error messages.
        ids: Raw ids, all different, those of tombstones included.
        removed: Which of them are tombstones, `[num_ids]`; by default none.

    Raises:
        ValueError: If an id is not text or stands twice, or `removed` is of another length.
    """

    __slots__ = ("_index", "kind", "removed")

    def __init__(self, kind: str, ids: Iterable[str], *, removed: ArrayLike | None = None) -> None:
        listed = list(ids)
        for value in listed:
            if not isinstance(value, str):
                raise ValueError(f"{kind} id {value!r} is a {type(value).__name__}; ids must be text")
        values = np.array(listed, dtype=object)
        index = pd.Index(values, dtype=object)
        if not index.is_unique:
            raise ValueError(f"{kind} id {index[index.duplicated()][0]!r} stands twice; ids must be unique")
        mask = np.zeros(len(index), dtype=bool) if removed is None else np.array(removed, dtype=bool)
        if mask.shape != (len(index),):
            raise ValueError(f"{kind} has {len(index)} ids, but tombstones of shape {mask.shape}; expected one an id")
        mask.flags.writeable = False
        self.kind = kind
        self.removed: NDArray[np.bool_] = mask
        self._index = index

    @property
    def ids(self) -> NDArray[np.object_]:
        """All raw ids in the order of their indices, tombstones included, `[num_ids]`."""
        ids: NDArray[np.object_] = self._index.to_numpy(copy=True)
        return ids

    def __len__(self) -> int:
        return len(self._index)

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __contains__(self, raw_id: object) -> bool:
        return raw_id in self._index and not self.removed[self._index.get_loc(raw_id)]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return (
            self.kind == other.kind and self._index.equals(other._index) and np.array_equal(self.removed, other.removed)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Vocabulary(kind={self.kind!r}, num_ids={len(self)})"

    def id_of(self, index: int) -> str:
        """Return the raw id at `index`; raises `IndexError` outside `0 .. num_ids - 1`."""
        if not 0 <= index < len(self):
            raise IndexError(f"{self.kind} index {index} is outside 0 .. {len(self) - 1}")
        return str(self._index[index])

    def index_of(self, raw_id: str) -> int:
        """Return the index of one raw id.

        Raises:
            UnknownNameError: If the id is not in the vocabulary.
        """
        return int(self.indices([raw_id])[0])

    def indices(self, raw_ids: Sequence[str] | NDArray[np.object_]) -> NDArray[np.int64]:
        """Return the indices of raw ids, `[num_ids]`; an unknown id raises `UnknownNameError`."""
        places = self.find(raw_ids)
        if len(places) and places.min() == MISSING:
            unknown = str(raw_ids[int(np.argmin(places))])
            known = self._index[~self.removed]
            raise UnknownNameError(
                f"{self.kind} {unknown!r} is not among the {len(known):,} known {self.kind} ids."
                f"{did_you_mean(unknown, known)}"
            )
        return places

    def find(self, raw_ids: Sequence[str] | NDArray[np.object_]) -> NDArray[np.int64]:
        """Return the indices of raw ids with -1 for those unknown or removed: the caller decides what follows."""
        places = self.places(raw_ids)
        return np.where(self.removed[places], MISSING, places) if self.removed.any() else places

    def places(self, raw_ids: Sequence[str] | NDArray[np.object_]) -> NDArray[np.int64]:
        """Return the indices of raw ids, those of tombstones too, with -1 for ids that never were here."""
        wanted = pd.Index(np.array(list(raw_ids), dtype=object), dtype=object)
        return np.asarray(self._index.get_indexer(wanted), dtype=np.int64)
