"""Which settings are worth a search, and between which values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from kg.errors import InputError, did_you_mean
from training.config import RunConfig

__all__ = ["SETTINGS", "Setting", "search_space"]

Number = int | float
DIGITS = 3  # of a searched fraction: nobody needs more, and a file of settings stays legible


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One number of the configuration and the range it is searched in.

    Attributes:
        name: `section.field`, as `--set` takes it.
        low: Least value.
        high: Largest value.
        log: Whether a ratio matters rather than a difference.
        whole: Whether only whole numbers have a meaning.
        for_cold: Whether known items pay for it and new ones gain: where validation has known items only, a
            search would switch it off, so it is left out there unless it is asked for by name.
        reason: Why it is worth the time.
    """

    name: str
    low: Number
    high: Number
    log: bool = False
    whole: bool = False
    for_cold: bool = False
    reason: str

    def value_in(self, config: RunConfig) -> Number | None:
        """Return its value in a configuration; None where the method of training has no such setting."""
        section, field = self.name.split(".")
        value: Number | None = getattr(getattr(config, section), field, None)
        return value

    def holding(self, value: Number) -> Setting:
        """Return the same with a range that is wide enough for a value."""
        return replace(self, low=min(self.low, value), high=max(self.high, value))

    def rounded(self, value: Number) -> Number:
        """Return the value with few digits, inside the range."""
        short = int(value) if self.whole else float(f"{value:.{DIGITS}g}")
        return min(max(short, self.low), self.high)

    @property
    def distribution(self) -> BaseDistribution:
        """The range in the words of Optuna."""
        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)


SETTINGS: tuple[Setting, ...] = (
    Setting(
        name="model.embedding_size",
        low=8,
        high=64,
        log=True,
        whole=True,
        reason="room for tastes; more ratings fill more dimensions, and time grows with it",
    ),
    Setting(
        name="text.num_features",
        low=0,
        high=256,
        whole=True,
        reason="how much of the texts is read; long, telling texts deserve more",
    ),
    Setting(
        name="model.cold_weight",
        low=0.0,
        high=0.9,
        for_cold=True,
        reason="what new items and users gain and known ones pay",
    ),
    Setting(
        name="model.cold_share",
        low=0.1,
        high=0.8,
        for_cold=True,
        reason="how many ratings teach what a new item is like",
    ),
    Setting(
        name="training.step_size",
        low=0.06,
        high=0.2,
        log=True,
        reason="longer steps forget faster where a chain started, too long ones are inexact",
    ),
    Setting(
        name="training.friction",
        low=0.05,
        high=1.0,
        log=True,
        reason="less lets a chain travel further between two samples",
    ),
    Setting(
        name="training.learning_rate",
        low=0.001,
        high=0.03,
        log=True,
        reason="the one setting that gradient descent always needs",
    ),
    Setting(
        name="training.prior_strength",
        low=0.0,
        high=10.0,
        reason="the point model has no samples to average, so it overfits without a stronger prior",
    ),
    Setting(
        name="training.batches",
        low=4,
        high=64,
        log=True,
        whole=True,
        reason="noise of the gradient, and number of steps in a pass",
    ),
)


def search_space(config: RunConfig, *, only: Sequence[str] = (), cold: bool) -> tuple[Setting, ...]:
    """Return what is searched for a configuration; each range holds the configuration's own value.

    Args:
        config: Where the search starts; its method of training decides which settings there are.
        only: EntityLinker to search; empty for all that fit.
        cold: Whether validation measures new items or users.

    Raises:
        InputError: If a name is not among them.
    """
    found = {
        setting.name: setting.holding(value) for setting in SETTINGS if (value := setting.value_in(config)) is not None
    }
    for name in only:
        if name not in found:
            raise InputError(
                f"{name!r} is no setting to search with {config.training.method}; "
                f"choose among {', '.join(found)}.{did_you_mean(name, found)}"
            )
    wanted = set(only) or {name for name, setting in found.items() if cold or not setting.for_cold}
    return tuple(setting for name, setting in found.items() if name in wanted)
