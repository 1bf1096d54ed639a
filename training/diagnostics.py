r"""Whether a chain came to rest, and what its samples are worth: split R-hat and effective sample size, by ArviZ.

Each chain is cut in halves, which split R-hat (Gelman et al., Bayesian Data Analysis, 3rd ed., section 11.4) compares:
with $m$ halves of $n$ draws, $B$ the variance between their means times $n$ and $W$ the mean variance within,

$$\hat R = \sqrt{\frac{n - 1}{n} + \frac{B}{n W}}$$

It is near 1 where halves look alike, and larger where a chain still drifts or chains disagree. The effective sample
size (bulk, Vehtari et al. 2021, arXiv:1903.08008) is the number of independent draws that would tell a mean as well.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.inputs import hybrid_inputs
from models.recommender import Recommender
from training.config import LangevinConfig
from training.experiment import Experiment
from training.sampling import phases_of

__all__ = ["diagnose", "run_diagnostics"]

logger = logging.getLogger(__name__)

HIGHEST_R_HAT = 1.05  # of the loss of a chain that came to rest
FEWEST_EFFECTIVE = 20.0  # a mean over so many draws is off by less than a quarter of their spread
FEWEST_DRAWS = 8  # a chain: halves of four
NUM_PREDICTIONS = 200
_SEED = 6
_PHASES = {"cold": "cold phase", "warm": "warm phase", "all": "training"}

Floats = NDArray[np.floating]


def diagnose(phase: str, loss: Floats, predictions: Floats) -> dict[str, Any]:
    """Diagnose one phase of a training.

    Args:
        phase: `cold`, while content stands in for ratings; `warm`, after that; or `all`, where training has one phase.
        loss: Loss after each step, `[num_chains, num_steps]`.
        predictions: The same pairs predicted by each kept sample, `[num_chains, num_samples, num_pairs]`.

    Returns:
        `{"chains", "steps", "samples", "loss": {"r_hat", "ess"}, "predictions": {"r_hat", "r_hat_high", "ess", "ess_low"},
        "warnings"}`. Of predictions, R-hat and effective size are medians over pairs, `r_hat_high` and `ess_low` what 95 %
        of the pairs are better than; effective sizes are over all chains. None where there are fewer than 8 draws a
        chain. Warnings are sentences: what is wrong and what helps.
    """
    of_loss, of_predictions = _figures(loss[..., None]), _figures(predictions)
    warnings = []
    if of_loss and of_loss["r_hat"] >= HIGHEST_R_HAT:
        warnings.append(
            f"the {_PHASES[phase]} did not come to rest: the split R-hat of its loss is {of_loss['r_hat']:.2f}, "
            f"and should be below {HIGHEST_R_HAT}; train longer (--set training.epochs, and training.burn_in with it) "
            "or with a smaller training.step_size"
        )
    if of_predictions and of_predictions["ess"] < FEWEST_EFFECTIVE:
        warnings.append(
            f"the {predictions.shape[0] * predictions.shape[1]} samples of the {_PHASES[phase]} tell a prediction no "
            f"better than {of_predictions['ess']:.0f} independent ones, and should like {FEWEST_EFFECTIVE:.0f}; train "
            "more chains (--set training.chains=4) or longer (--set training.epochs)"
        )

    def rounded(figures: dict[str, float], *names: str) -> dict[str, float | None]:
        digits = {name: 4 if name.startswith("r_hat") else 1 for name in names}
        return {name: round(figures[name], digits[name]) if figures else None for name in names}

    return {
        "chains": len(loss),
        "steps": loss.shape[1],
        "samples": predictions.shape[1],
        "loss": rounded(of_loss, "r_hat", "ess"),
        "predictions": rounded(of_predictions, "r_hat", "r_hat_high", "ess", "ess_low"),
        "warnings": warnings,
    }


def _figures(draws: Floats) -> dict[str, float]:
    """Return quantiles of R-hat and effective size over `[num_chains, num_draws, num_quantities]`; nothing of few draws."""
    from arviz_stats.base import array_stats  # here, since it takes a while to load

    if draws.shape[1] < FEWEST_DRAWS or not draws.shape[2]:
        return {}
    draws = draws.astype(np.float64)
    half = draws.shape[1] // 2
    halves = np.concatenate([draws[:, :half], draws[:, draws.shape[1] - half :]])
    moves = np.ptp(halves, axis=(0, 1)) > 0  # what never moves is at rest
    r_hat, ess = np.ones(draws.shape[2]), np.full(draws.shape[2], float(draws.shape[0] * draws.shape[1]))
    if moves.any():
        r_hat[moves] = array_stats.rhat(halves[..., moves], chain_axis=0, draw_axis=1, method="identity")
        ess[moves] = array_stats.ess(draws[..., moves], chain_axis=0, draw_axis=1, method="bulk")
    wanted = {"r_hat": (r_hat, 0.5), "r_hat_high": (r_hat, 0.95), "ess": (ess, 0.5), "ess_low": (ess, 0.05)}
    return {name: float(np.quantile(values, quantile)) for name, (values, quantile) in wanted.items()}


def run_diagnostics(experiment: Experiment, recommender: Recommender) -> dict[str, Any] | None:
    """Diagnose a finished training, and log a warning of what is wrong; None where it was no sampling.

    Args:
        experiment: What was run, with its history.
        recommender: What came out.

    Returns:
        `{phase: diagnosis}`, see `diagnose`.
    """
    config = experiment.config.training
    if not isinstance(config, LangevinConfig):
        return None
    last_cold, first_warm = phases_of(config, experiment.config.model.cold_weight)
    loss = np.array([_losses(experiment, chain) for chain in range(config.chains)])
    predictions, num_cold = _predictions(recommender), recommender.posterior.num_cold
    phases = [("warm", loss[:, first_warm:], predictions[num_cold:])]
    if last_cold < 0:  # all samples count as cold ones, too
        phases = [("all", loss[:, first_warm:], predictions)]
    else:
        phases.insert(0, ("cold", loss[:, config.burn_in : last_cold + 1], predictions[:num_cold]))
    uneven = bool(experiment.guard_events)
    diagnoses = {
        name: diagnose(name, of_loss, _by_chain(of_pairs, config.chains, uneven=uneven))
        for name, of_loss, of_pairs in phases
    }
    for diagnosis in diagnoses.values():
        for warning in diagnosis["warnings"]:
            logger.warning("%s", warning)
    return diagnoses


def _losses(experiment: Experiment, chain: int) -> list[float]:
    """Return the loss after each step of a chain; of a step that was taken again, the last."""
    losses = {record["epoch"]: record["loss"] for record in experiment.history.records if record["chain"] == chain}
    return [losses[epoch] for epoch in sorted(losses)]


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
    predictions = []
    for number in range(len(samples)):
        predictor = samples.part(slice(number, number + 1)).predictor(recommender.network.model, inputs, *masks)
        predictions.append((predictor.probabilities(user, item) @ levels).double().numpy())
    return np.stack(predictions)
