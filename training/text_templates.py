"""Sentences from facts: templates in two wordings, one to learn from and one to be tested with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from training.synthetic_texts import Facts

__all__ = ["OTHER", "PLAIN", "Templates", "self_description", "short_request"]

Templates = Mapping[str, tuple[str, ...]]  # role of `Facts` -> sentences with a place for names

PLAIN: Templates = {
    "topic": ("I like {}.", "I enjoy {}.", "My favourites are {}.", "I am into {}.", "{}.", "Mostly {}."),
    "maker": ("Anything by {}.", "I like what {} make.", "I am a fan of {}.", "By {}."),
    "cast": ("I like {}.", "Favourite actors: {}.", "With {}.", "I am a fan of {}."),
    "time": ("From the {}.", "I prefer the {}.", "{}."),
    "place": ("From {}.", "I like what comes from {}."),
    "word": ("Stories about {}.", "About {}.", "I like it when it is about {}.", "Themes: {}."),
    "dislike": ("I do not like {}.", "No {}, please.", "I dislike {}.", "Not {}."),
}
OTHER: Templates = {
    "topic": ("Give me {} any day!", "What I go for, really, is {}.", "A good evening means {} to me."),
    "maker": ("I would follow {} anywhere.", "{} never let me down."),
    "cast": ("You cannot go wrong with {}.", "Best of all when {} turn up."),
    "time": ("The {} were the best years.", "Nothing beats the {}."),
    "place": ("Ideally made in {}.", "{} does these things best."),
    "word": ("Bonus points for {}.", "Some {} in it would be lovely."),
    "dislike": ("Spare me the {}.", "I cannot stand {}."),
}
_ORDER = ("topic", "word", "maker", "cast", "time", "place", "dislike")
_REQUESTS = (
    (("time", "{} "), ("topic", "{} "), ("word", "about {} "), ("maker", "by {} "), ("cast", "with {} ")),
    (("topic", "{} "), ("place", "from {} "), ("time", "from the {} "), ("word", "with {} "), ("cast", "and {} ")),
    (("word", "{}, "), ("topic", "{}, "), ("maker", "{}, "), ("time", "{}, ")),
)


def self_description(facts: Facts, rng: np.random.Generator, templates: Templates = PLAIN) -> str:
    """Return several sentences about someone, in any order but dislikes last; empty if there are no facts.

    Args:
        facts: What to speak of.
        rng: Source of order and templates.
        templates: The wording.
    """
    roles = [role for role in _ORDER if getattr(facts, role)]
    liked = [role for role in roles if role != "dislike"]
    order = [liked[place] for place in rng.permutation(len(liked))] + ["dislike"] * ("dislike" in roles)
    sentences = [
        _filled(templates[role][int(rng.integers(len(templates[role])))], role, getattr(facts, role)) for role in order
    ]
    return " ".join(sentence[0].upper() + sentence[1:] for sentence in sentences)


def short_request(facts: Facts, rng: np.random.Generator) -> str:
    """Return a few words with one or two facts a role, as people type them into a search box."""
    parts = []
    for role, form in _REQUESTS[int(rng.integers(len(_REQUESTS)))]:
        names: Sequence[str] = getattr(facts, role)
        if names and (role in ("topic", "word") or rng.random() < 0.4):
            chosen = sorted(rng.permutation(len(names))[: int(rng.integers(1, 3))].tolist())
            parts.append(_filled(form, role, [names[place] for place in chosen]))
    return "".join(parts).strip(" ,")


def _filled(template: str, role: str, names: Sequence[str]) -> str:
    words = [name.lower() if role in ("topic", "dislike", "word") else name for name in names]
    return template.format(words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}")
