"""Similarity of items against correlations over users, written out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from models.lists.similarity import similarity_to
from models.posterior import Predictor

SAMPLES, USERS, ITEMS, SIZE = 4, 60, 7, 4


def predictor() -> Predictor:
    generator = torch.Generator().manual_seed(0)
    return Predictor(
        users=torch.randn(SAMPLES, USERS, SIZE, generator=generator) * torch.tensor([1.0, 0.3, 2.0, 1.0]),
        items=torch.randn(SAMPLES, ITEMS, SIZE, generator=generator),
        thresholds=torch.zeros(SAMPLES, 4),
        preferences=torch.zeros(SAMPLES, USERS, 5),
    )


def test_it_is_the_correlation_over_users_of_what_they_think_of_two_items() -> None:
    users = torch.arange(USERS) < 50
    mine = predictor()
    found = similarity_to(mine, 2, users).numpy()
    expected = np.zeros(ITEMS)
    for sample in range(SAMPLES):
        scores = mine.users[sample, :50, :-1].numpy() @ mine.items[sample, :, :-1].numpy().T
        expected += np.corrcoef(scores.T)[2] / SAMPLES
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert abs(found[2] - 1) < 1e-4


def test_it_does_not_depend_on_how_dimensions_are_scaled_and_turned() -> None:
    mine, users = predictor(), torch.ones(USERS, dtype=torch.bool)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)))[0] * torch.tensor(
        [5.0, 1.0, 0.2]
    )
    back = torch.linalg.inv(turn).T

    def turned(rows: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
        return torch.cat([rows[..., :-1] @ by, rows[..., -1:]], dim=-1)

    other = replace(mine, users=turned(mine.users, turn), items=turned(mine.items, back))
    torch.testing.assert_close(similarity_to(other, 1, users), similarity_to(mine, 1, users), atol=1e-3, rtol=0)
