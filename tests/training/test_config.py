"""Configurations: what is wrong is said in one sentence, what is right survives the round trip."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.errors import InputError
from training.config import AdamWConfig, LangevinConfig, ModelConfig, RunConfig, SplitConfig, TextConfig
from training.recipes import RECIPES

LANGEVIN = st.builds(
    LangevinConfig,
    epochs=st.integers(5, 9000),
    burn_in=st.integers(1, 4),
    hold=st.integers(0, 99),
    chains=st.integers(1, 64),
    step_size=st.floats(1e-4, 1),
)
ADAMW = st.builds(AdamWConfig, learning_rate=st.floats(1e-5, 1), clip_norm=st.none() | st.floats(1e-3, 9))
PARTS = st.lists(st.sampled_from(["concepts", "text", "neighbours", "two_hops"]), unique=True).map(tuple)
CONFIGS = st.builds(
    RunConfig,
    seed=st.integers(0, 2**40),
    split=st.builds(SplitConfig, name=st.text(), test_share=st.floats(0.01, 0.99)),
    text=st.builds(TextConfig, encoder=st.text(), num_features=st.integers(0, 1024)),
    model=st.builds(ModelConfig, leave_out=PARTS, cold_weight=st.floats(0, 1)),
    training=LANGEVIN | ADAMW,
)


@given(CONFIGS)
def test_a_configuration_survives_being_written_and_read(
    tmp_path_factory: pytest.TempPathFactory, config: RunConfig
) -> None:
    file = tmp_path_factory.getbasetemp() / "config.yaml"
    file.write_text(config.dump(), encoding="utf-8")
    assert RunConfig.load(file) == config
    assert config.updated([]) == config


@pytest.mark.parametrize("recipe", sorted(RECIPES))
@pytest.mark.parametrize("num_ratings", [10, 10**7])
def test_recipes_are_valid_configurations(recipe: str, num_ratings: int) -> None:
    config = RECIPES[recipe](num_ratings)
    assert RunConfig.checked(config.model_dump(mode="json")) == config


def test_overrides_change_what_they_name_and_nothing_else() -> None:
    before = RunConfig()
    after = before.updated(
        ["training.epochs=800", "model.leave_out=[text, concepts]", "text.encoder=my/folder", "seed = 7"]
    )
    assert isinstance(after.training, LangevinConfig)
    assert (after.training.epochs, after.seed, after.text.encoder) == (800, 7, "my/folder")
    assert after.model.leave_out == ("text", "concepts")
    back = after.updated(
        [
            f"training.epochs={before.training.epochs}",
            "model.leave_out=[]",
            f"text.encoder={before.text.encoder}",
            "seed=0",
        ]
    )
    assert back == before
    assert before == RunConfig()


def test_a_setting_of_before_that_asks_for_nothing_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("model: {rating_dates: false, leave_out: [dates, text], absences: 2}")
    assert RunConfig.load(file).model == ModelConfig(leave_out=("text",), negative_samples=2)
    file.write_text("model: {rating_dates: true}")
    with pytest.raises(InputError, match=r"model\.rating_dates is gone.*train again"):
        RunConfig.load(file)
    assert RunConfig.of_run(file) == RunConfig()  # a finished run has learned what it has


def test_another_method_starts_from_its_own_defaults() -> None:
    config = RunConfig().updated(["training.epochs=900", "training.method=adamw", "training.learning_rate=0.5"])
    assert config.training == AdamWConfig(epochs=900, learning_rate=0.5)
    assert config.updated(["training.method=langevin"]).training == LangevinConfig()


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("training.epochs", ["section.field=value", "'training.epochs'"]),
        ("training.epochz=5", ["'training.epochz'", "burn_in", "'epochs'"]),
        ("modl.embedding_size=5", ["'modl'", "'model'"]),
        ("model.embeding_size=5", ["'model.embeding_size'", "'embedding_size'"]),
        ("seed.value=5", ["'seed'", "not a section"]),
        ("training.epochs=many", ["training.epochs", "'many'"]),
        ("training.step_size=1.5", ["training.step_size", "less than or equal to 1", "1.5"]),
        ("training.step_size=0", ["training.step_size", "greater than 0"]),
        ("training.step_size=.nan", ["training.step_size"]),
        ("model.cold_weight=-0.1", ["model.cold_weight", "greater than or equal to 0", "-0.1"]),
        ("model.leave_out=[words]", ["model.leave_out", "words"]),
        ("split.test_share=1", ["split.test_share", "less than 1"]),
        ("seed=-1", ["seed", "greater than or equal to 0", "-1"]),
        ("training.method=sgd", ["training", "sgd", "adamw"]),
        ("text.encoder=[a", ["text.encoder", "[a"]),
        ("model.rating_dates=true", ["model.rating_dates is gone", "leave it out and train again"]),
    ],
)
def test_a_wrong_override_is_a_sentence(assignment: str, words: list[str]) -> None:
    with pytest.raises(InputError) as error:
        RunConfig().updated([assignment])
    message = str(error.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_an_unknown_field_of_the_other_method_is_told_its_own_fields() -> None:
    with pytest.raises(InputError, match=r"learning_rate.*Did you mean 'batches'"):
        RunConfig().updated(["training.method=adamw", "training.batchez=5"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("sead: 5", ["line 1", "'sead'", "'seed'"]),
        ("model:\n  embedding_size: 0\n", ["line 2", "model.embedding_size", "found 0"]),
        ("training: {method: langevin, epochz: 5}", ["line 1", "'epochz'", "'epochs'"]),
        ("training: {method: adamw, batchez: 5}", ["line 1", "'batchez'", "'batches'"]),
        ("seed: [", ["YAML"]),
        ("- seed", ["expected"]),
    ],
)
def test_a_wrong_file_is_a_sentence_with_its_place(tmp_path: Path, content: str, words: list[str]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(content)
    with pytest.raises(InputError) as error:
        RunConfig.load(file)
    assert "\n" not in str(error.value)
    for word in ["config.yaml", *words]:
        assert word in str(error.value)


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        RunConfig.load(tmp_path / "absent.yaml")


def test_a_sampler_that_would_keep_no_sample_is_refused() -> None:
    """All steps would be burn-in; better said before an hour of them."""
    with pytest.raises(InputError, match="burn_in"):
        RunConfig().updated(["training.epochs=100"])
    assert RunConfig().updated(["training.epochs=601"]).training == LangevinConfig(epochs=601)


def test_configurations_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        RunConfig().seed = 5
