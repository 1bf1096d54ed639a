"""The kernel of content, written out pair by pair."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from kg.schema import ITEM
from models.lists.content import Content
from models.network.graph_inputs import GraphInputs

ITEMS = 4
GENRES = {0: {0, 1}, 1: {1}, 2: {0, 1, 2}, 3: set()}  # of each item
VECTORS = np.array([[1.0, 2.0], [3.0, 0.0], [0.0, 0.0], [-1.0, 1.0]], dtype=np.float32)  # item 2 has no text


@pytest.fixture
def data() -> GraphInputs:
    made = GraphInputs()
    made[ITEM].num_nodes, made[ITEM].num_present, made["genre"].num_nodes = (
        ITEMS,
        ITEMS,
        5,
    )  # two genres that no item has
    made[ITEM].content = [("genre", "genre", ITEM)]
    pairs = [(genre, item) for item, genres in GENRES.items() for genre in genres]
    made["genre", "genre", ITEM].edge_index = torch.tensor(pairs).t()
    return made


def expected(one: int, other: int) -> float:
    directions = VECTORS.astype(float).copy()
    told = [0, 1, 3]
    directions[told] -= directions[told].mean(axis=0)
    directions[2] = 0
    lengths = np.linalg.norm(directions, axis=1)
    text = directions[one] @ directions[other] / (lengths[one] * lengths[other]) if 2 not in (one, other) else 0.0
    rarity = [math.log(ITEMS / sum(genre in genres for genres in GENRES.values())) for genre in range(3)]
    rows = [np.array([rarity[genre] * (genre in GENRES[item]) for genre in range(3)]) for item in (one, other)]
    norms = [float(np.linalg.norm(row)) for row in rows]
    concepts = float(rows[0] @ rows[1]) / (norms[0] * norms[1]) if all(norms) else 0.0
    return text + concepts + 0.1 * len(GENRES[one] & GENRES[other])


def test_the_kernel_is_cosine_of_texts_and_of_rare_concepts_and_a_tenth_for_each_shared_one(data: GraphInputs) -> None:
    content = Content.of(data, VECTORS)
    whole = content.kernel(np.arange(ITEMS), np.arange(ITEMS))
    for one in range(ITEMS):
        for other in range(ITEMS):
            assert whole[one, other] == pytest.approx(expected(one, other), abs=1e-5), (one, other)
    assert np.linalg.eigvalsh(whole.astype(float)).min() > -1e-6
    np.testing.assert_allclose(content.kernel(np.array([2, 0]), np.array([1])), whole[[2, 0]][:, [1]])


def test_an_item_named_by_others_shares_itself_with_them() -> None:
    """Items 0 and 1 both cite item 2, and item 2 cites nobody: yet it is alike to those that cite it."""
    made = GraphInputs()
    made[ITEM].num_nodes, made[ITEM].num_present = ITEMS, ITEMS
    made[ITEM].content = [(ITEM, "cites", ITEM)]
    made[ITEM, "cites", ITEM].edge_index = torch.tensor([[2, 2], [0, 1]])
    nothing: NDArray[np.float32] = np.zeros((ITEMS, 2), dtype=np.float32)
    kernel = Content.of(made, nothing).kernel(np.arange(ITEMS), np.arange(ITEMS))
    np.testing.assert_allclose(kernel[:3, :3], np.full((3, 3), 1.1), rtol=1e-6)
    assert not kernel[3].any()


def test_without_texts_and_concepts_nothing_is_alike() -> None:
    made = GraphInputs()
    made[ITEM].num_nodes, made[ITEM].num_present, made[ITEM].content = ITEMS, ITEMS, []
    assert not Content.of(made, np.zeros((ITEMS, 0), dtype=np.float32)).kernel(np.arange(2), np.arange(3)).any()
