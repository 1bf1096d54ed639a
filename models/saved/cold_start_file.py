"""What is to be expected of new users and items in one file, so that nothing is learned from the known ones again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from kg.schema import ITEM, USER
from models.cold.cold_start_prior import NUMBERS, PriorTable
from models.cold.residuals import Residuals
from models.lists.trained import Trained
from models.posterior import EmbeddingPrior, UserThresholds
from models.saved.flat import below, flat

__all__ = ["cold_start_of", "cold_start_tensors"]

RESIDUALS = ("beyond", "mean", "counts", "expected")


def cold_start_tensors(trained: Trained) -> dict[str, Tensor]:
    """Return priors for all numbers of ratings, residuals, and the use of the scale, under flat names.

    Where the known users say nothing of new ones, as where ratings are mere choices, residuals speak for these as well.
    """
    tensors: dict[str, Tensor] = {}
    without = [ITEM]
    for kind in (USER, ITEM):
        for informed in (False, True) if kind == USER else (False,):
            for number in NUMBERS:
                prior = trained.cold_start_prior(kind, number, informed=informed)
                if prior is not None:
                    tensors |= flat(f"priors/{kind}/{number}/{'informed' if informed else 'plain'}", prior.parts)
    if trained.cold_start_prior(USER, 0) is None:
        without.append(USER)
    else:
        tensors |= flat("user_thresholds", vars(trained.user_thresholds))
    for kind in without:
        residuals = trained.residuals(kind)
        tensors |= flat(f"residuals/{kind}", {name: getattr(residuals, name) for name in RESIDUALS})
    return tensors


def cold_start_of(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arguments of `TrainedNetwork.restore` that `cold_start_tensors` named, in the same memory."""
    made: dict[str, dict[tuple[int, bool], EmbeddingPrior]] = {USER: {}, ITEM: {}}
    for name in sorted({name.rpartition("/")[0] for name in tensors if name.startswith("priors/")}):
        _, kind, number, known = name.split("/")
        made[kind][int(number), known == "informed"] = EmbeddingPrior(**below(tensors, name))
    return {
        "made_priors": {kind: PriorTable(found) for kind, found in made.items()},
        "made_residuals": {
            kind: Residuals(**parts) for kind in (USER, ITEM) if (parts := below(tensors, f"residuals/{kind}"))
        },
        "user_thresholds": UserThresholds(**parts) if (parts := below(tensors, "user_thresholds")) else None,
    }
