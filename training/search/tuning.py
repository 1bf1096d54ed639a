"""What a search found, for people and for machines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from kg.counted import counted
from training.config import RunConfig
from training.search.study import Study

__all__ = ["Tuning"]


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What `tune` did.

    Attributes:
        directory: The search.
        study: Its trials.
        config: The configuration with the best settings, otherwise as it was given.
        num_ratings: Number of validation ratings that judged.
        newness: Share of them whose item or user has no training rating.
    """

    directory: Path
    study: Study
    config: RunConfig
    num_ratings: int
    newness: float

    def comparison(self) -> pd.DataFrame:
        """Return the table people read: a row a setting, at the start and in the best trial, then the metric."""
        default, best, importance = self.study.default, self.study.best, self.study.importance
        assert default is not None
        assert best is not None, "tune() refuses to end without one"
        rows = [
            {
                "setting": name,
                "default": f"{default.settings[name]:g}",
                "best": f"{value:g}",
                "importance": "" if importance is None else f"{importance[name]:.0%}",
            }
            for name, value in best.settings.items()
        ]
        figures = [
            {"setting": self.study.yardstick.name, "default": _figure(default.value), "best": _figure(best.value)}
        ]
        return pd.DataFrame([*rows, *figures]).fillna("")

    @property
    def gain(self) -> float | None:
        """By how much the best trial is better than the start; None where one of them came to nothing."""
        default, best = self.study.default, self.study.best
        if default is None or default.value is None or best is None or best.value is None:
            return None
        return self.study.yardstick.gain(best.value, default.value)

    @property
    def sentence(self) -> str:
        """What was done, and how far to believe it."""
        failed = sum(trial.value is None for trial in self.study.trials)
        missing = f", {failed} of them without result" if failed else ""
        judged = f"judged on {self.num_ratings:,} validation ratings, {self.newness:.1%} of them of new items or users"
        return f"{counted(len(self.study.trials), 'trial')}{missing}, {judged}.{self._verdict}"

    @property
    def _verdict(self) -> str:
        if self.gain is None:
            return ""
        if not self.gain:
            return " None is better than the default."
        return (
            f" The best is better than the default by {self.gain:.4f}; part of that is luck, since the best of many "
            "trials looks better than it is, and another seed moves the figure, too."
        )

    def as_json(self) -> dict[str, Any]:
        """Return the search as JSON values."""
        study = self.study
        assert study.default is not None
        assert study.best is not None
        return {
            "metric": study.yardstick.name,
            "num_validation_ratings": self.num_ratings,
            "newness": self.newness,
            "default": study.default.value,
            "best": study.best.value,
            "gain": self.gain,
            "settings": study.best.settings,
            "importance": study.importance,
            "trials": study.records(),
        }


def _figure(value: float | None) -> str:
    return "no result" if value is None else f"{value:.4f}"
