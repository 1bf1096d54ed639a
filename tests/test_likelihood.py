"""The likelihood of many ratings: blocks change nothing, and fixed cuts get no gradient."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.network import likelihood
from models.network.likelihood import ordinal_log_likelihood
from models.network.sparse import Pairs

END = 1e4
PAIRS = Pairs(torch.tensor([0, 0, 1, 2, 2, 2, 3]), torch.tensor([0, 1, 1, 0, 1, 2, 2]), 4, 3)
LEVEL = torch.tensor([0, 2, 1, 2, 0, 1, 2])


def tables() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(7, generator=generator)
    users = torch.tensor([[-END, -0.5, 0.5, END]]) + 0.1 * torch.randn(4, 4, generator=generator)
    return scores, users, torch.nn.functional.pad(0.1 * torch.randn(3, 2, generator=generator), (1, 1))


def gradients(moving: tuple[bool, bool] = (True, True)) -> list[Tensor | None]:
    scores, users, items = tables()
    parts = [scores.requires_grad_(), users.requires_grad_(moving[0]), items.requires_grad_(moving[1])]
    found = ordinal_log_likelihood(scores, users, items, PAIRS, LEVEL)
    (found * torch.arange(1.0, 8.0)).sum().backward()
    return [found.detach(), *(part.grad for part in parts)]


@pytest.mark.parametrize("block", [1, 2, 3, 7])
def test_the_size_of_a_block_changes_nothing(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = gradients()
    monkeypatch.setattr(likelihood, "_BLOCK", block)
    for part, expected in zip(gradients(), whole, strict=True):
        assert part is not None
        assert expected is not None
        torch.testing.assert_close(part, expected)


def test_gradients_are_those_of_the_formula_written_out() -> None:
    """Autograd through plain indexing is the oracle."""
    scores, users, items = (table.double().requires_grad_() for table in tables())
    cuts = users[PAIRS.user] + items[PAIRS.item]
    chosen = torch.sigmoid(cuts - scores[:, None]).diff(dim=1)[range(7), LEVEL].log()
    (chosen * torch.arange(1.0, 8.0, dtype=torch.float64)).sum().backward()
    for part, expected in zip(gradients(), (chosen.detach(), scores.grad, users.grad, items.grad), strict=True):
        assert part is not None
        assert expected is not None
        torch.testing.assert_close(part.double(), expected, atol=1e-5, rtol=1e-4)


def test_cuts_that_are_held_fixed_get_no_gradient_and_change_none_of_the_scores() -> None:
    scores, fixed = gradients()[1], gradients((False, False))
    assert fixed[1] is not None
    assert scores is not None
    assert torch.equal(fixed[1], scores)
    assert fixed[2] is None
    assert fixed[3] is None


def test_no_ratings_have_no_likelihood() -> None:
    nothing = torch.zeros(0, dtype=torch.int64)
    _, users, items = tables()
    found = ordinal_log_likelihood(
        torch.zeros(0), users.requires_grad_(), items, Pairs(nothing, nothing, 4, 3), nothing
    )
    found.sum().backward()
    assert found.shape == (0,)
    assert users.grad is not None
    assert not users.grad.any()
