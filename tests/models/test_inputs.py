"""Graph inputs of a graph small enough to weigh every edge by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from kg.graph import Edges, KnowledgeGraph, Nodes
from kg.ratings import Ratings
from kg.schema import ITEM, USER, EdgeType
from kg.vocabulary import Vocabulary
from models.inputs import InputLimits, graph_inputs, hybrid_inputs
from models.network.graph_inputs import GraphInputs

HALF, THIRD = 2**-0.5, 3**-0.5


def nodes(kind: str, number: int) -> Nodes:
    names = np.array([f"{kind}{index}" for index in range(number)], dtype=object)
    nothing = np.full(number, None, dtype=object)
    return Nodes(vocabulary=Vocabulary(kind, names), labels=names, texts=nothing, iris=nothing)


def edges(pairs: list[tuple[int, int]]) -> Edges:
    return Edges(index=np.array(pairs).T, provenance=np.zeros(len(pairs), dtype=np.int16))


def world() -> KnowledgeGraph:
    """Three users, four items, three genres of which one belongs to one item only, two jobs, one sequel."""
    return KnowledgeGraph(
        name="tiny",
        nodes={USER: nodes(USER, 3), ITEM: nodes(ITEM, 4), "genre": nodes("genre", 3), "job": nodes("job", 2)},
        edges={
            EdgeType(ITEM, "genre", "genre"): edges([(0, 0), (0, 1), (1, 1), (2, 0), (2, 2), (0, 0)]),
            EdgeType(USER, "job", "job"): edges([(0, 0), (1, 0), (2, 1)]),
            EdgeType(ITEM, "wiki:follows", ITEM): edges([(1, 0), (2, 0)]),
        },
        sources=("table",),
    )


def ratings(values: tuple[float, ...] = (5, 3, 4, 1)) -> Ratings:
    """User 0 rated items 0 and 1, user 1 rated 0 and 2; user 2 and item 3 have none."""
    return Ratings(
        user=np.array([0, 0, 1, 1]),
        item=np.array([0, 1, 0, 2]),
        value=np.array(values),
        num_users=3,
        num_items=4,
    )


TEXT: NDArray[np.float32] = np.array([[1, 0], [3, 0], [0, 2], [0, 0]], dtype=np.float32)


def weights(data: GraphInputs, *edge_type: str) -> dict[tuple[int, int], float]:
    """Weight of each edge, by sender and receiver."""
    found = data[edge_type]
    pairs = [(int(start), int(end)) for start, end in found.edge_index.T]
    assert len(set(pairs)) == len(pairs)
    return dict(zip(pairs, found.edge_weight.tolist(), strict=True))


def test_concepts_of_few_items_are_silent_and_the_others_share_one() -> None:
    data = graph_inputs(world(), ratings(), TEXT)
    # Genre 2 belongs to item 2 alone; what is left of it is genre 0, with the whole weight. Pairs stand once.
    assert weights(data, "genre", "genre", ITEM) == pytest.approx({(0, 0): HALF, (1, 0): HALF, (1, 1): 1, (0, 2): 1})
    assert weights(data, "job", "job", USER) == pytest.approx({(0, 0): 1, (0, 1): 1})
    single = graph_inputs(world(), ratings(), TEXT, InputLimits(least_items=1))
    assert weights(single, "genre", "genre", ITEM)[2, 2] == pytest.approx(HALF)
    assert weights(single, "job", "job", USER)[1, 2] == 1


def test_edges_between_items_speak_both_ways() -> None:
    data = graph_inputs(world(), ratings(), TEXT)
    assert weights(data, ITEM, "wiki:follows", ITEM) == pytest.approx({(0, 1): 1, (0, 2): 1})
    # Backwards each sender has one receiver, too few to learn from.
    assert (ITEM, "wiki:follows_of", ITEM) not in data.edge_types
    single = graph_inputs(world(), ratings(), TEXT, InputLimits(least_items=1))
    assert weights(single, ITEM, "wiki:follows_of", ITEM) == pytest.approx({(1, 0): HALF, (2, 0): HALF})


def test_rated_items_and_raters_send_one_over_the_root_of_their_number() -> None:
    data = graph_inputs(world(), ratings(), TEXT)
    by_user = {(0, 0): HALF, (1, 0): HALF, (0, 1): HALF, (2, 1): HALF}
    assert weights(data, ITEM, "rated", USER) == pytest.approx(by_user)
    assert weights(data, USER, "rated_by", ITEM) == pytest.approx({(0, 0): HALF, (1, 0): HALF, (0, 1): 1, (1, 2): 1})


def test_only_senders_have_a_row_in_a_table() -> None:
    data = graph_inputs(world(), ratings(), TEXT)
    assert data[ITEM, "rated", USER].senders.tolist() == [0, 1, 2]
    assert data["genre", "genre", ITEM].senders.tolist() == [0, 1]
    for edge_type in data.edge_types:
        found = data[edge_type]
        assert torch.equal(found.senders[found.table_row], found.edge_index[0])


def test_two_hops_say_how_neighbours_differ_from_everyones() -> None:
    data = graph_inputs(world(), ratings(), TEXT)
    # Over the four ratings the mean text is (2 (1, 0) + (3, 0) + (0, 2)) / 4 = (1.25, 0.5).
    features = data[USER].features["interactions"]
    of_first = ((1 - 1.25) + (3 - 1.25), (0 - 0.5) * 2)
    of_second = ((1 - 1.25) + (0 - 1.25), (0 - 0.5) + (2 - 0.5))
    expected = torch.tensor([of_first, of_second, (0.0, 0.0)]) * HALF
    torch.testing.assert_close(features["hop_text"], expected)
    # Jobs reach items through their raters. Both raters have job 0, so nobody differs from the mean.
    assert not data[ITEM].features["interactions"]["hop_job<job"].any()
    # Genre weights: item 0 (h, h, 0), item 1 (0, 1, 0), item 2 (1, 0, 0); mean over ratings ((2h + 1) / 4, same, 0).
    mean = (2 * HALF + 1) / 4
    user = ((HALF - mean) + (0 - mean), (HALF - mean) + (1 - mean), 0)
    torch.testing.assert_close(features["hop_genre<genre"][0], torch.tensor(user) * HALF)


def test_two_hops_are_kept_to_small_relations() -> None:
    data = graph_inputs(world(), ratings(), TEXT, InputLimits(most_hop_concepts=2))
    assert "hop_genre<genre" not in data[USER].features["interactions"]
    assert "hop_job<job" in data[ITEM].features["interactions"]
    assert "hop_text" in data[USER].features["interactions"]


def tensors(data: GraphInputs) -> dict[str, torch.Tensor]:
    """Every tensor of the inputs by name."""
    found = {}
    for edge_type in data.edge_types:
        for name, value in vars(data[edge_type]).items():
            found["/".join((*edge_type, name))] = value
    for kind in (USER, ITEM):
        for group, features in data[kind].features.items():
            found |= {f"{kind}/{group}/{name}": value for name, value in features.items()}
        found |= {f"{kind}/hop_sources/{name}": value for name, value in data[kind].hop_sources.items()}
    return found


def test_the_value_of_a_rating_never_matters() -> None:
    before, after = (
        tensors(graph_inputs(world(), ratings(), TEXT)),
        tensors(graph_inputs(world(), ratings((1, 5, 2, 4)), TEXT)),
    )
    assert len(before) > 20
    assert set(before) == set(after)
    for name, tensor in before.items():
        assert torch.equal(tensor, after[name]), name


def test_who_rated_what_does_matter() -> None:
    other = replace(ratings(), item=np.array([0, 1, 0, 1]))
    before, after = tensors(graph_inputs(world(), ratings(), TEXT)), tensors(graph_inputs(world(), other, TEXT))
    assert any(
        not torch.equal(tensor, after[name]) for name, tensor in before.items() if tensor.shape == after[name].shape
    )


@pytest.mark.parametrize(
    ("part", "gone", "left"),
    [
        ("concepts", "genre/genre/item", "item/content/text"),
        ("text", "text", "genre/genre/item"),
        ("neighbours", "rated", "hop_genre"),
        ("two_hops", "hop_", "item/rated/user"),
    ],
)
def test_a_part_left_out_sends_nothing_and_the_others_stay(part: str, gone: str, left: str) -> None:
    whole = tensors(graph_inputs(world(), ratings(), TEXT))
    smaller = tensors(graph_inputs(world(), ratings(), TEXT, InputLimits(leave_out=frozenset({part}))))
    assert any(gone in name for name in whole)
    assert not any(gone in name for name in smaller)
    assert any(left in name for name in smaller)
    for name, tensor in smaller.items():
        assert torch.equal(tensor, whole[name])


def test_everything_left_out_leaves_empty_inputs() -> None:
    parts = frozenset({"concepts", "text", "neighbours", "two_hops"})
    inputs = hybrid_inputs(graph_inputs(world(), ratings(), TEXT, InputLimits(leave_out=parts)))
    for side in (inputs.users, inputs.items):
        assert side.content.operator is None
        assert side.interactions.operator is None
        assert not side.interactions.features


def test_no_ratings_at_all_are_taken() -> None:
    nothing = ratings().select(np.zeros(0, dtype=np.int64))
    inputs = hybrid_inputs(graph_inputs(world(), nothing, TEXT))
    assert inputs.users.interactions.operator is None
    for features in inputs.users.interactions.features.values():
        assert torch.isfinite(features).all()


def test_stacked_operators_hold_the_same_weights() -> None:
    data = graph_inputs(world(), ratings(), TEXT)
    inputs = hybrid_inputs(data)
    for kind, side in ((USER, inputs.users), (ITEM, inputs.items)):
        for group in ("content", "interactions"):
            messages = getattr(side, group)
            blocks = []
            for edge_type in getattr(data[kind], group):
                edge = data[edge_type]
                block = torch.zeros(int(data[kind].num_nodes), len(edge.senders))
                for (start, end), weight in zip(edge.edge_index.T.tolist(), edge.edge_weight, strict=True):
                    block[end, edge.senders.tolist().index(start)] += weight
                blocks.append(block)
            torch.testing.assert_close(messages.operator.matrix.to_dense(), torch.cat(blocks, dim=1))
            assert sum(messages.num_sources.values()) == messages.operator.shape[1]


def test_over_a_relation_come_the_ratings_of_the_related() -> None:
    """Items 1 and 2 follow item 0: by hand, from who rated which of them."""
    data = graph_inputs(world(), ratings(), TEXT, InputLimits(least_related=1))
    # Item 0 has its ratings of users 0 and 1; item 1 one of user 0, item 2 one of user 1.
    assert weights(data, USER, "rated_over_wiki:follows", ITEM) == pytest.approx(
        {(0, 1): HALF, (1, 1): HALF, (0, 2): HALF, (1, 2): HALF}
    )
    assert weights(data, USER, "rated_over_wiki:follows_of", ITEM) == pytest.approx({(0, 0): HALF, (1, 0): HALF})
    assert (USER, "rated_over_wiki:follows", ITEM) in data[ITEM].interactions


def befriended(pairs: list[tuple[int, int]]) -> KnowledgeGraph:
    graph = world()
    return replace(graph, edges={**graph.edges, EdgeType(USER, "friend", USER): edges(pairs)})


def test_who_has_no_ratings_sends_none_and_receives_those_of_friends() -> None:
    data = graph_inputs(
        befriended([(0, 1), (0, 2), (2, 0), (2, 1), (2, 1)]), ratings(), TEXT, InputLimits(least_related=1)
    )
    # User 0 names 1 and 2, who has no ratings: user 1's two ratings arrive with the weight of one friend.
    # User 2 names 0 and 1, who both rated item 0: two messages become one.
    assert weights(data, ITEM, "rated_over_friend", USER) == pytest.approx(
        {(0, 0): HALF, (2, 0): HALF, (0, 2): 1.0, (1, 2): 0.5, (2, 2): 0.5}
    )
    few = graph_inputs(befriended([(2, 0), (2, 1)]), ratings(), TEXT, InputLimits(least_related=1, most_over=2))
    assert weights(few, ITEM, "rated_over_friend", USER) == pytest.approx({(0, 2): 1.0, (1, 2): 0.5})


@pytest.mark.parametrize("part", ["concepts", "neighbours"])
def test_few_relations_carry_no_ratings_and_none_do_with_either_half_left_out(part: str) -> None:
    for least, left_out, number in ((1, frozenset[str](), 4), (1, frozenset({part}), 0), (3, frozenset[str](), 0)):
        limits = InputLimits(least_related=least, leave_out=left_out)
        data = graph_inputs(befriended([(0, 1)]), ratings(), TEXT, limits)
        sent = [found for found in (*data[USER].interactions, *data[ITEM].interactions) if "over" in found[1]]
        assert len(sent) == number


def test_ratings_over_relations_are_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = befriended([(0, 1), (0, 2), (2, 0), (2, 1)])
    limits = InputLimits(least_related=1)
    whole = tensors(graph_inputs(graph, ratings(), TEXT, limits))
    monkeypatch.setattr("models.inputs._BLOCK", 2)
    parts = tensors(graph_inputs(graph, ratings(), TEXT, limits))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_ratings_over_relations_never_carry_a_value() -> None:
    graph, limits = befriended([(0, 1), (2, 0)]), InputLimits(least_related=1)
    before, after = (tensors(graph_inputs(graph, given, TEXT, limits)) for given in (ratings(), ratings((1, 5, 2, 4))))
    assert any("rated_over_friend" in name for name in before)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_pyg_takes_the_inputs_as_they_are() -> None:
    data = graph_inputs(world(), ratings(), TEXT)
    made = data.to_hetero_data()
    assert made.edge_types == data.edge_types
    assert made.num_nodes == sum(data[kind].num_nodes for kind in data.node_types)
    for edge_type in data.edge_types:
        assert torch.equal(made[edge_type].edge_index, data[edge_type].edge_index)
        assert torch.equal(made[edge_type].edge_weight, data[edge_type].edge_weight)
