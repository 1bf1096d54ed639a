"""The evaluation against plain loops and scikit-learn, with a stand-in model whose answers are set by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.metrics import ndcg_score
from torch import Tensor

from kg.errors import InputError
from kg.ratings import Ratings
from models.baselines import Biases
from models.lists.content import Content
from models.recommender import Recommender
from training import predictions as evaluation
from training.chosen_baselines import BASELINES
from training.commands.console import metrics_table
from training.evaluate import evaluate, refined_parts
from training.predictions import LIST_LENGTH

USERS, ITEMS, COLD = 30, 60, 12  # the last items are cold
LEVELS = np.array([1, 2, 3, 4, 5], dtype=np.float32)
SCALE = (1.0, 5.0)


@dataclass
class StandIn:
    """What `evaluate` asks of a recommender; answers come from two tables."""

    train: Ratings
    chances: NDArray[np.float32]
    scores: NDArray[np.float32]
    relevant_from: float = 4.0

    @property
    def levels(self) -> NDArray[np.float32]:
        return LEVELS

    @property
    def content(self) -> Content:
        text = np.random.default_rng(9).normal(size=(self.train.num_items, 3)).astype(np.float32)
        nothing = sparse.csr_array((len(text), 1), dtype=np.float32)
        return Content(text / np.linalg.norm(text, axis=1, keepdims=True), nothing, nothing)

    @property
    def predictor(self) -> StandIn:
        return self

    def probabilities(self, user: Tensor, item: Tensor) -> Tensor:
        return torch.from_numpy(self.chances[user.numpy(), item.numpy()])

    def rank_scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.scores[users]


def measured(model: StandIn, parts: Mapping[str, Ratings], **options: Any) -> dict[str, Any]:
    return evaluate(cast(Recommender, model), parts, SCALE, **options)


def rated(pairs: NDArray[np.bool_], rng: np.random.Generator) -> Ratings:
    user, item = np.nonzero(pairs)
    value = rng.integers(1, 6, len(user))
    return Ratings(user=user, item=item, value=value, num_users=USERS, num_items=ITEMS)


@pytest.fixture
def world() -> tuple[StandIn, dict[str, Ratings]]:
    """A random model on random ratings: warm and cold parts, no pair twice."""
    rng = np.random.default_rng(0)
    draw = rng.random((USERS, ITEMS))
    cold = np.arange(ITEMS) >= ITEMS - COLD
    parts = {
        "warm": rated((draw > 0.4) & (draw < 0.55) & ~cold, rng),
        "cold_items": rated((draw < 0.4) & cold, rng),
    }
    chances = rng.dirichlet(np.ones(5), (USERS, ITEMS)).astype(np.float32)
    scores = rng.permutation(USERS * ITEMS).reshape(USERS, ITEMS).astype(np.float32)
    return StandIn(rated((draw < 0.4) & ~cold, rng), chances, scores), parts


def slow_lists(model: StandIn, part: Ratings, candidates: list[int]) -> list[tuple[float, float, float]]:
    """NDCG and recall at 20 of each user who liked something, in loops; and NDCG by scikit-learn."""
    found = []
    for user in range(USERS):
        liked = {int(i) for u, i, v in zip(part.user, part.item, part.value, strict=True) if u == user and v >= 4}
        if not liked:
            continue
        known = {int(i) for u, i in zip(model.train.user, model.train.item, strict=True) if u == user}
        left = [item for item in candidates if item not in known]
        listed = sorted(left, key=lambda item: -model.scores[user, item])[:LIST_LENGTH]
        gain = sum(1 / math.log2(place + 2) for place, item in enumerate(listed) if item in liked)
        ideal = sum(1 / math.log2(place + 2) for place in range(min(LIST_LENGTH, len(liked))))
        relevance, scores = [[item in liked for item in left]], [[float(model.scores[user, item]) for item in left]]
        found.append(
            (gain / ideal, len(liked & set(listed)) / len(liked), float(ndcg_score(relevance, scores, k=LIST_LENGTH)))
        )
    return found


@pytest.mark.parametrize(("part", "first"), [("warm", 0), ("cold_items", ITEMS - COLD)])
def test_lists_against_loops_and_scikit_learn(world: tuple[StandIn, dict[str, Ratings]], part: str, first: int) -> None:
    model, parts = world
    slow = slow_lists(model, parts[part], list(range(first, ITEMS)))
    found = measured(model, parts, baselines=False)["parts"][part]
    assert found["num_users_ranked"] == len(slow)
    assert found["ndcg@20"]["value"] == pytest.approx(np.mean([ndcg for ndcg, _, _ in slow]))
    assert found["ndcg@20"]["value"] == pytest.approx(np.mean([ndcg for _, _, ndcg in slow]))
    assert found["recall@20"]["value"] == pytest.approx(np.mean([recall for _, recall, _ in slow]))


@pytest.mark.parametrize("part", ["warm", "cold_items"])
def test_errors_against_loops(world: tuple[StandIn, dict[str, Ratings]], part: str) -> None:
    model, parts = world
    ratings = parts[part]
    errors = []
    for user, item, value in zip(ratings.user, ratings.item, ratings.value, strict=True):
        expected = sum(float(chance) * stars for chance, stars in zip(model.chances[user, item], LEVELS, strict=True))
        errors.append(expected - float(value))
    found = measured(model, parts, baselines=False)["parts"][part]
    assert found["num_ratings"] == len(errors)
    assert found["rmse"]["value"] == pytest.approx(math.sqrt(sum(e * e for e in errors) / len(errors)), rel=1e-5)
    assert found["mae"]["value"] == pytest.approx(sum(map(abs, errors)) / len(errors), rel=1e-5)
    for metric in ("rmse", "mae", "coverage_80"):
        assert found[metric]["low"] < found[metric]["value"] < found[metric]["high"]


def test_baselines_against_loops_and_their_own_predictions(world: tuple[StandIn, dict[str, Ratings]]) -> None:
    model, parts = world
    report = measured(model, parts)
    found = report["baselines"]
    assert set(found) == {"mean", "biases", "content_knn", "popularity", "ease"}
    mean = float(np.mean(model.train.value))
    chosen = report["baseline_settings"]
    assert {name: set(settings) for name, settings in chosen.items()} == {
        "biases": {"stars", "lists"},
        "content_knn": {"stars", "lists"},
        "ease": {"lists"},
    }
    assert all(chosen[name][purpose] in BASELINES[name].grid for name in chosen for purpose in chosen[name])
    biases = Biases(SCALE, **chosen["biases"]["stars"]).fit(model.train)
    for part, ratings in parts.items():
        slow = math.sqrt(sum((mean - float(value)) ** 2 for value in ratings.value) / len(ratings))
        assert found["mean"][part]["rmse"]["value"] == pytest.approx(slow, rel=1e-5)
        error = biases.predict(ratings.user, ratings.item) - ratings.value
        assert found["biases"][part]["mae"]["value"] == pytest.approx(np.abs(error).mean(), rel=1e-5)
        assert "rmse" not in found["ease"][part]  # it knows no stars
        counts = [len({*ratings.user[ratings.value >= 4]})] * len(found)
        assert [baseline[part]["num_users_ranked"] for baseline in found.values()] == counts
    assert measured(model, parts, baselines=False)["baselines"] == {}


def test_coverage_of_certain_and_of_wrong_predictions(world: tuple[StandIn, dict[str, Ratings]]) -> None:
    model, parts = world
    warm = parts["warm"]
    model.chances[:] = 0.0
    model.chances[warm.user, warm.item, warm.value.astype(int) - 1] = 1.0
    right = measured(model, {"warm": warm}, baselines=False)["parts"]["warm"]
    assert right["rmse"]["value"] == 0.0
    assert right["coverage_80"]["value"] == pytest.approx(0.8, abs=0.1)  # of a certain level, 80 % is inside
    model.chances[:] = 0.0
    model.chances[warm.user, warm.item, warm.value.astype(int) % 5] = 1.0
    assert measured(model, {"warm": warm}, baselines=False)["parts"]["warm"]["coverage_80"]["value"] == 0.0


@pytest.mark.parametrize("part", ["warm", "cold_items"])
def test_items_of_training_are_never_listed(
    world: tuple[StandIn, dict[str, Ratings]], part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, parts = world
    model.scores[model.train.user, model.train.item] += 1e6  # what a model has seen, it likes to repeat
    seen: list[NDArray[np.float64]] = []

    def spy(scores: NDArray[np.float64], k: int, **options: Any) -> NDArray[np.int64]:
        seen.append(scores)
        return top_k(scores, k, **options)

    top_k = evaluation.top_k
    monkeypatch.setattr(evaluation, "top_k", spy)
    found = measured(model, {part: parts[part]}, baselines=False)["parts"][part]
    (scores,) = seen
    relevance = np.unique(parts[part].user[parts[part].value >= 4])
    candidates = np.arange(ITEMS) if part == "warm" else np.unique(parts[part].item)
    known = np.zeros((USERS, ITEMS), dtype=bool)
    known[model.train.user, model.train.item] = True
    np.testing.assert_array_equal(np.isneginf(scores), known[np.ix_(relevance, candidates)])
    assert scores.max() < 1e6
    slow = slow_lists(model, parts[part], candidates.tolist())
    assert found["ndcg@20"]["value"] == pytest.approx(np.mean([ndcg for ndcg, _, _ in slow]))


def test_cold_items_compete_with_each_other_only(world: tuple[StandIn, dict[str, Ratings]]) -> None:
    model, parts = world
    cold = parts["cold_items"]
    model.scores[:] = -1.0
    model.scores[cold.user, cold.item] = cold.value  # the right order among cold items
    model.scores[:, : ITEMS - COLD] = 1e6  # any warm item beats any cold one
    found = measured(model, {"cold_items": cold}, baselines=False)["parts"]["cold_items"]
    assert found["ndcg@20"]["value"] == pytest.approx(1.0)
    assert found["recall@20"]["value"] == pytest.approx(1.0)  # twelve candidates fit into twenty places


def test_lists_of_other_lengths_have_all_four_measures(world: tuple[StandIn, dict[str, Ratings]]) -> None:
    model, parts = world
    model.scores[:] = -1.0
    cold = parts["cold_items"]
    user = int(np.unique(cold.user[cold.value >= 4])[0])
    mine = cold.item[(cold.user == user) & (cold.value >= 4)]
    others = np.setdiff1d(np.arange(ITEMS - COLD, ITEMS), mine)
    model.scores[user, others[:2]] = 9.0, 8.0
    model.scores[user, mine[0]] = 7.0  # the third place
    only = {"warm": cold.select((cold.user == user) & (cold.value >= 4))}
    found = measured(model, only, baselines=False, at=(2, 3))["parts"]["warm"]
    values = {name: figure["value"] for name, figure in found.items() if "@" in name}
    assert {name.split("@")[0] for name in values} == {"ndcg", "recall", "hit_rate", "mrr"}
    assert {name.split("@")[1] for name in values} == {"2", "3", "20"}
    assert (values["hit_rate@2"], values["mrr@2"], values["recall@2"], values["ndcg@2"]) == (0, 0, 0, 0)
    assert (values["hit_rate@3"], values["mrr@3"]) == (1, pytest.approx(1 / 3))
    assert values["recall@3"] == pytest.approx(1 / len(mine))
    ideal = sum(1 / math.log2(place + 2) for place in range(min(3, len(mine))))
    assert values["ndcg@3"] == pytest.approx(0.5 / ideal)
    table = metrics_table("lists", "warm", {"parts": {"warm": found}, "baselines": {}}, 3)
    assert [column.header for column in table.columns] == ["model", "ndcg@3", "recall@3", "hit_rate@3", "mrr@3"]


def test_masked_validation_ratings_are_nobodys_candidates(world: tuple[StandIn, dict[str, Ratings]]) -> None:
    model, parts = world
    warm = parts["warm"]
    held_out = np.random.default_rng(3).random(len(warm)) < 0.3
    validation, test = warm.select(held_out), {"warm": warm.select(~held_out)}
    model.scores[validation.user, validation.item] += 1e6  # what it listed, were it not masked
    masked = measured(model, test, baselines=False, validation=validation, mask_validation=True)["parts"]["warm"]
    forgetful = StandIn(model.train.concat(validation), model.chances, model.scores)
    assert masked["ndcg@20"] == measured(forgetful, test, baselines=False)["parts"]["warm"]["ndcg@20"]
    plain = measured(model, test, baselines=False, validation=validation)["parts"]["warm"]
    assert plain["ndcg@20"]["value"] < masked["ndcg@20"]["value"]
    with pytest.raises(InputError, match="no validation ratings to take out"):
        measured(model, test, baselines=False, mask_validation=True)


def test_a_warm_part_of_a_file_is_refined_parts_from_its_new_users_and_items() -> None:
    def ratings(user: list[int], item: list[int]) -> Ratings:
        return Ratings(user=user, item=item, value=[4.0] * len(user), num_users=4, num_items=4)

    train, warm = ratings([0, 1], [0, 1]), ratings([0, 0, 2, 3], [1, 3, 0, 3])
    found = refined_parts({"warm": warm}, train)
    rows = {name: list(zip(part.user.tolist(), part.item.tolist(), strict=True)) for name, part in found.items()}
    assert rows == {
        "warm": [(0, 1), (0, 3), (2, 0), (3, 3)],
        "warm_known": [(0, 1)],
        "cold_items": [(0, 3), (3, 3)],
        "cold_users": [(2, 0), (3, 3)],
    }
    own = ratings([1], [2])
    assert refined_parts({"warm": warm, "cold_items": own}, train)["cold_items"] is own
    assert list(refined_parts({"warm": train}, train)) == ["warm"]
    assert list(refined_parts({"cold_items": warm}, train)) == ["cold_items"]


def test_a_constant_scorer_is_a_random_one() -> None:
    users, items, liked = 400, 100, 5
    rng = np.random.default_rng(1)
    item = np.concatenate([rng.choice(items, liked, replace=False) for _ in range(users)])
    shape = {"num_users": users, "num_items": items}
    test = Ratings(user=np.repeat(np.arange(users), liked), item=item, value=np.full(users * liked, 5.0), **shape)
    train = Ratings(user=np.array([0]), item=np.array([0]), value=np.array([3.0]), **shape)
    chances = np.full((users, items, 5), 0.2, dtype=np.float32)
    model = StandIn(train, chances, np.zeros((users, items), dtype=np.float32))
    found = measured(model, {"warm": test})
    expected = LIST_LENGTH / items  # of recall: every place is as good as another
    discounts = [1 / math.log2(place + 2) for place in range(LIST_LENGTH)]
    ideal = sum(discounts[:liked])
    for lists in (found["parts"]["warm"], found["baselines"]["mean"]["warm"]):
        assert lists["recall@20"]["value"] == pytest.approx(expected, abs=0.03)
        assert lists["ndcg@20"]["value"] == pytest.approx(liked / items * sum(discounts) / ideal, abs=0.03)


def test_a_part_without_liked_items_has_errors_but_no_lists(world: tuple[StandIn, dict[str, Ratings]]) -> None:
    model, parts = world
    disliked = {"warm": parts["warm"].select(parts["warm"].value < 4)}
    found = measured(model, disliked)
    for measures in (found["parts"]["warm"], found["baselines"]["mean"]["warm"]):
        assert measures["num_users_ranked"] == 0
        assert "ndcg@20" not in measures
        assert "rmse" in measures
    assert metrics_table("warm", "warm", found).row_count == 1 + len(found["baselines"])


def test_liking_starts_at_the_limit_itself(world: tuple[StandIn, dict[str, Ratings]]) -> None:
    model, parts = world
    fours = {"warm": parts["warm"].select(parts["warm"].value == 4)}
    assert measured(model, fours, baselines=False)["parts"]["warm"]["num_users_ranked"] > 0
    model.relevant_from = 4.5
    assert measured(model, fours, baselines=False)["parts"]["warm"]["num_users_ranked"] == 0


def test_evaluation_repeats_itself_and_blocks_do_not_show(
    world: tuple[StandIn, dict[str, Ratings]], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, parts = world
    first = measured(model, parts)
    assert measured(model, parts) == first
    monkeypatch.setattr(evaluation, "_BLOCK", 7)
    assert measured(model, parts, baselines=False)["parts"] == first["parts"]
