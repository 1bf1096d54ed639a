"""The look of raw ids: names such as `whole milk` told from codes such as `B00A17I99Q`, and ids that look the same."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence

from kg.vocabulary import Vocabulary

__all__ = ["are_names", "unicode_twins"]

_WORD = re.compile(r"[^\W\d_]{3,}|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
_CODE = re.compile(r"[^\W\d_][0-9]|[0-9][^\W\d_]|://|@|^[^\s]{25,}$")
_SHARE = 0.9  # of the ids


def are_names(ids: Sequence[str]) -> bool:
    """Whether nearly all ids hold a word and do not mix letters with digits, as codes do, nor are addresses."""
    named = sum(bool(_WORD.search(raw_id)) and not _CODE.search(raw_id) for raw_id in ids)
    return named >= max(_SHARE * len(ids), 1)


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
