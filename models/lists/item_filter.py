"""Which items have what someone asks for: simple conditions on concepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from kg.errors import UnknownNameError, did_you_mean
from kg.graph import KnowledgeGraph
from kg.growth.entity_linker import EntityLinker
from kg.hierarchy import with_wider_concepts
from kg.schema import ITEM

__all__ = ["items_with"]


def items_with(graph: KnowledgeGraph, filters: Mapping[str, str | Sequence[str]]) -> NDArray[np.bool_]:
    """Return which items meet all conditions, `[num_items]`; conditions that contradict each other leave none.

    Args:
        graph: The graph.
        filters: Relation -> one value or several, of which an item needs at least one: labels, ids or IRIs. What belongs
            to a concept belongs to all wider ones.

    Raises:
        UnknownNameError: If items have no such relation, or the graph no such concept.
    """
    kept = np.ones(len(graph.items), dtype=bool)
    names = EntityLinker(graph)
    for relation, values in filters.items():
        edge_types = [found for found in graph.edges if found.relation == relation and ITEM in found[::2]]
        if not edge_types:
            known = sorted({found.relation for found in graph.edges if ITEM in found[::2]})
            raise UnknownNameError(
                f"items have no relation {relation!r}; they have {', '.join(known) or 'none'}.{did_you_mean(relation, known)}"
            )
        listed = [values] if isinstance(values, str) else list(values)
        mine, unknown = np.zeros(len(kept), dtype=bool), set(listed)
        for edge_type in edge_types:
            forward = edge_type.source == ITEM
            kind = edge_type.target if forward else edge_type.source
            found = {value: names.find(kind, str(value)) for value in listed}
            unknown -= {value for value, index in found.items() if index >= 0}
            index = with_wider_concepts(graph, edge_type) if forward else graph.edges[edge_type].index[::-1]
            mine[index[0][np.isin(index[1], list(found.values()))]] = True
        if unknown:
            value = str(sorted(unknown, key=str)[0])
            kind = edge_types[0].target if edge_types[0].source == ITEM else edge_types[0].source
            hint = did_you_mean(value, (str(label) for label in graph.nodes[kind].labels))
            raise UnknownNameError(f"no item has the {relation} {value!r}.{hint}")
        kept &= mine
    return kept
