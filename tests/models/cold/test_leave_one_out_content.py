"""Content learned from the others, against tables that are fitted anew without each node."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from models.cold.leave_one_out_content import leave_one_out_content
from models.network.encoder import Messages, RelationalEncoder, parameter_key
from models.posterior import Posterior, SampledNetwork

USERS, JOBS, SIZE = 60, 5, 3
JOB = np.random.default_rng(0).integers(JOBS, size=USERS)
WEIGHT = np.random.default_rng(1).uniform(0.4, 1.0, USERS)
TABLE = "users.content.tables." + parameter_key("job")


def network(posterior: Posterior, encoder: RelationalEncoder, messages: Messages) -> SampledNetwork:
    """A network of which only the content of users is asked."""
    read: Any = SimpleNamespace(
        model=SimpleNamespace(users=SimpleNamespace(content=encoder)),
        messages=lambda kind: SimpleNamespace(content=messages),
    )
    nothing: Any = None
    return SampledNetwork(posterior, nothing, read)


def fitted(rows: np.ndarray, pull: np.ndarray, mine: np.ndarray) -> np.ndarray:
    """The pulled mean of each job's users: `[JOBS, SIZE]`."""
    has = (JOB[:, None] == np.arange(JOBS)) * (WEIGHT * mine)[:, None]
    return (has.T @ rows) / ((has**2).sum(0)[:, None] + pull)


def test_content_is_what_a_table_fitted_without_the_user_says() -> None:
    """Rows are one job's plus a free one; the table is where its pull and its spread agree, as in a sample."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(USERS, SIZE)) + 3 * WEIGHT[:, None] * rng.normal(size=(JOBS, SIZE))[JOB]
    rated = np.arange(USERS) != 7  # who rated nothing taught the table nothing
    pull = np.ones(SIZE)
    for _ in range(100):
        table = fitted(rows, pull, rated)
        free = rows - WEIGHT[:, None] * table[JOB]
        free[7] = 0.0
        pull = free.var(axis=0, ddof=0) / table.var(axis=0, ddof=0)
    edges = (torch.from_numpy(np.stack([JOB, np.arange(USERS)])), torch.from_numpy(WEIGHT).float(), JOBS)
    messages = Messages.stack(USERS, {"job": edges}, {})
    encoder = RelationalEncoder({"job": JOBS}, {}, SIZE, {"job": 1.0}, torch.Generator())
    samples = {TABLE: torch.from_numpy(table)[None], "users.factors.rows": torch.from_numpy(free)[None]}
    found = leave_one_out_content(network(Posterior(samples), encoder, messages), "user", torch.from_numpy(rated * 5))[
        0
    ]
    for user in range(USERS):
        without = fitted(rows, pull, rated & (np.arange(USERS) != user))
        np.testing.assert_allclose(found[user].numpy(), WEIGHT[user] * without[JOB[user]], atol=5e-3)
    assert float(np.abs(found.numpy() - WEIGHT[:, None] * table[JOB]).max()) > 0.1


@pytest.mark.parametrize("num_users", [1, 4])
def test_users_without_concepts_have_no_content(num_users: int) -> None:
    messages = Messages.stack(num_users, {}, {})
    encoder = RelationalEncoder({}, {}, SIZE, {}, torch.Generator())
    posterior = Posterior({"users.factors.rows": torch.randn(2, num_users, SIZE)})
    found = leave_one_out_content(network(posterior, encoder, messages), "user", torch.ones(num_users))
    assert found.shape == (2, num_users, SIZE)
    assert not found.any()
