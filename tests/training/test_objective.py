"""One training step of the whole model against a slow dense oracle: plain loops, and autograd in double precision."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kg.graph import Edges, KnowledgeGraph, Nodes
from kg.ratings import Ratings
from kg.schema import ITEM, USER, EdgeType
from kg.vocabulary import Vocabulary
from models.inputs import graph_inputs, hybrid_inputs, relation_name
from models.network.assembly import ModelSettings, assemble
from models.network.graph_inputs import GraphInputs
from models.network.hybrid import HybridInputs, HybridModel, Representations
from models.network.sparse import Pairs, pair_scores
from training.config import LangevinConfig
from training.langevin import LangevinSampler
from training.objective import RatingBatch, RatingObjective, TrainingBatch
from training.sampling import LangevinTraining
from training.scale_priors import scale_priors

USERS, ITEMS, RATINGS, WEIGHT = 7, 9, 30, 0.3
LEVELS = np.array([1, 2, 3, 4, 5], dtype=np.float32)


@dataclass(frozen=True)
class World:
    ratings: Ratings
    data: GraphInputs
    inputs: HybridInputs
    evidence: TrainingBatch


def nodes(kind: str, number: int) -> Nodes:
    names = np.array([f"{kind}{index}" for index in range(number)], dtype=object)
    nothing = np.full(number, None, dtype=object)
    return Nodes(vocabulary=Vocabulary(kind, names), labels=names, texts=nothing, iris=nothing)


@pytest.fixture(scope="module")
def world() -> World:
    """A random graph with every kind of message; item 8 has no rating."""
    rng = np.random.default_rng(0)

    def edges(sources: int, targets: int) -> Edges:
        index = np.array(np.nonzero(rng.random((sources, targets)) < 0.6))
        return Edges(index=index, provenance=np.zeros(index.shape[1], dtype=np.int16))

    graph = KnowledgeGraph(
        name="random",
        nodes={USER: nodes(USER, USERS), ITEM: nodes(ITEM, ITEMS), "genre": nodes("genre", 4), "job": nodes("job", 3)},
        edges={EdgeType(ITEM, "genre", "genre"): edges(ITEMS, 4), EdgeType(USER, "job", "job"): edges(USERS, 3)},
        sources=("table",),
    )
    pairs = rng.permutation(USERS * (ITEMS - 1))[:RATINGS]
    ratings = Ratings(
        user=pairs // (ITEMS - 1),
        item=pairs % (ITEMS - 1),
        value=np.concatenate([LEVELS, rng.integers(1, 6, RATINGS - 5)]),
        time=rng.integers(0, 10**7, RATINGS),
        num_users=USERS,
        num_items=ITEMS,
    )
    data = graph_inputs(graph, ratings, rng.normal(size=(ITEMS, 2)).astype(np.float32))
    evidence = TrainingBatch.draw(ratings, LEVELS, share=0.4, generator=torch.Generator().manual_seed(1))
    assert min(len(evidence.cold_items), len(evidence.cold_users)) > 5
    return World(ratings, data, hybrid_inputs(data), evidence)


SETTINGS = ModelSettings(embedding_size=3)


def new_model(world: World) -> HybridModel:
    model = assemble(
        world.inputs,
        torch.full((5,), 0.2),
        SETTINGS,
        generator=torch.Generator().manual_seed(2),
    )
    with torch.no_grad():  # preferences start at zero, which would hide a wrong one
        model.head.preferences.uniform_(-1, 1, generator=torch.Generator().manual_seed(3))
    return model


class Oracle:
    """The equations, one message and one rating at a time."""

    def __init__(self, world: World, model: HybridModel) -> None:
        self.world = world
        self.parameters = {
            name: parameter.detach().double().requires_grad_() for name, parameter in model.named_parameters()
        }

    def design(self, kind: str, group: str) -> dict[str, Tensor]:
        """Dense matrix of each table's messages `[num_nodes, num_rows]`, by parameter name."""
        data, side = self.world.data, "users" if kind == USER else "items"
        number = USERS if kind == USER else ITEMS
        found = {}
        for edge_type in getattr(data[kind], group):
            edges = data[edge_type]
            place = {int(sender): row for row, sender in enumerate(edges.senders)}
            matrix = torch.zeros(number, len(place), dtype=torch.float64)
            for (start, end), weight in zip(edges.edge_index.T.tolist(), edges.edge_weight.tolist(), strict=True):
                matrix[end, place[start]] += weight
            found[f"{side}.{group}.tables.{relation_name(edge_type)}"] = matrix
        for name, features in data[kind].features[group].items():
            found[f"{side}.{group}.tables.{name}"] = features.double()
        return found

    def parts(self, kind: str, view: str) -> dict[str, Tensor]:
        """Everything that is summed into the rows of one kind in one view: dense matrices by parameter name."""
        number = USERS if kind == USER else ITEMS
        identity = torch.eye(number, dtype=torch.float64)
        side = "users" if kind == USER else "items"
        if view == "warm":
            own = {f"{side}.factors.rows": identity}
            return {**self.design(kind, "content"), **self.design(kind, "interactions"), **own}
        own = {f"cold_{side}.residual.rows": identity, f"cold_{side}.shared.rows": identity.sum(1, keepdim=True)}
        return {**self.design(kind, "content"), **own}

    def rows(self, kind: str, view: str) -> Tensor:
        return sum(
            (matrix @ self.parameters[name] for name, matrix in self.parts(kind, view).items()),
            start=torch.zeros((), dtype=torch.float64),
        )

    def views(self) -> list[tuple[RatingBatch, str, str, float]]:
        evidence = self.world.evidence
        return [
            (evidence.warm, "warm", "warm", 1.0),
            (evidence.cold_items, "warm", "cold", WEIGHT),
            (evidence.cold_users, "cold", "warm", WEIGHT),
        ]

    def loss(self) -> Tensor:
        total = torch.zeros((), dtype=torch.float64)
        for batch, of_users, of_items, weight in self.views():
            cold = "cold" in (of_users, of_items)
            users, items = self.rows(USER, of_users), self.rows(ITEM, of_items)
            if cold and of_users == "warm":
                users = users.detach()
            if cold and of_items == "warm":
                items = items.detach()
            for u, i, level in zip(batch.pairs.user, batch.pairs.item, batch.level.tolist(), strict=True):
                score = (users[u, :-1] * items[i, :-1]).sum() + users[u, -1] + items[i, -1]
                chances = self.log_chances(score, u if of_users == "warm" else None, fixed=cold)
                total = total - weight * chances[level]
        return total

    def log_chances(self, score: Tensor, user: int | None, *, fixed: bool) -> Tensor:
        """Logarithms of the chances of the levels; of someone without preferences where no user is given."""
        steps, preferences = (self.parameters[f"head.{name}"] for name in ("steps", "preferences"))
        if fixed:
            steps, preferences = steps.detach(), preferences.detach()
        cuts = torch.stack([steps[0] + sum(step.exp() for step in steps[1 : k + 1]) for k in range(4)])
        at_most = torch.cat([cuts.new_zeros(1), torch.sigmoid(cuts - score), cuts.new_ones(1)])
        mass = at_most.diff() * (1.0 if user is None else preferences[user].exp())
        return (mass / mass.sum()).log()

    def gradient(self) -> dict[str, Tensor]:
        found = torch.autograd.grad(self.loss(), list(self.parameters.values()))
        return dict(zip(self.parameters, found, strict=True))

    def curvature(self) -> dict[str, Tensor]:
        """Sum over ratings of weight * information * (partner's row squared, 1), sent to tables by squared messages.

        The information is the mean over levels of the squared slope in the score, by autograd, and at least a tenth.
        """
        found = {name: torch.zeros_like(parameter) for name, parameter in self.parameters.items()}
        rows = {kind: self.rows(kind, "warm").detach() for kind in (USER, ITEM)}
        for batch, of_users, of_items, weight in self.views():
            to = {USER: torch.zeros(USERS, 4, dtype=torch.float64), ITEM: torch.zeros(ITEMS, 4, dtype=torch.float64)}
            users, items = self.rows(USER, of_users).detach(), self.rows(ITEM, of_items).detach()
            for u, i in zip(batch.pairs.user, batch.pairs.item, strict=True):
                score = ((users[u, :-1] * items[i, :-1]).sum() + users[u, -1] + items[i, -1]).requires_grad_()
                chances = self.log_chances(score, u if of_users == "warm" else None, fixed=True)
                slopes = [torch.autograd.grad(chance, score, retain_graph=True)[0] for chance in chances]
                shares = chances.detach().exp()
                information = sum(float(share * slope**2) for share, slope in zip(shares, slopes, strict=True))
                for kind, node, partner in ((USER, u, rows[ITEM][i]), (ITEM, i, rows[USER][u])):
                    told = torch.cat([partner[:-1] ** 2, partner.new_ones(1)])
                    to[kind][node] += weight * max(information, 0.1) * told
                if "cold" not in (of_users, of_items):
                    found["head.preferences"][u] += shares * (1 - shares)
                    chances, steps = self.log_chances(score.detach(), u, fixed=False), self.parameters["head.steps"]
                    for share, chance in zip(shares, chances, strict=True):
                        found["head.steps"] += share * torch.autograd.grad(chance, steps, retain_graph=True)[0].square()
            for kind, view, other in ((USER, of_users, of_items), (ITEM, of_items, of_users)):
                if other == "cold":  # the partner of a cold node is held fixed
                    continue
                for name, matrix in self.parts(kind, view).items():
                    found[name] += (matrix**2).T @ to[kind]
        return found


def gradients(model: HybridModel, objective: RatingObjective, evidence: TrainingBatch) -> dict[str, Tensor]:
    model.zero_grad()
    objective(model, evidence).backward()
    return {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()
        for name, parameter in model.named_parameters()
    }


def assert_all_close(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert set(found) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(
            found[name].double(), value, rtol=2e-4, atol=2e-5, msg=lambda text, n=name: f"{n}: {text}"
        )


def test_the_graph_has_every_kind_of_message(world: World) -> None:
    names = set(dict(new_model(world).named_parameters()))
    assert {
        "users.content.tables.job<job",
        "users.interactions.tables.rated<item",
        "users.interactions.tables.hop_text",
        "items.content.tables.text",
        "items.interactions.tables.hop_job<job",
        "cold_items.shared.rows",
    } <= names


def test_loss_and_gradient_equal_the_dense_oracle(world: World) -> None:
    model = new_model(world)
    oracle = Oracle(world, model)
    objective = RatingObjective(world.inputs, weight=WEIGHT)
    assert float(objective(model, world.evidence).detach()) == pytest.approx(float(oracle.loss().detach()), rel=1e-5)
    found = gradients(model, objective, world.evidence)
    assert all(gradient.any() for gradient in found.values())
    assert_all_close(found, oracle.gradient())


def by_name(model: HybridModel, found: dict[nn.Parameter, Tensor]) -> dict[str, Tensor]:
    return {name: found[parameter] for name, parameter in model.named_parameters()}


def test_curvature_equals_the_dense_formula(world: World) -> None:
    model = new_model(world)
    objective = RatingObjective(world.inputs, weight=WEIGHT)
    assert_all_close(by_name(model, objective.curvature(model, world.evidence)), Oracle(world, model).curvature())


def test_one_langevin_step_equals_the_dense_oracle(world: World) -> None:
    model = new_model(world)
    oracle, objective = Oracle(world, model), RatingObjective(world.inputs, weight=WEIGHT)
    of_parameters = scale_priors(model, SETTINGS, world.inputs)
    priors = {name: of_parameters[parameter] for name, parameter in model.named_parameters()}
    generator, same = torch.Generator().manual_seed(4), torch.Generator().manual_seed(4)
    gradient, curvature = oracle.gradient(), oracle.curvature()
    shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
    velocity = {name: torch.randn(shape, generator=same).double() for name, shape in shapes.items()}
    expected, keep = {}, math.exp(-0.2 * 0.12)
    for name, value in oracle.parameters.items():
        precision = priors[name].initial ** -2
        scale = (priors[name].damping * curvature[name] + precision) ** -0.5
        force = torch.clamp(scale * (-gradient[name] - precision * value.detach()), -4, 4)
        noise = torch.randn(shapes[name], generator=same).double()
        moved = keep * velocity[name] + math.sqrt(1 - keep**2) * noise + 0.12 * force
        expected[name] = value.detach() + 0.12 * scale * moved
    optimizer = LangevinSampler(of_parameters, generator=generator)
    optimizer.set_curvature(objective.curvature(model, world.evidence))
    gradients(model, objective, world.evidence)
    optimizer.step()
    assert_all_close({name: parameter.detach() for name, parameter in model.named_parameters()}, expected)


def test_the_cold_terms_send_no_gradient_to_partner_or_head(world: World) -> None:
    model, nothing = new_model(world), torch.zeros(RATINGS, dtype=torch.bool)
    objective, warm = RatingObjective(world.inputs, weight=1.0), world.evidence.warm.select(nothing)
    for part, own in (
        ("cold_items", ("cold_items.", "items.content.")),
        ("cold_users", ("cold_users.", "users.content.")),
    ):
        parts = {"cold_items": warm, "cold_users": warm, part: world.evidence.warm}
        found = gradients(model, objective, TrainingBatch(warm, **parts))
        for name, gradient in found.items():
            assert bool(gradient.any()) == name.startswith(own), name


def test_without_weight_the_cold_view_does_not_exist(world: World) -> None:
    model = new_model(world)
    found = gradients(model, RatingObjective(world.inputs, weight=0.0), world.evidence)
    assert not any(gradient.any() for name, gradient in found.items() if name.startswith("cold_"))
    nothing = world.evidence.warm.select(torch.zeros(RATINGS, dtype=torch.bool))
    only_warm = gradients(
        model, RatingObjective(world.inputs, weight=1.0), TrainingBatch(world.evidence.warm, nothing, nothing)
    )
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, only_warm[name])


def test_evidence_holds_every_rating_and_a_share_of_them(world: World) -> None:
    ratings = world.ratings
    given = sorted(zip(ratings.user.tolist(), ratings.item.tolist(), ratings.value.tolist(), strict=True))

    def listed(batch: RatingBatch) -> list[tuple[int, int, float]]:
        values = LEVELS[batch.level.numpy()].tolist()
        return sorted(zip(batch.pairs.user.tolist(), batch.pairs.item.tolist(), values, strict=True))

    assert listed(world.evidence.warm) == given
    assert set(listed(world.evidence.cold_items)) < set(given)
    for share, number in ((0.0, 0), (1.0, RATINGS)):
        drawn = TrainingBatch.draw(ratings, LEVELS, share=share, generator=torch.Generator())
        assert len(drawn.cold_items) == len(drawn.cold_users) == number


def test_batches_part_the_evidence_and_their_gradients_add_up(world: World) -> None:
    model, objective = new_model(world), RatingObjective(world.inputs, weight=WEIGHT)
    whole = gradients(model, objective, world.evidence)
    parts = list(world.evidence.batches(3, torch.Generator().manual_seed(0)))
    assert sum(size for _, size in parts) == RATINGS
    summed = {name: torch.zeros_like(gradient) for name, gradient in whole.items()}
    for part, _ in parts:
        for name, gradient in gradients(model, objective, part).items():
            summed[name] += gradient
    assert_all_close(summed, {name: gradient.double() for name, gradient in whole.items()})


def test_the_order_of_the_ratings_changes_nothing(world: World) -> None:
    model, objective = new_model(world), RatingObjective(world.inputs, weight=WEIGHT)
    shuffled = world.ratings.select(np.random.default_rng(1).permutation(RATINGS))
    again = TrainingBatch.draw(shuffled, LEVELS, share=0.4, generator=torch.Generator().manual_seed(1))
    assert torch.equal(objective(model, again), objective(model, world.evidence))


def all_scores(rows: Representations) -> list[Tensor]:
    everyone = torch.cartesian_prod(torch.arange(USERS), torch.arange(ITEMS))
    pairs = Pairs(everyone[:, 0], everyone[:, 1], USERS, ITEMS)
    return [
        pair_scores(users, items, pairs)
        for users, items in ((rows.users, rows.items), (rows.cold_users, rows.items), (rows.users, rows.cold_items))
    ]


def test_balancing_the_sides_changes_no_score(world: World) -> None:
    model, objective = new_model(world), RatingObjective(world.inputs, weight=WEIGHT)
    with torch.no_grad():
        model.users.factors.rows[:, 0] *= 3
    priors, generator = scale_priors(model, SETTINGS, world.inputs), torch.Generator().manual_seed(0)
    training = LangevinTraining(model, objective, world.evidence, LangevinConfig(), priors, generator)
    with torch.no_grad():
        before = all_scores(model(world.inputs))
        training._balance()
        rows = model(world.inputs)
        for score, expected in zip(all_scores(rows), before, strict=True):
            torch.testing.assert_close(score, expected, rtol=1e-4, atol=1e-5)
    pairs = world.evidence.warm.pairs
    of_users, of_items = rows.users[pairs.user, :-1].square().mean(0), rows.items[pairs.item, :-1].square().mean(0)
    torch.testing.assert_close(of_users, of_items, rtol=1e-4, atol=1e-5)
