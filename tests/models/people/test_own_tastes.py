"""Tastes beyond what rows can say, against worlds in which they are planted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse
from torch.distributions import Categorical

from kg.ratings import Ratings
from models.network.head import level_probabilities, slopes
from models.people.concept_table import ConceptTable
from models.people.own_tastes import OwnTastes
from models.posterior import Predictor

LEVELS = np.arange(1, 6, dtype=np.float32)
CUTS = torch.tensor([-2.0, -0.8, 0.6, 2.0])
USERS, ITEMS, GENRES, COUNTRIES = 500, 120, 12, 6


def concept_table(rng: np.random.Generator) -> ConceptTable:
    """One genre and one country an item, by chance."""
    held = np.zeros((ITEMS, GENRES + COUNTRIES), dtype=np.float32)
    held[np.arange(ITEMS), rng.integers(GENRES, size=ITEMS)] = 1.0
    held[np.arange(ITEMS), GENRES + rng.integers(COUNTRIES, size=ITEMS)] = 1.0
    keys = tuple(f"genre:{one}" for one in range(GENRES)) + tuple(f"country:{one}" for one in range(COUNTRIES))
    return ConceptTable(
        relations=("genre", "country"),
        relation=np.repeat([0, 1], [GENRES, COUNTRIES]),
        keys=keys,
        labels=keys,
        names=keys,
        membership=sparse.csr_array(held),
    )


def world(spread: float, *, samples: int = 2) -> tuple[ConceptTable, Predictor, Ratings]:
    """Rows that know everything but a taste for genres with the given standard deviation."""
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    concepts = concept_table(rng)
    users, items = torch.randn(USERS, 3, generator=generator) * 0.7, torch.randn(ITEMS, 3, generator=generator) * 0.7
    own = torch.randn(USERS, GENRES, generator=generator) * spread
    score = (
        users[:, :-1] @ items[:, :-1].T
        + users[:, -1:]
        + items[:, -1]
        + own @ torch.from_numpy(concepts.membership[:, :GENRES].toarray()).T
    )
    torch.manual_seed(0)
    level = Categorical(level_probabilities(score, CUTS, torch.zeros(5))).sample()
    user, item = np.nonzero(rng.random((USERS, ITEMS)) < 0.4)
    value = (level.numpy()[user, item] + 1).astype(np.float32)
    ratings = Ratings(user=user, item=item, value=value, time=None, num_users=USERS, num_items=ITEMS)
    predictor = Predictor(
        users=users.expand(samples, -1, -1),
        items=items.expand(samples, -1, -1),
        thresholds=CUTS.expand(samples, -1),
        preferences=torch.zeros(samples, USERS, 5),
    )
    return concepts, predictor, ratings


@pytest.mark.parametrize("spread", [0.0, 0.6])
def test_the_planted_variance_is_found_in_its_relation_and_in_no_other(spread: float) -> None:
    found = OwnTastes.of(*world(spread), LEVELS)
    genre, country = found.variance[0], found.variance[-1]
    assert (found.variance == np.repeat([genre, country], [GENRES, COUNTRIES])).all()
    assert genre == pytest.approx(spread**2, rel=0.2, abs=0.02)  # to first order in the taste
    assert country == pytest.approx(0.0, abs=0.03 + 0.1 * spread**2)  # a sixth of two films share genre by chance


def test_ratings_settle_the_variance_as_a_normal_posterior_does() -> None:
    held = sparse.csr_array(np.array([[1.0, 0.0], [0.5, 0.0]]))
    found = OwnTastes(np.array([0.5, 0.2])).left_open(held, np.array([0.3, 0.4]))
    np.testing.assert_allclose(found, [1 / (1 / 0.5 + 0.3 + 0.25 * 0.4), 0.2])
    nobody = OwnTastes(np.array([0.0, 0.2])).left_open(held[:0], np.zeros(0))
    np.testing.assert_allclose(nobody, [0.0, 0.2])


def test_slopes_are_those_of_the_log_likelihood_and_the_information_is_their_mean_square() -> None:
    score = torch.linspace(-3, 3, 7, dtype=torch.float64, requires_grad=True)
    given = CUTS.double(), torch.tensor([0.5, -1.0, 0.0, 2.0, -0.3], dtype=torch.float64)
    chances, mean_square = level_probabilities(score, *given), torch.zeros(7, dtype=torch.float64)
    for level in range(5):
        wanted = torch.full((7,), level)
        (expected,) = torch.autograd.grad(chances[:, level].log().sum(), score, retain_graph=True)
        slope, information = slopes(score.detach(), *given, wanted)
        torch.testing.assert_close(slope, expected)
        mean_square += chances[:, level].detach() * expected.square()
    torch.testing.assert_close(information, mean_square)
