"""Items that may be one and the same under two ids: the same link, the same label, the same text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import permutations

from kg.graph import KnowledgeGraph

__all__ = ["duplicates"]

_FEWEST_WORDS = 5  # of a text: shorter ones are alike by chance
_LARGEST = 20  # more items than this of one text or label share a placeholder


def duplicates(graph: KnowledgeGraph) -> dict[tuple[int, int], str]:
    """Return the pairs of items that share something only one item should have, in both orders, with what they share."""
    items = graph.items
    texts = (text if text and len(text.split()) >= _FEWEST_WORDS else None for text in items.texts)
    labels = (
        " ".join(str(label).casefold().split()) if label != raw_id else None
        for label, raw_id in zip(items.labels, items.vocabulary, strict=True)
    )
    shared_by: dict[tuple[int, int], list[str]] = defaultdict(list)
    shared: tuple[tuple[str, Iterable[str | None]], ...] = (("link", items.iris), ("label", labels), ("text", texts))
    for what, keys in shared:
        groups: dict[str, list[int]] = defaultdict(list)
        for index, key in enumerate(keys):
            if key is not None:
                groups[key].append(index)
        for members in groups.values():
            if 1 < len(members) <= _LARGEST:
                for pair in permutations(members, 2):
                    shared_by[pair].append(what)
    return {pair: " and ".join(what) for pair, what in sorted(shared_by.items())}
