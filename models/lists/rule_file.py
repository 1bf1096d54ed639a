"""File of rules: YAML that says what to hide, what to rank higher, and what alone to keep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, model_validator

from kg.tabular.yaml_file import line_of, read_yaml

__all__ = ["ITEM_IDS", "SPARQL", "Action", "Rule", "RuleFile"]

Action = Literal["hide", "boost", "only"]

SPARQL, ITEM_IDS = "sparql", "item"  # words in a condition that are no relations


def _values(given: Any) -> Any:
    values = given if isinstance(given, list) else [given]
    if not values:
        raise ValueError("expected at least one value")
    for value in values:
        if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
            raise ValueError(
                "expected a text or a list of texts; write numbers with a point, dates, yes and no in quotes"
            )
    return [str(value) for value in values]


Condition = Annotated[dict[str, Annotated[list[str], BeforeValidator(_values)]], Field(min_length=1)]
"""Which items: relation -> concepts, by label or id. An item has one of the concepts of every relation."""


class Rule(BaseModel):
    """One rule: exactly one of `hide`, `boost` and `only`.

    Beside relations, a condition may name `item`, ids of items, and `sparql`, a query whose variable `?item` finds them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    hide: Condition | None = Field(default=None, description="Items that no list shows.")
    boost: Condition | None = Field(default=None, description="Items that rank as if they had more stars.")
    only: Condition | None = Field(default=None, description="The only items that lists show.")
    stars: FiniteFloat | None = Field(
        default=None, description="How far `boost` moves an item, in stars; below 0, down."
    )
    name: str | None = Field(default=None, min_length=1, description="What the rule is called in lists.")

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        given = [action for action in ("hide", "boost", "only") if getattr(self, action) is not None]
        if len(given) != 1:
            has = " and ".join(given) or "none"
            raise ValueError(f"a rule has exactly one of hide, boost and only; this one has {has}")
        if (self.boost is None) != (self.stars is None):
            wrong = f"stars belong to boost, not to {given[0]}"
            raise ValueError("boost needs stars, for example stars: 0.3" if self.boost else wrong)
        if self.stars == 0:
            raise ValueError("a boost of 0 stars moves nothing; leave the rule out")
        return self

    @property
    def action(self) -> Action:
        """What the rule does."""
        return "hide" if self.hide is not None else "boost" if self.boost is not None else "only"

    @property
    def condition(self) -> dict[str, list[str]]:
        """Which items it is about."""
        condition = self.hide or self.boost or self.only
        assert condition is not None
        return condition

    def __str__(self) -> str:
        """Return in short what the rule does, for lists; its own name where it has one."""
        if self.name is not None:
            return self.name
        parts = [
            "what a query finds" if relation == SPARQL else f"{relation}: {' or '.join(values)}"
            for relation, values in self.condition.items()
        ]
        moved = "" if self.stars is None else f" by {self.stars:+g} stars"
        return f"{self.action} {', '.join(parts)}{moved}"


class RuleFile(BaseModel):
    """Rules that hold together, in their order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: list[Rule] = Field(min_length=1)

    @classmethod
    def load(cls, path: Path) -> RuleFile:
        """Read a file; raises `InputError` with file and line for what does not fit."""
        return read_yaml(path, cls)

    def line(self, path: Path, number: int, *keys: str) -> int:
        """Return the line of a rule, or of a key in it, in the file it was read from."""
        return line_of(path, ("rules", number, *keys))
