"""Who a user is to the model: interests with their evidence, habits, drift, and a taste that can be edited."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from kg.errors import InputError
from kg.rating_levels import nearest_level
from kg.schema import USER
from models.lists.recommendation_rows import AVERAGE, DEMOGRAPHICS, FEW
from models.lists.trained import Trained
from models.lists.user_query import UserQuery, known_user_query
from models.people.behaviour import Behaviour
from models.people.concept_interest import Evidence, Interest
from models.people.concept_weights import ConceptWeights
from models.people.drift import Drift, drift_of
from models.people.edits import what_ratings_settle, with_weights
from models.people.habits import Habits, habits_of
from models.people.interests import TasteSpace
from models.people.portrait import sentence_of, tags_of
from models.posterior import Posterior, Predictor, UserEmbedding

__all__ = ["Profile", "profile_of"]

LISTED = 12  # interests, and dislikes, of a profile
LEAST_EVIDENCE = 2  # own ratings that a concept of few items needs: the best of thousands is good by chance
SIMILAR = 10  # users named
LEAST_CHANCE = 0.8  # of the sign of a listed interest

Lists = Callable[[UserQuery, int, int], pd.DataFrame]


@dataclass(frozen=True, kw_only=True, eq=False)
class Profile:
    """A user as the model sees them; a value: `set` returns another one.

    Attributes:
        user: The user's id.
        label: What people read.
        unit: `stars`, or `score` of implicit feedback: unit of the weights.
        source: What the taste is based on: `warm`, `few ratings`, `cold: demographics`, or `average` where nothing is known.
        groups: What the graph says of the user, as `age: 25-34`.
        interests: At most twelve that are positive with a chance of at least 80 %, by the lower end of the interval: what
            has no evidence has a wide one. Concepts of few items are listed from two own ratings on, since the highest of thousands of
            uncertain weights is high by chance.
        dislikes: The same by the upper end.
        tags: Short words for the taste.
        sentence: The profile in plain English.
        habits: How the user rates.
        drift: Whether that changed over time.
        similar: Users of like taste: id, label, similarity in [-1, 1].
        edits: Weights that were set, by the concept's key.
    """

    user: str
    label: str
    unit: str
    source: str
    groups: tuple[str, ...]
    interests: tuple[Interest, ...]
    dislikes: tuple[Interest, ...]
    tags: tuple[str, ...]
    sentence: str
    habits: Habits
    drift: Drift
    similar: tuple[dict[str, Any], ...]
    edits: Mapping[str, float]
    _reader: _Reader = field(repr=False)

    def weight(self, concept: str) -> float:
        """Return the weight of any concept, by `relation:id`, `genre: Drama`, or its label alone."""
        return float(self._reader.weights.mean[self._reader.behaviour.concepts.find(concept)])

    def interest(self, concept: str) -> Interest:
        """Return all that is known of one concept, whether listed or not."""
        return self._reader.interest(self._reader.behaviour.concepts.find(concept))

    def set(self, concept: str, weight: float) -> Profile:
        """Return the profile of someone who says what a concept adds for them; what was set before still holds.

        Args:
            concept: `relation:id`, `genre: Drama`, or a label that only one concept has.
            weight: Beyond the average user, in the profile's unit.

        Raises:
            UnknownNameError: If there is no such concept.
            InputError: If the weight is beyond the scale, or cannot hold together with those set before.
        """
        recommender, concepts = self._reader.recommender, self._reader.behaviour.concepts
        low, high = recommender.scale
        most = 1.0 if recommender.implicit else high - low
        if not abs(weight) <= most:
            raise InputError(f"the weight of {concept!r} is {weight:g}; expected {-most:g} to {most:g} {self.unit}")
        edits = {**self.edits, concepts.keys[concepts.find(concept)]: float(weight)}
        return self._reader.edited(edits).profile(self)

    def recommend(self, k: int = 10, *, num_reasons: int = 2) -> pd.DataFrame:
        """Return the best unrated items for this taste, edited or not; columns as of `Recommender.recommend`."""
        return self._reader.recommend(k, num_reasons)

    @property
    def implicit(self) -> bool:
        """Whether ratings only say that a user chose an item."""
        return self.unit == "score"

    def as_json(self) -> dict[str, Any]:
        """Return the profile as JSON values."""
        names = [name for name in self.__dataclass_fields__ if not name.startswith("_")]
        plain = {name: getattr(self, name) for name in names}
        for name in ("interests", "dislikes"):
            plain[name] = [asdict(one) for one in plain[name]]
        return plain | {
            "groups": list(self.groups),
            "tags": list(self.tags),
            "habits": asdict(self.habits),
            "drift": asdict(self.drift),
            "similar": list(self.similar),
            "edits": dict(self.edits),
        }


def profile_of(recommender: Trained, behaviour: Behaviour, user: str, lists: Lists) -> Profile:
    """Return the profile of a user of the graph.

    Args:
        recommender: The model.
        behaviour: What it says of people.
        user: Id of the user.
        lists: UserQuery, length and number of reasons -> the best items that the person has not rated.

    Raises:
        UnknownNameError: If the graph does not know the user.
    """
    return _Reader.of(recommender, behaviour, recommender.graph.users.vocabulary.index_of(user), lists).profile()


@dataclass(frozen=True, kw_only=True, eq=False)
class _Reader:
    """Reads a taste, as it is or as it was edited."""

    recommender: Trained
    behaviour: Behaviour
    user: int
    mine: NDArray[np.int64]
    warm: UserEmbedding
    cold: UserEmbedding
    weights: ConceptWeights
    edits: Mapping[str, float]
    lists: Lists

    @classmethod
    def of(cls, recommender: Trained, behaviour: Behaviour, user: int, lists: Lists) -> _Reader:
        cold = warm = UserEmbedding.learned(recommender.predictor.cold_samples, user)
        if recommender.predictor.samples is not recommender.predictor.cold_samples:
            warm = UserEmbedding.learned(recommender.predictor.samples, user)
        return cls(
            recommender=recommender,
            behaviour=behaviour,
            user=user,
            mine=behaviour.ratings_of(recommender, user),
            warm=warm,
            cold=cold,
            weights=behaviour.weights(recommender, user),
            edits={},
            lists=lists,
        )

    def edited(self, edits: Mapping[str, float]) -> _Reader:
        """Return the reader of the unedited taste with all these weights set."""
        behaviour, posterior, predictor = self.behaviour, self.recommender.posterior, self.recommender.predictor
        wanted = {behaviour.concepts.find(key): weight for key, weight in edits.items()}
        warm = self._edited(posterior.samples, predictor.samples, behaviour.warm, wanted)
        cold = warm
        if predictor.samples is not predictor.cold_samples:
            cold = self._edited(posterior.cold_samples, predictor.cold_samples, behaviour.cold, wanted)
        rows = (warm if len(self.mine) else cold).rows
        weights = behaviour.weights(self.recommender, self.user, rows, list(wanted))
        return replace(self, warm=warm, cold=cold, weights=weights, edits=edits)

    def _edited(
        self, posterior: Posterior, phase: Predictor, space: TasteSpace, wanted: Mapping[int, float]
    ) -> UserEmbedding:
        train, levels = self.recommender.train, self.recommender.levels
        item = torch.from_numpy(train.item[self.mine])
        level = torch.from_numpy(nearest_level(train.value[self.mine], levels))
        if self.recommender.implicit:
            level = torch.full_like(level, len(levels) - 1)
        precision = what_ratings_settle(posterior, phase, self.user, item, level)
        return with_weights(UserEmbedding.learned(phase, self.user), precision, space, wanted)

    def profile(self, before: Profile | None = None) -> Profile:
        """Put the profile together; what an edit does not move is taken from the profile before it."""
        recommender, behaviour = self.recommender, self.behaviour
        concepts, nodes = behaviour.concepts, recommender.graph.users
        rated = np.asarray(concepts.holds[recommender.train.item[self.mine]].sum(axis=0))
        fit = behaviour.common | (rated >= LEAST_EVIDENCE)
        weights, chance = self.weights, self.weights.chance
        loved = self._listed(np.argsort(-weights.low, kind="stable"), fit & (chance >= LEAST_CHANCE))
        avoided = self._listed(np.argsort(weights.high, kind="stable"), fit & (chance <= 1 - LEAST_CHANCE))
        count = len(self.mine)
        habits = before.habits if before else habits_of(behaviour.habits, self.user)
        drift = before.drift if before else self._drift()
        groups = before.groups if before else self._groups()
        unrated = DEMOGRAPHICS if recommender.with_concepts[USER][self.user] else AVERAGE
        source = unrated if not count else "few ratings" if count < FEW else "warm"
        label = str(nodes.labels[self.user])
        return Profile(
            user=nodes.vocabulary.id_of(self.user),
            label=label,
            unit="score" if recommender.implicit else "stars",
            source=source,
            groups=groups,
            interests=loved,
            dislikes=avoided,
            tags=tags_of(loved, habits),
            sentence=sentence_of(
                loved,
                avoided,
                habits,
                drift,
                implicit=recommender.implicit,
                groups=groups,
                edited=bool(self.edits),
            ),
            habits=habits,
            drift=drift,
            similar=self._similar(),
            edits=dict(self.edits),
            _reader=self,
        )

    def interest(self, concept: int) -> Interest:
        """Return all that is known of one concept."""
        concepts, weights = self.behaviour.concepts, self.weights
        space = self.behaviour.warm if len(self.mine) else self.behaviour.cold
        name, label = concepts.names[concept], concepts.labels[concept]
        return Interest(
            concept=concepts.keys[concept],
            name=name,
            relation=name.removesuffix(f": {label}"),
            label=label,
            weight=float(weights.mean[concept]),
            low=float(weights.low[concept]),
            high=float(weights.high[concept]),
            chance=float(weights.chance[concept]),
            of_average=float(space.of_average[concept]),
            evidence=self._evidence(concept),
        )

    def recommend(self, k: int, num_reasons: int) -> pd.DataFrame:
        """Rank as `Recommender.recommend` does, by the rows of this taste."""
        known = known_user_query(self.recommender, self.recommender.graph.users.vocabulary.id_of(self.user))
        person = replace(known, warm=None if known.warm is None else self.warm, cold=self.cold)
        return self.lists(person, k, num_reasons)

    def _listed(self, order: NDArray[np.int64], clear: NDArray[np.bool_]) -> tuple[Interest, ...]:
        """Return the first interests in an order, those that are clear, each name once."""
        found: dict[str, Interest] = {}
        for concept in order:
            if len(found) == LISTED:
                break
            name = self.behaviour.concepts.names[concept]
            if clear[concept] and name not in found:
                found[name] = self.interest(int(concept))
        return tuple(found.values())

    def _evidence(self, concept: int) -> Evidence:
        train, behaviour = self.recommender.train, self.behaviour
        column = behaviour.concepts.holds[:, [concept]].tocoo().coords[0]
        having = np.zeros(train.num_items, dtype=bool)
        having[column] = True
        mine = self.mine[having[train.item[self.mine]]]
        above = None
        if behaviour.expected is not None and len(mine):
            above = float((train.value[mine] - behaviour.expected[mine]).mean())
        lift = None
        if len(self.mine):
            usual = float(train.item_counts[having].sum()) / len(train)
            lift = len(mine) / len(self.mine) / usual if usual else None
        ids = self.recommender.graph.items.vocabulary
        items = tuple(ids.id_of(int(item)) for item in train.item[mine])
        return Evidence(count=len(mine), above_expected=above, lift=lift, items=items)

    def _groups(self) -> tuple[str, ...]:
        graph = self.recommender.graph
        return tuple(
            f"{edge_type.relation}: {label}"
            for edge_type, concepts in graph.concepts_of(USER, self.user)
            for label in graph.nodes[edge_type.target].labels[concepts]
        )

    def _drift(self) -> Drift:
        train, behaviour = self.recommender.train, self.behaviour
        broad = behaviour.concepts.broad
        having = behaviour.concepts.holds[:, broad].tocsr()[train.item[self.mine]].toarray() > 0
        above = None
        if behaviour.expected is not None:
            above = train.value[self.mine].astype(np.float64) - behaviour.expected[self.mine]
        time = None if train.time is None else train.time[self.mine]
        return drift_of(time, having, [behaviour.concepts.labels[one] for one in broad], above)

    def _similar(self) -> tuple[dict[str, Any], ...]:
        nodes = self.recommender.graph.users
        similarity = self.behaviour.similar(self.recommender, self.user, self.warm.rows)
        best = np.argsort(-np.nan_to_num(similarity, nan=-2.0), kind="stable")[:SIMILAR]
        return tuple(
            {
                "id": nodes.vocabulary.id_of(int(one)),
                "label": str(nodes.labels[one]),
                "similarity": float(similarity[one]),
            }
            for one in best
            if np.isfinite(similarity[one])
        )
