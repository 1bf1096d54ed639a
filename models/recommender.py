"""What people call: predict, recommend, audience; with their own ids in and out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import HeteroData

from kg.errors import InputError
from kg.graph import KnowledgeGraph
from kg.ratings import Ratings
from kg.rules import AppliedRules
from models.exposure import Exposure
from models.hybrid import HybridModel
from models.inputs import hybrid_inputs
from models.listing import FEW, listed, sources, stars_of
from models.person import Person, known_person, person_of_history, person_of_text
from models.phases import PhasedPosterior, PhasedPredictor
from models.posterior import Posterior
from models.ranking import Adjustment, best_of, ranking
from models.reasons import Reason, concept_reasons
from models.rerank import Reranker
from models.ruled import adjustment_of, with_rules
from models.sessions import Sessions
from models.text import TextEncoder

__all__ = ["FEW", "Recommender"]

LIKING_POWER, LIKING_POWER_IMPLICIT = 1.0, 0.1  # exponents, chosen on validation


@dataclass(frozen=True, kw_only=True, eq=False)
class Recommender:
    """A trained model with all it needs to answer.

    Attributes:
        graph: Users, items and concepts.
        train: Ratings the model has learned from.
        levels: Values of the rating scale, rising, in stars.
        model: The network.
        posterior: Its kept samples.
        data: Graph inputs.
        item_vectors: Text vectors of the items, `[num_items, dimension]`, zero rows for items without text.
        exposure: Who comes across what.
        encoder: Language model for sentences.
        encoder_fingerprint: Identity of the encoder that made `item_vectors`.
        scale: Lowest and highest possible rating, in stars.
        relevant_from: Least rating, in stars, that counts as liking.
        sessions: Days of the training ratings, where the model has learned what a day adds to a user.
    """

    graph: KnowledgeGraph
    train: Ratings
    levels: NDArray[np.float32]
    model: HybridModel
    posterior: PhasedPosterior
    data: HeteroData
    item_vectors: NDArray[np.float32]
    exposure: Exposure
    encoder: TextEncoder
    encoder_fingerprint: str
    scale: tuple[float, float]
    relevant_from: float
    sessions: Sessions | None = None

    @cached_property
    def predictor(self) -> PhasedPredictor:
        """Rows of all nodes in every sample; encoded on first use."""
        return self.posterior.predictor(
            self.model,
            hybrid_inputs(self.data, self.sessions),
            torch.from_numpy(self.train.user_counts > 0),
            torch.from_numpy(self.train.item_counts > 0),
        )

    @cached_property
    def reranker(self) -> Reranker:
        """Trades relevance for diversity and novelty; made on first use."""
        return Reranker.of(self)

    @property
    def implicit(self) -> bool:
        """Whether a rating only says that a user chose an item; scores are then chances of a choice, not stars."""
        return self.scale[0] == self.scale[1]

    @property
    def liking_power(self) -> float:
        """How much liking counts beside exposure in a ranking; without stars both tell of the same choices."""
        return LIKING_POWER_IMPLICIT if self.implicit else LIKING_POWER

    @property
    def relevant_level(self) -> int:
        """Index of the lowest level that counts as liking; the highest one where training knows none so high."""
        return int(np.clip(np.searchsorted(self.levels, self.relevant_from), 1, len(self.levels) - 1))

    def predict(self, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
        """Predict ratings.

        Args:
            pairs: (user id, item id) of the data, warm or cold.

        Returns:
            A row a pair: `user`, `item`, `score` in stars, `low` and `high` of the 80 % interval, `source`.

        Raises:
            UnknownNameError: If the graph does not know an id.
        """
        user = self.graph.users.vocabulary.indices([pair[0] for pair in pairs])
        item = self.graph.items.vocabulary.indices([pair[1] for pair in pairs])
        probabilities = self.predictor.probabilities(torch.from_numpy(user), torch.from_numpy(item))
        return pd.DataFrame(
            {
                "user": [pair[0] for pair in pairs],
                "item": [pair[1] for pair in pairs],
                **stars_of(probabilities, self.levels),
                "source": sources(self.train.user_counts[user], self.train.item_counts[item]),
            }
        )

    def recommend(
        self,
        *,
        user: str | None = None,
        history: Mapping[str, float] | None = None,
        text: str | None = None,
        k: int = 10,
        candidates: Collection[str] | None = None,
        exclude_seen: bool = True,
        rules: Adjustment | AppliedRules | None = None,
        diversity: float = 0.0,
        novelty: float = 0.0,
        num_reasons: int = 2,
    ) -> pd.DataFrame:
        """Return the best items for a known user, for someone with a few ratings, or for a sentence.

        Items are ranked by the chance that the person comes across one and likes it, not by stars
        alone: among thousands of items the highest expected stars belong to titles nobody meets. For a
        sentence, nearness to it takes the place of coming across.

        Args:
            user: Id of a known user.
            history: Ratings of someone new, item id -> stars; may be empty.
            text: What someone new says they like.
            k: Number of items.
            candidates: Ids of the only items that may be listed; by default all.
            exclude_seen: Leave out what the person rated in training or in `history`.
            rules: Which items to hide, and which to rank higher or lower.
            diversity: Weight of how far apart the listed items are, in [0, 1]; see `Reranker`.
            novelty: Weight of how few people know an item, in [0, 1]; the two sum to at most 1.
            num_reasons: Number of reasons a row.

        Returns:
            Rows, best first: `id`, `label`, `score` in stars, `low` and `high` (80 % interval), `source`, `reason`,
            and `evidence`: for each reason what states it, `source` and `line`; with rules of the graph also `rules`, what
            they say of the item. No rows where nothing is left to list.

        Raises:
            InputError: If not exactly one of user, history, text is given, k is not positive, an item is
                unknown, or a rating is off the scale.
        """
        if sum(given is not None for given in (user, history, text)) != 1:
            raise InputError("give exactly one of user, history and text")
        _check_length(k)
        person = self.person(user=user, history=history, text=text)
        probabilities = person.chances(self.predictor)
        scores = self._ranked(person, probabilities, adjustment_of(rules, implicit=self.implicit))
        if candidates is not None:
            left_out = np.ones(len(scores), dtype=bool)
            left_out[self.graph.items.vocabulary.indices(list(candidates))] = False
            scores[left_out] = -np.inf
        if exclude_seen and text is None:
            scores[person.seen > 0] = -np.inf
        mixed = diversity != 0 or novelty != 0
        best = self.reranker.best(scores, k, diversity=diversity, novelty=novelty) if mixed else best_of(scores, k)
        stands_on = sources(np.full(len(best), person.num_ratings), self.train.item_counts[best])
        rows = listed(
            self.graph.items,
            best,
            probabilities[torch.from_numpy(best)],
            self.levels,
            [person.source] * len(best) if person.source else stands_on,
            [self._reasons_of(person, int(item), most=num_reasons) for item in best],
        )
        return with_rules(rows, rules, best)

    def person(
        self, *, user: str | None = None, history: Mapping[str, float] | None = None, text: str | None = None
    ) -> Person:
        """Return the person that `recommend` makes a list for; exactly one of the three is given."""
        if user is not None:
            return known_person(self, user)
        if history is not None:
            return person_of_history(self, history)
        assert text is not None
        return person_of_text(self, text)

    def audience(self, item: str, *, k: int = 10, num_reasons: int = 2) -> pd.DataFrame:
        """Return the users most likely to come across an item and like it, best first.

        Args:
            item: Item id; it may be one nobody has rated.
            k: Number of users.
            num_reasons: Number of reasons a row.

        Returns:
            Rows: `id`, `label` of the user, `score`, `low`, `high`, `source`, `reason`, `evidence`.
        """
        _check_length(k)
        index = self.graph.items.vocabulary.index_of(item)
        users = np.flatnonzero(self.train.user_counts)
        users = users[~np.isin(users, self.train.user[self.train.item == index])]
        chosen = torch.from_numpy(users)
        probabilities = self.predictor.probabilities(chosen, torch.full_like(chosen, index))
        liking = probabilities[:, self.relevant_level :].sum(1).numpy()
        chance = liking**self.liking_power * self.exposure.of_item(self.train, index)[users]
        best = np.argsort(-chance, kind="stable")[:k]
        rows = probabilities[torch.from_numpy(best)]
        found = users[best]
        return listed(
            self.graph.users,
            found,
            rows,
            self.levels,
            sources(self.train.user_counts[found], self.train.item_counts[np.full(len(found), index)]),
            [self._reasons(int(user), index, most=num_reasons) for user in found],
        )

    def rank_scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return ranking scores of all items for users, float32 `[num_users, num_items]`; only tombstones are excluded."""
        liking = self.predictor.at_least(torch.from_numpy(users), self.relevant_level).numpy()
        scores = np.asarray(liking**self.liking_power * self.exposure_of(users), dtype=np.float32)
        scores[:, ~self.graph.items.present] = -np.inf
        return scores

    def exposure_of(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the exposure of known users to all items, `[num_users, num_items]`."""
        return self.exposure(self.seen_by(users))

    def seen_by(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return which items users rated in training, 0/1 `[num_users, num_items]`."""
        row_of = np.full(self.train.num_users, -1)
        row_of[users] = np.arange(len(users))
        row = row_of[self.train.user]
        seen = np.zeros((len(users), self.train.num_items), dtype=np.float32)
        seen[row[row >= 0], self.train.item[row >= 0]] = 1.0
        return seen

    def check_encoder(self) -> None:
        """Raise `InputError` if the encoder at hand is not the one that read the items."""
        if self.encoder.fingerprint != self.encoder_fingerprint:
            raise InputError(
                f"the encoder {self.encoder.name!r} is not the one that read the items of this run; train again"
            )

    def _ranked(self, person: Person, probabilities: Tensor, rules: Adjustment | None) -> NDArray[np.float32]:
        """Return the scores that order a person's list, `[num_items]`; items that are gone or hidden have `-inf`."""
        if rules is not None:
            probabilities = rules.boosted(probabilities, torch.from_numpy(self.levels))
        liking = probabilities[:, self.relevant_level :].sum(1).numpy()
        exposure = self.exposure(person.seen[None])[0] if person.nearness is None else None
        scores = ranking(liking, self.liking_power, exposure=exposure, nearness=person.nearness)
        scores[~self.graph.items.present] = -np.inf
        if rules is not None:
            scores[rules.hidden] = -np.inf
        return scores

    def _reasons_of(self, person: Person, item: int, *, most: int) -> list[Reason]:
        """Find why an item suits a person, by the samples that make the prediction."""
        if person.warm is not None and self.train.item_counts[item] > 0:
            return self._found(self.posterior.warm, person.warm.rows, item, most=most)
        return self._found(self.posterior.cold, person.cold.rows, item, most=most)

    def _reasons(self, user: int, item: int, *, most: int) -> list[Reason]:
        """Find why an item suits a user of the graph, by the samples that make the prediction."""
        warm = self.train.user_counts[user] > 0 and self.train.item_counts[item] > 0
        posterior, predictor = (
            (self.posterior.warm, self.predictor.warm) if warm else (self.posterior.cold, self.predictor.cold)
        )
        return self._found(posterior, predictor.users[:, user], item, most=most)

    def _found(self, posterior: Posterior, rows: Tensor, item: int, *, most: int) -> list[Reason]:
        found = concept_reasons(posterior, self.data, self.graph, rows, item)
        return [reason for reason in found if reason.score > 0][:most]


def _check_length(k: int) -> None:
    if k < 1:
        raise InputError(f"the length of the list must be at least 1, got {k}")
