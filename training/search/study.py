"""A search on paper: the trials so far, what to try next, and what they say."""

from __future__ import annotations

from collections.abc import Sequence
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
        trials: What was found so far.
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
        found = self._optuna().ask({setting.name: setting.distribution for setting in self.space}).params
        return {setting.name: setting.rounded(found[setting.name]) for setting in self.space}

    @property
    def default(self) -> Trial | None:
        """The trial of the settings the search started from."""
        return self.trials[0] if self.trials else None

    @property
    def best(self) -> Trial | None:
        """The best trial; the earlier one of equals; None where none came to an end."""
        best: Trial | None = None
        for trial in self.trials:
            if trial.value is None:
                continue
            if best is None or best.value is None or self.yardstick.gain(trial.value, best.value) > 0:
                best = trial
        return best

    @property
    def importance(self) -> dict[str, float] | None:
        """Share of the variance that each setting explains (fANOVA, Hutter et al. 2014); None after few trials."""
        values = [trial.value for trial in self.trials if trial.value is not None]
        if len(values) < ENOUGH or len(self.space) < 2 or not np.ptp(values):
            return None
        return get_param_importances(self._optuna(), evaluator=FanovaImportanceEvaluator(seed=self.seed % 2**32))

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

    def records(self) -> list[dict[str, object]]:
        """Return the trials as JSON values."""
        return [asdict(trial) for trial in self.trials]

    def _optuna(self) -> optuna.Study:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        number = len(self.trials)
        seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        sampler = TPESampler(seed=seed, n_startup_trials=STARTUP)
        study = optuna.create_study(direction=self.yardstick.direction, sampler=sampler)
        study.add_trials([_optuna_trial(trial, self.space) for trial in self.trials])
        return study


def _optuna_trial(trial: Trial, space: Sequence[Setting]) -> optuna.trial.FrozenTrial:
    return create_trial(
        state=TrialState.FAIL if trial.value is None else TrialState.COMPLETE,
        value=trial.value,
        params=dict(trial.settings),
        distributions={setting.name: setting.distribution for setting in space},
    )
