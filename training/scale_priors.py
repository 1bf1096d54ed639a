"""How strongly each table of the network is believed before data: normal priors whose scales are learned."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from models.network.assembly import ModelSettings
from models.network.encoder import RelationalEncoder, parameter_key
from models.network.hybrid import HybridInputs, HybridModel
from models.network.message_names import HOP, RATED, RATED_BY, RATED_OVER

__all__ = ["ScalePrior", "scale_priors"]


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


CORRELATED = 6.0  # damping of messages that many nodes share
STEPS = ScalePrior(initial=3.0, learned=False)
PREFERENCES = ScalePrior(initial=0.5, shape=1.0, rate=0.02, highest=25.0, damping=1.0)


def scale_priors(model: HybridModel, settings: ModelSettings, inputs: HybridInputs) -> dict[nn.Parameter, ScalePrior]:
    """Return the prior of every parameter, as wide at first as the network's starting values.

    Where nothing but ratings is known of anyone, the columns of latent factors and of tables of rated neighbours vary together
    (`ScalePrior.joint`); beside content that takes from content what new items need of it.

    Args:
        model: The network.
        settings: Its sizes and starting scales.
        inputs: What it reads; tells whether anything but ratings is known.
    """
    known = [side.content for side in (inputs.users, inputs.items)]
    joint = not any(content.num_sources or content.features for content in known)
    factors = ScalePrior(initial=settings.factor_scale, joint=joint)
    silent = ScalePrior(initial=settings.factor_scale_of_nodes, learned=False)
    shared = ScalePrior(initial=settings.content_scale)
    priors: dict[nn.Parameter, ScalePrior] = {model.head.steps: STEPS, model.head.preferences: PREFERENCES}
    for warm, cold in ((model.users, model.cold_users), (model.items, model.cold_items)):
        for encoder in (warm.content, warm.interactions):
            priors |= _of_tables(encoder, settings, joint=joint)
        priors[warm.factors.rows] = factors if settings.free_rows else silent
        priors[cold.residual.rows] = factors
        priors[cold.shared.rows] = shared
    return {parameter: priors[parameter] for parameter in model.parameters()}  # in the order of the network


def _of_tables(encoder: RelationalEncoder, settings: ModelSettings, *, joint: bool) -> dict[nn.Parameter, ScalePrior]:
    priors = {}
    for message in (*encoder.relations, *encoder.feature_names):
        rated = message.partition("<")[0] in (RATED, RATED_BY)
        shared = rated or message.startswith((HOP, RATED_OVER))
        damping = CORRELATED if shared else ScalePrior.damping
        prior = ScalePrior(initial=settings.scale_of(message), damping=damping, joint=joint and rated)
        priors[encoder.tables[parameter_key(message)]] = prior
    return priors
