"""Nodes of a graph found by what people call them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from math import inf

from kg.graph import KnowledgeGraph
from kg.tabular.concepts import concept_id

__all__ = ["EntityLinker"]

_NUMBER = r"(\d+(?:\.\d+)?)"
_RANGE = re.compile(rf"under {_NUMBER}|{_NUMBER}(-| to below ){_NUMBER}|{_NUMBER}\+")


class EntityLinker:
    """Finds nodes of a graph by what people call them: id, IRI, label in any spelling, or a number in a range."""

    def __init__(self, graph: KnowledgeGraph) -> None:
        self.graph = graph
        self._names: dict[str, dict[str, int]] = {}

    def find(self, kind: str, value: str) -> int:
        """Return the index of a node, or -1."""
        exact, folded = self.graph.nodes[kind].vocabulary.find([value, concept_id(value)]).tolist()
        if max(exact, folded) >= 0:
            return int(exact if exact >= 0 else folded)
        names = self._names_of(kind)
        named = names.get(value, names.get(concept_id(value), -1))
        return named if named >= 0 else _find_range(names, value)

    def _names_of(self, kind: str) -> dict[str, int]:
        """Return the nodes of a kind by folded label, the first of those that share one, and by IRI."""
        if kind not in self._names:
            nodes, names = self.graph.nodes[kind], dict[str, int]()
            for index, (label, iri, present) in enumerate(zip(nodes.labels, nodes.iris, nodes.present, strict=True)):
                if present:
                    names.setdefault(concept_id(str(label)), index)
                    if iri is not None:
                        names[str(iri)] = index
            self._names[kind] = names
        return self._names[kind]


def _find_range(names: Mapping[str, int], value: str) -> int:
    """Find the range such as `25-34` or `56+` that a number falls into, or that is the same in another spelling; else -1."""
    borders = _borders(value)
    try:
        number = float(value)
    except ValueError:
        number = None
    for label, index in names.items():
        known = _borders(label)
        falls_into = (
            number is not None and known is not None and not label.isdecimal() and known[0] <= number < known[1]
        )
        if known is not None and (falls_into or known == borders):
            return index
    return -1


@cache
def _borders(label: str) -> tuple[float, float] | None:
    """Return where a range begins and where the next one does: `25-34` is of whole numbers, and holds 34; 25 is `25-25`."""
    if label.isdecimal():
        return float(label), float(label) + 1
    match = _RANGE.fullmatch(label)
    if match is None:
        return None
    below, low, dash, high, beyond = match.groups()
    if low is not None:
        return float(low), float(high) + (dash == "-")
    return (float(beyond), inf) if below is None else (-inf, float(below))
