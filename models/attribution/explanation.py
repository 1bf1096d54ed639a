"""Explanation of a prediction: the attribution in words, the paths that carry it, and a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kg.graph import KnowledgeGraph
from kg.queries.meta_paths import MetaPath, meta_paths
from kg.queries.provenance import Origin
from kg.schema import ITEM, RATED, USER
from models.attribution.attributions import Attribution
from models.attribution.contributions import (
    BIAS,
    CONCEPT,
    FACTORS,
    LEVELS,
    MEAN,
    NEIGHBOUR,
    NEW,
    RATERS,
    RELATED,
    RULE,
    TEXTS,
    PartKey,
)
from models.lists.reasons import origin_of_message, relation_words
from models.lists.trained import Trained
from models.network.message_names import RATED_OVER

__all__ = ["Explanation", "Part", "Step", "explanation_of"]

NAMED = 3  # parts named for and against in the sentence
LEAST = 0.005  # stars: what rounds to 0.00 is not worth a word
_OWN = {  # names of what is no concept and no rating; (of the user, of the item)
    BIAS: ("how high the person rates", "how high the item is rated"),
    FACTORS: ("taste that only ratings tell", "character that only ratings tell"),
    TEXTS: ("description of the person", "description"),
    LEVELS: ("how the person uses the scale", ""),
    NEW: ("what all new people share", "what all new items share"),
    RATERS: ("", "who rated the item, and how many"),
}
_OWN_CHOICES = _OWN | {  # the same where ratings only say that a user chose an item
    BIAS: ("how much the person chooses", "how often the item is chosen"),
    FACTORS: ("taste that only choices tell", "character that only choices tell"),
    LEVELS: ("how readily the person chooses", ""),
    RATERS: ("", "who chose the item, and how many"),
}


@dataclass(frozen=True, kw_only=True)
class Part:
    """One line of an explanation.

    Attributes:
        kind: Kind of a part (`models.attribution.contributions`), as `mean`, `concept`, `rated` or `rule`.
        side: `user` or `item`: whose it is; empty for the mean and for rules.
        name: What it is, for people.
        stars: What it adds to the expected rating.
        origin: What states the concept; None for what no single line states.
    """

    kind: str
    side: str
    name: str
    stars: float
    origin: Origin | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain values; what is not known is left out."""
        plain = {"kind": self.kind, "side": self.side, "name": self.name, "stars": self.stars}
        return plain | _origin_json(self.origin)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One node of a path, with the edge that leads to it.

    Attributes:
        node: `kind:id`; `user` for someone new.
        label: Its label.
        relation: Relation of the edge from the node before; None at the start.
        forward: Whether the edge leads along the path.
        origin: What states it.
        stars: Of a rating: its stars.
    """

    node: str
    label: str
    relation: str | None = None
    forward: bool = True
    origin: Origin | None = None
    stars: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain values; what is not known is left out."""
        plain: dict[str, Any] = {"node": self.node, "label": self.label}
        if self.relation is not None:
            plain |= {"relation": self.relation, "forward": self.forward}
        if self.stars is not None:
            plain["stars"] = self.stars
        return plain | _origin_json(self.origin)

    @property
    def words(self) -> str:
        """The step as people read it: the edge as an arrow, with where it stands, and the node."""
        if self.relation is None:
            return self.label
        stars = "" if self.stars is None else f" ({_stars_words(self.stars)})"
        relation = "chose" if self.relation == RATED and self.stars is None else self.relation
        arrow = f"-- {relation}{stars} ->" if self.forward else f"<- {relation}{stars} --"
        return f"{arrow} {self.label} [{self.origin}]"


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """An attribution in words.

    Attributes:
        user: Id of the user; None for someone new.
        item: Id of the item.
        label: Label of the item.
        score: Expected rating in stars, or score of implicit feedback in [0, 1], with what rules add.
        parts: Parts, the mean first, then the largest first; they sum to the score.
        paths: Paths of the graph from the person to the item, best first.
        implicit: Whether the score only orders choices and is no number of stars.
    """

    user: str | None
    item: str
    label: str
    score: float
    parts: Sequence[Part]
    paths: Sequence[Sequence[Step]] = ()
    implicit: bool = False

    @property
    def sentence(self) -> str:
        """What the score is based on, in plain English."""
        base = sum(part.stars for part in self.parts if part.kind == MEAN)
        predicted = f"score {self.score:.2f}" if self.implicit else f"{self.score:.2f} stars expected"
        sentences = [f"{self.label}: {predicted}; the average of everything is {base:.2f}."]
        for words, sign in (("For it", 1), ("Against it", -1)):
            parts = [part for part in self.parts if part.kind != MEAN and sign * part.stars >= LEAST]
            named = sorted(parts, key=lambda part: -abs(part.stars))[:NAMED]
            if named:
                sentences.append(f"{words}: {', '.join(f'{part.name} ({part.stars:+.2f})' for part in named)}.")
        if self.paths:
            sentences.append(_path_sentence(self.paths[0]))
        return " ".join(sentences)

    def as_json(self) -> dict[str, Any]:
        """Return plain values: `user`, `item`, `label`, `score`, `sentence`, `parts`, `paths`."""
        return {
            **{name: getattr(self, name) for name in ("user", "item", "label", "score", "sentence")},
            "parts": [part.as_json() for part in self.parts],
            "paths": [[step.as_json() for step in path] for path in self.paths],
        }


def explanation_of(
    recommender: Trained,
    attribution: Attribution,
    *,
    user: str | None,
    item: str,
    ratings: Mapping[int, float],
    num_paths: int = 3,
    boosts: Mapping[str, float] | None = None,
) -> Explanation:
    """Put an attribution into words and find the paths that carry it.

    Args:
        recommender: A trained model.
        attribution: The attribution of the pair.
        user: Id of the user; None for someone new.
        item: Id of the item.
        ratings: Stars of the items that the person rated, by item index.
        num_paths: Most paths.
        boosts: Stars that rules add, by the name of the rule.
    """
    graph, implicit, boosts = recommender.graph, recommender.implicit, boosts or {}
    index = graph.items.vocabulary.index_of(item)
    owner = {ITEM: index} if user is None else {ITEM: index, USER: graph.users.vocabulary.index_of(user)}
    stars = dict(zip(attribution.keys, attribution.stars.tolist(), strict=True))
    stars |= {PartKey(RULE, name=name): boost for name, boost in boosts.items()}
    # How an item was rated reaches a known user's latent factors only; its message says that it was rated.
    names = _Names(graph, implicit, ratings if user is None and not implicit else {})
    parts = [
        Part(
            kind=key.kind,
            side=key.side,
            name=names.of(key),
            stars=of_part,
            origin=origin_of_message(graph, key.message, key.sender, owner[key.side])
            if key.kind == CONCEPT and key.message and key.sender is not None and key.side in owner
            else None,
        )
        for key, of_part in stars.items()
    ]
    paths = _best_meta_paths(graph, stars, index, ratings, num_paths)
    return Explanation(
        user=user,
        item=item,
        label=str(graph.items.labels[index]),
        score=attribution.score + sum(boosts.values()),
        parts=sorted(parts, key=lambda part: (part.kind != MEAN, -abs(part.stars))),
        paths=[_steps(graph, path, user, index, None if implicit else ratings[path.rated]) for path in paths],
        implicit=implicit,
    )


@dataclass(frozen=True)
class _Names:
    """Names of parts, for people; `ratings` are the stars that are named beside rated items."""

    graph: KnowledgeGraph
    implicit: bool
    ratings: Mapping[int, float]

    def of(self, key: PartKey) -> str:
        if key.kind == MEAN:
            return "average of everything"
        if key.kind == RULE:
            return f"rule: {key.name}"
        if key.kind == NEIGHBOUR and key.sender is not None:
            stars = f", {_stars_words(self.ratings[key.sender])}" if key.sender in self.ratings else ""
            return f"{'chose' if self.implicit else 'rated'}: {self.graph.items.labels[key.sender]}{stars}"
        if key.kind == CONCEPT and key.message is not None:
            kind, relation, _ = key.message
            whose = "person's " if key.side == USER else ""
            return f"{whose}{relation_words(relation)}: {self.graph.nodes[kind].labels[key.sender]}"
        if key.kind == RELATED and key.message is not None:
            words = relation_words(key.message[1].removeprefix(RATED_OVER))
            what = "what the related people rated" if key.side == USER else "who rated the related items"
            return f"{what} ({words})"
        return (_OWN_CHOICES if self.implicit else _OWN)[key.kind][key.side == ITEM]


def _best_meta_paths(
    graph: KnowledgeGraph, stars: Mapping[PartKey, float], item: int, ratings: Mapping[int, float], most: int
) -> list[MetaPath]:
    """Return the meta-paths whose ends count most in the attribution, as the sum of both parts.

    Only what adds something is a reason, and each rated item and each concept is named once: ten paths through one genre
    say no more than one.
    """

    def carried(path: MetaPath) -> float:
        source, relation, target = path.far.edge_type
        message = (target, relation, ITEM) if path.far.forward else (source, f"{relation}_of", ITEM)
        neighbour = stars.get(PartKey(NEIGHBOUR, USER, sender=path.rated), 0.0)
        return neighbour + stars.get(PartKey(CONCEPT, ITEM, message, path.far.node), 0.0)

    best: list[MetaPath] = []
    named: set[tuple[str, int]] = set()
    for path in sorted(meta_paths(graph, np.array(sorted(ratings), dtype=np.int64), item), key=carried, reverse=True):
        ends = {(ITEM, path.rated), (path.far.kind, path.far.node)}
        if carried(path) > 0 and not named & ends and len(best) < most:
            best.append(path)
            named |= ends
    return best


def _steps(graph: KnowledgeGraph, path: MetaPath, user: str | None, item: int, stars: float | None) -> list[Step]:
    def step(kind: str, node: int, relation: str | None, forward: bool = True, origin: Origin | None = None) -> Step:
        nodes = graph.nodes[kind]
        name = f"{kind}:{nodes.vocabulary.id_of(node)}"
        return Step(node=name, label=str(nodes.labels[node]), relation=relation, forward=forward, origin=origin)

    if user is None:
        start, given = Step(node="user", label="someone new"), Origin("history", 0)
    else:
        start, given = step(USER, graph.users.vocabulary.index_of(user), None), Origin("ratings", 0)
    steps = [start, replace(step(ITEM, path.rated, RATED, origin=given), stars=stars)]
    near, far = path.near, path.far
    if near is not None:
        steps.append(step(near.kind, near.node, near.edge_type.relation, near.forward, near.origin))
    # Seen from the item the edge leads away; the path goes the other way.
    return [*steps, step(ITEM, item, far.edge_type.relation, not far.forward, far.origin)]


def _path_sentence(path: Sequence[Step]) -> str:
    rated, end = path[1], path[-1]
    how = "chosen" if rated.stars is None else f"rated {_stars_words(rated.stars)}"
    by = f"{rated.label}, which the person has {how}"
    if len(path) == 3:
        return f"It is joined by “{relation_words(str(end.relation))}” to {by}."
    relations = dict.fromkeys(relation_words(str(step.relation)) for step in path[2:])
    return f"It shares {path[2].label} ({' / '.join(relations)}) with {by}."


def _stars_words(stars: float) -> str:
    return f"{stars:g} star{'' if stars == 1 else 's'}"


def _origin_json(origin: Origin | None) -> dict[str, Any]:
    if origin is None:
        return {}
    return {"source": origin.source} | ({"line": origin.line} if origin.line else {})
