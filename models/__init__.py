"""From graph to answers: text encoder, relational graph network, factors, bilinear head, posterior, recommender."""

from models.inputs import graph_inputs, hybrid_inputs
from models.network.assembly import ModelSettings, assemble
from models.network.hybrid import HybridModel
from models.posterior import Posterior
from models.recommender import Recommender
from models.text import TextEncoder

__all__ = [
    "HybridModel",
    "ModelSettings",
    "Posterior",
    "Recommender",
    "TextEncoder",
    "assemble",
    "graph_inputs",
    "hybrid_inputs",
]
