"""What a text asks for and what it refuses: statement by statement."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from kg.errors import InputError

__all__ = ["TextQuery"]

MOST_CHARACTERS = 4_000  # what is beyond is not read: more than the language model takes in at once
_ENDS = re.compile(r"(?<=[.!?;])\s+|\n+|,?\s+\bbut\b\s+", re.IGNORECASE)
_REFUSES = re.compile(
    r"^(no|not|nothing|never|without|anything but|please,? no)\b"
    r"|\b(do not|don't|cannot|can't|never|won't|would not|could not) (really |much |ever )*"
    r"(like|love|enjoy|want|watch|read|need|care|stand|bear)"
    r"|\b(hate|dislike|avoid|detest|spare me|except|tired of|sick of|bored (by|of|with)|not into)\b",
    re.IGNORECASE,
)
_LETTER = re.compile(r"\w")


@dataclass(frozen=True, kw_only=True)
class TextQuery:
    """A text, and its statements by what they say.

    A statement ends with its sentence, its line, or before "but"; one refuses if it says so in plain English
    (`no horror, please`, `I cannot stand musicals`). Refusals in other words or languages count as wishes.

    Attributes:
        text: The whole text, without blanks around it.
        wanted: The statements that ask for something; None where all refuse.
        refused: The statements that refuse something, or None.
        num_wanted: Number of the former, at least 1.
    """

    text: str
    wanted: str | None
    refused: str | None
    num_wanted: int

    @property
    def readings(self) -> tuple[str, ...]:
        """The different texts that the language model reads."""
        return tuple(dict.fromkeys(part for part in (self.text, self.wanted, self.refused) if part is not None))

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a text; of a very long one, the first 4,000 characters.

        Raises:
            InputError: If it is empty, or not text.
        """
        whole = text.strip()[:MOST_CHARACTERS].strip()
        if not whole:
            raise InputError("the text is empty; say in a few words what the person likes")
        try:
            whole.encode("utf-8")
        except UnicodeEncodeError:
            raise InputError("the text holds characters that are not text; give plain UTF-8") from None
        statements = [part.strip() for part in _ENDS.split(whole) if _LETTER.search(part)] or [whole]
        refused = [part for part in statements if _refuses(part)]
        wanted = [part for part in statements if not _refuses(part)]
        return cls(
            text=whole,
            wanted=" ".join(wanted) or None,
            refused=" ".join(refused) or None,
            num_wanted=max(len(wanted), 1),
        )


def _refuses(statement: str) -> bool:
    return _REFUSES.search(statement.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")) is not None
