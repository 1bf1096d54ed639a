"""What rows of users say of concepts: weights, linear in a row, in every sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve
from torch import Tensor
from torch_geometric.data import HeteroData

from kg.errors import InputError, UnknownNameError, did_you_mean
from kg.graph import KnowledgeGraph
from kg.ratings import Ratings
from kg.schema import ITEM
from models.lists.reasons import Reason
from models.posterior import Predictor

__all__ = ["ConceptTable", "TasteSpace"]

RIDGE = 3.0  # of 0.3, 1, 3, 10 and 30 the best on a simulated audience (seed 1) that no figure is reported of
BROAD_MOST = 100  # concepts of a relation that tells kinds of items apart
MANY_ITEMS = 5_000  # from which on half the precision is worth half the memory
SLOPE_PAIRS = 2_000  # ratings at which the worth of a unit of score is taken


@dataclass(frozen=True, kw_only=True, eq=False)
class ConceptTable:
    """All concepts that send messages to items, of all relations, side by side.

    A concept of a single item cannot be told from the item, so it is not among them.

    Attributes:
        relations: Names of the relations, as the graph has them.
        relation: Position of each concept's relation, rising, `[num_concepts]`.
        keys: `relation:id` of each concept, unique.
        labels: What people read.
        names: What people read with the relation: `genre: Drama`.
        membership: Weights of the edges, `[num_items, num_concepts]`, as the model has them.
    """

    relations: tuple[str, ...]
    relation: NDArray[np.int64]
    keys: tuple[str, ...]
    labels: tuple[str, ...]
    names: tuple[str, ...]
    membership: sparse.csr_array

    @classmethod
    def of(cls, data: HeteroData, graph: KnowledgeGraph) -> ConceptTable:
        """Take the concepts from graph inputs; nothing depends on ratings."""
        blocks, relation, keys, labels, names = [], [], [], [], []
        for number, edge_type in enumerate(data[ITEM].content):
            edges, nodes = data[edge_type], graph.nodes[edge_type[0]]
            senders = edges.senders.numpy()
            place = (edges.edge_index[1].numpy(), edges.table_row.numpy())
            blocks.append(sparse.csr_array((edges.edge_weight.numpy(), place), shape=(len(graph.items), len(senders))))
            relation += [number] * len(senders)
            mine = [str(label) for label in nodes.labels[senders]]
            keys += [f"{edge_type[1]}:{raw_id}" for raw_id in nodes.vocabulary.ids[senders]]
            names += [str(Reason(edge_type[1], label, 0.0)) for label in mine]
            labels += mine
        empty = sparse.csr_array((len(graph.items), 0), dtype=np.float32)
        return cls(
            relations=tuple(edge_type[1] for edge_type in data[ITEM].content),
            relation=np.array(relation, dtype=np.int64),
            keys=tuple(keys),
            labels=tuple(labels),
            names=tuple(names),
            membership=sparse.csr_array(sparse.hstack(blocks, format="csr") if blocks else empty),
        )

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def holds(self) -> sparse.csr_array:
        """Which items have which concepts, 0/1 `[num_items, num_concepts]`."""
        return sparse.csr_array((self.membership > 0).astype(np.float32))

    @cached_property
    def typical(self) -> NDArray[np.float64]:
        """Mean weight of a concept's edges, `[num_concepts]`."""
        counts = np.maximum(self.holds.sum(axis=0), 1)
        return np.asarray(self.membership.sum(axis=0) / counts, dtype=np.float64)

    @cached_property
    def broad(self) -> NDArray[np.int64]:
        """The concepts that tell kinds of items apart: those of the relation with the most edges an item.

        Only relations of 2 to 100 concepts that cover half of the items are asked; where there is none, these are
        the 30 most frequent concepts of the relation with the most edges.
        """
        best, found = 0.0, np.zeros(0, dtype=np.int64)
        for number in range(len(self.relations)):
            mine = np.flatnonzero(self.relation == number)
            held = np.asarray(self.holds[:, mine].sum(axis=1))
            covered = np.count_nonzero(held)
            if 2 <= len(mine) <= BROAD_MOST and covered >= 0.5 * len(held) and held.sum() / covered > best + 1e-9:
                best, found = held.sum() / covered, mine
        if not len(found) and len(self):
            edges = np.asarray(self.holds.sum(axis=0))
            largest = np.bincount(self.relation, edges).argmax()
            mine = np.flatnonzero(self.relation == largest)
            found = np.sort(mine[np.argsort(-edges[mine], kind="stable")[:30]])
        return found

    def find(self, name: str) -> int:
        """Return the position of a concept by `relation:id`, by `relation: label`, or by its label alone.

        Where several concepts have the name, the one whose relation is of a table, not of an RDF source, is meant.

        Raises:
            UnknownNameError: If there is none.
            InputError: If there are several.
        """
        if name in self._by_key:
            return self._by_key[name]
        wanted = _folded(name)
        found = self._by_name.get(wanted, [])
        if not found:
            raise UnknownNameError(
                f"there is no concept {name!r} among those of at least two items; name one as 'genre: Drama' or by its "
                f"label.{did_you_mean(wanted, self._by_name)}"
            )
        own = [one for one in found if ":" not in self.relations[self.relation[one]]]
        found = own if len(own) == 1 else found
        if len(found) > 1:
            options = ", ".join(repr(self.keys[one]) for one in found[:5])
            raise InputError(f"{name!r} names {len(found)} concepts; say which one: {options}")
        return found[0]

    @cached_property
    def _by_key(self) -> dict[str, int]:
        return {key: number for number, key in enumerate(self.keys)}

    @cached_property
    def _by_name(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for number, (name, label) in enumerate(zip(self.names, self.labels, strict=True)):
            for spelling in dict.fromkeys((_folded(name), _folded(label))):
                found.setdefault(spelling, []).append(number)
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class TasteSpace:
    r"""Directions in which a user's row means a taste for a concept, in the samples of one phase.

    The rows of the rated items are read as sums over their concepts, $z_i \approx \bar z + \sum_c w_{ic} A_c$, by ridge
    regression in every sample:

    $$A = X^\top (X X^\top + \lambda I)^{-1} (Z - \bar z)$$

    with $X$ the weights $w_{ic}$ of the model's edges. So a concept answers for all that its items have in common (what
    its table says, and what text, neighbours and free rows say of them) beyond their other concepts. With
    $\bar w_c$ the mean weight of its edges and $s$ the stars that a unit of score is worth at a typical rating, it adds

    $$s\, \bar w_c \left(\langle z_u, A_c \rangle + A_{c,\mathrm{bias}}\right)$$

    to the ratings of user $u$, and $s\, \bar w_c \langle z_u - \bar z_U, A_c \rangle$ more than to those of the average
    user. Tables alone recover simulated tastes less well.

    Attributes:
        concepts: The concepts.
        duals: $(X X^\top + \lambda I)^{-1} (Z - \bar z)$, zero for items nobody rated, `[num_samples, num_items, embedding_size + 1]`.
        average: Mean row of the users with ratings, `[num_samples, embedding_size + 1]`.
        unit: Stars (of implicit feedback: chance) that a unit of score is worth.
    """

    concepts: ConceptTable
    duals: Tensor
    average: Tensor
    unit: float

    @classmethod
    @torch.no_grad()
    def of(
        cls, concepts: ConceptTable, predictor: Predictor, train: Ratings, unit: float, *, ridge: float = RIDGE
    ) -> TasteSpace:
        """Read the directions off the samples of one phase."""
        known = torch.from_numpy(train.user_counts > 0)
        rated = np.flatnonzero(train.item_counts)
        exact = np.float64 if len(rated) <= MANY_ITEMS else np.float32
        held = concepts.membership[rated].astype(exact)
        gram = (held @ held.T).toarray()
        gram[np.diag_indices_from(gram)] += ridge
        factor = cho_factor(gram, overwrite_a=True)
        chosen = torch.from_numpy(rated)
        rows = predictor.items[:, chosen].permute(1, 0, 2).numpy().astype(exact)
        flat = rows.reshape(len(rated), -1)
        one = cho_solve(factor, np.ones(len(rated), dtype=exact))
        solved = cho_solve(factor, flat - one @ flat / one.sum(), overwrite_b=True).reshape(rows.shape)
        duals = torch.zeros_like(predictor.items)
        duals[:, chosen] = torch.from_numpy(solved.astype(np.float32)).permute(1, 0, 2)
        average = predictor.users[:, known].mean(dim=1)
        return cls(concepts=concepts, duals=duals, average=average, unit=unit)

    @property
    def scale(self) -> NDArray[np.float64]:
        """Stars (or chance) at a typical item of each concept for a unit of its message, `[num_concepts]`."""
        return self.unit * self.concepts.typical

    @torch.no_grad()
    def weights(self, rows: Tensor) -> NDArray[np.float32]:
        """Return what concepts add beyond what they add for the average user, `[num_samples, num_concepts]`.

        Args:
            rows: A user's rows, `[num_samples, embedding_size + 1]`.
        """
        own = (rows - self.average)[:, :-1, None]
        spoken = (self.duals[..., :-1] @ own)[..., 0].numpy()
        return np.asarray((spoken @ self.concepts.membership) * self.scale, dtype=np.float32)

    @torch.no_grad()
    def mean_weights(self, rows: Tensor, samples: Sequence[int] | None = None) -> NDArray[np.float32]:
        """Return `weights` of many users, mean over samples, `[num_users, num_concepts]`.

        Args:
            rows: `[num_samples, num_users, embedding_size + 1]`.
            samples: Over which; by default over all.
        """
        chosen = range(len(rows)) if samples is None else samples
        total = torch.zeros(rows.shape[1], self.duals.shape[1])
        for sample in chosen:
            total += (rows[sample] - self.average[sample])[:, :-1] @ self.duals[sample, :, :-1].t()
        return np.asarray((total.numpy() / len(chosen)) @ self.concepts.membership * self.scale, dtype=np.float32)

    @cached_property
    def of_average(self) -> NDArray[np.float32]:
        """What each concept adds to the ratings of the average user, mean over the samples, `[num_concepts]`."""
        spoken = (self.duals[..., :-1] @ self.average[:, :-1, None])[..., 0] + self.duals[..., -1]
        return np.asarray((spoken.mean(dim=0).numpy() @ self.concepts.membership) * self.scale, dtype=np.float32)

    @torch.no_grad()
    def directions(self, chosen: Sequence[int]) -> Tensor:
        """Return rows `a_c` with `weight = <z_u - average, a_c>`, `[num_samples, num_chosen, embedding_size + 1]`, bias 0."""
        found = torch.zeros(len(self.duals), len(chosen), self.duals.shape[2])
        for number, concept in enumerate(chosen):
            column = self.concepts.membership[:, [concept]].tocoo()
            items, weights = torch.from_numpy(column.coords[0].astype(np.int64)), torch.from_numpy(column.data)
            found[:, number] = (weights[:, None] * self.duals[:, items]).sum(dim=1) * float(self.scale[concept])
        found[..., -1] = 0.0
        return found


@torch.no_grad()
def unit_of_score(predictor: Predictor, train: Ratings, levels: NDArray[np.float32], *, seed: int = 0) -> float:
    """Return the stars (or chance) that a unit of score is worth: the mean slope of expected ratings at training ratings.

    Args:
        predictor: Rows of all nodes.
        train: Training ratings.
        levels: Values of the levels, rising.
        seed: Seed of the choice of ratings.
    """
    some = np.random.default_rng(seed).permutation(len(train))[:SLOPE_PAIRS]
    user, item = torch.from_numpy(train.user[some]), torch.from_numpy(train.item[some])
    steps, total = torch.from_numpy(np.diff(levels).astype(np.float32)), 0.0
    for number in range(len(predictor.users)):
        rows, others = predictor.users[number, user], predictor.items[number, item]
        score = (rows[:, :-1] * others[:, :-1]).sum(1) + rows[:, -1] + others[:, -1]
        cuts = (
            predictor.thresholds[number] + predictor.user_offsets[number, user] + predictor.item_offsets[number, item]
        )
        below = torch.sigmoid(torch.cummax(cuts, dim=-1).values - score[:, None])
        total += float(((below * (1 - below)) @ steps).mean())
    return total / len(predictor.users)


def _folded(name: str) -> str:
    relation, colon, label = name.partition(":")
    return f"{relation.strip()}: {label.strip()}".casefold() if colon else name.strip().casefold()
