"""What people call: predict, recommend, audience; with their own ids in and out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor
from torch_geometric.data import HeteroData

from kg.additions import Additions
from kg.errors import InputError
from kg.graph import KnowledgeGraph
from kg.item_filter import items_with
from kg.ratings import Ratings
from kg.rules import AppliedRules
from kg.schema import ITEM, USER
from models.account import account_of_history, accounts
from models.behaviour import Behaviour
from models.content import Content
from models.explanation import Explanation, explanation_of
from models.exposure import ContentRegression, Exposure
from models.hybrid import HybridModel
from models.inputs import hybrid_inputs
from models.listing import FEW, listed, sources, stars_of
from models.newcomer_prior import NewcomerPriors, RowPrior
from models.newcomers import messages_sent
from models.person import Person, known_person, person_of_history
from models.person_of_text import person_of_text
from models.phases import PhasedPosterior, PhasedPredictor
from models.placement import placed, text_vectors
from models.posterior import Posterior
from models.profile import Profile, profile_of
from models.projection import TextProjection
from models.questions import questions_for
from models.ranking import Adjustment, best_of, ranking
from models.reasons import Reason, concept_reasons, reasons_of_items
from models.rerank import Reranker
from models.residuals import Residuals, beyond_content, content_rows
from models.ruled import adjustment_of, with_rules
from models.segments import Segments, segments_of
from models.sentence_map import SentenceMap
from models.sessions import Sessions
from models.similarity import similar_items
from models.text import TextEncoder
from models.top_items import top_items

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
        content: What lists know of items beside who chose them.
        projection: From text vectors to the features that the model reads; None where it reads no texts.
        sessions: Days of the training ratings, where the model has learned what a day adds to a user.
        sentences: What a sentence says of someone's taste, if that was learned; else its nearness to items decides.
        additions: Items and users that joined since training, in order.
        notes: What was said of them that could not be used, as sentences.
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
    content: Content
    projection: TextProjection | None = None
    sessions: Sessions | None = None
    sentences: SentenceMap | None = None
    additions: tuple[Additions, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def predictor(self) -> PhasedPredictor:
        """Rows of all nodes in every sample; encoded on first use."""
        return self.posterior.predictor(
            self.model, hybrid_inputs(self.data, self.sessions), self.learned(USER), self.learned(ITEM)
        )

    def learned(self, kind: str) -> Tensor:
        """Return which users or items the model has learned from ratings of, bool `[num_nodes]`: no later additions."""
        counts = self.train.user_counts if kind == USER else self.train.item_counts
        added = sum(len(found) for found in self.additions if found.kind == kind)
        return torch.from_numpy((counts > 0) & (np.arange(len(counts)) < len(counts) - added))

    @cached_property
    def content_regression(self) -> ContentRegression:
        """What content says of who comes across an item; made when first an item is added."""
        head = self.exposure.head
        return ContentRegression.of(np.flatnonzero(self.learned(ITEM).numpy()) if head is None else head, self.content)

    @cached_property
    def _residuals(self) -> dict[str, Residuals]:
        return {}

    @cached_property
    def _priors(self) -> dict[str, NewcomerPriors]:
        return {}

    def newcomer_prior(self, kind: str, number: int, *, informed: bool = False) -> RowPrior | None:
        """Return what is to be expected of someone or something new with a number of ratings; of an item, beyond its content.

        Of a user in all samples, since known users stand in for new ones; of an item in those that know new items.
        None where ratings only say that a user chose an item: what is chosen tells nothing of what is not.

        Args:
            kind: `user` or `item`.
            number: Number of ratings.
            informed: Whether the concepts of a new user are known as well.
        """
        if self.implicit:
            return None
        if kind not in self._priors:
            if kind == USER:
                rows = self.predictor.warm
                sent = partial(messages_sent, self.posterior.warm, self.data, kind)
                self._priors[kind] = NewcomerPriors(
                    self.train, lambda: rows.users, rows.items, sent, self._content_of_users
                )
            else:
                sent = partial(messages_sent, self.posterior.cold, self.data, kind)
                beyond = partial(beyond_content, self.posterior.cold, partial(self.residuals, ITEM), "cold_items")
                self._priors[kind] = NewcomerPriors(self.train.turned(), beyond, self.predictor.cold.users, sent)
        return self._priors[kind](number, informed=informed)

    def _content_of_users(self) -> Tensor:
        """Return what concepts say of all users in all samples, half precision, `[num_samples, num_users, size]`."""
        posterior, encoder = self.posterior.warm, self.model.users.content
        messages = hybrid_inputs(self.data, self.sessions).users.content
        said = (content_rows(posterior, encoder, "users", messages, number) for number in range(len(posterior)))
        return torch.stack([rows.half() for rows in said])

    def residuals(self, kind: str) -> Residuals:
        """Return what content cannot say of the rated users or items in the samples that answer for new ones."""
        if kind not in self._residuals:
            side = "users" if kind == USER else "items"
            inputs = getattr(hybrid_inputs(self.data, self.sessions), side).content
            rows, learned = getattr(self.predictor.cold, side), self.learned(kind)
            counts = torch.from_numpy(self.train.user_counts if kind == USER else self.train.item_counts) * learned
            tower = getattr(self.model, f"cold_{side}")
            self._residuals[kind] = Residuals.of(self.posterior.cold, tower, f"cold_{side}", inputs, rows, counts)
        return self._residuals[kind]

    def keep(self, *, predictor: PhasedPredictor, learned_from: Recommender) -> None:
        """Take over what another recommender of the same model has worked out, so that it is not done twice."""
        self.__dict__["predictor"] = predictor
        for name in ("content_regression", "_residuals", "_priors"):
            if name in learned_from.__dict__:
                self.__dict__[name] = learned_from.__dict__[name]

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

    def predict_for_histories(
        self, histories: Mapping[str, Mapping[str, float]], pairs: Sequence[tuple[str, str]]
    ) -> pd.DataFrame:
        """Predict ratings of people the model never saw, from a few ratings each; what `recommend(history=...)` says of them.

        Args:
            histories: Name of a person -> their ratings, item id -> stars; may be empty.
            pairs: (name of a person, item id).

        Returns:
            A row a pair, as `predict`.

        Raises:
            InputError: If a person or item is unknown, or a rating is off the scale.
        """
        nobody = next((name for name, _ in pairs if name not in histories), None)
        if nobody is not None:
            raise InputError(f"a pair names {nobody!r}, of whom there is no history; give one, which may be empty")
        items = self.graph.items.vocabulary.indices([item for _, item in pairs])
        places: dict[str, list[int]] = {}
        for place, (name, _) in enumerate(pairs):
            places.setdefault(name, []).append(place)
        probabilities, stands_on = torch.zeros(len(pairs), len(self.levels)), [""] * len(pairs)
        for name, mine in places.items():
            person, wanted = self.person(history=histories[name]), items[mine]
            probabilities[mine] = person.chances(self.predictor, torch.from_numpy(wanted))
            told = sources(np.full(len(mine), person.num_ratings), self.train.item_counts[wanted])
            for place, source in zip(mine, told, strict=True):
                stands_on[place] = person.source or source
        return pd.DataFrame(
            {
                "user": [name for name, _ in pairs],
                "item": [item for _, item in pairs],
                **stars_of(probabilities, self.levels),
                "source": stands_on,
            }
        )

    def recommend(
        self,
        *,
        user: str | None = None,
        history: Mapping[str, float] | None = None,
        text: str | None = None,
        concepts: Mapping[str, Any] | None = None,
        k: int = 10,
        candidates: Collection[str] | None = None,
        filters: Mapping[str, str | Sequence[str]] | None = None,
        exclude_seen: bool = True,
        rules: Adjustment | AppliedRules | None = None,
        diversity: float = 0.0,
        novelty: float = 0.0,
        num_reasons: int = 2,
    ) -> pd.DataFrame:
        """Return the best items for a known user, for someone with a few ratings, or for a sentence.

        Items are ranked by the chance that the person comes across one and likes it, not by stars
        alone: among thousands of items the highest expected stars belong to titles nobody meets. For a
        sentence, the nearness of an item's text to it counts as well.

        Args:
            user: Id of a known user.
            history: Ratings of someone new, item id -> stars; may be empty.
            text: What someone new says they like.
            concepts: What else is known of someone with a history, such as age and occupation; see `add_users`.
            k: Number of items.
            candidates: Ids of the only items that may be listed; by default all.
            filters: Concepts that a listed item must have: relation -> label or labels, of which it needs one.
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
        if concepts is not None and history is None:
            raise InputError("concepts say more of someone with a history, which may be empty; give history as well")
        _check_length(k)
        person = self.person(user=user, history=history, text=text, concepts=concepts)
        probabilities = person.chances(self.predictor)
        scores = self._ranked(person, probabilities, adjustment_of(rules, implicit=self.implicit))
        if candidates is not None:
            left_out = np.ones(len(scores), dtype=bool)
            left_out[self.graph.items.vocabulary.indices(list(candidates))] = False
            scores[left_out] = -np.inf
        if filters:
            scores[~items_with(self.graph, filters)] = -np.inf
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
            self._reasons_of(person, best, most=num_reasons),
        )
        return with_rules(rows, rules, best)

    def top(self, *, k: int = 10, **who: Any) -> list[tuple[str, float]]:
        """Return ids and ranking scores of the best unseen items of someone, exact and fast on large catalogues.

        The head of the list that `recommend` makes, without what is said of each item; only items that can still enter
        it are scored (`models.top_items`).

        Args:
            k: Number of items.
            **who: `user`, or `history` with or without `concepts`, as for `recommend`.

        Raises:
            InputError: As `recommend`; or if `text` is given, whose lists are ranked by nearness.
        """
        _check_length(k)
        if len(who.keys() & {"user", "history"}) != 1 or who.keys() - {"user", "history", "concepts"}:
            raise InputError("give exactly one of user and history")
        items, scores = top_items(
            self.predictor,
            self.exposure,
            self.person(**who),
            level=self.relevant_level,
            power=self.liking_power,
            k=k,
            left_out=~self.graph.items.present,
        )
        ids = [self.graph.items.vocabulary.id_of(int(item)) for item in items]
        return list(zip(ids, scores.tolist(), strict=True))

    def person(
        self,
        *,
        user: str | None = None,
        history: Mapping[str, float] | None = None,
        text: str | None = None,
        concepts: Mapping[str, Any] | None = None,
    ) -> Person:
        """Return the person that `recommend` makes a list for; exactly one of the three is given."""
        if user is not None:
            return known_person(self, user)
        if history is not None:
            return person_of_history(self, history, concepts)
        assert text is not None
        return person_of_text(self, text)

    def scores_of(self, person: Person) -> NDArray[np.float32]:
        """Return what orders a person's list, `[num_items]`; only items that are gone have `-inf`."""
        return self._ranked(person, person.chances(self.predictor), None)

    def similar_items(self, item: str, *, k: int = 10) -> pd.DataFrame:
        """Return the items that are most alike to one in what people would think of both; either may be new.

        Args:
            item: Item id.
            k: Number of items.

        Returns:
            Rows, best first: `id`, `label`, `similarity` in [-1, 1] (`models.similarity`), `source`, and in `shares` the rarest
            concepts that both have.
        """
        _check_length(k)
        return similar_items(self, item, k)

    def add_items(self, items: pd.DataFrame | Iterable[Mapping[str, Any]], *, source: str = "additions") -> Recommender:
        """Return a recommender that knows more items, without training; this one stays as it is.

        Their texts are read by the encoder, text and concepts by the tables that the model has learned, as those of any item
        that nobody has rated; a few `ratings` by known users move them from there. All calls then take them.

        Args:
            items: One record an item: `id`, and what is known of `label` (or `title`), `text`, `concepts` (relation ->
                labels or ids) and `ratings` (user id -> stars); see `kg.additions.Additions.of`.
            source: Name of the place that states this, for `evidence`.

        Returns:
            The new recommender. What could not be used of the records, as concepts that nobody knows, is told in its `notes`.

        Raises:
            InputError: If a record has no id, an id is known already, or a field, relation, user or rating is none.
        """
        found = Additions.of(self.graph, ITEM, items, scale=self.scale, source=source)
        return placed(self, found, text_vectors(self, found))

    def add_users(self, users: pd.DataFrame | Iterable[Mapping[str, Any]], *, source: str = "additions") -> Recommender:
        """Return a recommender that knows more users, without training; this one stays as it is.

        Args:
            users: One record a user: `id`, and what is known of `label`, `concepts` (such as age and occupation) and
                `ratings` (item id -> stars). Without ratings the concepts alone speak.
            source: Name of the place that states this.

        Returns:
            The new recommender; its `notes` tell what could not be used.

        Raises:
            InputError: As for `add_items`.
        """
        found = Additions.of(self.graph, USER, users, scale=self.scale, source=source)
        return placed(self, found, text_vectors(self, found))

    def questions(self, history: Mapping[str, float] | None = None, *, k: int = 5) -> pd.DataFrame:
        """Return which items to ask someone new about, best first; see `models.questions`.

        Args:
            history: What they have rated so far, item id -> stars.
            k: Number of questions.

        Returns:
            Rows: `id`, `label`, `known` (chance that they know the item), `gain` (share of what is open about their
            scores that an answer is expected to settle).

        Raises:
            InputError: If k is not positive, an item is unknown, or a rating is off the scale.
        """
        _check_length(k)
        return questions_for(self, self.person(history=history or {}), k)

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

    @cached_property
    def behaviour(self) -> Behaviour:
        """What profiles and segments are read from; computed on first use."""
        return Behaviour.of(self)

    def profile(self, user: str) -> Profile:
        """Return the profile of a user of the graph: interests with their evidence, habits, drift; see `models.profile`."""
        return profile_of(self, user)

    def segments(self, k: int, *, seed: int = 0) -> Segments:
        """Return `k` groups of users, described by what sets them apart; see `models.segments`."""
        return segments_of(self, k, seed=seed)

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
            person = self.person(history=history)
            rated = self.graph.items.vocabulary.indices(list(history))
            ratings = dict(zip(rated.tolist(), history.values(), strict=True))
            account = account_of_history(self, person, ratings, index)
        return explanation_of(self, account, user=user, item=item, ratings=ratings, num_paths=num_paths, boosts=boosts)

    def rank_scores(self, users: NDArray[np.int64], *, rules: Adjustment | None = None) -> NDArray[np.float32]:
        """Return ranking scores of all items for users, `[num_users, num_items]`; tombstones and what rules hide have `-inf`."""
        liking = self.predictor.at_least(torch.from_numpy(users), self.relevant_level).numpy()
        if rules is not None and rules.boost.any():
            moved = np.flatnonzero(rules.boost)
            for row, user in enumerate(users):
                pairs = torch.full((len(moved),), int(user)), torch.from_numpy(moved)
                boosted = rules.of_items(moved).boosted(
                    self.predictor.probabilities(*pairs), torch.from_numpy(self.levels)
                )
                liking[row, moved] = boosted[:, self.relevant_level :].sum(1).numpy()
        scores = np.asarray(liking**self.liking_power * self.exposure_of(users), dtype=np.float32)
        scores[:, ~self.graph.items.present] = -np.inf
        if rules is not None:
            scores[:, rules.hidden] = -np.inf
        return scores

    def exposure_of(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the exposure of known users to all items, `[num_users, num_items]`."""
        return self.exposure(self.seen_by(users))

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

    def _ranked(self, person: Person, probabilities: Tensor, rules: Adjustment | None) -> NDArray[np.float32]:
        """Return the scores that order a person's list, `[num_items]`; items that are gone or hidden have `-inf`."""
        if rules is not None:
            probabilities = rules.boosted(probabilities, torch.from_numpy(self.levels))
        liking = probabilities[:, self.relevant_level :].sum(1).numpy()
        exposure = self.exposure(person.seen[None])[0] if person.comes_across else None
        power = self.liking_power if person.comes_across else 1.0
        scores = ranking(liking, power, exposure=exposure, nearness=person.nearness)
        scores[~self.graph.items.present] = -np.inf
        if rules is not None:
            scores[rules.hidden] = -np.inf
        return scores

    def _reasons_of(self, person: Person, items: NDArray[np.int64], *, most: int) -> list[list[Reason]]:
        """Find why items suit a person, each by the samples that make its prediction."""
        warm = (
            np.zeros(len(items), dtype=bool)
            if person.warm is None
            else self.predictor.known_items.numpy()[items].copy()
        )
        found: list[list[Reason]] = [[] for _ in items]
        for posterior, taste, mine in (
            (self.posterior.warm, person.warm, warm),
            (self.posterior.cold, person.cold, ~warm),
        ):
            if taste is None or not mine.any():
                continue
            told = reasons_of_items(posterior, self.data, self.graph, taste.rows, items[mine], most=most)
            for place, reasons in zip(np.flatnonzero(mine), told, strict=True):
                found[place] = reasons
        return found

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
