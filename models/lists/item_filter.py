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
from kg.tabular.concepts import concept_id

__all__ = ["items_with"]


def items_with(graph: KnowledgeGraph, filters: Mapping[str, str | Sequence[str]]) -> NDArray[np.bool_]:
    """Return which items meet all conditions, `[num_items]`; conditions that contradict each other leave none.

    Args:
        graph: The graph.
        filters: Relation -> one value or several, of which an item needs at least one: labels, ids or IRIs, upper and lower
            case alike. What belongs to a concept belongs to all wider ones.

    Raises:
        UnknownNameError: If items have no such relation, or no item has such a concept.
    """
    meets_all = np.ones(len(graph.items), dtype=bool)
    linker = EntityLinker(graph)
    for relation, values in filters.items():
        edge_types = [each for each in graph.edges if each.relation == relation and ITEM in (each.source, each.target)]
        if not edge_types:
            known = sorted({each.relation for each in graph.edges if ITEM in (each.source, each.target)})
            raise UnknownNameError(
                f"items have no relation {relation!r}; they have {', '.join(known) or 'none'}.{did_you_mean(relation, known)}"
            )
        meets = np.zeros(len(graph.items), dtype=bool)
        wanted = list(dict.fromkeys(map(str, [values] if isinstance(values, str) else values)))
        unknown, labels = dict.fromkeys(wanted), set()
        for edge_type in edge_types:
            if edge_type.source == ITEM:
                kind, (item, concept) = edge_type.target, with_wider_concepts(graph, edge_type)
            else:
                kind, (concept, item) = edge_type.source, graph.edges[edge_type].index
            label_of = {index: str(graph.nodes[kind].labels[index]) for index in np.unique(concept).tolist()}
            labels |= set(label_of.values())
            for value in wanted:
                linked, spelling = linker.find(kind, value), concept_id(value)
                fits = [index for index, label in label_of.items() if index == linked or concept_id(label) == spelling]
                meets[item[np.isin(concept, fits)]] = True
                if fits:
                    unknown.pop(value, None)
        if unknown:
            value = next(iter(unknown))
            raise UnknownNameError(f"no item has the {relation} {value!r}.{did_you_mean(value, labels)}")
        meets_all &= meets
    return meets_all
