"""What a day adds to a user: sessions, objective and predictions against loops; without it, the model of before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from kg.ratings import Ratings
from models.network.assembly import ModelSettings, assemble
from models.network.encoder import Messages
from models.network.head import level_probabilities, rising, slopes
from models.network.hybrid import HybridInputs, HybridModel
from models.network.sessions import DAY, Sessions
from models.network.sparse import pair_scores
from models.network.tower import NodeInputs
from models.network.weeks import Weeks
from models.posterior import PhasedPosterior, Posterior
from training.config import LangevinConfig
from training.objective import RatingObjective, TrainingBatch
from training.sampling import LangevinTraining
from training.scale_priors import scale_priors

USERS, ITEMS, SIZE, WEIGHT = 5, 6, 3, 0.3  # user 4 and item 5 have no rating
LEVELS = np.array([1, 2, 3], dtype=np.float32)
START = 100 * DAY
DATES = {  # user -> item -> (stars, seconds since the start)
    0: {0: (1, 60), 1: (3, 120), 2: (2, 40 * DAY), 3: (3, 40 * DAY + 7200), 4: (1, 200 * DAY)},
    1: {0: (2, 3 * DAY), 2: (1, 3 * DAY + 5)},
    2: {1: (3, 60), 4: (2, 217 * DAY + 30)},
    3: {0: (3, 99 * DAY), 1: (1, 100 * DAY), 3: (2, 100 * DAY + 86_000)},
}
KNOWN_USERS, KNOWN_ITEMS = torch.tensor([1, 1, 1, 1, 0]) > 0, torch.tensor([1, 1, 1, 1, 1, 0]) > 0


def ratings() -> Ratings:
    """The ratings above, in no order."""
    rows = [(user, item, stars, START + time) for user, mine in DATES.items() for item, (stars, time) in mine.items()]
    user, item, value, time = np.array(rows)[np.random.default_rng(0).permutation(len(rows))].T
    return Ratings(user=user, item=item, value=value, time=time, num_users=USERS, num_items=ITEMS)


def sessions_by_loops() -> dict[tuple[int, int], list[float]]:
    """Dates of each (user, day), in seconds since the start, in rising order."""
    found: dict[tuple[int, int], list[float]] = {}
    for user, mine in DATES.items():
        for _, time in mine.values():
            found.setdefault((user, time // DAY), []).append(time)
    return dict(sorted(found.items()))


def inputs(sessions: Sessions | None) -> HybridInputs:
    """No messages: a row is a free row, so that loops stay short."""

    def side(number: int) -> NodeInputs:
        return NodeInputs(content=Messages.stack(number, {}, {}), interactions=Messages.stack(number, {}, {}))

    return HybridInputs(users=side(USERS), items=side(ITEMS), sessions=sessions)


SETTINGS = ModelSettings(embedding_size=SIZE - 1)


def new_model(read: HybridInputs, seed: int = 0) -> HybridModel:
    """A network whose parameters are quarters of small integers, so that half precision is exact."""
    made = assemble(read, torch.full((3,), 1 / 3), SETTINGS, generator=torch.Generator())
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name != "head.steps":
                parameter.copy_(torch.randint(-3, 4, parameter.shape, generator=generator) / 4)
    return made


def evidence(sessions: Sessions | None, share: float = 0.5) -> TrainingBatch:
    generator = torch.Generator().manual_seed(1)
    return TrainingBatch.draw(ratings(), LEVELS, share=share, generator=generator, sessions=sessions)


def rows_by_loops(parameters: dict[str, Tensor]) -> dict[tuple[int, int], Tensor]:
    """The row of each session: user, bins around its mean time, and its own row."""
    width = max(7 * DAY, (217 * DAY + 30 - 60) / 31)
    found = {}
    for number, ((user, day), times) in enumerate(sessions_by_loops().items()):
        position = (sum(times) / len(times) - 60) / width
        low = min(int(position), 30)
        between = (low + 1 - position) * parameters["sessions.weeks"][low]
        between = between + (position - low) * parameters["sessions.weeks"][low + 1]
        found[user, day] = parameters["users.factors.rows"][user] + between + parameters["sessions.residual"][number]
    return found


def score(user: Tensor, item: Tensor) -> Tensor:
    return user[:-1] @ item[:-1] + user[-1] + item[-1]


def loss_by_loops(parameters: dict[str, Tensor], given: TrainingBatch) -> Tensor:
    of_sessions, items = rows_by_loops(parameters), parameters["items.factors.rows"]
    cold_users, cold_items = (
        parameters[f"cold_{side}.residual.rows"] + parameters[f"cold_{side}.shared.rows"] for side in ("users", "items")
    )
    steps, preferences = parameters["head.steps"], parameters["head.preferences"]
    cuts, nobodys = torch.stack([steps[0], steps[0] + steps[1].exp()]), torch.zeros(3, dtype=torch.float64)
    total = torch.zeros((), dtype=torch.float64)
    for name, weight in (("warm", 1.0), ("cold_items", WEIGHT), ("cold_users", WEIGHT)):
        pairs = getattr(given, name).pairs
        for u, i in zip(pairs.user.tolist(), pairs.item.tolist(), strict=True):
            stars, time = DATES[u][i]
            of_user, of_item, cut, wanted = of_sessions[u, time // DAY], items[i], cuts, preferences[u]
            if name == "cold_items":
                of_user, of_item, cut, wanted = of_user.detach(), cold_items[i], cuts.detach(), wanted.detach()
            if name == "cold_users":
                of_user, of_item, cut, wanted = cold_users[u], of_item.detach(), cuts.detach(), nobodys
            at_most = torch.cat([nobodys[:1], torch.sigmoid(cut - score(of_user, of_item)), nobodys[:1] + 1])
            mass = at_most.diff() * wanted.exp()
            total = total - weight * torch.log(mass[stars - 1] / mass.sum())
    return total


def doubles(model: HybridModel) -> dict[str, Tensor]:
    return {name: parameter.detach().double().requires_grad_() for name, parameter in model.named_parameters()}


def test_sessions_are_days_of_users() -> None:
    found, expected = Sessions.of(ratings()), sessions_by_loops()
    assert found.user.tolist() == [user for user, _ in expected]
    counts = {user: len(mine) for user, mine in DATES.items()}
    weights = [len(times) / counts[user] for (user, _), times in expected.items()]
    torch.testing.assert_close(found.weight, torch.tensor(weights))
    for number, ((user, day), times) in enumerate(expected.items()):
        when = torch.tensor([START + day * DAY, START + int(times[0]), START + day * DAY + DAY - 1])
        assert found.find(torch.full((3,), user), when).tolist() == [number] * 3
    strangers = torch.tensor([0, 0, 1, 2, 4, 0, 3, 4])
    days = torch.tensor([1, 39, 0, 218, 0, -1, 10_000, -10_000])
    assert found.find(strangers, START + days * DAY).tolist() == [-1] * 8


def test_a_date_has_a_place_between_two_bins() -> None:
    weeks = Weeks.spanning(np.array([1000, 1000 + 70]), num_bins=4, bin_seconds=20)
    assert weeks.bin_seconds == pytest.approx(70 / 3)  # three steps between four bins
    assert Weeks.spanning(np.array([1000, 1030]), num_bins=4, bin_seconds=20).bin_seconds == 20
    low, share = weeks.between(weeks.position(np.array([1000, 1035, 1070, 900, 2000])))
    assert low.tolist() == [0, 1, 2, 0, 2]
    np.testing.assert_allclose(share, [0, 0.5, 1, 0, 1])


def test_loss_and_gradient_equal_the_dense_oracle() -> None:
    sessions = Sessions.of(ratings())
    read, given = inputs(sessions), evidence(sessions)
    assert min(len(given.cold_items), len(given.cold_users)) > 3
    model = new_model(read)
    parameters = doubles(model)
    loss, objective = loss_by_loops(parameters, given), RatingObjective(read, weight=WEIGHT)
    found = objective(model, given)
    assert float(found.detach()) == pytest.approx(float(loss.detach()), rel=1e-6)
    found.backward()
    for (name, parameter), slope in zip(
        model.named_parameters(), torch.autograd.grad(loss, list(parameters.values())), strict=True
    ):
        assert parameter.grad is not None, name
        torch.testing.assert_close(
            parameter.grad.double(), slope, rtol=1e-4, atol=1e-5, msg=lambda t, n=name: f"{n}{t}"
        )


def test_curvature_equals_the_dense_formula() -> None:
    """The squared partner times the information of each rating, sent to a table by the squared share of its row."""
    sessions = Sessions.of(ratings())
    read, given = inputs(sessions), evidence(sessions)
    model = new_model(read)
    curvature = RatingObjective(read, weight=WEIGHT).curvature(model, given)
    found = {name: curvature[parameter] for name, parameter in model.named_parameters()}
    parameters = {name: value.detach() for name, value in doubles(model).items()}
    of_sessions, items = rows_by_loops(parameters), parameters["items.factors.rows"]
    tables = ("users.factors.rows", "items.factors.rows", "sessions.weeks", "sessions.residual")
    expected = {name: torch.zeros_like(parameters[name]) for name in tables}
    one, thresholds = torch.ones(1, dtype=torch.float64), rising(parameters["head.steps"])
    for number, (user, day) in enumerate(of_sessions):
        for item, (_, time) in DATES[user].items():
            if time // DAY != day:
                continue
            at = score(of_sessions[user, day], items[item])[None]
            _, told = slopes(at, thresholds, parameters["head.preferences"][user], torch.zeros(1, dtype=torch.int64))
            information = told.clamp_min(0.1)
            of_user = torch.cat([items[item][:-1] ** 2, one]) * information
            expected["users.factors.rows"][user] += of_user
            expected["sessions.residual"][number] += of_user
            low, share = int(sessions.low[number]), float(sessions.share[number])
            expected["sessions.weeks"][low] += (1 - share) ** 2 * of_user
            expected["sessions.weeks"][low + 1] += share**2 * of_user
            expected["items.factors.rows"][item] += torch.cat([of_sessions[user, day][:-1] ** 2, one]) * information
    for name in tables:
        torch.testing.assert_close(found[name].double(), expected[name], rtol=1e-4, atol=1e-5)
    assert set(curvature) == set(scale_priors(model, SETTINGS, read)) == set(model.parameters())


def test_days_that_add_nothing_leave_the_model_without_them() -> None:
    sessions = Sessions.of(ratings())
    dated, plain = (
        assemble(inputs(days), torch.full((3,), 1 / 3), ModelSettings(embedding_size=2), generator=torch.Generator())
        for days in (sessions, None)
    )
    assert {name for name, _ in dated.named_parameters()} - {name for name, _ in plain.named_parameters()} == {
        "sessions.weeks",
        "sessions.residual",
    }
    for name, parameter in plain.named_parameters():  # the first values are the same, too
        assert torch.equal(dated.get_parameter(name), parameter), name
    rows = plain(inputs(None))
    assert rows.raters is rows.users
    with torch.no_grad():
        for name in ("sessions.weeks", "sessions.residual"):
            assert 0 < dated.get_parameter(name).abs().max() < 0.2
            dated.get_parameter(name).zero_()
    one = RatingObjective(inputs(sessions), weight=WEIGHT)(dated, evidence(sessions, share=1.0))
    other = RatingObjective(inputs(None), weight=WEIGHT)(plain, evidence(None, share=1.0))
    torch.testing.assert_close(one, other)


def test_balancing_the_sides_changes_no_score_of_a_session() -> None:
    sessions = Sessions.of(ratings())
    read, given = inputs(sessions), evidence(sessions)
    model = new_model(read)
    priors, generator = scale_priors(model, SETTINGS, read), torch.Generator().manual_seed(0)
    training = LangevinTraining(model, RatingObjective(read, weight=WEIGHT), given, LangevinConfig(), priors, generator)
    with torch.no_grad():
        before = model(read)
        expected = pair_scores(before.raters, before.items, given.warm.scored)
        training._balance()
        rows = model(read)
    assert not torch.allclose(rows.raters, before.raters)
    torch.testing.assert_close(pair_scores(rows.raters, rows.items, given.warm.scored), expected, rtol=1e-4, atol=1e-5)


def predicted_by_loops(user: int, item: int, days: float | None, seeds: range) -> Tensor:
    """The mean over samples of the level probabilities of one pair; days since the start, or no date."""
    total = torch.zeros(3, dtype=torch.float64)
    for seed in seeds:
        parameters = {
            name: value.detach() for name, value in doubles(new_model(inputs(Sessions.of(ratings())), seed)).items()
        }
        if not KNOWN_USERS[user]:
            of_user = (parameters["cold_users.residual.rows"] + parameters["cold_users.shared.rows"])[user]
        else:
            rows, times = rows_by_loops(parameters), sessions_by_loops()
            of_user = parameters["users.factors.rows"][user]
            if days is None:
                number = len(DATES[user])
                beyond = [(rows[key] - of_user) * len(times[key]) / number for key in rows if key[0] == user]
                of_user = of_user + torch.stack(beyond).sum(0)
            elif (user, int(days // 1)) in rows:
                of_user = rows[user, int(days // 1)]
            else:
                width, weeks = (217 * DAY + 30 - 60) / 31, parameters["sessions.weeks"]
                position = min(max((days * DAY - 60) / width, 0), 31)
                low = min(int(position), 30)
                of_user = of_user + (low + 1 - position) * weeks[low] + (position - low) * weeks[low + 1]
        of_item = (
            parameters["items.factors.rows"]
            if KNOWN_ITEMS[item]
            else (parameters["cold_items.residual.rows"] + parameters["cold_items.shared.rows"])
        )[item]
        wanted = parameters["head.preferences"][user] * KNOWN_USERS[user]
        thresholds = rising(parameters["head.steps"])
        total += level_probabilities(score(of_user, of_item)[None], thresholds, wanted)[0] / len(seeds)
    return total


WHEN = [None, 0, 3.5, 40.9, 100, 150.25, 217.99, 300, -5]


@pytest.mark.parametrize("days", WHEN)
def test_predictions_with_and_without_a_date_equal_loops(days: float | None) -> None:
    read = inputs(Sessions.of(ratings()))

    def samples(seeds: range) -> Posterior:
        return Posterior.stack([Posterior.snapshot(new_model(read, seed)) for seed in seeds])

    posterior = PhasedPosterior(samples(range(5)), 3)
    found = posterior.predictor(new_model(read, 99), read, KNOWN_USERS, KNOWN_ITEMS)
    pairs = torch.cartesian_prod(torch.arange(USERS), torch.arange(ITEMS))
    time = None if days is None else torch.full((len(pairs),), START + int(days * DAY))
    for (user, item), row in zip(
        pairs.tolist(), found.probabilities(pairs[:, 0], pairs[:, 1], time).double(), strict=True
    ):
        seeds = range(5 if KNOWN_USERS[user] and KNOWN_ITEMS[item] else 3)
        torch.testing.assert_close(row, predicted_by_loops(user, item, days, seeds), rtol=1e-4, atol=1e-5)


def test_each_rating_of_a_batch_has_its_own_date(monkeypatch: pytest.MonkeyPatch) -> None:
    read = inputs(Sessions.of(ratings()))
    single = Posterior.stack([Posterior.snapshot(new_model(read, seed)) for seed in range(3)])
    found = PhasedPosterior.single(single).predictor(new_model(read), read, KNOWN_USERS, KNOWN_ITEMS)
    user, item = torch.tensor([0, 3, 0, 4, 1]), torch.tensor([4, 0, 4, 1, 5])
    time = START + torch.tensor([0, 99, 40, 3, 3]) * DAY
    batch = found.probabilities(user, item, time)
    monkeypatch.setattr("models.posterior.predictor._BLOCK", 3 * SIZE * 2)
    torch.testing.assert_close(found.probabilities(user, item, time), batch)
    for number in range(5):
        one = slice(number, number + 1)
        torch.testing.assert_close(found.probabilities(user[one], item[one], time[one]), batch[one])
    assert not torch.allclose(batch[0], batch[2])


def test_a_model_without_days_refuses_a_date() -> None:
    single = Posterior.stack([Posterior.snapshot(new_model(inputs(None)))])
    found = PhasedPosterior.single(single).predictor(new_model(inputs(None)), inputs(None), KNOWN_USERS, KNOWN_ITEMS)
    with pytest.raises(ValueError, match=r"model\.rating_dates=true"):
        found.probabilities(torch.tensor([0]), torch.tensor([0]), torch.tensor([START]))
    with pytest.raises(ValueError, match="times"):
        Sessions.of(replace(ratings(), time=None))
