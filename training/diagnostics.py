r"""Whether a chain came to rest, and what its samples are worth: split R-hat and effective sample size, by ArviZ.

Each chain is cut in halves, which split R-hat (Gelman et al., Bayesian Data Analysis, 3rd ed., section 11.4) compares:
with $m$ halves of $n$ draws, $B$ the variance between their means times $n$ and $W$ the mean variance within,

$$\hat R = \sqrt{\frac{n - 1}{n} + \frac{B}{n W}}$$

It is near 1 where halves look alike, and larger where a chain still drifts or chains disagree. The effective sample
size (bulk, Vehtari et al. 2021, arXiv:1903.08008) is the number of independent draws that would tell a mean as well.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.inputs import hybrid_inputs
from models.recommender import Recommender
from training.config import LangevinConfig
from training.experiment import Experiment
from training.sampling import phases_of

__all__ = ["Diagnostics", "diagnose", "run_diagnostics"]

logger = logging.getLogger(__name__)

HIGHEST_R_HAT = 1.05  # of the loss of a chain that came to rest
FEWEST_EFFECTIVE = 20.0  # a mean over so many draws is off by less than a quarter of their spread
FEWEST_DRAWS = 8  # a chain: halves of four
NUM_PREDICTIONS = 200
_SEED = 6

Floats = NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class Diagnostics:
    """What one phase of a training looks like; a figure is None where there are fewer than 8 draws a chain.

    Attributes:
        phase: `cold`, while content stands in for ratings; `warm`, after that; or `all`, where training has one phase.
        num_chains: Number of chains.
        num_steps: Steps of a chain that the loss is taken from: those after burn-in.
        num_samples: Kept samples of a chain.
        loss_r_hat: Split R-hat of the loss.
        loss_ess: Effective sample size of the loss, over all chains.
        prediction_r_hat: Split R-hat of random predictions, the median.
        prediction_r_hat_high: That of which 95 % of the predictions are better.
        prediction_ess: Effective sample size of random predictions, over all chains, the median.
        prediction_ess_low: That which 95 % of the predictions exceed.
    """

    phase: str
    num_chains: int
    num_steps: int
    num_samples: int
    loss_r_hat: float | None
    loss_ess: float | None
    prediction_r_hat: float | None
    prediction_r_hat_high: float | None
    prediction_ess: float | None
    prediction_ess_low: float | None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong and what helps, as sentences; empty where all is well."""
        found = []
        if self.loss_r_hat is not None and self.loss_r_hat >= HIGHEST_R_HAT:
            found.append(
                f"the {_PHASES[self.phase]} did not come to rest: the split R-hat of its loss is {self.loss_r_hat:.2f}, "
                f"and should be below {HIGHEST_R_HAT}; train longer (--set training.epochs, and training.burn_in with it) "
                "or with a smaller training.step_size"
            )
        if self.prediction_ess is not None and self.prediction_ess < FEWEST_EFFECTIVE:
            found.append(
                f"the {self.num_chains * self.num_samples} samples of the {_PHASES[self.phase]} tell a prediction no "
                f"better than {self.prediction_ess:.0f} independent ones, and should like {FEWEST_EFFECTIVE:.0f}; train "
                "more chains (--set training.chains=4) or longer (--set training.epochs)"
            )
        return tuple(found)

    def as_json(self) -> dict[str, Any]:
        """Return `{"chains", "steps", "samples", "loss": {"r_hat", "ess"}, "predictions": {...}, "warnings"}`."""
        return {
            "chains": self.num_chains,
            "steps": self.num_steps,
            "samples": self.num_samples,
            "loss": {"r_hat": _rounded(self.loss_r_hat, 4), "ess": _rounded(self.loss_ess, 1)},
            "predictions": {
                "r_hat": _rounded(self.prediction_r_hat, 4),
                "r_hat_high": _rounded(self.prediction_r_hat_high, 4),
                "ess": _rounded(self.prediction_ess, 1),
                "ess_low": _rounded(self.prediction_ess_low, 1),
            },
            "warnings": list(self.warnings),
        }


_PHASES = {"cold": "cold phase", "warm": "warm phase", "all": "training"}


def diagnose(phase: str, loss: Floats, predictions: Floats) -> Diagnostics:
    """Diagnose one phase.

    Args:
        phase: Its name.
        loss: Loss after burn-in, `[num_chains, num_steps]`.
        predictions: The same pairs predicted by each kept sample, `[num_chains, num_samples, num_pairs]`.

    Raises:
        ValueError: If a number is not finite, or the shapes do not fit.
    """
    if loss.ndim != 2 or predictions.ndim != 3 or len(loss) != len(predictions):
        raise ValueError(
            "expected losses [num_chains, num_steps] and predictions [num_chains, num_samples, num_pairs]; "
            f"got {loss.shape} and {predictions.shape}"
        )
    if not np.isfinite(loss).all() or not np.isfinite(predictions).all():
        raise ValueError("losses and predictions must be finite")
    of_loss = _figures(loss[..., None])
    of_predictions = _figures(predictions)

    def at(values: Floats | None, quantile: float) -> float | None:
        return None if values is None else float(np.quantile(values, quantile))

    return Diagnostics(
        phase=phase,
        num_chains=len(loss),
        num_steps=loss.shape[1],
        num_samples=predictions.shape[1],
        loss_r_hat=at(of_loss[0], 0.5),
        loss_ess=at(of_loss[1], 0.5),
        prediction_r_hat=at(of_predictions[0], 0.5),
        prediction_r_hat_high=at(of_predictions[0], 0.95),
        prediction_ess=at(of_predictions[1], 0.5),
        prediction_ess_low=at(of_predictions[1], 0.05),
    )


def _figures(draws: Floats) -> tuple[Floats, Floats] | tuple[None, None]:
    """Return split R-hat and effective sample size of each quantity of `[num_chains, num_draws, num_quantities]`."""
    from arviz_stats.base import array_stats  # here, since it takes a while to load

    if draws.shape[1] < FEWEST_DRAWS or not draws.shape[2]:
        return None, None
    draws = draws.astype(np.float64)
    half = draws.shape[1] // 2
    halves = np.concatenate([draws[:, :half], draws[:, draws.shape[1] - half :]])
    moves = np.ptp(halves, axis=(0, 1)) > 0  # what never moves is at rest
    r_hat, ess = np.ones(draws.shape[2]), np.full(draws.shape[2], float(draws.shape[0] * draws.shape[1]))
    if moves.any():
        r_hat[moves] = array_stats.rhat(halves[..., moves], chain_axis=0, draw_axis=1, method="identity")
        ess[moves] = array_stats.ess(draws[..., moves], chain_axis=0, draw_axis=1, method="bulk")
    return r_hat, ess


def run_diagnostics(experiment: Experiment, recommender: Recommender) -> dict[str, Any] | None:
    """Diagnose a finished training, and log a warning of what is wrong; None where it was no sampling.

    Args:
        experiment: What was run, with its history.
        recommender: What came out.

    Returns:
        `{phase: Diagnostics.as_json()}`.
    """
    if not isinstance(experiment.config.training, LangevinConfig):
        return None
    found = [diagnose(*phase) for phase in _phases(experiment, recommender, experiment.config.training)]
    for diagnostics in found:
        for warning in diagnostics.warnings:
            logger.warning("%s", warning)
    return {diagnostics.phase: diagnostics.as_json() for diagnostics in found}


def _phases(
    experiment: Experiment, recommender: Recommender, config: LangevinConfig
) -> Iterator[tuple[str, NDArray[np.float64], NDArray[np.float64]]]:
    """Yield name, losses and predictions of each phase."""
    last_cold, first_warm = phases_of(config, experiment.config.model.cold_weight)
    loss = np.array([_losses(experiment, chain) for chain in range(config.chains)])
    predictions, num_cold = _predictions(recommender), recommender.posterior.num_cold
    uneven = bool(experiment.guard_events)
    if last_cold >= 0:
        of_cold = loss[:, config.burn_in : last_cold + 1]
        yield "cold", of_cold, _by_chain(predictions[:num_cold], config.chains, uneven=uneven)
        predictions = predictions[num_cold:]
    name = "all" if last_cold < 0 else "warm"
    yield name, loss[:, first_warm:], _by_chain(predictions, config.chains, uneven=uneven)


def _losses(experiment: Experiment, chain: int) -> list[float]:
    """Return the loss after each step of a chain; of a step that was taken again, the last."""
    found = {record["epoch"]: record["loss"] for record in experiment.history.records if record["chain"] == chain}
    return [found[epoch] for epoch in sorted(found)]


def _by_chain(predictions: NDArray[np.float64], chains: int, *, uneven: bool) -> NDArray[np.float64]:
    """Return predictions of samples, which stand chain by chain, as `[num_chains, num_samples, num_pairs]`.

    Several chains that lost samples to the guard are `uneven`: whose a sample is, is unknown, so no pair is returned.
    """
    if chains > 1 and uneven:
        return np.zeros((chains, len(predictions) // chains, 0))
    return predictions.reshape(chains, len(predictions) // chains, predictions.shape[1])


@torch.no_grad()
def _predictions(recommender: Recommender) -> NDArray[np.float64]:
    """Return what each kept sample expects of random pairs of known users and items, `[num_samples, num_pairs]`.

    Samples are encoded one by one, so that no more than one stands in memory.
    """
    train, samples = recommender.train, recommender.posterior.samples
    known = (np.flatnonzero(train.user_counts), np.flatnonzero(train.item_counts))
    rng = np.random.default_rng(_SEED)
    user, item = (torch.from_numpy(rng.choice(nodes, NUM_PREDICTIONS)) for nodes in known)
    masks = (torch.from_numpy(train.user_counts > 0), torch.from_numpy(train.item_counts > 0))
    levels = torch.from_numpy(recommender.levels.copy())
    inputs = hybrid_inputs(recommender.data)
    found = []
    for number in range(len(samples)):
        predictor = samples.part(slice(number, number + 1)).predictor(recommender.network.model, inputs, *masks)
        found.append((predictor.probabilities(user, item) @ levels).double().numpy())
    return np.stack(found)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
