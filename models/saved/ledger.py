"""The ledger of a run: what joined since training, as it was said, said again when the run is read."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from kg.growth.new_entities import NewEntities
from kg.schema import USER
from kg.storage.atomic import write_file
from kg.storage.manifest import pretty
from models.lists.new_items import joined
from models.lists.trained import Trained

__all__ = ["LEDGER_FILES", "Said", "read_ledger", "replayed", "said_of", "write_ledger"]

LEDGER_FILES = ("additions.json", "additions.safetensors")

Model = TypeVar("Model", bound=Trained)


@dataclass(frozen=True, kw_only=True, eq=False)
class Said:
    """One call of `add_items` or `add_users`.

    Attributes:
        kind: `item` or `user`.
        source: Where it was said.
        records: What was said.
        lines: Line of each record in the source; none in runs that were written before lines were kept.
        vectors: Text vectors of the new nodes, `[num_new_nodes, dimension]`.
    """

    kind: str
    source: str
    records: Sequence[dict[str, Any]]
    vectors: NDArray[np.float32]
    lines: Sequence[int] = ()

    @property
    def users(self) -> list[str]:
        """Ids of the new users; none of new items. Runs of earlier versions may hold numbers."""
        return [str(record["id"]) for record in self.records] if self.kind == USER else []

    def without(self, people: Collection[str]) -> Said:
        """Return it without some people: without new users of these ids, and without their ratings of new items."""
        gone = {number for number, raw_id in enumerate(self.users) if raw_id in people}
        kept = [number for number in range(len(self.records)) if number not in gone]
        records = [
            {
                name: {who: stars for who, stars in part.items() if self.kind == USER or str(who) not in people}
                if name == "ratings"
                else part
                for name, part in self.records[number].items()
            }
            for number in kept
        ]
        lines = [self.lines[number] for number in kept] if self.lines else ()
        return replace(self, records=records, vectors=self.vectors[kept], lines=lines)


def said_of(recommender: Trained) -> list[Said]:
    """Return all that was added to a recommender since training, in order."""
    place = len(recommender.item_vectors) - sum(len(items) for items in recommender.additions if items.kind != USER)
    calls = []
    for additions in recommender.additions:
        vectors = np.zeros((len(additions), recommender.item_vectors.shape[1]), dtype=np.float32)
        if additions.kind != USER:
            vectors = recommender.item_vectors[place : place + len(additions)]
            place += len(additions)
        calls.append(
            Said(
                kind=additions.kind,
                source=additions.source,
                records=_plain(additions.records),
                vectors=vectors,
                lines=additions.lines,
            )
        )
    return calls


def write_ledger(said: Sequence[Said], folder: Path) -> tuple[str, ...]:
    """Write what was added into the folder of a run; returns the names of the files, none if nothing was."""
    if not said:
        return ()
    content = [
        {"kind": part.kind, "source": part.source, "records": list(part.records), "lines": list(part.lines)}
        for part in said
    ]
    write_file(folder / LEDGER_FILES[0], pretty(content))
    write_file(folder / LEDGER_FILES[1], save({str(number): part.vectors for number, part in enumerate(said)}))
    return LEDGER_FILES


def read_ledger(directory: Path, names: Collection[str]) -> list[Said]:
    """Read what was added to a run whose manifest names these files."""
    if LEDGER_FILES[0] not in names:
        return []
    vectors = load_file(directory / LEDGER_FILES[1])
    content = json.loads((directory / LEDGER_FILES[0]).read_bytes())
    return [Said(**part, vectors=vectors[str(number)]) for number, part in enumerate(content)]


def replayed(recommender: Model, said: Sequence[Said]) -> Model:
    """Return a trained recommender with everything that was added to it."""
    for part in said:
        additions = NewEntities.of(
            recommender.graph,
            part.kind,
            part.records,
            scale=recommender.scale,
            source=part.source,
            lines=part.lines,
        )
        recommender = joined(recommender, additions, part.vectors)
    return recommender


def _plain(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return records as JSON values: numbers of a table may be NumPy's."""
    plain: list[dict[str, Any]] = json.loads(json.dumps(list(records), default=_as_json))
    return plain


def _as_json(value: object) -> object:
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)
