"""Summary of a profile: tags and one sentence, made of its figures by templates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from models.people.concept_interest import Interest
from models.people.drift import ChangePoint, Drift
from models.people.habits import Habits

__all__ = ["enumeration", "sentence_of", "tags_of"]

TAGS = 6
NAMED = 5  # interests in the sentence
SURE = 0.9  # chance from which on a taste is stated
CLEAR = 0.25  # stars above or below others that are worth saying
OUTER = 0.2  # share of users at either end who are called mainstream, or the like


def tags_of(interests: Sequence[Interest], habits: Habits) -> tuple[str, ...]:
    """Return short words: the labels of the surest interests that the user's own ratings bear out, and habits."""
    own = [interest.label for interest in interests if interest.evidence.count]
    tags = list(dict.fromkeys(own or [interest.label for interest in interests]))[:TAGS]
    if habits.generosity is not None and abs(habits.generosity) >= CLEAR:
        tags.append("strict" if habits.generosity < 0 else "generous")
    for rank, least, most in (
        (habits.popularity_rank, "niche", "mainstream"),
        (habits.breadth_rank, "focused", "broad"),
        (habits.activity, "occasional", "active"),
    ):
        if rank is not None and not OUTER <= rank <= 1 - OUTER:
            tags.append(least if rank < OUTER else most)
    return tuple(tags)


def sentence_of(
    interests: Sequence[Interest],
    dislikes: Sequence[Interest],
    habits: Habits,
    drift: Drift,
    *,
    implicit: bool,
    groups: Sequence[str],
    edited: bool,
) -> str:
    """Return the profile as a sentence; every part of it is a figure of the profile, and what is not clear is not said."""
    rated, verb = ("chosen", "chooses") if implicit else ("rated", "rates")
    liked, avoided = (_grouped([interest for interest in some if _sure(interest)]) for some in (interests, dislikes))
    leaning = _grouped(interests)
    parts = []
    if not habits.num_ratings:
        known = f" ({enumeration(groups)})" if groups else ""
        parts.append(f"has {rated} nothing yet, so that this is the taste of people like them{known}")
    if liked:
        parts.append(f"prefers {liked}")
    else:
        parts.append(f"perhaps leans to {leaning}" if leaning else "shows no clear preference yet")
    if avoided:
        parts.append(f"avoids {avoided}")
    if habits.generosity is not None and abs(habits.generosity) >= CLEAR:
        how, where = ("strictly", "below") if habits.generosity < 0 else ("generously", "above")
        parts.append(f"rates {how}, {abs(habits.generosity):.1f} stars {where} others on the same items")
    for rank, least, most in (
        (habits.popularity_rank, f"{verb} less popular items than most", f"{verb} more popular items than most"),
        (habits.breadth_rank, "likes few kinds of items", "likes many kinds of items"),
    ):
        if rank is not None and not OUTER <= rank <= 1 - OUTER:
            parts.append(least if rank < OUTER else most)
    parts.append(_change(drift, implicit))
    if edited:
        parts.append("has edited this profile")
    sentence = "; ".join(part for part in parts if part)
    return f"{sentence[0].upper()}{sentence[1:]}."


def enumeration(words: Sequence[str]) -> str:
    """Return `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else list(words))


def _sure(interest: Interest) -> bool:
    return max(interest.chance, 1 - interest.chance) >= SURE


def _grouped(interests: Sequence[Interest]) -> str:
    """Return `Drama and War (genre), 1960s (decade)`: labels under their relation, in the order of the list, each once."""
    by_label: dict[str, str] = {}
    for interest in interests:
        by_label.setdefault(interest.label, interest.relation)  # who directs often writes, too
    by_relation: dict[str, list[str]] = {}
    for label, relation in list(by_label.items())[:NAMED]:
        by_relation.setdefault(relation, []).append(label)
    return enumeration([f"{enumeration(labels)} ({relation})" for relation, labels in by_relation.items()])


def _change(drift: Drift, implicit: bool) -> str:
    if drift.status == "changed":
        return enumeration([_change_words(change, implicit) for change in drift.change_points])
    if drift.status == "steady":
        return "shows no change over time"
    if not drift.num_sessions:
        return ""
    return f"{'chose' if implicit else 'rated'} over too short a time to tell of change"


def _change_words(change: ChangePoint, implicit: bool) -> str:
    when = datetime.fromtimestamp(change.time, tz=UTC).strftime("%B %Y")
    gap = {label: change.after[label] - change.before[label] for label in change.after}
    if change.what == "stars":
        return f"rates {'higher' if next(iter(gap.values())) > 0 else 'lower'} than before since {when}"
    more, less = ([label for label, value in gap.items() if sign * value > 0] for sign in (1, -1))
    words = [f"{word} {enumeration(labels)}" for word, labels in (("more", more), ("less", less)) if labels]
    return f"{'chooses' if implicit else 'rates'} {enumeration(words)} since {when}"
