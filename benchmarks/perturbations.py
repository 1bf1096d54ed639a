"""The same sentence in other letters: typing errors at a known rate, capitals."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping

import numpy as np

__all__ = ["PERTURBATIONS", "with_typos"]


def with_typos(text: str, rate: float, rng: np.random.Generator) -> str:
    """Return a text with about `rate` errors a letter: a letter left out, doubled, mistaken, or swapped with the next.

    Args:
        text: The text; only its ASCII letters are touched.
        rate: Chance of an error at each letter, in [0, 1].
        rng: Source of the errors.
    """
    written: list[str] = []
    letters = iter(zip(text, [*text[1:], ""], strict=True))
    for letter, following in letters:
        if letter not in string.ascii_letters or rng.random() >= rate:
            written.append(letter)
            continue
        error = int(rng.integers(4))
        if error == 1:
            written.append(letter * 2)
        elif error == 2:
            written.append(string.ascii_lowercase[int(rng.integers(26))])
        elif error == 3:
            written.append(following + letter)
            next(letters, None)
    return "".join(written)


PERTURBATIONS: Mapping[str, Callable[[str, np.random.Generator], str]] = {
    "upper case": lambda text, rng: text.upper(),
    "lower case": lambda text, rng: text.lower(),
    "typos, 2 % of letters": lambda text, rng: with_typos(text, 0.02, rng),
    "typos, 5 % of letters": lambda text, rng: with_typos(text, 0.05, rng),
    "typos, 10 % of letters": lambda text, rng: with_typos(text, 0.10, rng),
}
