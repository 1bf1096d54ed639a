"""The kept samples of a network, and the embeddings and chances that follow from them."""

from models.posterior.phases import PhasedPosterior, PhasedPredictor
from models.posterior.predictor import Predictor, by_node, expected_value, interval, rows_of
from models.posterior.samples import Posterior

__all__ = [
    "PhasedPosterior",
    "PhasedPredictor",
    "Posterior",
    "Predictor",
    "by_node",
    "expected_value",
    "interval",
    "rows_of",
]
