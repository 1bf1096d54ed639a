"""Ridges of relations: how far the concepts of each shape the embeddings of items, estimated from these themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg.ratings import Ratings
from models.people.concept_regression import ConceptRegression
from models.people.concept_table import ConceptTable
from models.posterior import Predictor

__all__ = ["RIDGE", "relation_ridges"]

# Of 0.3, 1, 3, 10 and 30 the best single one on a simulated audience (seed 1) that no figure is reported of.
RIDGE = 3.0
STEPS = 10
MOST_ITEMS, MOST_SAMPLES = 1_000, 16
WIDEST = 100.0  # by how much an estimate may differ from RIDGE: few items can say anything


def relation_ridges(
    concepts: ConceptTable, predictor: Predictor, train: Ratings, *, seed: int = 0
) -> NDArray[np.float64]:
    r"""Return the ridge $\lambda_c$ of every concept, the same within a relation, `[num_concepts]`.

    In $z_i = \bar z + \sum_c w_{ic} A_c + \eta_i$ with $\eta_i \sim N(0, \Psi)$ and $A_c \sim N(0, \Psi / \lambda_r)$ genres say
    much of a film and countries little. Expectation maximisation (doi:10.1111/j.2517-6161.1977.tb01600.x) finds

    $$\lambda_r^{-1} \leftarrow \frac{1}{|r|} \sum_{c \in r} \left(\tfrac{1}{d} A_c^\top \Psi^{-1} A_c + v_c\right)$$

    with $v_c$ the diagonal of $(X^\top X + \Lambda)^{-1}$ and $d$ the size of a row, mean over samples. Its limit is noisy for
    relations of few concepts, and orders the concepts of one relation somewhat worse than one ridge for all does,
    so what is returned is the geometric mean of both.

    Args:
        concepts: The concepts.
        predictor: Rows of all nodes; some samples and some of the rated items are looked at.
        train: Training ratings.
        seed: Seed of the choice of items.
    """
    rated = np.flatnonzero(train.item_counts)
    if len(rated) > MOST_ITEMS:
        rated = np.sort(np.random.default_rng(seed).choice(rated, MOST_ITEMS, replace=False))
    samples = np.unique(np.linspace(0, len(predictor) - 1, MOST_SAMPLES).astype(np.int64))
    rows = predictor.items[samples][:, rated].double().numpy()
    held = concepts.membership[rated].astype(np.float64)
    relation, sizes = concepts.relation, np.bincount(concepts.relation, minlength=len(concepts.relations))
    ridge = np.full(len(sizes), RIDGE)
    for _ in range(STEPS):
        spoken, size = _second_moments(held, rows, ridge[relation])
        spread = np.bincount(relation, spoken + size, len(sizes)) / np.maximum(sizes, 1)
        ridge = np.clip(1 / np.maximum(spread, 1e-12), RIDGE / WIDEST, RIDGE * WIDEST)
    return np.asarray(np.sqrt(ridge * RIDGE)[relation], dtype=np.float64)


def _second_moments(
    held: sparse.csr_array, rows: NDArray[np.float64], ridge: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Return $A_c^\top \Psi^{-1} A_c / d$, mean over samples, and $v_c$ of every concept, each `[num_concepts]`."""
    regression = ConceptRegression.of(held, ridge)
    all_duals, residuals = regression.fit(rows)
    size = rows.shape[2]
    lengths = np.zeros(len(ridge))
    for duals, residual in zip(all_duals, residuals, strict=True):
        spoken = regression.held.T @ duals
        # Of a single item nothing is left beyond the mean: the metric is zero, and so is what is spoken.
        metric = residual + (1e-6 * np.trace(residual) / size + 1e-12) * np.eye(size)
        lengths += (spoken * np.linalg.solve(metric, spoken.T).T).sum(axis=1) / size
    return lengths / len(rows) / ridge, regression.doubt()
