"""What a training leaves: the network, and what lists, sentences and newcomers' texts are read from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg.errors import InputError
from kg.schema import ITEM, USER
from models.cold.sentence_map import SentenceMap
from models.cold.trained_network import TrainedNetwork, read_only
from models.language.mentions import NameIndex
from models.lists.content import Content
from models.lists.item_item import ContentRegression, ItemItemModel
from models.text import TextEncoder

__all__ = ["Trained"]

RELEVANCE_POWER, RELEVANCE_POWER_IMPLICIT = 1.0, 0.1  # exponents, chosen on validation


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained(TrainedNetwork):
    """A trained network with all that lists are made of beside it.

    Attributes:
        item_vectors: Text vectors of the items, `[num_items, dimension]`, zero rows for items without text.
        item_item: Who comes across what.
        encoder: Language model for sentences.
        encoder_fingerprint: Identity of the encoder that made `item_vectors`.
        relevant_from: Least rating, in stars, that counts as liking.
        content: What lists know of items beside who chose them.
        sentences: What a sentence says of someone's taste, if that was learned; else its nearness to items decides.
    """

    item_vectors: NDArray[np.float32]
    item_item: ItemItemModel
    encoder: TextEncoder
    encoder_fingerprint: str
    relevant_from: float
    content: Content
    sentences: SentenceMap | None = None

    lasting: ClassVar[tuple[str, ...]] = (*TrainedNetwork.lasting, "content_regression")

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "item_vectors", read_only(self.item_vectors))

    @cached_property
    def names(self) -> NameIndex:
        """Names of items and concepts that texts may mention; collected on first use."""
        return NameIndex.of(self.graph)

    @cached_property
    def content_regression(self) -> ContentRegression:
        """What content says of who comes across an item; made when first an item is added."""
        head = self.item_item.head
        return ContentRegression.of(np.flatnonzero(self.learned(ITEM).numpy()) if head is None else head, self.content)

    def with_map(self, sentences: SentenceMap | None) -> Self:
        """Return the same with another map from sentences to tastes; nothing else is worked out anew."""
        origin = None if self.origin is None else self.origin.with_map(sentences)
        mapped = replace(self, sentences=sentences, origin=origin)
        mapped.keep(self)
        return mapped

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
        ones = np.ones(len(self.train), np.float32)
        table = sparse.csr_array((ones, (self.train.user, self.train.item)), shape=shape)
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
