"""What people call: predict, recommend, audience; with their own ids in and out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import HeteroData

from kg.errors import InputError
from kg.graph import KnowledgeGraph
from kg.ratings import Ratings
from models.account import account_of_history, accounts
from models.explanation import Explanation, explanation_of
from models.exposure import Exposure
from models.hybrid import HybridModel
from models.inputs import hybrid_inputs
from models.newcomers import Taste, taste_from_history
from models.phases import PhasedPosterior, PhasedPredictor
from models.posterior import Posterior, expected_value, interval
from models.reasons import Reason, concept_reasons
from models.sessions import Sessions
from models.text import TextEncoder

__all__ = ["Recommender"]

FEW = 5  # ratings below which a user or item counts as little known
LIKED_TITLES = 10  # items a sentence is taken to like ...
SENTENCE_WEIGHT = 0.2  # ... each with the evidence of a fifth of a rating
LIKING_POWER, LIKING_POWER_IMPLICIT = 1.0, 0.1  # exponents, chosen on validation
SHARPNESS = 20.0  # how much nearness to the sentence counts in the ranking: exp(20 * cosine)


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

    @property
    def _stars(self) -> Tensor:
        return torch.from_numpy(self.levels)

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
        low, high = interval(probabilities, self._stars)
        return pd.DataFrame(
            {
                "user": [pair[0] for pair in pairs],
                "item": [pair[1] for pair in pairs],
                "score": expected_value(probabilities, self._stars).numpy(),
                "low": low.numpy(),
                "high": high.numpy(),
                "source": self._sources(self.train.user_counts[user], self.train.item_counts[item]),
            }
        )

    def recommend(
        self,
        *,
        user: str | None = None,
        history: Mapping[str, float] | None = None,
        text: str | None = None,
        k: int = 10,
        exclude_seen: bool = True,
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
            exclude_seen: Leave out what the person rated in training or in `history`.
            num_reasons: Number of reasons a row.

        Returns:
            Rows, best first: `id`, `label`, `score` in stars, `low` and `high` (80 % interval), `source`, `reason`,
            and `evidence`: for each reason what states it, `source` and `line`.

        Raises:
            InputError: If not exactly one of user, history, text is given, k is not positive, an item is
                unknown, or a rating is off the scale.
        """
        if sum(given is not None for given in (user, history, text)) != 1:
            raise InputError("give exactly one of user, history and text")
        _check_length(k)
        nearness, count = None, 0
        if user is not None:
            index = self.graph.users.vocabulary.index_of(user)
            seen, count = self._seen(np.array([index]))[0], int(self.train.user_counts[index])
            probabilities, reasons = self.predictor.of_user(index), partial(self._reasons, index, most=num_reasons)
        else:
            if history is not None:
                taste, seen = self._from_history(history)
                count = len(history)
            else:
                assert text is not None
                taste, seen, nearness = self._from_text(text)
            probabilities = self.predictor.cold.for_rows(taste.rows, taste.offsets)
            reasons = partial(self._found, self.posterior.cold, taste.rows, most=num_reasons)
        ranking = self._ranking(probabilities, seen, nearness)
        ranking[~self.graph.items.present] = -np.inf
        if exclude_seen and text is None:
            ranking[seen > 0] = -np.inf
        best = np.argsort(-ranking, kind="stable")[: min(k, int(np.isfinite(ranking).sum()))]
        source = None
        if text is not None:
            source = "cold: text+concepts"
        elif history is not None and not history:
            source = "popularity"
        return self._listed(best, probabilities[torch.from_numpy(best)], count, source, reasons)

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
        low, high = interval(rows, self._stars)
        found = users[best]
        return pd.DataFrame(
            {
                "id": [self.graph.users.vocabulary.id_of(int(user)) for user in found],
                "label": self.graph.users.labels[found],
                "score": expected_value(rows, self._stars).numpy(),
                "low": low.numpy(),
                "high": high.numpy(),
                "source": self._sources(
                    self.train.user_counts[found], self.train.item_counts[np.full(len(found), index)]
                ),
                **_told([self._reasons(int(user), index, most=num_reasons) for user in found]),
            }
        )

    def explain(
        self,
        item: str,
        *,
        user: str | None = None,
        history: Mapping[str, float] | None = None,
        num_paths: int = 3,
        boosts: Mapping[str, float] | None = None,
    ) -> Explanation:
        """Take a prediction apart: what each part adds in stars, the best paths of the graph, and a sentence.

        Args:
            item: Item id, rated or new.
            user: Id of a known user, rated or new.
            history: Ratings of someone new, item id -> stars; may be empty.
            num_paths: Most paths.
            boosts: Stars that rules add to the prediction, by the name of the rule.

        Raises:
            InputError: If not exactly one of user and history is given, an id is unknown, or a rating is off the scale.
        """
        if (user is None) == (history is None):
            raise InputError("give exactly one of user and history")
        index = self.graph.items.vocabulary.index_of(item)
        if history is None:
            assert user is not None
            number = self.graph.users.vocabulary.index_of(user)
            account = accounts(self, np.array([number]), np.array([index]))[0]
            mine = self.train.user == number
            ratings = dict(zip(self.train.item[mine].tolist(), self.train.value[mine].tolist(), strict=True))
        else:
            taste, _ = self._from_history(history)
            rated = self.graph.items.vocabulary.indices(list(history))
            ratings = dict(zip(rated.tolist(), history.values(), strict=True))
            account = account_of_history(self, taste, ratings, index)
        return explanation_of(self, account, user=user, item=item, ratings=ratings, num_paths=num_paths, boosts=boosts)

    def rank_scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return ranking scores of all items for users, float32 `[num_users, num_items]`; only tombstones are excluded."""
        liking = self.predictor.at_least(torch.from_numpy(users), self.relevant_level).numpy()
        scores = np.asarray(liking**self.liking_power * self.exposure_of(users), dtype=np.float32)
        scores[:, ~self.graph.items.present] = -np.inf
        return scores

    def exposure_of(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the exposure of known users to all items, `[num_users, num_items]`."""
        return self.exposure(self._seen(users))

    def _seen(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return which items users rated in training, 0/1 `[num_users, num_items]`."""
        row_of = np.full(self.train.num_users, -1)
        row_of[users] = np.arange(len(users))
        row = row_of[self.train.user]
        seen = np.zeros((len(users), self.train.num_items), dtype=np.float32)
        seen[row[row >= 0], self.train.item[row >= 0]] = 1.0
        return seen

    def _from_history(self, history: Mapping[str, float]) -> tuple[Taste, NDArray[np.float32]]:
        item = self.graph.items.vocabulary.indices(list(history))
        stars = np.array(list(history.values()), dtype=np.float32)
        low, high = self.scale
        for raw_id, value in history.items():
            if not low <= value <= high:
                expected = "a choice has the value 1" if self.implicit else f"the scale is {low:g} to {high:g}"
                raise InputError(f"item {raw_id!r} has {value:g} stars; {expected}")
        # Stars between two levels that training knows count as the nearer one.
        level = np.abs(stars[:, None] - self.levels[None]).argmin(axis=1) if len(stars) else np.zeros(0, np.int64)
        seen = np.zeros(self.train.num_items, dtype=np.float32)
        seen[item] = 1.0
        return self._taste(item, level), seen

    def _from_text(self, text: str) -> tuple[Taste, NDArray[np.float32], NDArray[np.float32]]:
        wish = text.strip()
        if not wish:
            raise InputError("the text is empty; say in a few words what the person likes")
        try:
            wish.encode("utf-8")
        except UnicodeEncodeError:
            raise InputError("the text holds characters that are not text; give plain UTF-8") from None
        has_text = self.item_vectors.any(axis=1)
        if not has_text.any():
            raise InputError("no item of this run has a text, so a sentence finds nothing; give ratings instead")
        if self.encoder.fingerprint != self.encoder_fingerprint:
            raise InputError(
                f"the encoder {self.encoder.name!r} is not the one that read the items of this run; train again"
            )
        cosine = np.where(has_text, self.item_vectors @ self.encoder.encode([wish])[0], -1.0).astype(np.float32)
        cosine[~self.graph.items.present] = -np.inf
        item = np.argsort(-cosine, kind="stable")[: min(LIKED_TITLES, self.graph.items.num_present)].astype(np.int64)
        seen = np.zeros(self.train.num_items, dtype=np.float32)
        seen[item] = 1.0
        return self._taste(item, np.full(len(item), len(self.levels) - 1), SENTENCE_WEIGHT), seen, cosine

    def _taste(self, item: NDArray[np.int64], level: NDArray[np.int64], weight: float = 1.0) -> Taste:
        generator = torch.Generator().manual_seed(0)
        return taste_from_history(
            self.posterior.cold,
            self.predictor.cold,
            self.data,
            torch.from_numpy(item),
            torch.from_numpy(level.astype(np.int64)),
            weight=weight,
            generator=generator,
        )

    def _ranking(
        self, probabilities: Tensor, seen: NDArray[np.float32], nearness: NDArray[np.float32] | None
    ) -> NDArray[np.float32]:
        liking: NDArray[np.float32] = probabilities[:, self.relevant_level :].sum(1).numpy()
        if nearness is not None:
            return np.asarray(liking * np.exp(SHARPNESS * nearness), dtype=np.float32)
        return np.asarray(liking**self.liking_power * self.exposure(seen[None])[0], dtype=np.float32)

    def _listed(
        self,
        items: NDArray[np.int64],
        probabilities: Tensor,
        count: int,
        source: str | None,
        reasons: Callable[[int], list[Reason]],
    ) -> pd.DataFrame:
        low, high = interval(probabilities, self._stars)
        sources = self._sources(np.full(len(items), count), self.train.item_counts[items])
        return pd.DataFrame(
            {
                "id": [self.graph.items.vocabulary.id_of(int(item)) for item in items],
                "label": self.graph.items.labels[items],
                "score": expected_value(probabilities, self._stars).numpy(),
                "low": low.numpy(),
                "high": high.numpy(),
                "source": [source] * len(items) if source else sources,
                **_told([reasons(int(item)) for item in items]),
            }
        )

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

    @staticmethod
    def _sources(user_counts: NDArray[np.int64], item_counts: NDArray[np.int64]) -> list[str]:
        """Say what each prediction stands on."""
        found = np.where(np.minimum(user_counts, item_counts) < FEW, "few ratings", "warm")
        return [
            str(source) for source in np.where(np.minimum(user_counts, item_counts) == 0, "cold: text+concepts", found)
        ]


def _told(reasons: Sequence[Sequence[Reason]]) -> dict[str, list[Any]]:
    """Return the columns `reason`, for people, and `evidence`, with what states each reason."""
    return {
        "reason": ["; ".join(dict.fromkeys(str(reason) for reason in found)) or "overall taste" for found in reasons],
        "evidence": [
            [{"reason": str(reason), **asdict(reason.origin)} for reason in found if reason.origin is not None]
            for found in reasons
        ],
    }


def _check_length(k: int) -> None:
    if k < 1:
        raise InputError(f"the length of the list must be at least 1, got {k}")
