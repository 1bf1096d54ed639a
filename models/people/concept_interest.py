"""Interest of a user in a concept, and the ratings behind it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Evidence", "Interest"]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The user's own ratings of items with a concept.

    Attributes:
        count: Number of ratings.
        above_expected: Their mean above what the biases of user and items expect, in stars; None without ratings or stars.
        lift: How much more often the user rates items with the concept than users do together; None without ratings.
        items: Ids of the items.
    """

    count: int
    above_expected: float | None
    lift: float | None
    items: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Interest:
    """What a concept means to a user.

    Attributes:
        concept: `relation:id`, the concept's key.
        name: What people read: `genre: Drama`.
        relation: The relation in words.
        label: The concept's label.
        weight: What it adds at a typical item of the concept, beyond what it adds for the average user; mean over
            the samples, in the profile's unit.
        low: Lower end of the 80 % interval of the weight.
        high: Upper end.
        chance: That the weight is positive.
        of_average: What it adds for the average user.
        evidence: The ratings behind it; a concept without any is inferred from people of like taste.
    """

    concept: str
    name: str
    relation: str
    label: str
    weight: float
    low: float
    high: float
    chance: float
    of_average: float
    evidence: Evidence
