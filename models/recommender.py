"""What people call: predict, recommend, audience; with their own ids in and out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from kg.errors import InputError
from kg.growth.new_entities import NewEntities
from kg.schema import ITEM, USER
from models.attribution.attributions import attribution_of_history, attributions
from models.attribution.explanation import Explanation, explanation_of
from models.lists.boosts_and_filters import BoostsAndFilters, boosts_and_filters_of
from models.lists.given import History, Pairs, history_of, length_of, mapping_of, pairs_of, raw_id
from models.lists.new_items import joined, text_vectors
from models.lists.questions import questions_for
from models.lists.ranked_lists import (
    audience_of,
    best_items,
    excluded_items,
    ranking_scores,
    ranking_scores_of_users,
    rows_of_items,
    sources_of,
    unrated_items,
    why_nothing,
)
from models.lists.ranking import best_of
from models.lists.recommendation_rows import FEW, rows_of_pairs, sources_of_pairs, why_empty
from models.lists.rerank import Reranker
from models.lists.rules import AppliedRules
from models.lists.similarity import similar_items
from models.lists.text_query import user_query_of_text
from models.lists.trained import Trained
from models.lists.user_query import UserQuery, known_user_query, user_query_of_history
from models.people.behaviour import Behaviour
from models.people.profile import Profile, profile_of
from models.people.segments import Segments, segments_of
from models.saved import check_run, read_run, save_run

__all__ = ["FEW", "Recommender", "load"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Recommender(Trained):
    """A trained model that answers (`models.lists.trained` says what it holds); a value: what is added makes another one."""

    def save(self, path: str | Path) -> None:
        """Write all that answers are read from into a directory, as a whole: dull files, no pickles.

        What cannot be had from it is what belongs to the training alone: configuration, split and curves, which `kgrec train` keeps.

        Args:
            path: The directory; another run there is replaced.

        Raises:
            InputError: If something else is there, or a weight is infinite or no number.
        """
        save_run(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` or `kgrec train` wrote; files are mapped into memory, so that processes share them.

        Raises:
            InputError: If it is no run, of another format version, incomplete or damaged.
        """
        return read_run(cls, Path(path), check_run(Path(path)))

    @cached_property
    def reranker(self) -> Reranker:
        """Trades relevance for diversity and novelty; made on first use."""
        return Reranker.of(self)

    def predict(self, pairs: Pairs) -> pd.DataFrame:
        """Predict ratings.

        Args:
            pairs: (user id, item id) of the data, warm or cold; or a table with the columns `user` and `item`.

        Returns:
            A row a pair: `user`, `item`, `score` in stars, `low` and `high` of the 80 % interval, `source`.

        Raises:
            UnknownNameError: If the graph does not know an id.
        """
        pairs = pairs_of(pairs)
        user = self.graph.users.vocabulary.indices([pair[0] for pair in pairs])
        item = self.graph.items.vocabulary.indices([pair[1] for pair in pairs])
        probabilities = self.predictor.probabilities(torch.from_numpy(user), torch.from_numpy(item))
        return rows_of_pairs(pairs, probabilities, self.levels, sources_of_pairs(self, user, item))

    def predict_for_histories(self, histories: Mapping[str, History], pairs: Pairs) -> pd.DataFrame:
        """Predict ratings of people the model never saw, from a few ratings each; what `recommend(history=...)` says of them.

        Args:
            histories: Name of a person -> their ratings, item id -> stars; may be empty.
            pairs: (name of a person, item id).

        Returns:
            A row a pair, as `predict`.

        Raises:
            InputError: If a person or item is unknown, or a rating is off the scale.
        """
        pairs = pairs_of(pairs)
        nobody = next((name for name, _ in pairs if name not in histories), None)
        if nobody is not None:
            raise InputError(f"a pair names {nobody!r}, of whom there is no history; give one, which may be empty")
        items = self.graph.items.vocabulary.indices([item for _, item in pairs])
        places: dict[str, list[int]] = {}
        for place, (name, _) in enumerate(pairs):
            places.setdefault(name, []).append(place)
        probabilities, based_on = torch.zeros(len(pairs), len(self.levels)), [""] * len(pairs)
        for name, own in places.items():
            person, wanted = self.user_query(history=histories[name]), items[own]
            probabilities[own] = person.chances(self.predictor, torch.from_numpy(wanted))
            for place, source in zip(own, sources_of(self, person, wanted), strict=True):
                based_on[place] = source
        return rows_of_pairs(pairs, probabilities, self.levels, based_on)

    def recommend(
        self,
        *,
        user: str | None = None,
        history: History | None = None,
        text: str | None = None,
        concepts: Mapping[str, Any] | None = None,
        k: int = 10,
        candidates: Collection[str] | None = None,
        filters: Mapping[str, str | Sequence[str]] | None = None,
        exclude_seen: bool = True,
        rules: BoostsAndFilters | AppliedRules | None = None,
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
            history: Ratings of someone new, item id -> stars; may be empty. Also a series, or a table with the columns `item` and
                `rating`; of choices, ids alone.
            text: What someone new says they like.
            concepts: What else is known of someone with a history, such as age and occupation; see `add_users`.
            k: Number of items.
            candidates: Ids of the only items that may be listed; by default all.
            filters: Concepts that a listed item must have: relation -> label or labels, of which it needs one.
            exclude_seen: Leave out what the person rated in training or in `history`, or named in `text`.
            rules: Which items to hide, and which to rank higher or lower.
            diversity: Weight of how far apart the listed items are, in [0, 1]; see `Reranker`.
            novelty: Weight of how few people know an item, in [0, 1]; the two sum to at most 1.
            num_reasons: Number of reasons a row.

        Returns:
            Rows, best first: `id`, `label`, `score` in stars, `low` and `high` (80 % interval), `source`, `reason`,
            and `evidence`: for each reason what states it, `source` and `line`; with rules of the graph also `rules`, what
            they say of the item. No rows where nothing is left to list; `attrs["note"]` then says why. For a sentence,
            `attrs["understood"]` tells which titles, concepts and years were read in it.

        Raises:
            InputError: If not exactly one of user, history, text is given, k is not positive, an item is
                unknown, or a rating is off the scale.
        """
        if sum(given is not None for given in (user, history, text)) != 1:
            raise InputError("give exactly one of user, history and text")
        if concepts is not None and history is None:
            raise InputError("concepts say more of someone with a history, which may be empty; give history as well")
        k = length_of(k)
        person = self.user_query(user=user, history=history, text=text, concepts=concepts)
        boosts_and_filters = boosts_and_filters_of(rules, implicit=self.implicit)
        ruled_out = excluded_items(self, candidates, filters, boosts_and_filters)
        excluded = ruled_out | person.known if exclude_seen else ruled_out
        mixed, moved = diversity != 0 or novelty != 0, boosts_and_filters is not None and boosts_and_filters.boost.any()
        if mixed or moved or text is not None:
            scores = ranking_scores(self, person, boosts_and_filters)
            scores[excluded] = -np.inf
            best = self.reranker.best(scores, k, diversity=diversity, novelty=novelty) if mixed else best_of(scores, k)
        else:
            best, _ = best_items(self, person, k, excluded)
        rows = rows_of_items(self, person, best, num_reasons)
        if isinstance(rules, AppliedRules):
            rows["rules"] = ["; ".join(map(str, rules.of_item(int(item)))) for item in best]
        if person.understood:
            rows.attrs["understood"] = person.understood
        return why_empty(rows, why_nothing(self, ruled_out))

    def top(self, *, k: int = 10, **who: Any) -> list[tuple[str, float]]:
        """Return ids and ranking scores of the best unseen items of someone, exact and fast on large catalogues.

        The head of the list that `recommend` makes, without what is said of each item.

        Args:
            k: Number of items.
            **who: `user`, or `history` with or without `concepts`, as for `recommend`.

        Raises:
            InputError: As `recommend`; or if `text` is given, whose lists are ranked by nearness.
        """
        k = length_of(k)
        if len(who.keys() & {"user", "history"}) != 1 or who.keys() - {"user", "history", "concepts"}:
            raise InputError("give exactly one of user and history")
        person = self.user_query(**who)
        items, scores = best_items(self, person, k, excluded_items(self) | (person.seen > 0))
        ids = [self.graph.items.vocabulary.id_of(int(item)) for item in items]
        return list(zip(ids, scores.tolist(), strict=True))

    def user_query(
        self,
        *,
        user: str | None = None,
        history: History | None = None,
        text: str | None = None,
        concepts: Mapping[str, Any] | None = None,
    ) -> UserQuery:
        """Return the person that `recommend` makes a list for; exactly one of the three is given."""
        if user is not None:
            return known_user_query(self, raw_id(user, "user"))
        if history is not None:
            given = history_of(history, implicit=self.implicit)
            return user_query_of_history(self, given, mapping_of(concepts, "concepts"))
        if not isinstance(text, str):
            raise InputError(f"expected a text in words, got {text!r}")
        return user_query_of_text(self, text)

    def scores_of(self, person: UserQuery) -> NDArray[np.float32]:
        """Return what orders a person's list, `[num_items]`; only items that are gone have `-inf`."""
        scores = ranking_scores(self, person)
        scores[~self.graph.items.present] = -np.inf
        return scores

    def similar_items(self, item: str, *, k: int = 10) -> pd.DataFrame:
        """Return the items that are most alike to one in what people would think of both; either may be new.

        Args:
            item: Item id.
            k: Number of items.

        Returns:
            Rows, best first: `id`, `label`, `similarity` in [-1, 1] (`models.lists.similarity`), `source`, and in `shares` the rarest
            concepts that both have.
        """
        k = length_of(k)
        return similar_items(self, raw_id(item, "item"), k)

    def add_items(
        self,
        items: pd.DataFrame | Iterable[Mapping[str, Any]],
        *,
        source: str = "additions",
        lines: Sequence[int] = (),
    ) -> Recommender:
        """Return a recommender that knows more items, without training; this one stays as it is.

        Their texts are read by the encoder, text and concepts by the tables that the model has learned, as those of any item
        that nobody has rated; a few `ratings` by known users move them from there. All calls then take them.

        Args:
            items: One record an item: `id`, and what is known of `label` (or `title`), `text`, `concepts` (relation ->
                labels or ids) and `ratings` (user id -> stars); see `kg.growth.new_entities.NewEntities.of`.
            source: Name of the place that states this, for `evidence`.
            lines: Line of each record there; by default its number.

        Returns:
            The new recommender. What could not be used of the records, as concepts that nobody knows, is told in its `notes`.

        Raises:
            InputError: If a record has no id, an id is known already, or a field, relation, user or rating is none.
        """
        additions = NewEntities.of(self.graph, ITEM, items, scale=self.scale, source=source, lines=lines)
        return joined(self, additions, text_vectors(self, additions))

    def add_users(
        self,
        users: pd.DataFrame | Iterable[Mapping[str, Any]],
        *,
        source: str = "additions",
        lines: Sequence[int] = (),
    ) -> Recommender:
        """Return a recommender that knows more users, without training; this one stays as it is.

        Args:
            users: One record a user: `id`, and what is known of `label`, `concepts` (such as age and occupation) and
                `ratings` (item id -> stars). Without ratings the concepts alone speak.
            source: As for `add_items`, as are `lines`, what is returned and what is raised.
            lines: Line of each record there; by default its number.
        """
        additions = NewEntities.of(self.graph, USER, users, scale=self.scale, source=source, lines=lines)
        return joined(self, additions, text_vectors(self, additions))

    def questions(self, history: History | None = None, *, k: int = 5) -> pd.DataFrame:
        """Return which items to ask someone new about, best first; see `models.lists.questions`.

        Args:
            history: What they have rated so far, item id -> stars.
            k: Number of questions.

        Returns:
            Rows: `id`, `label`, `known` (chance that they know the item), `gain` (share of what is open about their
            scores that an answer is expected to settle).

        Raises:
            InputError: If k is not positive, an item is unknown, or a rating is off the scale.
        """
        k = length_of(k)
        return questions_for(self, self.user_query(history={} if history is None else history), k)

    def audience(self, item: str, *, k: int = 10, num_reasons: int = 2) -> pd.DataFrame:
        """Return the users most likely to come across an item and like it, best first.

        Args:
            item: Item id; it may be one nobody has rated.
            k: Number of users.
            num_reasons: Number of reasons a row.

        Returns:
            Rows: `id`, `label` of the user, `score`, `low`, `high`, `source`, `reason`, `evidence`.
        """
        return audience_of(self, raw_id(item, "item"), length_of(k), num_reasons)

    @cached_property
    def behaviour(self) -> Behaviour:
        """What profiles and segments are read from; computed on first use."""
        return Behaviour.of(self)

    def profile(self, user: str) -> Profile:
        """Return the profile of a user of the graph: interests with their evidence, habits, drift; see `models.people.profile`."""

        def unrated(query: UserQuery, k: int, num_reasons: int) -> pd.DataFrame:
            return unrated_items(self, query, length_of(k), num_reasons)

        return profile_of(self.behaviour, raw_id(user, "user"), unrated)

    def segments(self, k: int, *, seed: int = 0) -> Segments:
        """Return `k` groups of users, described by what sets them apart; see `models.people.segments`."""
        return segments_of(self.behaviour, length_of(k, "number of segments"), seed=seed)

    def explain(
        self,
        item: str,
        *,
        user: str | None = None,
        history: History | None = None,
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
        item, user = raw_id(item, "item"), None if user is None else raw_id(user, "user")
        index = self.graph.items.vocabulary.index_of(item)
        if history is None:
            assert user is not None
            number = self.graph.users.vocabulary.index_of(user)
            attribution = attributions(self, np.array([number]), np.array([index]))[0]
            own = self.train.user == number
            ratings = dict(zip(self.train.item[own].tolist(), self.train.value[own].tolist(), strict=True))
        else:
            given = history_of(history, implicit=self.implicit)
            person = self.user_query(history=given)
            rated = self.graph.items.vocabulary.indices(list(given))
            ratings = dict(zip(rated.tolist(), given.values(), strict=True))
            attribution = attribution_of_history(self, person, ratings, index)
        return explanation_of(
            self, attribution, user=user, item=item, ratings=ratings, num_paths=num_paths, boosts=boosts
        )

    def rank_scores(self, users: NDArray[np.int64], *, rules: BoostsAndFilters | None = None) -> NDArray[np.float32]:
        """Return ranking scores of all items for users, `[num_users, num_items]`; `-inf` for what is gone or rules hide."""
        return ranking_scores_of_users(self, users, rules)


load = Recommender.load
