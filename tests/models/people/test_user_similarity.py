"""How alike two tastes are, against correlations worked out one by one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from models.people.user_similarity import UserSimilarity


@dataclass
class Rows:
    users: torch.Tensor
    items: torch.Tensor


def test_it_is_the_correlation_of_what_two_people_think_of_the_rated_items() -> None:
    generator = torch.Generator().manual_seed(0)
    users, items = (torch.randn(3, number, 5, generator=generator) for number in (7, 40))
    rated = torch.arange(40) < 30
    average = users.mean(dim=1)
    found = UserSimilarity.of(Rows(users, items), average, rated).to_all(users[:, 2])  # type: ignore[arg-type]
    for other in range(7):
        of_samples = []
        for sample in range(3):
            mine, theirs = (
                (items[sample, rated, :-1] @ (users[sample, user, :-1] - average[sample, :-1])).numpy()
                for user in (2, other)
            )
            of_samples.append(np.corrcoef(mine, theirs)[0, 1])
        np.testing.assert_allclose(found[other], np.mean(of_samples), atol=1e-5)


def test_the_average_user_is_like_nobody() -> None:
    generator = torch.Generator().manual_seed(0)
    users, items = (torch.randn(2, number, 4, generator=generator) for number in (5, 9))
    average = users.mean(dim=1)
    similarity = UserSimilarity.of(Rows(users, items), average, torch.ones(9, dtype=torch.bool))  # type: ignore[arg-type]
    np.testing.assert_array_equal(similarity.to_all(average), 0.0)
