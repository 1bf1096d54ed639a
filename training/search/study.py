"""The trials of a search: what to try next, and what they say."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import optuna
import pandas as pd
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.samplers import TPESampler
from optuna.trial import TrialState, create_trial

from training.search.search_space import Number, Setting
from training.search.yardstick import Yardstick

__all__ = ["Study", "Trial"]

STARTUP = 6  # trials before proposals follow from results; Optuna waits for ten, which is half of a usual search
ENOUGH = 10  # finished trials below which an importance is a guess


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training with certain settings.

    Attributes:
        number: From 0; 0 has the settings the search started from.
        settings: Value of each searched setting by name.
        value: What the yardstick says; None where the training came to nothing.
        seconds: Wall time, without what an interrupted trial had spent before.
        problem: Why it came to nothing, else empty.
    """

    number: int
    settings: dict[str, Number]
    value: float | None
    seconds: float
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Study:
    """Trials of one search, in order.

    Proposals come from the tree-structured Parzen estimator (Bergstra et al. 2011; arXiv:2304.11127) of Optuna.
    They depend on the seed and the trials before alone, so a search that was killed goes on as if nothing had
    happened, and nothing but the trials needs to be kept.

    Attributes:
        space: What is searched.
        start: Settings of the first trial.
        yardstick: What is better.
        seed: Seed of the proposals.
        trials: Those that were trained so far.
    """

    space: tuple[Setting, ...]
    start: dict[str, Number]
    yardstick: Yardstick
    seed: int
    trials: tuple[Trial, ...] = ()

    def proposal(self) -> dict[str, Number]:
        """Return the settings of the next trial: first those of the start."""
        if not self.trials:
            return dict(self.start)
        proposed = self._optuna().ask({setting.name: setting.distribution for setting in self.space}).params
        return {setting.name: setting.rounded(proposed[setting.name]) for setting in self.space}

    @property
    def best(self) -> Trial | None:
        """The best trial; the earlier one of equals; None where none came to an end."""
        sign = 1 if self.yardstick.direction == "minimize" else -1
        finished = [(sign * trial.value, trial.number, trial) for trial in self.trials if trial.value is not None]
        return min(finished)[-1] if finished else None

    @property
    def gain(self) -> float | None:
        """By how much the best trial is better than the start; None where one of them came to nothing."""
        best = self.best
        if best is None or best.value is None or self.trials[0].value is None:
            return None
        return self.yardstick.gain(best.value, self.trials[0].value)

    @property
    def importance(self) -> dict[str, float] | None:
        """Share of the variance that each setting explains (fANOVA, Hutter et al. 2014); None after few trials."""
        values = [trial.value for trial in self.trials if trial.value is not None]
        if len(values) < ENOUGH or len(self.space) < 2 or not np.ptp(values):
            return None
        return get_param_importances(self._optuna(), evaluator=FanovaImportanceEvaluator(seed=self.seed % 2**32))

    def records(self) -> list[dict[str, object]]:
        """Return the trials as JSON values."""
        return [asdict(trial) for trial in self.trials]

    def table(self) -> pd.DataFrame:
        """Return a row a trial: number, value, state, seconds, the settings, the problem if any."""
        rows = [
            {
                "number": trial.number,
                self.yardstick.name: trial.value,
                "state": "failed" if trial.value is None else "finished",
                "seconds": trial.seconds,
                **trial.settings,
                "problem": trial.problem,
            }
            for trial in self.trials
        ]
        return pd.DataFrame(rows)

    def _optuna(self) -> optuna.Study:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        seed = int(np.random.SeedSequence([self.seed, len(self.trials)]).generate_state(1)[0])
        sampler = TPESampler(seed=seed, n_startup_trials=STARTUP)
        study = optuna.create_study(direction=self.yardstick.direction, sampler=sampler)
        distributions = {setting.name: setting.distribution for setting in self.space}
        for trial in self.trials:
            state = TrialState.FAIL if trial.value is None else TrialState.COMPLETE
            params = dict(trial.settings)
            study.add_trial(create_trial(state=state, value=trial.value, params=params, distributions=distributions))
        return study
