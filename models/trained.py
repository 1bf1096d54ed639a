"""What a training leaves: the graph, the network with its samples, and whatever all answers are read from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from kg.errors import InputError
from kg.graph import KnowledgeGraph
from kg.growth.new_entities import NewEntities
from kg.ratings import Ratings
from kg.schema import ITEM, USER
from models.cold.cold_start_prior import ColdStartPriors, EmbeddingPrior, PriorTable
from models.cold.fold_in import messages_sent
from models.cold.leave_one_out_content import leave_one_out_content
from models.cold.residuals import Residuals
from models.cold.sentence_map import SentenceMap
from models.cold.user_thresholds import UserThresholds
from models.inputs import hybrid_inputs
from models.lists.content import Content
from models.lists.item_item import ContentRegression, ItemItemModel
from models.network.assembly import ModelSettings, assemble
from models.network.graph_inputs import GraphInputs
from models.network.hybrid import HybridInputs, HybridModel
from models.network.projection import TextProjection
from models.posterior import PhasedPosterior, PhasedPredictor, Posterior
from models.text import TextEncoder

__all__ = ["Trained"]

RELEVANCE_POWER, RELEVANCE_POWER_IMPLICIT = 1.0, 0.1  # exponents, chosen on validation


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """A trained model with all it needs to answer.

    Attributes:
        graph: Users, items and concepts.
        train: Ratings the model has learned from.
        levels: Values of the rating scale, rising, in stars.
        settings: Sizes of the network.
        posterior: Its kept samples.
        data: Graph inputs.
        item_vectors: Text vectors of the items, `[num_items, dimension]`, zero rows for items without text.
        item_item: Who comes across what.
        encoder: Language model for sentences.
        encoder_fingerprint: Identity of the encoder that made `item_vectors`.
        scale: Lowest and highest possible rating, in stars.
        relevant_from: Least rating, in stars, that counts as liking.
        content: What lists know of items beside who chose them.
        projection: From text vectors to the features that the model reads; None where it reads no texts.
        sentences: What a sentence says of someone's taste, if that was learned; else its nearness to items decides.
        additions: Items and users that joined since training, in order.
        notes: What was said of them that could not be used, as sentences.
        origin: The same as it was before the first of them joined; None where none did.
    """

    graph: KnowledgeGraph
    train: Ratings
    levels: NDArray[np.float32]
    settings: ModelSettings
    posterior: PhasedPosterior
    data: GraphInputs
    item_vectors: NDArray[np.float32]
    item_item: ItemItemModel
    encoder: TextEncoder
    encoder_fingerprint: str
    scale: tuple[float, float]
    relevant_from: float
    content: Content
    projection: TextProjection | None = None
    sentences: SentenceMap | None = None
    additions: tuple[NewEntities, ...] = ()
    notes: tuple[str, ...] = ()
    origin: Self | None = None

    def __post_init__(self) -> None:
        for name in ("levels", "item_vectors"):
            view = getattr(self, name).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    @cached_property
    def inputs(self) -> HybridInputs:
        """Messages to all nodes; stacked on first use."""
        return hybrid_inputs(self.data)

    @cached_property
    def model(self) -> HybridModel:
        """The network, whose tables are of the right sizes and empty: each of the samples brings its own."""
        shapes = hybrid_inputs(self.data, edges=False)
        return assemble(shapes, torch.full((len(self.levels),), 1 / len(self.levels)), self.settings)

    @cached_property
    def predictor(self) -> PhasedPredictor:
        """Rows of all nodes in every sample; encoded on first use."""
        return self.posterior.predictor(self.model, self.inputs, self.learned(USER), self.learned(ITEM))

    def learned(self, kind: str) -> Tensor:
        """Return which users or items the model has learned from ratings of, bool `[num_nodes]`: no later additions."""
        counts = self.train.user_counts if kind == USER else self.train.item_counts
        added = sum(len(found) for found in self.additions if found.kind == kind)
        return torch.from_numpy((counts > 0) & (np.arange(len(counts)) < len(counts) - added))

    def _training_counts(self, kind: str) -> Tensor:
        """Return how many ratings of each user or item training has seen: none of those that joined later."""
        counts = (self.train.user_counts if kind == USER else self.train.item_counts).copy()
        for found in self.additions:
            if found.kind != kind:
                counts -= np.bincount(found.other, minlength=len(counts))
        return torch.from_numpy(counts) * self.learned(kind)

    @cached_property
    def content_regression(self) -> ContentRegression:
        """What content says of who comes across an item; made when first an item is added."""
        head = self.item_item.head
        return ContentRegression.of(np.flatnonzero(self.learned(ITEM).numpy()) if head is None else head, self.content)

    @cached_property
    def _residuals(self) -> dict[str, Residuals]:
        return {}

    @cached_property
    def _priors(self) -> dict[str, ColdStartPriors | PriorTable]:
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
        if kind not in self._priors:
            if kind == USER:
                rows = self.predictor.warm
                sent = partial(messages_sent, self.posterior.warm, self.data, kind)
                content = partial(self._content_from_others, kind, self.posterior.warm)
                self._priors[kind] = ColdStartPriors(self.train, lambda: rows.users, rows.items, sent, content)
            else:
                sent = partial(messages_sent, self.posterior.cold, self.data, kind)
                self._priors[kind] = ColdStartPriors(
                    self.train.transposed(), lambda: self.beyond_others, self.predictor.cold.users, sent
                )
        return self._priors[kind]

    @cached_property
    def beyond_others(self) -> Tensor:
        """What items are beyond content that the others taught, in the samples that know new items, `[num_samples, num_items, size]`."""
        return self.predictor.cold.items - self._content_from_others(ITEM, self.posterior.cold).float()

    @cached_property
    def user_thresholds(self) -> UserThresholds:
        """What is to be expected of a new user's use of the scale, in all samples."""
        return UserThresholds.of(self.predictor.warm.preferences[:, self.learned(USER)])

    def _content_from_others(self, kind: str, posterior: Posterior) -> Tensor:
        """Return what text and concepts say of all users or items, learned from the others, half precision, `[num_samples, num_nodes, size]`."""
        side = "users" if kind == USER else "items"
        messages = getattr(self.inputs, side).content
        counts = torch.tensor(self.train.user_counts if kind == USER else self.train.item_counts)
        return leave_one_out_content(posterior, getattr(self.model, side).content, kind, messages, counts)

    def residuals(self, kind: str) -> Residuals:
        """Return what content cannot say of users or items without ratings, in the samples that answer for new ones."""
        if kind not in self._residuals:
            side = "users" if kind == USER else "items"
            inputs = getattr(self.inputs, side).content
            rows, counts = getattr(self.predictor.cold, side), self._training_counts(kind)
            prior = self.cold_start_prior(ITEM, 0) if kind == ITEM else None
            self._residuals[kind] = Residuals.of(
                self.posterior.cold,
                getattr(self.model, side).content,
                kind,
                inputs,
                rows,
                counts,
                beyond_others=None if prior is None else self.beyond_others,
                expected=None if prior is None else prior.mean,
            )
        return self._residuals[kind]

    def keep(self, learned_from: Trained, *, predictor: PhasedPredictor | None = None) -> None:
        """Take over what another recommender of the same model has worked out, so that it is not done twice.

        Args:
            learned_from: The other one; what it has not worked out yet is left for later.
            predictor: Rows of all nodes, where they are not those of the other one.
        """
        for name in ("model", "predictor", "content_regression", "user_thresholds", "_residuals", "_priors"):
            if name in learned_from.__dict__:
                self.__dict__[name] = learned_from.__dict__[name]
        if self.data is learned_from.data and "inputs" in learned_from.__dict__:
            self.__dict__["inputs"] = learned_from.inputs
        if predictor is not None:
            self.__dict__["predictor"] = predictor

    def restore(
        self,
        *,
        predictor: PhasedPredictor,
        content_regression: ContentRegression,
        user_thresholds: UserThresholds | None,
        priors: dict[str, PriorTable],
        residuals: dict[str, Residuals],
    ) -> None:
        """Take what was worked out when the run was written, so that none of it is worked out again.

        Args:
            predictor: Rows of all nodes.
            content_regression: What content says of who comes across an item.
            user_thresholds: What is to be expected of a new user's use of the scale; None where nobody is known.
            priors: What is to be expected of new users and items by their number of ratings.
            residuals: What content cannot say, of the kinds that are asked for it.
        """
        made = {"predictor": predictor, "content_regression": content_regression}
        self.__dict__.update(made, _priors=dict(priors), _residuals=dict(residuals))
        if user_thresholds is not None:
            self.__dict__["user_thresholds"] = user_thresholds

    def with_map(self, sentences: SentenceMap | None) -> Self:
        """Return the same with another map from sentences to tastes; nothing else is worked out anew."""
        origin = None if self.origin is None else self.origin.with_map(sentences)
        found = replace(self, sentences=sentences, origin=origin)
        found.keep(self)
        return found

    @cached_property
    def with_concepts(self) -> dict[str, NDArray[np.bool_]]:
        """Of which users and items the model knows concepts: `user` and `item` -> bool `[num_nodes]`."""
        found = {kind: np.zeros(len(self.graph.nodes[kind]), dtype=bool) for kind in (USER, ITEM)}
        for kind, known in found.items():
            for edge_type in self.data[kind].content:
                known[self.data[edge_type].edge_index[1].numpy()] = True
            known.flags.writeable = False
        return found

    def with_words(self, items: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return of which items the model has read a text or a title, bool `[num_given_items]`."""
        if self.projection is None:
            return np.zeros(len(items), dtype=bool)
        nodes = self.graph.items
        named = nodes.labels[items] != nodes.vocabulary.ids[items]
        texts = np.array([text is not None for text in nodes.texts[items]], dtype=bool)
        read: NDArray[np.bool_] = (named | texts) & self.item_vectors[items].any(axis=1)
        return read

    @property
    def implicit(self) -> bool:
        """Whether a rating only says that a user chose an item; a score then orders items and is no number of stars."""
        return self.scale[0] == self.scale[1]

    @property
    def relevance_power(self) -> float:
        """How much liking counts beside exposure in a ranking; without stars both tell of the same choices."""
        return RELEVANCE_POWER_IMPLICIT if self.implicit else RELEVANCE_POWER

    @property
    def relevant_level(self) -> int:
        """Index of the lowest level that counts as liking; the highest one where training knows none so high."""
        return int(np.clip(np.searchsorted(self.levels, self.relevant_from), 1, len(self.levels) - 1))

    def item_item_of(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the exposure of known users to all items, `[num_users, num_items]`."""
        return self.item_item(self.seen_by(users))

    @cached_property
    def _rated(self) -> sparse.csr_array:
        shape = (self.train.num_users, self.train.num_items)
        table = sparse.csr_array(
            (np.ones(len(self.train), np.float32), (self.train.user, self.train.item)), shape=shape
        )
        table.data[:] = 1.0
        return table

    def seen_by(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return which items users rated in training, 0/1 `[num_users, num_items]`."""
        seen: NDArray[np.float32] = self._rated[users].toarray()
        return seen

    def check_encoder(self) -> None:
        """Raise `InputError` if the encoder at hand is not the one that read the items."""
        if self.encoder.fingerprint != self.encoder_fingerprint:
            raise InputError(
                f"the encoder {self.encoder.name!r} is not the one that read the items of this run; train again"
            )
