"""What is worth asking, where the answer is known by construction, and against a matrix oracle."""

from __future__ import annotations

import numpy as np
import torch

from models.lists.questions import expected_gains


def gains(covariance: torch.Tensor, items: torch.Tensor, precision: float = 1.0) -> torch.Tensor:
    size = len(items)
    design = torch.cat([items, torch.ones(size, 1)], dim=1)[None]
    weight = torch.full((size,), 1.0 / size)
    return expected_gains(covariance[None], design, torch.full((1, size), precision), weight)


def test_the_item_that_decides_the_type_of_a_user_is_asked_first() -> None:
    # Users differ in one trait alone. Nine items show it a little; one shows it plainly.
    items = torch.full((10, 2), 0.2)
    items[:, 1] = torch.linspace(-1, 1, 10)  # a second trait, in which all users are alike
    items[7, 0] = 2.0
    found = gains(torch.diag(torch.tensor([1.0, 1e-8, 1e-8])), items)
    assert int(found.argmax()) == 7
    assert float(found[7]) > 3 * float(found.sort().values[-2])


def test_what_is_known_already_is_not_worth_asking() -> None:
    items = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    found = gains(torch.diag(torch.tensor([1e-8, 1.0, 1e-8])), items)
    assert float(found[0]) < 1e-6 < float(found[1])


def test_gains_are_what_an_update_of_the_covariance_takes_away() -> None:
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(4, 4, generator=generator).double()
    covariance = root @ root.T
    items = torch.randn(6, 3, generator=generator).double()
    design = torch.cat([items, torch.ones(6, 1)], dim=1).double()
    precision = torch.rand(6, generator=generator).double() + 0.2
    weight = torch.rand(6, generator=generator).double()
    weight /= weight.sum()
    found = expected_gains(covariance[None], design[None], precision[None], weight)
    before = torch.stack([row @ covariance @ row for row in design])
    for number, row in enumerate(design):
        after = torch.linalg.inv(torch.linalg.inv(covariance) + precision[number] * torch.outer(row, row))
        left = torch.stack([other @ after @ other for other in design])
        oracle = float(((before - left) @ weight) / (before @ weight))
        np.testing.assert_allclose(float(found[number]), oracle, rtol=1e-8)


def test_gains_are_shares_and_grow_with_what_an_answer_tells() -> None:
    items = torch.randn(8, 5, generator=torch.Generator().manual_seed(1))
    dull, plain = (gains(torch.eye(6), items, precision) for precision in (0.1, 10.0))
    assert bool((dull > 0).all())
    assert bool((dull < plain).all())
    assert bool((plain < 1).all())
