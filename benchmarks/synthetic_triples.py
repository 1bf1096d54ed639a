"""N-Triples of any number about simulated items, streamed to a file; the same seed gives the same bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.scaling import cumulated_power_law, drawn
from kg.errors import InputError

__all__ = ["FEWEST_TRIPLES", "write_source", "write_triples"]

FEWEST_TRIPLES = 1_000
_BLOCK = 200_000
_BASE = "http://synthetic.example"
_RELATIONS = 12
_ITEM_TRIPLES, _ENTITY_TRIPLES = 50, 5  # triples an item, triples an entity
_ITEM, _ENTITY, _RELATION = f"<{_BASE}/Item_{{0}}>", f"<{_BASE}/Entity_{{1}}>", f"<{_BASE}/relation_{{3}}>"
_PLAIN = f'{_ITEM} <{_BASE}/number> "{{1}}"^^<http://www.w3.org/2001/XMLSchema#integer> .\n'
_FLAWED = f"{_ITEM} {_RELATION} <{_BASE}/Entity {{1}}> .\n"
# What a line states of (item, entity, other entity, relation, broader entity), and which share of the lines does.
_LINES = {
    f"{_ENTITY} {_RELATION} <{_BASE}/Entity_{{2}}> .\n": 0.20,
    f"{_ENTITY} <http://www.w3.org/2004/02/skos/core#broader> <{_BASE}/Entity_{{4}}> .\n": 0.02,
    f'{_ENTITY} <http://www.w3.org/2000/01/rdf-schema#label> "Entity {{1}}"@en .\n': 0.05,
    _PLAIN: 0.02,
    f"{_ITEM} {_RELATION} <{_BASE}/\\u00C9ntity_{{1}}> .\n": 0.01,
    f"{_ITEM} {_RELATION} _:b{{1}} .\n": 0.001,
    _FLAWED: 0.001,
    f"{_ITEM} {_RELATION} {_ENTITY} .\n": 0.698,
}


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
    of_items, of_entities = (
        cumulated_power_law(num_triples // number, rng) for number in (_ITEM_TRIPLES, _ENTITY_TRIPLES)
    )
    templates = [_PLAIN if line == _FLAWED and not flaws else line for line in _LINES]
    with file.open("w", encoding="utf-8") as lines:
        for start in range(0, num_triples, _BLOCK):
            size = min(_BLOCK, num_triples - start)
            kind = rng.choice(len(templates), size, p=list(_LINES.values()))
            item, entity, other = (drawn(shares, size, rng) for shares in (of_items, of_entities, of_entities))
            columns = (kind, item, entity, other, rng.integers(0, _RELATIONS, size), entity // 10)
            for number, *parts in zip(*(column.tolist() for column in columns), strict=True):
                lines.write(templates[number].format(*parts))
