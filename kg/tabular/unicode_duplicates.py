"""Ids that look the same and are different: one letter in two Unicode forms."""

from __future__ import annotations

import unicodedata
from collections import defaultdict

from kg.vocabulary import Vocabulary

__all__ = ["unicode_twins"]


def unicode_twins(vocabulary: Vocabulary) -> list[str]:
    """Return a sentence about ids of which several are equal after Unicode normalisation (NFC), if there are such."""
    groups: dict[str, list[str]] = defaultdict(list)
    for raw_id in vocabulary:
        if not raw_id.isascii():
            groups[unicodedata.normalize("NFC", raw_id)].append(raw_id)
    duplicates = [ids for ids in groups.values() if len(ids) > 1]
    if not duplicates:
        return []
    first, second = duplicates[0][:2]
    return [
        f"{len(duplicates):,} {vocabulary.kind} {'ids stand' if len(duplicates) > 1 else 'id stands'} there in several Unicode forms that look "
        f"the same (NFC and NFD), for example {first!r} of {len(first)} and {second!r} of {len(second)} code points; they "
        "count as different: write them alike if they are the same."
    ]
