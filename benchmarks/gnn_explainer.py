"""PyG's GNNExplainer on pairs that our attributions explain as well, for a comparison."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.explain import Explainer, GNNExplainer
from torch_geometric.nn import MessagePassing

from kg.schema import ITEM, USER
from models.attribution.contributions import PartKey, contributions_to
from models.network.bilinear import bilinear
from models.network.head import level_probabilities
from models.posterior import expected_value
from models.recommender import Recommender

__all__ = ["PairModel", "edge_masks"]

EPOCHS = 200  # as in PyG's examples


class PairModel(MessagePassing):  # type: ignore[misc]
    """One pair of the trained model as PyG's explainers want it: edges that can be masked, and one number.

    The nodes are the senders of the messages that may be removed, then the user, then the item. A sender's features are
    its message in every sample; what is never removed, latent factors for example, is in `base`.

    Args:
        base: Rows of user and item without removable messages, `[2, num_samples, size]`.
        cuts: Thresholds, and preferences of the user for levels, `[num_samples, num_levels - 1]` and `[num_samples, num_levels]`.
        levels: Values of the levels, in stars.
    """

    def __init__(self, base: Tensor, cuts: tuple[Tensor, Tensor], levels: Tensor) -> None:
        super().__init__(aggr="sum")
        self.base, self.cuts, self.levels = base, cuts, levels

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Return the expected rating in stars, `[1, 1]`; `x` is `[num_senders + 2, num_samples * size]`."""
        rows = self.propagate(edge_index, x=x)[-2:].view_as(self.base) + self.base
        chances = level_probabilities(bilinear(rows[0], rows[1]), *self.cuts).mean(0, keepdim=True)
        return expected_value(chances, self.levels)[:, None]

    def message(self, x_j: Tensor) -> Tensor:
        """Send the features as they are."""
        return x_j


def pair_model(recommender: Recommender, user: int, item: int, keys: list[PartKey]) -> tuple[PairModel, Tensor, Tensor]:
    """Return the model of one pair, its features and its edges, one for each of `keys`, in their order."""
    phased = recommender.predictor
    known = bool(phased.known_users[user] & phased.known_items[item])
    samples = recommender.samples if known else recommender.cold_samples
    rows = samples.predictor
    base, message_of = [rows.users[:, user].double(), rows.items[:, item].double()], {}
    for place, (side, node) in enumerate(((USER, user), (ITEM, item))):
        contributions = contributions_to(samples, recommender.learned_ratings, side, node)
        for key, message in zip(contributions.keys, contributions.messages.unbind(1), strict=True):
            if key in keys:
                message_of[key] = message
                base[place] = base[place] - message
    features = [message_of[key].flatten() for key in keys]
    nothing = torch.zeros(2, features[0].numel(), dtype=torch.float64)
    receivers = torch.tensor([len(keys) + (key.side == ITEM) for key in keys])
    cuts = (rows.thresholds, rows.preferences[:, user])
    model = PairModel(torch.stack(base).float(), cuts, torch.tensor(recommender.levels))
    x = torch.cat([torch.stack(features), nothing]).float()
    return model.eval(), x, torch.stack([torch.arange(len(keys)), receivers])


def edge_masks(
    recommender: Recommender, user: NDArray[np.int64], item: NDArray[np.int64], keys: list[list[PartKey]]
) -> tuple[list[NDArray[np.float64]], float]:
    """Train a mask for each pair (GNNExplainer, arXiv:1903.03894), with PyG's own coefficients and learning rate.

    Args:
        recommender: A trained model.
        user: User indices, `[num_pairs]`.
        item: Item indices, `[num_pairs]`.
        keys: Of each pair, the messages that may be removed.

    Returns:
        For each pair the mask of its messages, in (0, 1): how much each is needed for the prediction to stay, whether
        it raises or lowers it. And the seconds of processor time that a pair took.
    """
    masks, started = [], time.process_time()
    for number, pair in enumerate(zip(user.tolist(), item.tolist(), keys, strict=True)):
        model, x, edge_index = pair_model(recommender, *pair)
        config: dict[str, Any] = {"mode": "regression", "task_level": "graph", "return_type": "raw"}
        explainer = Explainer(
            model,
            algorithm=GNNExplainer(epochs=EPOCHS),
            explanation_type="model",
            node_mask_type=None,
            edge_mask_type="object",
            model_config=config,
        )
        with torch.random.fork_rng(devices=[]):  # its masks start from torch's own random numbers
            torch.manual_seed(number)
            masks.append(explainer(x, edge_index).edge_mask.double().numpy())
    return masks, (time.process_time() - started) / max(len(masks), 1)
