"""Behaviour of all users: what profiles and segments are read from, computed once a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from models.baselines import Biases
from models.lists.trained import Trained
from models.network.bilinear import bilinear
from models.network.head import slopes
from models.people.concept_table import ConceptTable
from models.people.concept_weights import ConceptWeights
from models.people.habits import habits_table
from models.people.interests import TasteSpace, unit_of_score
from models.people.own_tastes import OwnTastes
from models.people.relation_ridges import relation_ridges
from models.people.user_similarity import UserSimilarity

__all__ = ["Behaviour"]

LEAST_ITEMS, LEAST_SHARE = 5, 0.01  # of a common concept


@dataclass(frozen=True, kw_only=True, eq=False)
class Behaviour:
    """Concepts, directions of taste, habits and expectations.

    Attributes:
        recommender: The model they are of.
        concepts: The concepts of the items.
        warm: Directions in the samples for known users.
        cold: Directions in the samples for everyone else; the same object where training had one phase.
        own: Tastes beyond embeddings; None of implicit feedback, where what was not chosen says nothing of them.
        habits: `habits_table` of all users.
        expected: What the biases of user and item expect of each training rating, in stars; None of implicit feedback.
        share: Share of the training ratings whose item has each concept, `[num_concepts]`.
        common: Which concepts have at least five items and a hundredth of the training ratings, `[num_concepts]`.
        similarity: Similarity of tastes.
    """

    recommender: Trained
    concepts: ConceptTable
    warm: TasteSpace
    cold: TasteSpace
    own: OwnTastes | None
    habits: pd.DataFrame
    expected: NDArray[np.float64] | None
    share: NDArray[np.float64]
    common: NDArray[np.bool_]
    similarity: UserSimilarity

    @classmethod
    def of(cls, recommender: Trained) -> Behaviour:
        """Compute all of it from a trained model."""
        train, predictor = recommender.train, recommender.predictor
        concepts = ConceptTable.of(recommender.data, recommender.graph)
        ridge = relation_ridges(concepts, predictor.samples, train)
        unit = unit_of_score(predictor.samples, train, recommender.levels)
        warm = cold = TasteSpace.of(concepts, predictor.samples, train, unit, ridge=ridge)
        if predictor.cold_samples is not predictor.samples:
            cold = warm.part(
                slice(predictor.num_cold), unit_of_score(predictor.cold_samples, train, recommender.levels)
            )
        biases = own = None
        if not recommender.implicit:
            own = OwnTastes.of(concepts, predictor.samples, train, recommender.levels)
            biases = Biases(recommender.scale).fit(train)
        num_items = np.asarray(concepts.holds.sum(axis=0))
        share = np.asarray(train.item_counts @ concepts.holds, dtype=np.float64) / max(len(train), 1)
        return cls(
            recommender=recommender,
            concepts=concepts,
            warm=warm,
            cold=cold,
            own=own,
            habits=habits_table(
                train,
                concepts.holds[:, concepts.broad],
                recommender.relevant_from,
                None if biases is None else biases.of_user,
            ),
            expected=None if biases is None else biases.unclipped(train.user, train.item),
            share=share,
            common=(num_items >= LEAST_ITEMS) & (share >= LEAST_SHARE) & (share < 1),
            similarity=UserSimilarity.of(predictor.samples, warm.average, torch.from_numpy(train.item_counts > 0)),
        )

    def ratings_of(self, user: int) -> NDArray[np.int64]:
        """Return the positions of a user's training ratings."""
        return np.flatnonzero(self.recommender.train.user == user)

    def above_expected(self, ratings: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Return how far training ratings are above what the biases expect, in stars `[num_ratings]`; None without stars."""
        return None if self.expected is None else self.recommender.train.value[ratings] - self.expected[ratings]

    @torch.no_grad()
    def weights(self, user: int, rows: torch.Tensor | None = None, settled: Sequence[int] = ()) -> ConceptWeights:
        """Return what all concepts add for a user beyond what they add for the average user.

        The intervals count three doubts: what the user's embedding is, what direction a concept is, and what the user
        thinks of it beyond anything an embedding can say.

        Args:
            user: Whose weights they are.
            rows: An edited taste, in the samples that answer for the user.
            settled: Positions of concepts whose weights were set, and so are certain.
        """
        item = self.recommender.train.item[self.ratings_of(user)]
        space, phase = self.warm, self.recommender.predictor.samples
        if not len(item):
            space, phase = self.cold, self.recommender.predictor.cold_samples
        rows = phase.users[:, user] if rows is None else rows
        beyond = space.open_variance(rows)
        if self.own is not None:
            rated = torch.from_numpy(item)
            scores, preferences = bilinear(phase.users[:, [user]], phase.items[:, rated]), phase.preferences[:, [user]]
            _, information = slopes(scores, phase.thresholds[:, None], preferences, torch.zeros_like(rated))
            of_ratings = information.double().mean(dim=0).numpy()
            beyond = beyond + self.own.left_open(self.concepts.membership[item], of_ratings) * space.scale**2
        beyond[list(settled)] = 0.0
        return ConceptWeights.of(space.weights(rows), beyond)

    def similar(self, user: int, rows: torch.Tensor) -> NDArray[np.float32]:
        """Return the similarity of each user to a taste, in [-1, 1], NaN for the user and those without ratings.

        Args:
            user: Whose taste it is.
            rows: The taste in the warm samples, `[num_samples, embedding_size + 1]`.
        """
        similarity = self.similarity.to_all(rows)
        similarity[(self.recommender.train.user_counts == 0) | (np.arange(len(similarity)) == user)] = np.nan
        return similarity
