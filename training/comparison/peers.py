"""Other people's models, measured beside ours: what each needs, can do, and how it is fitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg.dataset import Dataset
from kg.errors import InputError
from kg.ratings import Ratings
from models.lists.content import Content
from training.config import RunConfig
from training.experiment import Experiment
from training.predictions import Scorers
from training.progress import Progress, silent
from training.splits import liked_from

__all__ = ["BenchmarkData", "Peer", "peers_named"]


class BenchmarkData:
    """What a peer may read: the training ratings and the very inputs of our model, made when asked for.

    Args:
        graph: Graph directory.
        config: Split, text and inputs as our model has them.
        progress: Called with (stage, done, total, message).
    """

    def __init__(self, graph: Path, config: RunConfig, *, progress: Progress = silent) -> None:
        self.dataset = Dataset.load(graph)
        self.experiment = Experiment(self.dataset, config, progress=progress)
        self.progress = progress

        split = self.experiment.split
        self.train: Ratings = split.train
        # Of the held-out parts, `test` is for the measuring, never for a fit; settings are chosen on `validation`.
        self.test: Mapping[str, Ratings] = split.test
        self.validation: Ratings | None = split.validation
        # Levels of our own model, in stars, rising: those of the training ratings, or bins of them.
        self.levels: NDArray[np.float32] = self.experiment.levels
        self.relevant_from = liked_from(self.dataset.scale)  # an item counts as liked from so many stars on

    @cached_property
    def content(self) -> Content:
        """Texts and concepts of the items."""
        return Content.of(self.experiment.data, self.experiment.item_vectors)

    @property
    def removed(self) -> NDArray[np.bool_]:
        """Items that have left the graph, `[num_items]`: nobody's candidates."""
        return ~self.dataset.graph.items.present

    @cached_property
    def liked(self) -> Ratings:
        """The training ratings of liked items."""
        return self.train.select(self.train.value >= self.relevant_from)


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A model that is measured beside ours.

    Attributes:
        name: Name in the tables.
        fit: Called with the benchmark data and the settings; returns what the fitted model can answer.
        package: Distribution it comes in; None for our own baselines.
        settings: Keyword arguments of `fit`, as JSON values; they are part of the row's identity.
        note: What a reader must know of it.
    """

    name: str
    fit: Callable[..., Scorers]
    package: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def version(self) -> str | None:
        """Version of the installed package, or None where it is absent; of a baseline, the version of kgrec."""
        try:
            return version(self.package or "kgrec")
        except PackageNotFoundError:
            return None if self.package else "0"


def peers_named(beginnings: Sequence[str], peers: Sequence[Peer]) -> tuple[Peer, ...]:
    """Return the peers whose names begin in one of the ways given, in small letters or large ones.

    Raises:
        InputError: If no peer's name begins in one of the ways; the message lists the names.
    """
    chosen = []
    for beginning in beginnings:
        named = [peer for peer in peers if peer.name.casefold().startswith(beginning.casefold())]
        if not named:
            known = ", ".join(peer.name for peer in peers)
            raise InputError(f"no peer has a name that begins with {beginning!r}; there are {known}")
        chosen += named
    return tuple(peer for peer in peers if peer in chosen)
