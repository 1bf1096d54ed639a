"""The list of forgotten people: it can tell whether an id is on it, but not which ids are."""

from __future__ import annotations

import hmac
import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg.errors import InputError

__all__ = ["OF_FORGOTTEN", "Forgotten"]

OF_FORGOTTEN = "of a forgotten person"  # why a row is dropped
_SALT_BYTES = 16
_HEXADECIMAL = re.compile(r"[0-9a-f]*")


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """The people a graph has forgotten, as keyed hashes of their ids.

    The source files still hold these people, so an update must know whom to leave out. Each id is kept as
    `HMAC-SHA256(salt, id)` with a random salt of the graph, so that the hashes of two graphs cannot be matched, nor looked
    up in a table made beforehand. It is a pseudonym and no more: who holds the manifest *and guesses an id* can see
    whether it is on the list, and short numbers are soon all guessed.

    Attributes:
        salt: Random key, hexadecimal; empty as long as nobody is forgotten.
        hashes: Hashes of the ids, hexadecimal.

    Raises:
        ValueError: If a salt or hash is not hexadecimal, or there are hashes without a salt.
    """

    salt: str = ""
    hashes: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not all(_HEXADECIMAL.fullmatch(text) for text in (self.salt, *self.hashes)):
            raise ValueError("the list of the forgotten holds something that is not hexadecimal")
        if self.hashes and not self.salt:
            raise ValueError("the list of the forgotten has no salt")

    def __len__(self) -> int:
        return len(self.hashes)

    def __contains__(self, raw_id: str) -> bool:
        return bool(self.hashes) and self._keyed(raw_id) in self.hashes

    def _keyed(self, text: str) -> str:
        return hmac.digest(bytes.fromhex(self.salt), text.encode(), "sha256").hex()

    def mask(self, raw_ids: Sequence[str] | NDArray[np.object_]) -> NDArray[np.bool_]:
        """Return which ids are on the list, bool `[num_ids]`; a repeated id is hashed once."""
        if not self.hashes:
            return np.zeros(len(raw_ids), dtype=bool)
        known = {raw_id: raw_id in self for raw_id in set(raw_ids)}
        return np.array([known[raw_id] for raw_id in raw_ids], dtype=bool)

    def adding(self, raw_ids: Iterable[str]) -> Forgotten:
        """Return the list with more ids on it; the first one draws the salt."""
        salted = self if self.salt else Forgotten(salt=secrets.token_hex(_SALT_BYTES))
        return Forgotten(salt=salted.salt, hashes=salted.hashes | {salted._keyed(raw_id) for raw_id in raw_ids})

    def placeholder(self, kind: str, index: int) -> str:
        """Return what stands at the index of a forgotten node instead of its id.

        The second half depends on the salt, so that no id of any source is the same by accident.
        """
        return f"removed:{index}:{self._keyed(f'{kind} {index}')[:16]}"

    def as_json(self) -> dict[str, Any]:
        """Return the list as JSON values, sorted."""
        return {"salt": self.salt, "hashes": sorted(self.hashes)}

    @classmethod
    def of_json(cls, value: Mapping[str, Any] | None) -> Forgotten:
        """Return the list that `as_json` gave; None is the empty list."""
        return cls() if value is None else cls(salt=value["salt"], hashes=frozenset(value["hashes"]))

    @classmethod
    def of_directory(cls, directory: Path) -> Forgotten:
        """Return whom the graph in a directory has forgotten: nobody, where there is no graph.

        Raises:
            InputError: If there is a manifest whose list cannot be read: then nobody may be taken in again.
        """
        path = Path(directory) / "manifest.json"
        if not path.is_file():
            return cls()
        try:
            return cls.of_json(json.loads(path.read_bytes()).get("forgotten"))
        except (OSError, ValueError, RecursionError, AttributeError, KeyError, TypeError):
            raise InputError(
                "the list of forgotten people in this manifest cannot be read, so they might come back; "
                "put the manifest of a backup here, or build into another directory",
                file=path,
            ) from None
