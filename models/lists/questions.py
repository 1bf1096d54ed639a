"""Which items to ask someone new about: those whose answer tells most of everything else, and that they may well know."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from kg.errors import InputError
from models.lists.recommendation_rows import why_empty
from models.lists.trained import Trained
from models.lists.user_query import UserQuery
from models.network.bilinear import bilinear, with_one
from models.network.head import slopes

__all__ = ["Question", "best_questions", "expected_gains", "questions_for"]

CANDIDATES = 400  # items that the person most likely knows; others would hardly be answered
SAMPLES = 32  # samples that judge


@dataclass(frozen=True, kw_only=True)
class Question:
    """One item to ask about.

    Attributes:
        item: Its index.
        known: Chance that the person knows it.
        gain: Share of what is open about the person's scores that an answer is expected to settle, in 0 .. 1.
    """

    item: int
    known: float
    gain: float


@torch.no_grad()
def expected_gains(covariance: Tensor, design: Tensor, precision: Tensor, weight: Tensor) -> Tensor:
    r"""Return by how much one rating of each item lowers the variance of the person's scores, on average over items.

    With the covariance $C$ of a person's row and $\tilde z = (z, 1)$, the score of item $i$ is known up to
    $\tilde z_i^\top C \tilde z_i$. A rating of item $j$ is an observation of its score with precision $\kappa_j$, so that the
    mean over items with weights $w$, $A = \sum_i w_i \tilde z_i \tilde z_i^\top$, falls by
    $$\frac{\tilde z_j^\top C A C \tilde z_j}{\tilde z_j^\top C \tilde z_j + 1 / \kappa_j},$$
    whatever the answer: the V-optimal design of Bayesian linear models (Chaloner & Verdinelli 1995, Statistical Science
    10(3)). Where the weight lies on one score alone, it orders items as the mutual information of answer and score does
    (BALD, arXiv:1112.5745), in the normal approximation.

    Args:
        covariance: $C$ in every sample, `[num_samples, size, size]`.
        design: $\tilde z$ of all items, `[num_samples, num_items, size]`.
        precision: $\kappa$ of all items, `[num_samples, num_items]`.
        weight: $w$ of all items, sums to 1, `[num_items]`.

    Returns:
        The fall as a share of the variance there is, mean over samples, `[num_items]`.
    """
    spread = design @ covariance
    own = (spread * design).sum(-1)
    mean_square = (design * weight[:, None]).mT @ design
    fall = ((spread @ mean_square) * spread).sum(-1) / (own + 1.0 / precision)
    return (fall / (own @ weight)[:, None]).mean(0)


@torch.no_grad()
def best_questions(
    recommender: Trained, person: UserQuery, k: int, *, never: NDArray[np.int64] | None = None
) -> list[Question]:
    """Return the items to ask someone about, best first; each complements those before it.

    An item's worth is its expected gain times the chance that the person knows it (`ItemItemModel`): who does not know an item
    cannot answer. What an answer settles does not depend on the answer in this approximation, so several questions
    are chosen at once; asking again after each answer is better still, as the rows of the person have then moved.

    Args:
        recommender: What answers.
        person: Someone new, with or without ratings.
        k: Number of questions.
        never: Items that are not asked about, beside those the person has rated.

    Raises:
        InputError: If the person is not new.
    """
    covariance = person.cold.covariance
    if covariance is None:
        raise InputError("questions are for someone new; give a history, which may be empty, and no known user")
    predictor = recommender.predictor.cold_samples
    known = recommender.item_item(person.seen[None])[0].astype(np.float64).clip(0.0, 1.0)
    known[~recommender.graph.items.present] = 0.0
    open_to_ask = known.copy()
    # Of an item without ratings only content is known: its score tells little, and few could have met it.
    open_to_ask[(person.seen > 0) | (recommender.train.item_counts == 0)] = 0.0
    if never is not None:
        open_to_ask[never] = 0.0
    there = np.flatnonzero(open_to_ask)
    items = np.sort(there[np.argsort(-open_to_ask[there], kind="stable")[:CANDIDATES]])
    if not len(items):
        return []
    step = max(1, len(covariance) // SAMPLES)
    chosen = torch.from_numpy(items)
    covariance, rows = covariance[::step].clone(), predictor.items[::step][:, chosen]
    design = with_one(rows)
    score = bilinear(person.cold.rows[::step, None], rows)
    thresholds, preferences = predictor.thresholds[::step, None], person.cold.preferences[::step, None]
    _, information = slopes(score, thresholds, preferences, torch.zeros_like(chosen))
    precision = information.clamp_min(1e-6)
    chance = torch.from_numpy(open_to_ask[items]).float()
    weight = torch.from_numpy(known[items]).float()
    weight = weight / weight.sum()
    left, asked = torch.ones(len(items), dtype=torch.bool), []
    for _ in range(min(k, len(items))):
        gains = expected_gains(covariance, design, precision, weight)
        best = int(torch.where(left, gains * chance, -1.0).argmax())
        left[best] = False
        asked.append(Question(item=int(items[best]), known=float(chance[best]), gain=float(gains[best])))
        spread = (covariance @ design[:, best, :, None])[..., 0]
        own = (spread * design[:, best]).sum(-1) + 1.0 / precision[:, best]
        covariance = covariance - spread[..., None] * spread[:, None] / own[:, None, None]
    return asked


def questions_for(recommender: Trained, person: UserQuery, k: int) -> pd.DataFrame:
    """Return the questions as people read them: `id`, `label`, `known` and `gain`, best first."""
    asked = best_questions(recommender, person, k)
    items = recommender.graph.items
    rows = pd.DataFrame(
        {
            "id": [items.vocabulary.id_of(question.item) for question in asked],
            "label": [str(items.labels[question.item]) for question in asked],
            "known": [question.known for question in asked],
            "gain": [question.gain for question in asked],
        }
    )
    return why_empty(rows, "no item is left to ask about: the person has rated all that others have rated")
