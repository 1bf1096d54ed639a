"""What is held out reaches nothing, and how something was rated reaches no message."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from kg.dataset import Dataset
from kg.graph import Edges, KnowledgeGraph, Nodes
from kg.named_split import NamedSplit
from kg.ratings import Ratings
from kg.schema import ITEM, USER, EdgeType
from kg.vocabulary import Vocabulary
from models.network.encoder import Messages
from training.config import AdamWConfig, LangevinConfig, ModelConfig, RunConfig, SplitConfig
from training.experiment import Experiment
from training.objective import TrainingBatch

USERS, ITEMS, RATINGS = 14, 16, 130
TRAINING = LangevinConfig(epochs=14, burn_in=6, hold=3, keep_every=4)


def nodes(kind: str, number: int) -> Nodes:
    names = np.array([f"{kind}{index}" for index in range(number)], dtype=object)
    nothing = np.full(number, None, dtype=object)
    return Nodes(vocabulary=Vocabulary(kind, names), labels=names, texts=nothing, iris=nothing)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    rng = np.random.default_rng(0)

    def edges(sources: int, targets: int) -> Edges:
        index = np.array(np.nonzero(rng.random((sources, targets)) < 0.5))
        return Edges(index=index, provenance=np.zeros(index.shape[1], dtype=np.int16))

    graph = KnowledgeGraph(
        name="tiny",
        nodes={USER: nodes(USER, USERS), ITEM: nodes(ITEM, ITEMS), "genre": nodes("genre", 4), "job": nodes("job", 3)},
        edges={EdgeType(ITEM, "genre", "genre"): edges(ITEMS, 4), EdgeType(USER, "job", "job"): edges(USERS, 3)},
        sources=("table",),
    )
    pairs = rng.permutation(USERS * ITEMS)[:RATINGS]
    ratings = Ratings(
        user=pairs // ITEMS,
        item=pairs % ITEMS,
        value=rng.integers(1, 6, RATINGS),
        time=rng.integers(0, 10**7, RATINGS),
        num_users=USERS,
        num_items=ITEMS,
    )
    named = NamedSplit(test_ratings=np.arange(0, RATINGS, 6))
    return Dataset(graph=graph, ratings=ratings, scale=(1, 5), splits={"canonical": named})


def config(split: str) -> RunConfig:
    part = SplitConfig(name=split, test_share=0.2)
    return RunConfig(split=part, model=ModelConfig(embedding_size=3), training=TRAINING)


def experiment(dataset: Dataset, run: RunConfig) -> Experiment:
    made = Experiment(dataset, run)
    made.use_vectors(np.random.default_rng(1).normal(size=(ITEMS, 5)).astype(np.float32))
    return made


def held_out(dataset: Dataset, run: RunConfig) -> NDArray[np.bool_]:
    """Which ratings of the data are in a test part, found by pair: each pair stands once."""
    ratings, split = dataset.ratings, experiment(dataset, run).split
    of = [part.user * ITEMS + part.item for part in split.test.values()]
    found: NDArray[np.bool_] = np.isin(ratings.user * ITEMS + ratings.item, np.concatenate(of))
    assert 5 < found.sum() < RATINGS / 2
    return found


def with_values(dataset: Dataset, which: NDArray[np.bool_]) -> Dataset:
    """Return the data with some ratings turned around: 1 becomes 5, 2 becomes 4, and 3 becomes 1."""
    turned = np.array([5, 4, 1, 2, 1])[dataset.ratings.value.astype(int) - 1]
    value = np.where(which, turned, dataset.ratings.value)
    return replace(dataset, ratings=replace(dataset.ratings, value=value))


def messages(made: Experiment) -> dict[str, Tensor]:
    """Everything the network reads, by name."""
    found: dict[str, Tensor] = {}
    for edge_type in made.data.edge_types:
        found |= {"/".join((*edge_type, name)): tensor for name, tensor in vars(made.data[edge_type]).items()}
    for kind in (USER, ITEM):
        found |= {f"{kind}/hop source {name}": tensor for name, tensor in made.data[kind].hop_sources.items()}
    for side, inputs in (("users", made.inputs.users), ("items", made.inputs.items)):
        for group in ("content", "interactions"):
            part: Messages = getattr(inputs, group)
            assert part.operator is not None
            found[f"{side}/{group}"] = part.operator.matrix.to_dense()
            found |= {f"{side}/{group}/{name}": tensor for name, tensor in part.features.items()}
    return found


def evidence(made: Experiment) -> dict[str, Tensor]:
    """Everything the objective reads, by name."""
    drawn = TrainingBatch.draw(made.split.train, made.levels, share=0.3, generator=torch.Generator().manual_seed(3))
    found = {}
    for name in ("warm", "cold_items", "cold_users"):
        batch = getattr(drawn, name)
        found |= {f"{name}/user": batch.pairs.user, f"{name}/item": batch.pairs.item, f"{name}/level": batch.level}
    return found


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


def answers(made: Experiment, folder: Path) -> dict[str, Tensor]:
    """Train, and ask everything there is to ask."""
    posterior = made.run(folder / f"checkpoint-{made.identity}")
    recommender = made.recommender(posterior)
    pairs = [(f"user{user}", f"item{item}") for user in range(USERS) for item in range(ITEMS)]
    predicted = recommender.predict(pairs)
    lists = [
        recommender.recommend(user="user0"),
        recommender.recommend(history={"item1": 5, "item2": 1}),
        recommender.audience("item3"),
    ]
    return {
        **posterior.tensors(),
        "predictions": torch.from_numpy(predicted[["score", "low", "high"]].to_numpy(copy=True)),
        "ranks": torch.from_numpy(recommender.rank_scores(np.arange(USERS))),
        **{f"list {number}": torch.tensor(found["score"].to_numpy(copy=True)) for number, found in enumerate(lists)},
    }


SPLITS = ["random", "canonical", "by-time", "cold-items", "cold-both"]


@pytest.mark.parametrize("split", SPLITS)
def test_the_value_of_a_test_rating_changes_no_training_tensor(dataset: Dataset, split: str) -> None:
    run = config(split)
    changed = with_values(dataset, held_out(dataset, run))
    assert (changed.ratings.value != dataset.ratings.value).any()
    before, after = experiment(dataset, run), experiment(changed, run)
    assert_same(messages(after), messages(before))
    assert_same(evidence(after), evidence(before))


@pytest.mark.parametrize("split", ["random", "cold-items"])
def test_the_value_of_a_test_rating_changes_no_prediction(dataset: Dataset, split: str, tmp_path: Path) -> None:
    run = config(split)
    changed = with_values(dataset, held_out(dataset, run))
    assert_same(answers(experiment(changed, run), tmp_path), answers(experiment(dataset, run), tmp_path))


def test_nor_does_it_where_validation_ends_the_training(dataset: Dataset, tmp_path: Path) -> None:
    """Early stopping looks at held-out ratings, but not at those of the test."""
    split = SplitConfig(name="random", test_share=0.2, validation_share=0.2)
    run = config("random").model_copy(update={"split": split, "training": AdamWConfig(epochs=8, patience=2)})
    changed = with_values(dataset, held_out(dataset, run))
    assert_same(answers(experiment(changed, run), tmp_path), answers(experiment(dataset, run), tmp_path))


def test_what_was_rated_in_the_test_part_and_when_changes_nothing(dataset: Dataset, tmp_path: Path) -> None:
    """Test ratings move to other items and dates; neither neighbours nor two hops may see them."""
    run, ratings = config("canonical"), dataset.ratings
    test = held_out(dataset, run)
    taken, item = set(zip(ratings.user.tolist(), ratings.item.tolist(), strict=True)), ratings.item.copy()
    for row in np.flatnonzero(test):
        free = next(other for other in range(ITEMS) if (int(ratings.user[row]), other) not in taken)
        taken.add((int(ratings.user[row]), free))
        item[row] = free
    assert ratings.time is not None
    time = np.where(test, ratings.time + 10**8, ratings.time)
    changed = replace(dataset, ratings=replace(ratings, item=item, time=time))
    before, after = experiment(dataset, run), experiment(changed, run)
    assert_same(messages(after), messages(before))
    assert_same(answers(after, tmp_path), answers(before, tmp_path))


def test_the_value_of_a_training_rating_reaches_no_message(dataset: Dataset) -> None:
    """No message can carry the rating it helps to predict, since none carries any."""
    run = config("random")
    before, after = experiment(dataset, run), experiment(with_values(dataset, ~held_out(dataset, run)), run)
    assert_same(messages(after), messages(before))
    read, changed = evidence(before), evidence(after)
    different = {name for name, tensor in read.items() if not torch.equal(tensor, changed[name])}
    assert different == {"warm/level", "cold_items/level", "cold_users/level"}


def test_one_training_rating_changes_one_level(dataset: Dataset) -> None:
    run = config("random")
    single = np.zeros(RATINGS, dtype=bool)
    single[np.flatnonzero(~held_out(dataset, run))[4]] = True
    before, after = experiment(dataset, run), experiment(with_values(dataset, single), run)
    assert_same(messages(after), messages(before))
    assert int((evidence(before)["warm/level"] != evidence(after)["warm/level"]).sum()) == 1


def test_how_something_was_rated_does_not_change_who_comes_across_it(dataset: Dataset, tmp_path: Path) -> None:
    run = config("random")
    before, after = experiment(dataset, run), experiment(with_values(dataset, ~held_out(dataset, run)), run)
    posterior = before.run(tmp_path / "checkpoint")
    one, other = before.recommender(posterior).item_item, after.recommender(posterior).item_item
    assert one.weights.any()
    np.testing.assert_array_equal(one.weights, other.weights)
    np.testing.assert_array_equal(one.base, other.base)


def test_these_tests_would_see_a_leak(dataset: Dataset, tmp_path: Path) -> None:
    """A training value does change predictions, and training on the test part does change messages."""
    run = config("random")
    single = np.zeros(RATINGS, dtype=bool)
    single[np.flatnonzero(~held_out(dataset, run))[4]] = True
    before = experiment(dataset, run)
    there, changed = answers(before, tmp_path), answers(experiment(with_values(dataset, single), run), tmp_path)
    assert not torch.equal(there["predictions"], changed["predictions"])
    leaky = experiment(dataset, run)
    leaky.__dict__["split"] = replace(leaky.split, train=dataset.ratings)
    assert not torch.equal(messages(leaky)["users/interactions"], messages(before)["users/interactions"])
