"""Ids that are names, such as `whole milk`, told from codes such as `B00A17I99Q`."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["are_names"]

_WORD = re.compile(r"[^\W\d_]{3,}|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
_CODE = re.compile(r"[^\W\d_][0-9]|[0-9][^\W\d_]|://|@|^[^\s]{25,}$")
_SHARE = 0.9  # of the ids


def are_names(ids: Sequence[str]) -> bool:
    """Whether nearly all ids hold a word and do not mix letters with digits, as codes do, nor are addresses."""
    named = sum(bool(_WORD.search(raw_id)) and not _CODE.search(raw_id) for raw_id in ids)
    return named >= max(_SHARE * len(ids), 1)
