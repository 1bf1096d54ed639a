"""Named functions that return whole configurations."""

from __future__ import annotations

from collections.abc import Callable

from kg.errors import InputError, did_you_mean
from training.config import AdamWConfig, LangevinConfig, ModelConfig, RunConfig, SplitConfig, TextConfig

__all__ = ["RECIPES", "adamw", "quick", "recipe_named", "standard"]

MANY_RATINGS = 300_000


def standard(num_ratings: int) -> RunConfig:
    """The sampler: best ratings and calibrated intervals; under a minute for 100,000 ratings, some for a million.

    Few ratings leave time for a longer cold phase; many carry more dimensions.
    """
    if num_ratings < MANY_RATINGS:
        return RunConfig(training=LangevinConfig(epochs=2400, cold_phase=0.5))
    return RunConfig(model=ModelConfig(embedding_size=32))


def quick(num_ratings: int) -> RunConfig:
    """The sampler in a third of the time and with fewer dimensions and synthetic texts, for demos and first looks."""
    return RunConfig(
        text=TextConfig(synthetic_texts=300),
        model=ModelConfig(embedding_size=16),
        training=LangevinConfig(epochs=600, burn_in=300, hold=200, keep_every=5),
    )


def adamw(num_ratings: int) -> RunConfig:
    """Gradient descent to one model with early stopping: no samples, narrower intervals."""
    return standard(num_ratings).model_copy(
        update={"training": AdamWConfig(), "split": SplitConfig(validation_share=0.05)}
    )


RECIPES: dict[str, Callable[[int], RunConfig]] = {"standard": standard, "quick": quick, "adamw": adamw}


def recipe_named(name: str) -> Callable[[int], RunConfig]:
    """Return a recipe, or raise `InputError` with the names there are."""
    if name not in RECIPES:
        raise InputError(f"there is no recipe {name!r}; there are {', '.join(RECIPES)}.{did_you_mean(name, RECIPES)}")
    return RECIPES[name]
