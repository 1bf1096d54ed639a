"""The kept samples of a network, and what they say of nodes: the seam between the network and all that answers from it."""

from models.posterior.embedding_prior import EmbeddingPrior, UserThresholds
from models.posterior.phases import PhasedPosterior, PhasedPredictor
from models.posterior.predictor import Predictor, by_node, expected_value, interval, rows_of
from models.posterior.sampled_network import ContentEdges, Message, NetworkOnGraph, SampledNetwork
from models.posterior.samples import Posterior
from models.posterior.user_embedding import UserEmbedding

__all__ = [
    "ContentEdges",
    "EmbeddingPrior",
    "Message",
    "NetworkOnGraph",
    "PhasedPosterior",
    "PhasedPredictor",
    "Posterior",
    "Predictor",
    "SampledNetwork",
    "UserEmbedding",
    "UserThresholds",
    "by_node",
    "expected_value",
    "interval",
    "rows_of",
]
