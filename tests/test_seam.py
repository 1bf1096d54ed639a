"""What the network is, the network alone knows; what its parameters are called, the posterior alone."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.func import functional_call

from kg.schema import ITEM, USER
from models.network.assembly import ModelSettings, assemble
from models.network.bilinear import bilinear
from models.network.encoder import Messages, RelationalEncoder
from models.network.graph_inputs import GraphInputs
from models.network.hybrid import HybridInputs
from models.network.sparse import Pairs
from models.network.tower import NodeInputs
from models.posterior import ContentEdges, NetworkOnGraph, Posterior, SampledNetwork
from training.objective import RatingBatch, RatingObjective, TrainingBatch

ROOT = Path(__file__).parent.parent
PARTS = "content|interactions|factors|residual|shared"
NAMES = re.compile(
    rf"""(factors|residual|shared)\.rows["']|(?<!self)(?<!study)\.tables\.|["'](head|sessions)\.\w|(users|items|\}}s)\.({PARTS})\.?[\w.]*["']"""
)
USERS, ITEMS, SAMPLES = 3, 4, 3
JOB = (torch.tensor([[0, 1, 0], [0, 1, 2]]), torch.ones(3), 2)
GENRE = (torch.tensor([[0, 0, 1, 1], [0, 1, 2, 3]]), torch.tensor([1.0, 0.7, 0.7, 1.0]), 2)
TEXT = torch.tensor([[1.0, 0.0], [0.5, -0.5], [0.0, 0.0], [-1.0, 2.0]])
LEVELS = 3


class TwoLayerEncoder(RelationalEncoder):
    """The sum of messages, and a nonlinear layer on top of it: another encoder that keeps the contract."""

    def __init__(self, linear: RelationalEncoder, generator: torch.Generator) -> None:
        nn.Module.__init__(self)
        self.__dict__.update(linear.__dict__)
        self.inner = nn.Parameter(torch.randn(self.size, 5, generator=generator))
        self.outer = nn.Parameter(torch.randn(5, self.size, generator=generator))

    def forward(self, messages: Messages) -> Tensor:
        """Return embeddings `[..., num_nodes, size]`."""
        total = super().forward(messages)
        return total + torch.tanh(total @ self.inner) @ self.outer


def inputs() -> HybridInputs:
    nothing = [Messages.stack(number, {}, {}) for number in (USERS, ITEMS)]
    users = NodeInputs(content=Messages.stack(USERS, {"job": JOB}, {}), interactions=nothing[0])
    items = NodeInputs(content=Messages.stack(ITEMS, {"genre": GENRE}, {"text": TEXT}), interactions=nothing[1])
    return HybridInputs(users=users, items=items)


def test_names_of_parameters_stand_in_one_file() -> None:
    files = [file for folder in ("models", "training", "benchmarks") for file in (ROOT / folder).rglob("*.py")]
    named = {file.name for file in files if NAMES.search(file.read_text(encoding="utf-8"))}
    assert named == {"samples.py"}


def test_tables_of_messages_are_read_by_the_posterior_alone() -> None:
    """Cold start, lists, explanations and profiles ask for embeddings, content, fold-ins and contributions."""
    above = [file for file in (ROOT / "models").rglob("*.py") if file.parent.name not in ("network", "posterior")]
    reads = re.compile(r"\.table\(|\.parameters\[|functional_call|\.stacked\(")
    readers = {file.name for file in above if reads.search(file.read_text(encoding="utf-8"))}
    assert readers == {"dates_of_before.py"}  # runs of a network that is no more


def test_another_encoder_is_trained_kept_and_asked_as_the_linear_one() -> None:
    generator = torch.Generator().manual_seed(1)
    model = assemble(inputs(), torch.full((LEVELS,), 1 / LEVELS), ModelSettings(embedding_size=2), generator=generator)
    for warm, cold in ((model.users, model.cold_users), (model.items, model.cold_items)):
        warm.content = cold.content = TwoLayerEncoder(warm.content, generator)
    pairs = Pairs(torch.tensor([0, 0, 1, 2]), torch.tensor([0, 2, 1, 3]), USERS, ITEMS)
    batch = RatingBatch(pairs, torch.tensor([0, 2, 1, 2]))
    objective, optimizer = RatingObjective(inputs(), weight=0.5), torch.optim.Adam(model.parameters(), lr=0.1)
    kept, losses = [], []
    for _ in range(SAMPLES):
        optimizer.zero_grad()
        loss = objective(model, TrainingBatch(batch, batch, batch))
        loss.backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        optimizer.step()
        losses.append(float(loss.detach()))
        kept.append(Posterior.snapshot(model))
    assert losses[-1] < losses[0]
    posterior, known = Posterior.stack(kept), (torch.tensor([True, True, False]), torch.ones(ITEMS, dtype=torch.bool))
    predictor = posterior.predictor(model, inputs(), *known)
    content = {
        kind: posterior.content_embeddings(tower.content, kind, side.content)
        for kind, tower, side in ((USER, model.users, inputs().users), (ITEM, model.items, inputs().items))
    }
    for number, sample in enumerate(kept):
        rows = functional_call(model, {name: value.float() for name, value in sample.items()}, (inputs(),))
        torch.testing.assert_close(predictor.items[number], rows.items)
        torch.testing.assert_close(predictor.users[number, :2], rows.users[:2])
        torch.testing.assert_close(predictor.users[number, 2], rows.cold_users[2])
        beyond = posterior.factors(ITEM)[number]
        torch.testing.assert_close(content[ITEM][number], rows.items - beyond)
        beyond = posterior.residual(USER)[number] + posterior.shared(USER)[number]
        torch.testing.assert_close(content[USER][number], rows.cold_users - beyond)


def test_the_network_is_asked_four_questions_of_one_sample_as_of_many() -> None:
    """By laws that hold whatever the encoder: parts add up, and what is new but the same is read the same."""
    generator = torch.Generator().manual_seed(1)
    data, known = GraphInputs(), torch.ones(ITEMS, dtype=torch.bool)
    for kind, number, relation, edges in ((USER, USERS, "job", JOB), (ITEM, ITEMS, "genre", GENRE)):
        index, weight, senders = edges
        data[relation].num_nodes, data[kind].num_nodes = senders, number
        data[kind].content, data[kind].interactions = [(relation, relation, kind)], []
        data[kind].features, data[kind].hop_sources = {"content": {}, "interactions": {}}, {}
        found = data[relation, relation, kind]
        found.edge_index, found.edge_weight, found.table_row = index, weight, index[0]
        found.senders = torch.arange(senders)
    network = NetworkOnGraph(data, ModelSettings(embedding_size=2), LEVELS)
    models = [
        assemble(network.inputs, torch.full((LEVELS,), 1 / LEVELS), network.settings, generator=generator)
        for _ in range(SAMPLES)
    ]
    posterior = Posterior.stack([Posterior.snapshot(model) for model in models])
    samples = SampledNetwork(
        posterior, posterior.predictor(network.model, network.inputs, known[:USERS], known), network
    )
    for asked in (samples, samples.part(slice(1))):
        for kind, number in ((USER, USERS), (ITEM, ITEMS)):
            for node in range(number):
                terms = [message.terms().sum(1) for message in asked.contributions(kind, node, torch.tensor([0]))]
                torch.testing.assert_close(sum(terms), asked.embeddings(kind, node).double(), rtol=1e-4, atol=1e-5)
        like_item_3 = {
            ("genre", "genre", ITEM): ContentEdges(
                sender=torch.tensor([1]), table_row=torch.tensor([1]), new=torch.tensor([0]), weight=torch.ones(1)
            )
        }
        content = asked.content_embeddings(ITEM, like_item_3)
        torch.testing.assert_close(content[:, 0], asked.content_embeddings(ITEM)[:, 3])
        liked, disliked = (
            asked.fold_in(USER, torch.tensor([1]), torch.tensor([level]), generator=torch.Generator().manual_seed(0))
            for level in (LEVELS - 1, 0)
        )
        item = asked.embeddings(ITEM, 1)
        assert (bilinear(liked.rows, item) > bilinear(disliked.rows, item)).all()


def test_content_of_a_new_item_is_that_of_a_known_one_with_the_same_content() -> None:
    generator = torch.Generator().manual_seed(1)
    model = assemble(inputs(), torch.full((LEVELS,), 1 / LEVELS), ModelSettings(embedding_size=2), generator=generator)
    posterior = Posterior.stack([Posterior.snapshot(model)])
    known = posterior.content_embeddings(model.items.content, ITEM, inputs().items.content)
    new = Messages.stack(1, {"genre": (torch.tensor([[0], [0]]), torch.ones(1), 1)}, {"text": TEXT[3:]})
    read = posterior.content_embeddings(model.items.content, ITEM, new, {"genre": torch.tensor([1])})
    torch.testing.assert_close(read[:, 0], known[:, 3])
