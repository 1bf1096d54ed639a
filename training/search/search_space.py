"""Which settings are worth a search, and between which values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from kg.errors import InputError, did_you_mean
from training.config import RunConfig

__all__ = ["SETTINGS", "Number", "Setting", "search_space"]

Number = int | float
DIGITS = 3  # of a searched fraction: nobody needs more, and a file of settings stays legible


@dataclass(frozen=True)
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
    """

    name: str
    low: Number
    high: Number
    log: bool = False
    whole: bool = False
    for_cold: bool = False

    def value_in(self, config: RunConfig) -> Number | None:
        """Return its value in a configuration; None where the method of training has no such setting."""
        section, field = self.name.split(".")
        value: Number | None = getattr(getattr(config, section), field, None)
        return value

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
    # Room for tastes: more ratings fill more dimensions, and time grows with it.
    Setting("model.embedding_size", 8, 64, log=True, whole=True),
    # How much of the texts is read: long, telling texts deserve more.
    Setting("text.num_features", 0, 256, whole=True),
    # What new items and users gain and known ones pay.
    Setting("model.cold_weight", 0.0, 0.9, for_cold=True),
    # How many ratings teach what a new item is like.
    Setting("model.cold_share", 0.1, 0.8, for_cold=True),
    # Longer steps forget faster where a chain started, too long ones are inexact.
    Setting("training.step_size", 0.06, 0.2, log=True),
    # Less lets a chain travel further between two samples.
    Setting("training.friction", 0.05, 1.0, log=True),
    # The one setting that gradient descent always needs.
    Setting("training.learning_rate", 0.001, 0.03, log=True),
    # The point model has no samples to average, so it overfits without a stronger prior.
    Setting("training.prior_strength", 0.0, 10.0),
    # Noise of the gradient, and number of steps in a pass.
    Setting("training.batches", 4, 64, log=True, whole=True),
)


def search_space(config: RunConfig, *, only: Sequence[str] = (), cold: bool) -> tuple[Setting, ...]:
    """Return what is searched for a configuration; each range holds the configuration's own value.

    Args:
        config: Where the search starts; its method of training decides which settings there are.
        only: Names of the settings to search; empty for all that fit.
        cold: Whether validation measures new items or users.

    Raises:
        InputError: If a name is not among them.
    """
    fitting = {
        setting.name: replace(setting, low=min(setting.low, value), high=max(setting.high, value))
        for setting in SETTINGS
        if (value := setting.value_in(config)) is not None
    }
    for name in only:
        if name not in fitting:
            raise InputError(
                f"{name!r} is no setting to search with {config.training.method}; "
                f"choose among {', '.join(fitting)}.{did_you_mean(name, fitting)}"
            )
    wanted = set(only) or {name for name, setting in fitting.items() if cold or not setting.for_cold}
    return tuple(setting for name, setting in fitting.items() if name in wanted)
