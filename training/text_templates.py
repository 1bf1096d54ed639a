"""How people put into words what they like: templates in two voices, one to learn from and one to be tested with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from training.synthetic_texts import Facts

__all__ = ["VOICES", "said", "wished"]

VOICES: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "plain": MappingProxyType(
            {
                "topic": ("I like {}.", "I enjoy {}.", "My favourites are {}.", "I am into {}.", "{}.", "Mostly {}."),
                "maker": ("Anything by {}.", "I like what {} make.", "I am a fan of {}.", "By {}."),
                "cast": ("I like {}.", "Favourite actors: {}.", "With {}.", "I am a fan of {}."),
                "time": ("From the {}.", "I prefer the {}.", "{}."),
                "place": ("From {}.", "I like what comes from {}."),
                "word": ("Stories about {}.", "About {}.", "I like it when it is about {}.", "Themes: {}."),
                "dislike": ("I do not like {}.", "No {}, please.", "I dislike {}.", "Not {}."),
            }
        ),
        "other": MappingProxyType(
            {
                "topic": ("Give me {} any day!", "What I go for, really, is {}.", "A good evening means {} to me."),
                "maker": ("I would follow {} anywhere.", "{} never let me down."),
                "cast": ("You cannot go wrong with {}.", "Best of all when {} turn up."),
                "time": ("The {} were the best years.", "Nothing beats the {}."),
                "place": ("Ideally made in {}.", "{} does these things best."),
                "word": ("Bonus points for {}.", "Some {} in it would be lovely."),
                "dislike": ("Spare me the {}.", "I cannot stand {}."),
            }
        ),
    }
)
_ORDER = ("topic", "word", "maker", "cast", "time", "place", "dislike")
_WISHES = (
    (("time", "{} "), ("topic", "{} "), ("word", "about {} "), ("maker", "by {} "), ("cast", "with {} ")),
    (("topic", "{} "), ("place", "from {} "), ("time", "from the {} "), ("word", "with {} "), ("cast", "and {} ")),
    (("word", "{}, "), ("topic", "{}, "), ("maker", "{}, "), ("time", "{}, ")),
)


def said(facts: Facts, rng: np.random.Generator, *, voice: str = "plain") -> str:
    """Return a self-portrait of several sentences, in any order but dislikes last; empty if there are no facts.

    Args:
        facts: What to speak of.
        rng: Source of order and templates.
        voice: One of `VOICES`.
    """
    spoken = [role for role in _ORDER if getattr(facts, role)]
    first = [role for role in spoken if role != "dislike"]
    order = [first[place] for place in rng.permutation(len(first))] + [role for role in spoken if role == "dislike"]
    sentences = [_filled(_one(VOICES[voice][role], rng), role, getattr(facts, role)) for role in order]
    return " ".join(sentence[0].upper() + sentence[1:] for sentence in sentences)


def wished(facts: Facts, rng: np.random.Generator) -> str:
    """Return a wish of a few words with one or two facts a role, as people type it into a search box."""
    parts = []
    for role, form in _WISHES[int(rng.integers(len(_WISHES)))]:
        names: Sequence[str] = getattr(facts, role)
        if names and (role in ("topic", "word") or rng.random() < 0.4):
            chosen = sorted(rng.permutation(len(names))[: int(rng.integers(1, 3))].tolist())
            parts.append(_filled(form, role, [names[place] for place in chosen]))
    return "".join(parts).strip(" ,")


def _one(templates: Sequence[str], rng: np.random.Generator) -> str:
    return templates[int(rng.integers(len(templates)))]


def _filled(template: str, role: str, names: Sequence[str]) -> str:
    told = [name.lower() if role in ("topic", "dislike", "word") else name for name in names]
    together = told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"
    return template.format(together)
