"""How strongly each table is believed before data: normal priors whose scales are learned."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ScalePrior"]


@dataclass(frozen=True, kw_only=True)
class ScalePrior:
    r"""Prior of one parameter table: $V_{cd} \sim N(0, \tau_d^2)$, $\tau_d^2 \sim \mathrm{InvGamma}(a, b)$.

    One variance per column, so the data decide how far each relation and each dimension is believed
    (automatic relevance determination).

    Attributes:
        initial: Standard deviation at the start; with `learned=False` it stays.
        shape: `a` of the inverse gamma distribution.
        rate: `b` of the inverse gamma distribution.
        highest: Upper limit of the variance.
        damping: Factor on the curvature in the preconditioner. Messages that many nodes share are
            correlated, which the diagonal does not see; without a factor of about 6 they diverge.
        learned: Whether the variance is drawn anew during training.
        joint: Whether the columns vary together, with a learned full covariance in place of a scale each. Where no content
            tells, the dimensions and the bias of a user go together.
    """

    initial: float
    shape: float = 1.5
    rate: float = 0.003
    highest: float = 1.0
    damping: float = 1.5
    learned: bool = True
    joint: bool = False
