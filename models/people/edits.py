"""Edits of a taste: the least change of an embedding that gives concepts the wanted weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from kg.errors import InputError
from kg.schema import USER
from models.network.bilinear import bilinear, with_one
from models.network.head import slopes
from models.people.interests import TasteSpace
from models.posterior import SampledNetwork, UserEmbedding

__all__ = ["what_ratings_settle", "with_weights"]

TOLERANCE = 1e-3  # of a weight, in its own unit


@torch.no_grad()
def with_weights(
    taste: UserEmbedding, precision: Tensor, space: TasteSpace, wanted: Mapping[int, float]
) -> UserEmbedding:
    r"""Return a taste given that concepts have certain weights: the conditional Gaussian in every sample.

    $$z' = z + \Sigma A^\top (A \Sigma A^\top)^{-1} (w - A (z - \bar z))$$

    with the directions of the concepts in the rows of $A$. It is the least change in the metric of $\Sigma$: what
    the ratings leave open moves, what they settle stays. All weights hold at once, in any order.

    Args:
        taste: As it was.
        precision: $\Sigma^{-1}$, `[num_samples, embedding_size + 1, embedding_size + 1]`.
        space: Directions of the concepts in the same samples.
        wanted: Weight of each concept, by its position.

    Raises:
        InputError: If the weights cannot hold together.
    """
    if not wanted:
        return taste
    names = [space.concepts.names[concept] for concept in wanted]
    directions = space.directions(list(wanted)).double()
    goal = torch.tensor(list(wanted.values()), dtype=torch.float64)
    gap = goal - (directions @ (taste.rows - space.average).double()[..., None])[..., 0]
    spread = torch.linalg.solve(precision.double(), directions.mT)
    gram = directions @ spread
    # Rows and columns of one size: a weak concept is no reason to call a system singular.
    size = gram.diagonal(dim1=1, dim2=2).clamp_min(1e-300).rsqrt()
    inverse = torch.linalg.pinv(size[:, :, None] * gram * size[:, None], rtol=1e-9)
    solved = size * (inverse @ (size * gap)[..., None])[..., 0]
    rows = taste.rows.double() + (spread @ solved[..., None])[..., 0]
    reached = (directions @ (rows - space.average.double())[..., None])[..., 0]
    if not bool((reached - goal).abs().max() <= TOLERANCE):
        raise InputError(
            f"these weights cannot hold together: {', '.join(names)}; the model cannot tell some of these concepts "
            "apart, so set fewer of them or give them like weights"
        )
    return replace(taste, rows=rows.float())


@torch.no_grad()
def what_ratings_settle(samples: SampledNetwork, user: int, item: Tensor, level: Tensor) -> Tensor:
    r"""Return the precision of a user's embedding, `[num_samples, embedding_size + 1, embedding_size + 1]`, in double precision.

    $$\Sigma^{-1} = \sum_j h_j \tilde z_j \tilde z_j^\top + S^{-1}$$

    the Laplace approximation at the sample, with $h_j$ the Fisher information of rating $j$ in the score and
    $S$ the covariance of the latent factors.

    Args:
        samples: The trained network.
        user: User index.
        item: Items the user rated, possibly none.
        level: Level of each of these ratings.
    """
    predictor = samples.predictor
    rows, preferences = predictor.users[:, user], predictor.preferences[:, user]
    precision = torch.linalg.inv(samples.covariance_prior(USER, rated=bool(len(item))).covariance.double())
    if not len(item):
        return precision
    partners = predictor.items[:, item].double()
    design = with_one(partners)
    score = bilinear(rows.double()[:, None], partners)
    _, information = slopes(score, predictor.thresholds.double()[:, None], preferences.double()[:, None], level)
    return precision + design.mT @ (information[..., None] * design)
