"""Samples of two phases: which answer for whom, what a cold sample holds, how they are stored and joined."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.network.assembly import ModelSettings, assemble
from models.network.encoder import Messages
from models.network.hybrid import HybridInputs, HybridModel
from models.network.sparse import Pairs
from models.network.tower import NodeInputs
from models.posterior import PhasedPosterior, PhasedPredictor, Posterior
from training.config import LangevinConfig
from training.loop import EpochRecord
from training.objective import RatingBatch, RatingObjective, TrainingBatch
from training.sampling import LangevinTraining
from training.scale_priors import scale_priors

USERS, ITEMS = 5, 6
KNOWN_USERS, KNOWN_ITEMS = torch.tensor([1, 1, 1, 1, 0]) > 0, torch.tensor([1, 0, 1, 1, 0, 1]) > 0
RATED = torch.tensor([[0, 0, 1, 2, 2, 3], [0, 2, 3, 0, 5, 5]])


SETTINGS = ModelSettings(embedding_size=2)


def inputs() -> HybridInputs:
    edges = (torch.tensor([[0, 1, 1, 0], [0, 1, 2, 3]]), torch.tensor([1.0, 0.5, 0.7, 0.2]), 2)

    def side(number: int) -> NodeInputs:
        content = Messages.stack(number, {"genre<genre": edges}, {})
        return NodeInputs(content=content, interactions=Messages.stack(number, {"rated<other": edges}, {}))

    return HybridInputs(users=side(USERS), items=side(ITEMS))


def model(seed: int) -> HybridModel:
    generator = torch.Generator().manual_seed(seed)
    return assemble(inputs(), torch.full((3,), 1 / 3), SETTINGS, generator=generator)


def samples(*seeds: int) -> Posterior:
    return Posterior.stack([Posterior.snapshot(model(seed)) for seed in seeds])


def predictor(posterior: PhasedPosterior) -> PhasedPredictor:
    return posterior.predictor(model(99), inputs(), KNOWN_USERS, KNOWN_ITEMS)


def training(config: LangevinConfig, weight: float = 0.5) -> LangevinTraining:
    level = torch.tensor([0, 2, 1, 0, 1, 2])
    batch = RatingBatch(Pairs(RATED[0], RATED[1], USERS, ITEMS), level)
    objective = RatingObjective(inputs(), weight=weight)
    evidence = TrainingBatch(batch, batch, batch)
    network, generator = model(0), torch.Generator().manual_seed(5)
    priors = scale_priors(network, SETTINGS, inputs())
    return LangevinTraining(network, objective, evidence, config, priors, generator)


def run(made: LangevinTraining, steps: range) -> None:
    for step in steps:
        for evidence, _ in made.batches(step):
            made.optimizer.zero_grad()
            made.loss(made.model, evidence).backward()
            made.optimizer.step()
        made.after(EpochRecord(epoch=step, loss=0.0, seconds=0.0))


def test_known_pairs_are_answered_by_all_samples_and_others_by_those_of_the_first_phase() -> None:
    found = predictor(PhasedPosterior(samples(1, 2, 3, 4, 5), 2))
    network, whole = model(99), samples(1, 2, 3, 4, 5)

    def answered_by(number: int, *pair: Tensor) -> Tensor:
        alone = whole.part(slice(number, number + 1))
        return alone.predictor(network, inputs(), KNOWN_USERS, KNOWN_ITEMS).probabilities(*pair)

    for user in range(USERS):
        everyone = found.of_user(user)
        for item in range(ITEMS):
            pair = torch.tensor([user]), torch.tensor([item])
            numbers = range(5 if KNOWN_USERS[user] and KNOWN_ITEMS[item] else 2)
            expected = torch.stack([answered_by(number, *pair) for number in numbers]).mean(0)
            torch.testing.assert_close(found.probabilities(*pair), expected)
            torch.testing.assert_close(everyone[item], expected[0])
            chance = found.at_least(pair[0], 2)[0, item]
            torch.testing.assert_close(chance, expected[0, 2:].sum())
    assert not torch.allclose(
        found.of_user(0),
        found.cold_samples.for_rows(found.cold_samples.users[:, 0], found.cold_samples.preferences[:, 0]),
    )


@pytest.mark.parametrize("number", [0, 3])
def test_the_first_phase_must_have_some_of_the_samples(number: int) -> None:
    with pytest.raises(ValueError, match="between 1 and 2"):
        PhasedPosterior(samples(1, 2), number)


def test_one_phase_answers_for_all() -> None:
    posterior = PhasedPosterior.single(samples(1, 2))
    found = predictor(posterior)
    assert posterior.cold_samples is posterior.samples
    assert found.samples is found.cold_samples
    users = torch.arange(USERS)
    torch.testing.assert_close(found.at_least(users, 1), found.samples.at_least(users, 1))


@pytest.mark.parametrize("num_cold", [1, 3], ids=["two phases", "one phase"])
def test_samples_survive_flat_names(num_cold: int) -> None:
    before = PhasedPosterior(samples(1, 2, 3), num_cold)
    after = PhasedPosterior.of_tensors(before.tensors())
    assert after.num_cold == num_cold
    assert (after.cold_samples is after.samples) == (num_cold == 3)
    for posterior in ("samples", "cold_samples"):
        expected = getattr(before, posterior).parameters
        for name, stacked in getattr(after, posterior).parameters.items():
            assert torch.equal(stacked, expected[name]), name
    assert sum(tensor.numel() for tensor in before.tensors().values()) == 1 + sum(
        tensor.numel() for tensor in before.samples.parameters.values()
    ), "no sample stands twice in a file"


@pytest.mark.parametrize(("num_cold", "others_cold"), [(1, 2), (2, 1), (3, 2)])
def test_joined_chains_keep_their_phases(num_cold: int, others_cold: int) -> None:
    first, second = PhasedPosterior(samples(1, 2, 3), num_cold), PhasedPosterior(samples(4, 5), others_cold)
    cold = [*(1, 2, 3)[:num_cold], *(4, 5)[:others_cold]]
    later = [*(1, 2, 3)[num_cold:], *(4, 5)[others_cold:]]
    joined = first.join(second)
    assert joined.num_cold == len(cold)
    assert not first.samples.parameters
    assert not second.samples.parameters, "samples that stay behind are in memory twice"
    for found, seeds in ((joined.samples, [*cold, *later]), (joined.cold_samples, cold)):
        expected = samples(*seeds).parameters
        for name, stacked in found.parameters.items():
            assert torch.equal(stacked, expected[name]), name


def test_a_part_of_the_samples_is_in_the_same_memory() -> None:
    posterior = PhasedPosterior(samples(1, 2, 3), 1)
    found = predictor(posterior)
    for part, whole in (
        (posterior.cold_samples.parameters, posterior.samples.parameters),
        (vars(found.cold_samples), vars(found.samples)),
    ):
        for name, tensor in part.items():
            assert tensor is None or tensor.data_ptr() == whole[name].data_ptr(), name


def test_cold_samples_come_in_mirrored_pairs_around_what_rated_nodes_show() -> None:
    config = LangevinConfig(epochs=40, burn_in=5, hold=0, keep_every=1, cold_phase=0.4, settle=0.2)
    made = training(config)
    run(made, range(6))
    rows = made.model(made.objective.inputs)
    kept = made.cold[0]["cold_items.residual.rows"].float()
    residual = made.model.get_parameter("cold_items.residual.rows")
    beyond = (rows.items - (rows.cold_items - residual)).detach()
    counts = torch.bincount(RATED[1], minlength=ITEMS).float()
    around = beyond - (counts[:, None] * beyond).sum(0) / counts.sum()
    for item in torch.nonzero(~KNOWN_ITEMS)[:, 0].tolist():
        distance = (around[KNOWN_ITEMS] - kept[item]).abs().amax(1)
        assert float(distance.min()) < 1e-3  # half precision
    assert torch.equal(kept[KNOWN_ITEMS], made.model.cold_items.residual.rows.detach().half().float()[KNOWN_ITEMS])
    run(made, range(6, 19))
    assert len(made.cold) == 14
    for number in range(0, 14, 2):
        for name, known in (("cold_items", KNOWN_ITEMS), ("cold_users", KNOWN_USERS)):
            first, second = (made.cold[number + step][f"{name}.residual.rows"][~known] for step in (0, 1))
            assert torch.equal(first, -second)
            assert first.any()


def test_after_the_cold_phase_the_cold_view_says_nothing() -> None:
    config = LangevinConfig(epochs=40, burn_in=5, hold=0, keep_every=2, cold_phase=0.4, settle=0.2)
    made = training(config)
    run(made, range(18))
    assert made.objective.weight == 0.5
    assert not made.warm
    run(made, range(18, 40))
    assert made.objective.weight == 0.0
    assert (len(made.cold), len(made.warm)) == (len(range(5, 19, 2)), len(range(26, 40, 2)))
    posterior = made.posterior()
    assert (len(posterior.cold_samples), len(posterior.samples)) == (len(made.cold), len(made.cold) + len(made.warm))
    for number, kept in enumerate([*made.cold, *made.warm]):
        assert torch.equal(posterior.samples.parameters["items.factors.rows"][number], kept["items.factors.rows"])


@pytest.mark.parametrize(
    ("weight", "changes"),
    [(0.0, {}), (0.5, {"cold_phase": 0.0}), (0.5, {"epochs": 6})],
    ids=["no cold training", "no cold phase", "too short for two"],
)
def test_without_two_phases_all_samples_answer_for_all(weight: float, changes: dict[str, float]) -> None:
    config = LangevinConfig(**{"epochs": 10, "burn_in": 5, "hold": 0, "keep_every": 1, **changes})  # type: ignore[arg-type]
    made = training(config, weight)
    run(made, range(config.epochs))
    found = made.posterior()
    assert found.cold_samples is found.samples
    assert len(found.samples) == config.epochs - 5
    assert made.objective.weight == weight
