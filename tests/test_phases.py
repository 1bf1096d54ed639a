"""Samples of two phases: which answer for whom, what a cold sample holds, how they are stored."""

from __future__ import annotations

import pytest
import torch

from models.assembly import ModelSettings, assemble
from models.encoder import Messages
from models.hybrid import HybridInputs, HybridModel
from models.phases import PhasedPosterior, PhasedPredictor
from models.posterior import Posterior
from models.sparse import Pairs
from models.tower import NodeInputs
from training.config import LangevinConfig
from training.loop import EpochRecord
from training.objective import Evidence, RatingBatch, RatingObjective
from training.sampling import LangevinTraining

USERS, ITEMS = 5, 6
KNOWN_USERS, KNOWN_ITEMS = torch.tensor([1, 1, 1, 1, 0]) > 0, torch.tensor([1, 0, 1, 1, 0, 1]) > 0
RATED = torch.tensor([[0, 0, 1, 2, 2, 3], [0, 2, 3, 0, 5, 5]])


def inputs() -> HybridInputs:
    edges = (torch.tensor([[0, 1, 1, 0], [0, 1, 2, 3]]), torch.tensor([1.0, 0.5, 0.7, 0.2]), 2)

    def side(number: int) -> NodeInputs:
        content = Messages.stack(number, {"genre<genre": edges}, {})
        return NodeInputs(content=content, interactions=Messages.stack(number, {"rated<other": edges}, {}))

    return HybridInputs(users=side(USERS), items=side(ITEMS))


def model(seed: int) -> HybridModel:
    generator = torch.Generator().manual_seed(seed)
    return assemble(inputs(), torch.full((3,), 1 / 3), ModelSettings(embedding_size=2), generator=generator)


def samples(*seeds: int) -> Posterior:
    return Posterior.stack([Posterior.snapshot(model(seed)) for seed in seeds])


def predictor(posterior: PhasedPosterior) -> PhasedPredictor:
    return posterior.predictor(model(99), inputs(), KNOWN_USERS, KNOWN_ITEMS)


def training(config: LangevinConfig, weight: float = 0.5) -> LangevinTraining:
    level = torch.tensor([0, 2, 1, 0, 1, 2])
    batch = RatingBatch(Pairs(RATED[0], RATED[1], USERS, ITEMS), level)
    objective = RatingObjective(inputs(), weight=weight)
    evidence = Evidence(batch, batch, batch)
    return LangevinTraining(model(0), objective, evidence, config, torch.Generator().manual_seed(5))


def run(made: LangevinTraining, steps: range) -> None:
    for step in steps:
        for evidence, _ in made.batches(step):
            made.optimizer.zero_grad()
            made.loss(made.model, evidence).backward()
            made.optimizer.step()
        made.after(EpochRecord(epoch=step, loss=0.0, seconds=0.0))


def test_each_pair_is_answered_by_the_phase_that_knows_it() -> None:
    found = predictor(PhasedPosterior(samples(1, 2), samples(3)))
    for user in range(USERS):
        everyone = found.of_user(user)
        for item in range(ITEMS):
            pair = torch.tensor([user]), torch.tensor([item])
            phase = found.warm if KNOWN_USERS[user] and KNOWN_ITEMS[item] else found.cold
            expected = phase.probabilities(*pair)
            torch.testing.assert_close(found.probabilities(*pair), expected)
            torch.testing.assert_close(everyone[item], expected[0])
            chance = found.at_least(pair[0], 2)[0, item]
            torch.testing.assert_close(chance, expected[0, 2:].sum())
    both = torch.tensor([0, 4, 1]), torch.tensor([0, 0, 4])
    assert not torch.allclose(found.warm.probabilities(*both), found.cold.probabilities(*both))


def test_one_phase_answers_for_all() -> None:
    single = samples(1, 2)
    found = predictor(PhasedPosterior(single, single))
    assert found.warm is found.cold
    users = torch.arange(USERS)
    torch.testing.assert_close(found.at_least(users, 1), found.warm.at_least(users, 1))


@pytest.mark.parametrize("phases", [1, 2])
def test_samples_survive_flat_names_and_joining(phases: int) -> None:
    def made(*seeds: int) -> PhasedPosterior:
        warm = samples(*seeds)
        return PhasedPosterior(warm, samples(seeds[0] + 7) if phases == 2 else warm)

    before = made(1, 2)
    after = PhasedPosterior.of_tensors(before.tensors())
    assert (after.cold is after.warm) == (phases == 1)
    for name, stacked in before.tensors().items():
        assert torch.equal(after.tensors()[name], stacked), name
    joined = before.join(made(3))
    assert (len(joined.warm), len(joined.cold)) == (3, 2 if phases == 2 else 3)
    assert (joined.cold is joined.warm) == (phases == 1)


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
    assert made.posterior().cold is not made.posterior().warm


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
    assert found.cold is found.warm
    assert len(found.warm) == config.epochs - 5
    assert made.objective.weight == weight
