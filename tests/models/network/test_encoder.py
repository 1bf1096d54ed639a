"""The relational encoder against plain loops over edges."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.func import functional_call

from models.network.encoder import Messages, RelationalEncoder, parameter_key
from training.curvature import table_curvature

NODES, SIZE = 4, 3
Relations = dict[str, tuple[Tensor, Tensor, int]]

# Source row, receiving node, weight; node 3 receives nothing, and one edge stands twice.
RELATIONS: Relations = {
    "genre<genre": (torch.tensor([[0, 1, 1, 0], [0, 0, 2, 2]]), torch.tensor([0.5, 0.5, 1.0, 2.0]), 2),
    "wiki:a.b<wiki": (torch.tensor([[2, 0, 2], [1, 1, 1]]), torch.tensor([3.0, 1.0, 0.5]), 3),
}
FEATURES = {"text": torch.tensor([[1.0, 2.0], [0.0, 0.0], [-1.0, 0.5], [0.0, 0.0]])}


def encoder(relations: Relations, features: Mapping[str, Tensor]) -> RelationalEncoder:
    widths = {name: feature.shape[1] for name, feature in features.items()}
    sources = {name: found[2] for name, found in relations.items()}
    scales = dict.fromkeys((*sources, *widths), 1.0)
    return RelationalEncoder(sources, widths, SIZE, scales, torch.Generator().manual_seed(0))


def by_loops(module: RelationalEncoder, relations: Relations, features: Mapping[str, Tensor]) -> Tensor:
    rows = torch.zeros(NODES, SIZE)
    for name, (edge_index, weight, _) in relations.items():
        table = module.tables[parameter_key(name)]
        for edge in range(edge_index.shape[1]):
            rows[edge_index[1, edge]] += weight[edge] * table[edge_index[0, edge]].detach()
    for name, feature in features.items():
        rows += feature @ module.tables[name].detach()
    return rows


def test_a_node_is_the_sum_of_its_messages() -> None:
    module = encoder(RELATIONS, FEATURES)
    rows = module(Messages.stack(NODES, RELATIONS, FEATURES)).detach()
    torch.testing.assert_close(rows, by_loops(module, RELATIONS, FEATURES))
    assert rows[:3].abs().min() > 0
    assert not rows[3].any()


def test_gradient_reaches_every_table_as_in_the_dense_sum() -> None:
    module = encoder(RELATIONS, FEATURES)
    upstream = torch.arange(NODES * SIZE, dtype=torch.float32).reshape(NODES, SIZE)
    (module(Messages.stack(NODES, RELATIONS, FEATURES)) * upstream).sum().backward()
    for name, matrix in dense_matrices().items():
        torch.testing.assert_close(module.tables[parameter_key(name)].grad, matrix.T @ upstream)


def dense_matrices() -> dict[str, Tensor]:
    found = dict(FEATURES)
    for name, (edge_index, weight, num_sources) in RELATIONS.items():
        found[name] = torch.zeros(NODES, num_sources).index_put_(
            (edge_index[1], edge_index[0]), weight, accumulate=True
        )
    return found


def test_curvature_is_the_dense_squared_product() -> None:
    module = encoder(RELATIONS, FEATURES)
    of_nodes = torch.rand(NODES, SIZE, generator=torch.Generator().manual_seed(1))
    curvature = dict(table_curvature(module, Messages.stack(NODES, RELATIONS, FEATURES), of_nodes))
    assert set(curvature) == set(module.parameters())
    for name, matrix in dense_matrices().items():
        torch.testing.assert_close(curvature[module.tables[parameter_key(name)]], (matrix * matrix).T @ of_nodes)


def test_tables_of_several_samples_are_encoded_at_once_as_one_by_one() -> None:
    module, messages = encoder(RELATIONS, FEATURES), Messages.stack(NODES, RELATIONS, FEATURES)
    generator = torch.Generator().manual_seed(3)
    samples = {
        name: torch.randn(5, *parameter.shape, generator=generator) for name, parameter in module.named_parameters()
    }
    at_once = functional_call(module, samples, (messages,))
    assert at_once.shape == (5, NODES, SIZE)
    for number in range(5):
        single = functional_call(module, {name: stacked[number] for name, stacked in samples.items()}, (messages,))
        torch.testing.assert_close(at_once[number], single)


def test_a_relation_left_out_equals_an_encoder_built_without_it() -> None:
    whole = encoder(RELATIONS, FEATURES)
    for absent in (*RELATIONS, "text"):
        relations = {name: found for name, found in RELATIONS.items() if name != absent}
        features = {name: found for name, found in FEATURES.items() if name != absent}
        smaller = encoder(relations, features)
        smaller.load_state_dict(
            {name: value for name, value in whole.state_dict().items() if name in smaller.state_dict()}
        )
        with torch.no_grad():
            silent = encoder(RELATIONS, FEATURES)
            silent.load_state_dict(whole.state_dict())
            silent.tables[parameter_key(absent)].zero_()
            expected = silent(Messages.stack(NODES, RELATIONS, FEATURES))
            assert not torch.allclose(expected, whole(Messages.stack(NODES, RELATIONS, FEATURES)))
            torch.testing.assert_close(smaller(Messages.stack(NODES, relations, features)), expected)


def test_without_any_message_a_node_is_zero() -> None:
    module = encoder({}, {})
    messages = Messages.stack(NODES, {}, {})
    assert messages.operator is None
    assert torch.equal(module(messages), torch.zeros(NODES, SIZE))
    assert not list(table_curvature(module, messages, torch.ones(NODES, SIZE)))


def test_renumbering_the_nodes_permutes_the_rows() -> None:
    module = encoder(RELATIONS, FEATURES)
    new_number = torch.tensor([2, 0, 3, 1])
    relations = {
        name: (torch.stack([index[0], new_number[index[1]]]), weight, size)
        for name, (index, weight, size) in RELATIONS.items()
    }
    features = {name: torch.zeros_like(found).index_copy_(0, new_number, found) for name, found in FEATURES.items()}
    before, after = (
        module(Messages.stack(NODES, RELATIONS, FEATURES)),
        module(Messages.stack(NODES, relations, features)),
    )
    torch.testing.assert_close(after[new_number], before)


def test_renumbering_the_senders_with_their_rows_changes_nothing() -> None:
    module = encoder(RELATIONS, FEATURES)
    before = module(Messages.stack(NODES, RELATIONS, FEATURES)).detach()
    name, new_number = "wiki:a.b<wiki", torch.tensor([2, 0, 1])
    index, weight, size = RELATIONS[name]
    with torch.no_grad():
        table = module.tables[parameter_key(name)]
        table.copy_(torch.zeros_like(table).index_copy(0, new_number, table))
    moved = {**RELATIONS, name: (torch.stack([new_number[index[0]], index[1]]), weight, size)}
    torch.testing.assert_close(module(Messages.stack(NODES, moved, FEATURES)).detach(), before)


def test_starting_rows_have_the_scale_of_the_prior_and_small_biases() -> None:
    module = RelationalEncoder({"many<x": 40_000}, {}, SIZE, {"many<x": 0.5}, torch.Generator().manual_seed(0))
    spread = module.tables["many<x"].detach().std(0)
    # The standard error of a standard deviation is s / sqrt(2 n): 0.0018 here.
    torch.testing.assert_close(spread, torch.tensor([0.5, 0.5, 0.15]), atol=0.008, rtol=0)
