"""N-Triples of any number about simulated items, streamed to a file; the same seed gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kg.errors import InputError

__all__ = ["FEWEST_TRIPLES", "write_source", "write_triples"]

FEWEST_TRIPLES = 1_000
_BLOCK = 200_000
_BASE = "http://synthetic.example"
_RELATIONS = 12
_ITEM_TRIPLES, _ENTITY_TRIPLES = 50, 5  # triples an item, triples an entity
_LABEL = "<http://www.w3.org/2000/01/rdf-schema#label>"
_BROADER = "<http://www.w3.org/2004/02/skos/core#broader>"
# What a line states, and which share of the lines; the rest, about seven tenths, connects items with entities.
_BETWEEN, _ABOVE, _NAME, _PLAIN, _ESCAPED, _BLANK, _FLAWED = range(1, 8)
_SHARES = (0.20, 0.02, 0.05, 0.02, 0.01, 0.001, 0.001)


def write_source(folder: Path, num_triples: int, *, seed: int = 0) -> Path:
    """Write a description with what it names: triples, the items they speak of, and a few ratings.

    Args:
        folder: An existing folder.
        num_triples: Number of lines of the triples.
        seed: Seed of every draw.

    Returns:
        The description.

    Raises:
        InputError: If fewer than 1,000 triples are asked for.
    """
    write_triples(folder / "triples.nt", num_triples, seed=seed)
    with (folder / "items.csv").open("w", encoding="utf-8") as items:
        items.write("id,title,iri\n")
        items.writelines(f"{item},Item {item},{_BASE}/Item_{item}\n" for item in range(num_triples // _ITEM_TRIPLES))
    ratings = "".join(f"{user},{item},{1 + (user + item) % 5}\n" for user in range(5) for item in range(4))
    (folder / "ratings.csv").write_text("user,item,rating\n" + ratings, encoding="utf-8")
    description = folder / "description.yaml"
    description.write_text(
        f"name: synthetic-{num_triples}\n"
        "ratings: {file: ratings.csv}\n"
        "items: [{file: items.csv, id: id, label: title, same_as: iri}]\n"
        "knowledge: [{file: triples.nt, source: synthetic}]\n",
        encoding="utf-8",
    )
    return description


def write_triples(file: Path, num_triples: int, *, flaws: bool = True, seed: int = 0) -> None:
    r"""Write N-Triples about items and entities, each of which stands in triples by a power law.

    $$P(\mathrm{item}) \sim (\mathrm{rank} + c)^{-1}, \qquad P(\mathrm{entity}) \sim (\mathrm{rank} + c')^{-1}$$

    One item for 50 lines, up to one entity for 5. A fifth of the lines connects entities, some name them, some put one under
    another (a tree of tens); a few hold other literals, escapes, blank nodes, or are no N-Triples.

    Args:
        file: The file.
        num_triples: Number of lines.
        flaws: Whether a thousandth of the lines is no N-Triples.
        seed: Seed of every draw.

    Raises:
        InputError: If fewer than 1,000 triples are asked for.
    """
    if num_triples < FEWEST_TRIPLES:
        raise InputError(f"simulated triples begin at {FEWEST_TRIPLES:,}; {num_triples:,} were asked for")
    rng = np.random.default_rng(seed)
    of_items, of_entities = (_shares(num_triples // number, rng) for number in (_ITEM_TRIPLES, _ENTITY_TRIPLES))
    with file.open("w", encoding="utf-8") as lines:
        for start in range(0, num_triples, _BLOCK):
            size = min(_BLOCK, num_triples - start)
            kinds = np.searchsorted(np.cumsum(_SHARES), rng.random(size), side="right") + 1
            if not flaws:
                kinds[kinds == _FLAWED] = _PLAIN
            columns = (
                kinds,
                _draw(of_items, size, rng),
                _draw(of_entities, size, rng),
                _draw(of_entities, size, rng),
                rng.integers(0, _RELATIONS, size),
            )
            lines.writelines(_WRITE[kind](*rest) for kind, *rest in zip(*(c.tolist() for c in columns), strict=True))


def _item(item: int, entity: int, _other: int, relation: int) -> str:
    return f"<{_BASE}/Item_{item}> <{_BASE}/relation_{relation}> <{_BASE}/Entity_{entity}> .\n"


def _between(_item: int, entity: int, other: int, relation: int) -> str:
    return f"<{_BASE}/Entity_{entity}> <{_BASE}/relation_{relation}> <{_BASE}/Entity_{other}> .\n"


def _above(_item: int, entity: int, _other: int, _relation: int) -> str:
    return f"<{_BASE}/Entity_{entity}> {_BROADER} <{_BASE}/Entity_{entity // 10}> .\n"


def _name(_item: int, entity: int, _other: int, _relation: int) -> str:
    return f'<{_BASE}/Entity_{entity}> {_LABEL} "Entity {entity}"@en .\n'


def _plain(item: int, entity: int, _other: int, _relation: int) -> str:
    return f'<{_BASE}/Item_{item}> <{_BASE}/number> "{entity}"^^<http://www.w3.org/2001/XMLSchema#integer> .\n'


def _escaped(item: int, entity: int, _other: int, relation: int) -> str:
    return f"<{_BASE}/Item_{item}> <{_BASE}/relation_{relation}> <{_BASE}/\\u00C9ntity_{entity}> .\n"


def _blank(item: int, entity: int, _other: int, relation: int) -> str:
    return f"<{_BASE}/Item_{item}> <{_BASE}/relation_{relation}> _:b{entity} .\n"


def _flawed(item: int, entity: int, _other: int, relation: int) -> str:
    return f"<{_BASE}/Item_{item}> <{_BASE}/relation_{relation}> <{_BASE}/Entity {entity}> .\n"


_WRITE: dict[int, Callable[[int, int, int, int], str]] = {
    len(_SHARES) + 1: _item,
    _BETWEEN: _between,
    _ABOVE: _above,
    _NAME: _name,
    _PLAIN: _plain,
    _ESCAPED: _escaped,
    _BLANK: _blank,
    _FLAWED: _flawed,
}


def _shares(number: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return cumulated shares that fall off as one over the rank, flat for the first hundredth, in random order."""
    weight = 1.0 / (rng.permutation(number) + 1 + number / 100)
    return np.cumsum(weight / weight.sum())


def _draw(shares: NDArray[np.float64], size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.minimum(np.searchsorted(shares, rng.random(size)), len(shares) - 1)
