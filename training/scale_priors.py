"""Which prior the sampler gives each table of the network."""

from __future__ import annotations

from torch import nn

from models.network.assembly import ModelSettings
from models.network.encoder import RelationalEncoder, parameter_key
from models.network.hybrid import HybridInputs, HybridModel
from models.network.message_names import HOP, RATED, RATED_BY, RATED_OVER
from training.scale_prior import ScalePrior

__all__ = ["scale_priors"]

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
    found: dict[nn.Parameter, ScalePrior] = {model.head.steps: STEPS, model.head.preferences: PREFERENCES}
    for warm, cold in ((model.users, model.cold_users), (model.items, model.cold_items)):
        for encoder in (warm.content, warm.interactions):
            found |= _of_tables(encoder, settings, joint=joint)
        found[warm.factors.rows] = factors if settings.free_rows else silent
        found[cold.residual.rows] = factors
        found[cold.shared.rows] = shared
    return {parameter: found[parameter] for parameter in model.parameters()}  # in the order of the network


def _of_tables(encoder: RelationalEncoder, settings: ModelSettings, *, joint: bool) -> dict[nn.Parameter, ScalePrior]:
    found = {}
    for message in (*encoder.relations, *encoder.feature_names):
        rated = message.partition("<")[0] in (RATED, RATED_BY)
        shared = rated or message.startswith((HOP, RATED_OVER))
        damping = CORRELATED if shared else ScalePrior.damping
        prior = ScalePrior(initial=settings.scale_of(message), damping=damping, joint=joint and rated)
        found[encoder.tables[parameter_key(message)]] = prior
    return found
