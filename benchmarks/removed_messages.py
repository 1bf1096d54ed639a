"""Predictions without some messages: the inputs are made without them, and all is computed again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from kg.schema import ITEM, USER
from models.attribution.contributions import CONCEPT, NEIGHBOUR, PartKey
from models.inputs import hybrid_inputs
from models.lists.trained import Trained
from models.network.graph_inputs import GraphInputs, MessageType
from models.network.message_names import HOP, RATED
from models.posterior import Predictor, SampledNetwork, expected_value

__all__ = ["predict_without"]

_VARIANTS = 3_000  # nodes of a side that are encoded at once

Integers = NDArray[np.int64]
Removed = Collection[PartKey]


@torch.no_grad()
def predict_without(
    recommender: Trained, user: Integers, item: Integers, removed: Sequence[Removed], *, renormalise: bool = False
) -> NDArray[np.float64]:
    """Predict pairs as if some messages had never been sent.

    Every altered user and item becomes a node of its own, whose edges and two-hop features are built without what was
    removed; then the network encodes them and the head reads the scores, as for any prediction. Nothing is subtracted
    from a score, so this can be held against an attribution. Latent factors stay as training left them.

    Args:
        recommender: A trained model.
        user: User indices, `[num_pairs]`.
        item: Item indices, `[num_pairs]`.
        removed: For each pair the concepts and rated items whose messages are removed.
        renormalise: Whether the messages that stay grow to weights of `1 / sqrt(number that stay)`, as in a graph that
            never stated the others; otherwise they are left as they are.

    Returns:
        Expected ratings in stars, `[num_pairs]`.
    """
    known = recommender.predictor.known_users[user] & recommender.predictor.known_items[item]
    levels, found = torch.tensor(recommender.levels), np.zeros(len(user))
    for samples, mask in ((recommender.samples, known), (recommender.cold_samples, ~known)):
        places = mask.nonzero()[:, 0].numpy()
        for start in range(0, len(places), _VARIANTS):
            some = places[start : start + _VARIANTS]
            sides = {
                side: _Variants.of(side, nodes[some], [removed[place] for place in some])
                for side, nodes in ((USER, user), (ITEM, item))
            }
            rows = _encoded(recommender, samples, sides, renormalise=renormalise)
            pairs = [torch.from_numpy(sides[side].of_pair) for side in (USER, ITEM)]
            found[some] = expected_value(rows.probabilities(*pairs), levels).double().numpy()
    return found


@dataclass(frozen=True, eq=False)
class _Variants:
    """Altered nodes of one side; pairs that alter a node alike share it.

    Attributes:
        nodes: The node that each is a variant of, `[num_variants]`.
        removed: What each lacks.
        of_pair: Number of each pair's variant, `[num_pairs]`.
    """

    nodes: Integers
    removed: Sequence[frozenset[PartKey]]
    of_pair: Integers

    @classmethod
    def of(cls, side: str, nodes: Integers, removed: Sequence[Removed]) -> _Variants:
        number: dict[tuple[int, frozenset[PartKey]], int] = {}
        places = [
            number.setdefault((node, frozenset(key for key in keys if key.side == side)), len(number))
            for node, keys in zip(nodes.tolist(), removed, strict=True)
        ]
        return cls(np.array([node for node, _ in number]), [keys for _, keys in number], np.array(places))

    def lacking(self, kind: str, message: MessageType | None, num_senders: int) -> Integers:
        """Return what is removed of one message as `variant * num_senders + sender`."""
        return np.array(
            [
                place * num_senders + key.sender
                for place, keys in enumerate(self.removed)
                for key in keys
                if key.kind == kind and key.message == message and key.sender is not None
            ],
            dtype=np.int64,
        )

    def expanded(self, receiver: Integers) -> tuple[Integers, Integers]:
        """Return the variant and the place of every edge that reaches a variant's node."""
        order = np.argsort(receiver, kind="stable")
        starts = np.searchsorted(receiver[order], self.nodes)
        counts = np.searchsorted(receiver[order], self.nodes, side="right") - starts
        variant = np.repeat(np.arange(len(self.nodes)), counts)
        within = np.arange(len(variant)) - np.repeat(np.cumsum(counts) - counts, counts)
        return variant, order[starts[variant] + within]


def _encoded(
    recommender: Trained,
    samples: SampledNetwork,
    sides: dict[str, _Variants],
    *,
    renormalise: bool,
) -> Predictor:
    """Encode variants by the network itself."""
    data = GraphInputs()
    for side, variants in sides.items():
        _fill(data, recommender, side, variants, renormalise=renormalise)
    users, items = (torch.from_numpy(sides[side].nodes) for side in (USER, ITEM))
    kept, model = samples.posterior.of_nodes(users, items), recommender.network.model
    phased = recommender.predictor
    # The network gives those who joined later the cold view, even where all samples answer for them.
    known = {USER: phased.known_users & recommender.learned(USER), ITEM: phased.known_items}
    rows = kept.predictor(model, hybrid_inputs(data), *(known[side][sides[side].nodes] for side in (USER, ITEM)))
    # No message moves how someone uses the scale.
    return replace(rows, preferences=samples.predictor.preferences[:, sides[USER].nodes])


def _fill(data: GraphInputs, recommender: Trained, side: str, variants: _Variants, *, renormalise: bool) -> None:
    """Write the messages to variants of one side as `graph_inputs` would."""
    whole = recommender.data
    data[side].num_nodes = len(variants.nodes)
    data[side].content, data[side].interactions = whole[side].content, whole[side].interactions
    data[side].features = {
        group: {name: features[variants.nodes] for name, features in whole[side].features[group].items()}
        for group in ("content", "interactions")
    }
    for edge_type in (*whole[side].content, *whole[side].interactions):
        edges = whole[edge_type]
        kind, message = (NEIGHBOUR, None) if edge_type[1] == RATED else (CONCEPT, edge_type)
        variant, place = variants.expanded(edges.edge_index[1].numpy())
        sender, num_senders = edges.edge_index[0].numpy()[place], int(whole[edge_type[0]].num_nodes)
        stays = ~np.isin(variant * num_senders + sender, variants.lacking(kind, message, num_senders))
        weight = edges.edge_weight.numpy()[place][stays]
        if renormalise:
            weight = weight * _growth(variant, stays)
        data[edge_type].senders = edges.senders
        data[edge_type].edge_index = torch.from_numpy(np.stack([sender, variant])[:, stays])
        data[edge_type].table_row = edges.table_row[torch.from_numpy(place[stays])]
        data[edge_type].edge_weight = torch.from_numpy(weight.astype(np.float32))
    if side == USER:
        _fill_two_hops(data, recommender, variants, renormalise=renormalise)


def _fill_two_hops(data: GraphInputs, recommender: Trained, variants: _Variants, *, renormalise: bool) -> None:
    """Sum the two-hop features of users over the rated items that stay."""
    train = recommender.learned_ratings
    variant, place = variants.expanded(train.user)
    partner = train.item[place]
    stays = ~np.isin(variant * train.num_items + partner, variants.lacking(NEIGHBOUR, None, train.num_items))
    weight = train.user_counts[variants.nodes[variant]][stays] ** -0.5
    if renormalise:
        weight = weight * _growth(variant, stays)
    shape = (len(variants.nodes), train.num_items)
    places = torch.from_numpy(np.stack([variant, partner])[:, stays])
    operator = torch.sparse_coo_tensor(places, torch.from_numpy(weight), shape, check_invariants=False)
    for name, centred in recommender.data[USER].hop_sources.items():
        data[USER].features["interactions"][HOP + name] = torch.sparse.mm(operator, centred.double()).float()


def _growth(variant: Integers, stays: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return by how much the messages that stay grow, `sqrt(before / after)`."""
    before = np.bincount(variant)
    after = np.bincount(variant[stays], minlength=len(before))
    return np.sqrt(before / np.maximum(after, 1))[variant[stays]]
