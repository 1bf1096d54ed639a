"""The network that a training leaves: its samples on the graph, and what its known nodes say of newcomers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kg.graph import KnowledgeGraph
from kg.growth.new_entities import NewEntities
from kg.ratings import Ratings
from kg.schema import ITEM, USER
from models.cold.cold_start_prior import ColdStartPriors, PriorTable
from models.cold.leave_one_out_content import leave_one_out_content
from models.cold.residuals import Residuals
from models.network.assembly import ModelSettings
from models.network.graph_inputs import GraphInputs
from models.network.projection import TextProjection
from models.posterior import (
    EmbeddingPrior,
    NetworkOnGraph,
    PhasedPosterior,
    PhasedPredictor,
    SampledNetwork,
    UserThresholds,
)

__all__ = ["TrainedNetwork"]


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedNetwork:
    """A trained network, with all that places newcomers in it.

    Attributes:
        graph: Users, items and concepts.
        train: Ratings the model has learned from.
        levels: Values of the rating scale, rising, in stars.
        scale: Lowest and highest possible rating, in stars.
        settings: Sizes of the network.
        posterior: Its kept samples.
        data: Graph inputs.
        projection: From text vectors to the features that the model reads; None where it reads no texts.
        additions: Items and users that joined since training, in order.
        notes: What was said of them that could not be used, as sentences.
        origin: The same as it was before the first of them joined; None where none did.
    """

    graph: KnowledgeGraph
    train: Ratings
    levels: NDArray[np.float32]
    scale: tuple[float, float]
    settings: ModelSettings
    posterior: PhasedPosterior
    data: GraphInputs
    projection: TextProjection | None = None
    additions: tuple[NewEntities, ...] = ()
    notes: tuple[str, ...] = ()
    origin: Self | None = None

    # What is worked out on first use, and stays true when something joins.
    lasting: ClassVar[tuple[str, ...]] = ("predictor", "user_thresholds", "made_residuals", "made_priors")

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", read_only(self.levels))

    @property
    def implicit(self) -> bool:
        """Whether a rating only says that a user chose an item; a score then orders items and is no number of stars."""
        return self.scale[0] == self.scale[1]

    @cached_property
    def network(self) -> NetworkOnGraph:
        """The modules of the network and what they read."""
        return NetworkOnGraph(self.data, self.settings, len(self.levels))

    @cached_property
    def predictor(self) -> PhasedPredictor:
        """Embeddings of all nodes in every sample; encoded on first use."""
        known = self.learned(USER), self.learned(ITEM)
        return self.posterior.predictor(self.network.model, self.network.inputs, *known)

    @cached_property
    def samples(self) -> SampledNetwork:
        """The network in all samples, which answer for known users and items."""
        return SampledNetwork(self.posterior.samples, self.predictor.samples, self.network)

    @cached_property
    def cold_samples(self) -> SampledNetwork:
        """The network in the samples of the first phase, which answer for new ones."""
        return SampledNetwork(self.posterior.cold_samples, self.predictor.cold_samples, self.network)

    def rating_counts(self, kind: str) -> NDArray[np.int64]:
        """Return the number of ratings of each user or item, `[num_nodes]`."""
        return self.train.user_counts if kind == USER else self.train.item_counts

    def learned(self, kind: str) -> Tensor:
        """Return which users or items the model has learned from ratings of, bool `[num_nodes]`: no later additions."""
        counts = self.rating_counts(kind)
        added = sum(len(newcomers) for newcomers in self.additions if newcomers.kind == kind)
        return torch.from_numpy((counts > 0) & (np.arange(len(counts)) < len(counts) - added))

    @cached_property
    def learned_ratings(self) -> Ratings:
        """The ratings that messages are made of: those of nodes that joined after training send none."""
        if not self.additions:
            return self.train
        users, items = self.learned(USER).numpy(), self.learned(ITEM).numpy()
        return self.train.select(users[self.train.user] & items[self.train.item])

    @cached_property
    def made_residuals(self) -> dict[str, Residuals]:
        """Residuals that were asked for already, by kind."""
        return {}

    @cached_property
    def made_priors(self) -> dict[str, ColdStartPriors | PriorTable]:
        """Priors that were asked for already, by kind."""
        return {}

    def cold_start_prior(self, kind: str, number: int, *, informed: bool = False) -> EmbeddingPrior | None:
        """Return what is to be expected of someone or something new with a number of ratings; of an item, beyond its content.

        Of a user in all samples, since known users stand in for new ones; of an item in those that know new items.
        None where ratings only say that a user chose an item: what is chosen tells nothing of what is not.

        Args:
            kind: `user` or `item`.
            number: Number of ratings.
            informed: Whether the concepts of a new user are known as well.
        """
        return None if self.implicit else self.cold_start_priors(kind)(number, informed=informed)

    def cold_start_priors(self, kind: str) -> ColdStartPriors | PriorTable:
        """Return the priors for all numbers of ratings, each made when it is asked for, from what is known here and now."""
        if kind not in self.made_priors and kind == USER:
            samples = self.samples
            self.made_priors[kind] = ColdStartPriors(
                self.train,
                lambda: samples.embeddings(USER),
                samples.embeddings(ITEM),
                lambda: samples.messages_sent(USER),
                lambda: self._content_from_others(USER, samples),
            )
        elif kind not in self.made_priors:
            cold = self.cold_samples
            self.made_priors[kind] = ColdStartPriors(
                self.train.transposed(),
                lambda: self.beyond_others,
                cold.embeddings(USER),
                lambda: cold.messages_sent(ITEM),
            )
        return self.made_priors[kind]

    @cached_property
    def beyond_others(self) -> Tensor:
        """What items are beyond content that the others taught, in the samples that know new items, `[num_samples, num_items, size]`."""
        return self.cold_samples.embeddings(ITEM) - self._content_from_others(ITEM, self.cold_samples).float()

    @cached_property
    def user_thresholds(self) -> UserThresholds:
        """What is to be expected of a new user's use of the scale, in all samples."""
        return UserThresholds.of(self.predictor.samples.preferences[:, self.learned(USER)])

    def _content_from_others(self, kind: str, samples: SampledNetwork) -> Tensor:
        return leave_one_out_content(samples, kind, torch.tensor(self.rating_counts(kind)))

    def residuals(self, kind: str) -> Residuals:
        """Return what content cannot say of users or items without ratings, in the samples that answer for new ones."""
        if kind not in self.made_residuals:
            counts = self.rating_counts(kind).copy()
            for newcomers in self.additions:
                if newcomers.kind != kind:
                    counts -= np.bincount(newcomers.other, minlength=len(counts))  # training has not seen these
            prior = self.cold_start_prior(ITEM, 0) if kind == ITEM else None
            self.made_residuals[kind] = Residuals.of(
                self.cold_samples,
                kind,
                torch.from_numpy(counts) * self.learned(kind),
                beyond_others=None if prior is None else self.beyond_others,
                expected=None if prior is None else prior.mean,
            )
        return self.made_residuals[kind]

    def keep(self, learned_from: TrainedNetwork, *, predictor: PhasedPredictor | None = None) -> None:
        """Take over what another recommender of the same model has worked out, so that it is not done twice.

        Args:
            learned_from: The other one; what it has not worked out yet is left for later.
            predictor: Embeddings of all nodes, where they are not those of the other one.
        """
        names = (*self.lasting, "network") if self.data is learned_from.data else self.lasting
        self.__dict__.update({name: learned_from.__dict__[name] for name in names if name in learned_from.__dict__})
        if predictor is not None:
            self.__dict__["predictor"] = predictor

    def restore(self, **worked_out: object) -> None:
        """Take what was worked out when the run was written, so that none of it is worked out again.

        Args:
            **worked_out: Values of what is worked out on first use, by name (`lasting`); None where there is nothing to take.
        """
        assert worked_out.keys() <= set(self.lasting)
        self.__dict__.update({name: value for name, value in worked_out.items() if value is not None})


def read_only(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the same array for reading only."""
    view = array.view()
    view.flags.writeable = False
    return view
