"""What a text asks for and what it refuses, clause by clause."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Statement", "statements"]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A part of a text that says one thing.

    Attributes:
        text: Its words; of a refusal only what is refused.
        refuses: Whether it says what is not wanted.
    """

    text: str
    refuses: bool


_NOT = r"(?:do not|does not|don't|doesn't|dont|cannot|can not|can't|cant|never|won't|would not|wouldn't|could not|couldn't|did not|didn't)"
_HARDLY = r"(?:\s+(?:really|much|ever|particularly|usually|quite|want to|care to|feel like|wanna))*"
# What looks like a refusal and is none: asked for first, so that the words below are not read on their own.
_NO_REFUSAL = (
    rf"{_NOT}\s+(?:wait|get enough|know|mind|remember|recall|stop|go wrong|miss|think|hate|dislike|have)\b",
    r"\b(?:not|never|n't)\s+(?:\w+\s+)?(?:seen|heard|watched|tried|sure|only|just|bad|yet|necessarily)\b",
    r"\bno\s+(?:matter|problem|doubt|one|idea|thanks|worries|clue)\b",
    r"\bwhy\s+not\b|\bor\s+not\b|\bif\s+not\b|\bthan\s+not\b|\bnothing\s+(?:beats|better|like)\b|\bnot\s+to\s+mention\b",
    r"\bno,",
)
_REFUSAL = (
    rf"{_NOT}{_HARDLY}\s+(?:like|love|enjoy|want|watch|read|need|care\s+(?:much\s+)?(?:for|about)|stand|bear|tolerate|show|give|recommend|suggest)"
    r"(?:\s+(?:me|us|any|anything|something|to\s+(?:see|watch|read)))*\b",
    r"\b(?:hate|hates|hated|dislike|dislikes|detest|loathe|avoid|avoiding|skip|exclude|excluding|minus|except(?:\s+for)?|excepting|without|lacking"
    r"|spare\s+me|leave\s+out|stay\s+away\s+from|keep\s+away\s+from|steer\s+clear\s+of|less|fewer|tired\s+of|sick\s+of|fed\s+up\s+with|enough\s+of"
    r"|bored\s+(?:by|of|with)|free\s+of|devoid\s+of)\b(?:\s+(?:any|anything|all))*",
    r"\b(?:not|never)\s+(?:into|keen\s+on|(?:really\s+)?a\s+(?:big\s+|huge\s+)?fan\s+of|fond\s+of|interested\s+in|in\s+the\s+mood\s+for)\b",
    r"\b(?:no|not\s+a)\s+fan\s+of\b",
    r"\b(?:is|are|was|were|do|does|should|may|must)(?:n't|\s+not)\s+(?:be\s+|have\s+|contain\s+|involve\s+|include\s+)?(?:any\s+|too\s+|so\s+)?",
    r"\b(?:anything|everything|all|nothing)\s+(?:but|except|besides|other\s+than)\b",
    r"\b(?:rather\s+than|instead\s+of|other\s+than|as\s+opposed\s+to)\b",
    r"\b(?:no\s+more|not\s+another|no|not|never|nothing|none\s+of|nor|neither)\b(?:\s+(?:any|too|so|overly|very|like|with|about|that\s+is|that's))*",
)
_TO_WATCH = r"\s*(?:\s+(?:films?|movies?|ones?))?"
_CUE = re.compile(
    "|".join(f"(?P<none{number}>{pattern})" for number, pattern in enumerate(_NO_REFUSAL))
    + "|"
    + "|".join(f"(?P<refuse{number}>{pattern})" for number, pattern in enumerate(_REFUSAL)),
    re.IGNORECASE,
)
_NOTHING_BUT = re.compile(r"^nothing\s+(?:but|except|besides|other\s+than)$", re.IGNORECASE)
_VERB = re.compile(
    rf"^(?:{_NOT}|hate|dislike|detest|loathe|avoid|skip|tired|sick|fed|bored|spare|not\s+into|no\s+fan|not\s+a\s+fan)",
    re.IGNORECASE,
)

# Refusals in another order, brought into the usual one.
_REWRITES = tuple(
    (re.compile(pattern, re.IGNORECASE), usual)
    for pattern, usual in (
        (r"\b((?:rather|prefer)\s+[^.!?;,]+?)\s+(?:than|over)\s+", r"\1 rather than "),
        (r"\b(\w+)-free\b", r", no \1, "),
        (
            r"([^,.;!?]+?)\s+(?:(?:is|are)(?:n't|\s+not)\s+(?:for\s+me|my\s+(?:thing|taste|cup\s+of\s+tea))|bores?\s+me"
            r"|annoys?\s+me|puts?\s+me\s+off|(?:(?:is|are)\s+)?excluded)\b",
            r" no \1",
        ),
    )
)
_SENTENCE = re.compile(
    r"(?<=[.!?;])\s+|\n+|,\s*but\b\s*|(?<!anything)(?<!everything)(?<!nothing)(?<!\ball)\s+but\s+|\s+however\b,?\s+",
    re.IGNORECASE,
)
_BREAK = re.compile(
    r"\s*,\s*(?:and\s+|or\s+)?|\s+[-\N{EN DASH}\N{EM DASH}]+\s+|\s*[()\[\]:]\s*|\s+(?:and|or|plus)\s+", re.IGNORECASE
)
# A clause that starts like this asks for something, whatever stood before it.
_WISH = re.compile(
    r"^(?:(?:please|just|only|also|maybe|perhaps|preferably|instead|then|rather)\s+)*(?:i(?:'d|'m|\s+am)?|we|my|give|show|find|recommend|suggest|want|wants|love|loves|like|likes"
    r"|enjoy|prefer|looking|something|anything|some|lots?|plenty|more|with|just|only|please|preferably|ideally|rather|but|mostly|mainly|especially|yes)\b",
    re.IGNORECASE,
)
_WITH_ARTICLE = re.compile(r"^an?\s+\w+\s+\w+", re.IGNORECASE)
_LETTER = re.compile(r"\w")
# A clause of these words alone says nothing of what is wanted.
_SAYS_NOTHING = frozenset(
    [
        "a",
        "all",
        "also",
        "am",
        "and",
        "any",
        "anything",
        "are",
        "as",
        "be",
        "been",
        "but",
        "did",
        "do",
        "everything",
        "for",
        "from",
        "get",
        "have",
        "i",
        "i'd",
        "i'm",
        "i've",
        "is",
        "it",
        "just",
        "me",
        "my",
        "of",
        "or",
        "please",
        "really",
        "so",
        "some",
        "something",
        "that",
        "the",
        "them",
        "thing",
        "things",
        "this",
        "to",
        "us",
        "very",
        "was",
        "we",
        "well",
        "which",
        "with",
    ]
)
_POLITE = re.compile(r"^(?:please|at all|in it|in them|thanks?(?: you)?|whatsoever)$", re.IGNORECASE)
_POLITE_END = re.compile(
    r"(?:[\s,]+(?:please|at all|in it|in them|thanks|thank you|whatsoever))+[.!?]*$", re.IGNORECASE
)
_WORDS_OF_A_LIST = 3


def statements(text: str) -> list[Statement]:
    """Take a text apart into what it asks for and what it refuses.

    A refusal begins at its cue (no, not, without, except, anything but, rather than, hate, cannot stand), wherever that
    stands. It ends with its sentence, its line or bracket, before "but", and at a comma, a dash or an "and" before a new wish;
    the members of a list that it names ("no horror, gore or musicals") belong to it. English alone is read so; other
    languages count as wishes.

    Args:
        text: Any text.

    Returns:
        The statements in their order, at least one where the text has a letter or digit.
    """
    usual = text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    for pattern, rewritten in _REWRITES:
        usual = pattern.sub(rewritten, usual)
    found: list[Statement] = []
    for sentence in _SENTENCE.split(usual):
        found += _of_sentence(sentence)
    return found or [Statement(text=text.strip(), refuses=False)]


def _of_sentence(sentence: str) -> list[Statement]:
    clauses = _clauses(sentence)
    found: list[Statement] = []
    refuses = by_verb = False
    for number, (joint, clause) in enumerate(clauses):
        if refuses and not _goes_on(joint, clauses[number:], by_verb=by_verb):
            refuses = False
        rest = clause
        while True:
            cue = next((match for match in _CUE.finditer(rest) if match.lastgroup), None)
            while cue is not None and str(cue.lastgroup).startswith("none"):
                cue = next((match for match in _CUE.finditer(rest, cue.end()) if match.lastgroup), None)
            if cue is None:
                break
            before, rest = rest[: cue.start()], rest[cue.end() :]
            found += _statement(before, refuses=refuses)
            refuses, by_verb = _NOTHING_BUT.match(cue.group()) is None, _VERB.match(cue.group()) is not None
        found += _statement(rest, refuses=refuses)
    return found


def _clauses(sentence: str) -> list[tuple[str, str]]:
    """Return clauses, each with what joins it to the one before."""
    found, start, joint = [], 0, ""
    for match in _BREAK.finditer(sentence):
        found.append((joint, sentence[start : match.start()]))
        joint, start = match.group().strip().lower(), match.end()
    found.append((joint, sentence[start:]))
    return [(joint, clause.strip()) for joint, clause in found if _LETTER.search(clause)]


def _goes_on(joint: str, rest: list[tuple[str, str]], *, by_verb: bool) -> bool:
    """Return whether a refusal goes on in the first of some clauses."""
    clause = rest[0][1]
    if (
        _WISH.match(clause)
        or (joint == "and" and _WITH_ARTICLE.match(clause))
        or any(mark in joint for mark in ("-", "(", ")", "[", "]", ":", "\N{EN DASH}", "\N{EM DASH}"))
    ):
        return False
    if joint.endswith(("or", "and", "plus")):
        return True
    # After a comma: a list goes on if it ends in "or X", or after a verb ("I hate A, B and C") in "and X".
    ends = ("or", "and") if by_verb else ("or",)
    for later_joint, later in rest[1:]:
        if len(later.split()) > _WORDS_OF_A_LIST or _WISH.match(later):
            return False
        if later_joint.endswith(ends):
            return len(clause.split()) <= _WORDS_OF_A_LIST
    return False


def _statement(words: str, *, refuses: bool) -> list[Statement]:
    words = _POLITE_END.sub("", words.strip(" \t,;:-")) if refuses else words.strip(" \t,;:-")
    says = {word.strip(".,!?;:\"'").lower() for word in words.split()} - _SAYS_NOTHING
    if not any(_LETTER.search(word) for word in says) or _POLITE.match(words.strip(" .!?")):
        return []
    return [Statement(text=words, refuses=refuses)]
