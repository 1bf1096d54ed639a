r"""myFM: Bayesian factorization machines by Gibbs sampling, on the side information that our model reads.

$$f = w_0 + \sum_j w_j x_j + \sum_{j < k} \langle v_j, v_k \rangle x_j x_k$$

A rating's features x are those of its user beside those of its item: one column for each node itself and one for
each sender of each message of our model, with the model's own weights: concepts, text components, and the
implicit sets of SVD++ both ways. Each relation is a group with a prior of its own. The
regressor is that of Freudenthaler, Schmidt-Thieme & Rendle 2011, the ordered probit that of Ohtsuki's package.
Two-hop features are left out: with them the validation error was higher (0.885 against 0.883 on MovieLens 100K, u1).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from importlib import import_module
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg.errors import InputError
from kg.rating_levels import nearest_level
from kg.schema import ITEM, USER
from models.inputs import relation_name
from models.network.encoder import Messages
from models.network.message_names import HOP, RATED, RATED_BY, RATED_OVER
from models.network.tower import NodeInputs
from training.comparison.peers import BenchmarkData, Peer
from training.predictions import Scorers

__all__ = ["IMPLICIT_SETS", "MYFM", "MYFM_DECADES", "MYFM_SETS", "MYFM_WITHOUT_SETS", "Design", "design_of"]

PACKAGE = "myfm"
SELF = "self"
IMPLICIT_SETS = (relation_name((ITEM, RATED, USER)), relation_name((USER, RATED_BY, ITEM)))

Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Design:
    """The features of all nodes of one kind.

    Attributes:
        matrix: Features `[num_nodes, num_columns]`, float64.
        groups: Name and number of columns of each relation, in the order of the columns.
    """

    matrix: sparse.csr_matrix
    groups: tuple[tuple[str, int], ...]

    def block(self, rows: Indices) -> Any:
        """Return myFM's relation block for the nodes of some ratings."""
        return _package().RelationBlock(rows, self.matrix)


def design_of(inputs: NodeInputs, *, leave_out: Sequence[str] = (), only: Sequence[str] | None = None) -> Design:
    """Stack the one-hot rows of the nodes, their messages and their dense features side by side.

    Args:
        inputs: Messages to one kind of node.
        leave_out: Relations and features without columns, by name.
        only: The only ones with columns, beside the nodes themselves; None for all.
    """

    def wanted(name: str) -> bool:
        return not name.startswith((HOP, RATED_OVER)) and name not in leave_out and (only is None or name in only)

    size = inputs.content.num_nodes
    blocks: list[sparse.csr_matrix] = [sparse.identity(size, format="csr")]
    groups = [(SELF, size)]
    for messages in (inputs.content, inputs.interactions):
        for name, block in _relations(messages):
            if wanted(name):
                blocks.append(block)
                groups.append((name, block.shape[1]))
        for name, features in messages.features.items():
            if wanted(name):
                blocks.append(sparse.csr_matrix(features.numpy()))
                groups.append((name, features.shape[1]))
    return Design(sparse.hstack(blocks, format="csr", dtype=np.float64), tuple(groups))


def _relations(messages: Messages) -> list[tuple[str, sparse.csr_matrix]]:
    if messages.operator is None:
        return []
    tensor = messages.operator.matrix
    parts = (tensor.values(), tensor.col_indices(), tensor.crow_indices())
    table = sparse.csr_matrix(tuple(part.numpy() for part in parts), shape=tuple(tensor.shape)).tocsc()
    ends = np.cumsum(list(messages.num_sources.values()))
    return [
        (name, table[:, end - width : end].tocsr())
        for (name, width), end in zip(messages.num_sources.items(), ends, strict=True)
    ]


def _package() -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
        try:
            return import_module(PACKAGE)
        except ModuleNotFoundError as error:
            if error.name != "pkg_resources":
                raise
            raise InputError(
                "myfm asks pkg_resources for its version, which setuptools 81 dropped; `pip install 'setuptools<81'`"
            ) from None


def _fit(
    model: Any,
    data: BenchmarkData,
    target: NDArray[np.generic],
    iterations: int,
    leave_out: Sequence[str],
    only: Sequence[str] | None,
) -> Callable[[Indices, Indices], list[Any]]:
    """Fit a model; return what makes the blocks of features for users and items."""
    inputs = data.experiment.inputs
    users, items = (design_of(side, leave_out=leave_out, only=only) for side in (inputs.users, inputs.items))

    def blocks(user: Indices, item: Indices) -> list[Any]:
        return [users.block(user), items.block(item)]

    def report(iteration: int, *state: object) -> tuple[bool, None]:
        data.progress("train", iteration + 1, iterations, "draws of myFM")
        return False, None

    with redirect_stderr(StringIO()):  # a progress bar of its own
        model.fit(
            None,
            target,
            X_rel=blocks(data.train.user, data.train.item),
            n_iter=iterations,
            group_shapes=[width for design in (users, items) for _, width in design.groups],
            callback=report,
        )
    return blocks


def fit_regressor(
    data: BenchmarkData,
    *,
    rank: int,
    iterations: int,
    seed: int,
    leave_out: Sequence[str] = (),
    only: Sequence[str] | None = None,
) -> Scorers:
    """Fit the regressor; stars are the mean over samples, held to the scale."""
    model = _package().MyFMGibbsRegressor(rank=rank, random_seed=seed)
    blocks = _fit(model, data, data.train.value.astype(np.float64), iterations, leave_out, only)

    def stars(user: Indices, item: Indices) -> NDArray[np.floating]:
        return np.asarray(np.clip(model.predict(None, X_rel=blocks(user, item)), *data.dataset.scale))

    return Scorers(stars=stars)


def fit_ordered_probit(
    data: BenchmarkData,
    *,
    rank: int,
    iterations: int,
    seed: int,
    leave_out: Sequence[str] = (),
    only: Sequence[str] | None = None,
) -> Scorers:
    """Fit the ordered probit; stars are the expectation of the mean chances of the levels."""
    model = _package().MyFMOrderedProbit(rank=rank, random_seed=seed)
    blocks = _fit(model, data, nearest_level(data.train.value, data.levels), iterations, leave_out, only)

    def probabilities(user: Indices, item: Indices) -> NDArray[np.floating]:
        return np.asarray(model.predict_proba(None, X_rel=blocks(user, item)))

    return Scorers(probabilities=probabilities)


_SETTINGS: dict[str, Any] = {"rank": 10, "iterations": 200, "seed": 42, "leave_out": []}  # those of its documentation
_NO_SETS = {**_SETTINGS, "leave_out": list(IMPLICIT_SETS)}
_FEW = {**_SETTINGS, "only": [*IMPLICIT_SETS, "genre<genre", "year<year"]}
_HOW = "rank 10 and 200 draws, as in its documentation"
_NOTE = f"{_HOW}; the inputs of our model but its two-hop features"
_NOTE_FEW = (
    f"{_HOW}; implicit sets, genres and years: the best for the regressor of 10 choices of inputs, by the RMSE of 6,000 "
    "training ratings of u1's test users"
)


def _both(what: str, settings: Mapping[str, Any], note: str) -> tuple[Peer, Peer]:
    """Return the ordered probit and the regressor on the same inputs."""
    return (
        Peer(name=f"myFM ordered probit{what}", package=PACKAGE, fit=fit_ordered_probit, settings=settings, note=note),
        Peer(name=f"myFM regressor{what}", package=PACKAGE, fit=fit_regressor, settings=settings, note=note),
    )


MYFM = (*_both("", _SETTINGS, _NOTE), *_both(", fewer inputs", _FEW, _NOTE_FEW))
MYFM_WITHOUT_SETS = _both(", no implicit sets", _NO_SETS, _NOTE)
MYFM_SETS = _both(", ids and implicit sets", {**_SETTINGS, "only": list(IMPLICIT_SETS)}, _HOW)
MYFM_DECADES = _both(
    ", fewer inputs",
    {**_FEW, "only": [*_FEW["only"], "decade<decade"]},
    f"{_HOW}; implicit sets, genres, years and decades, no dates",
)
