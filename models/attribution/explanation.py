"""Why someone is predicted to like an item: the account in words, the paths that carry it, and a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kg.graph import KnowledgeGraph
from kg.queries.meta_paths import Link, MetaPath, meta_paths
from kg.queries.provenance import Origin, origin_of
from kg.schema import ITEM, RATED, USER, EdgeType
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
from models.lists.reasons import relation_words
from models.network.message_names import RATED_OVER
from models.trained import Trained

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
        kind: `mean`, `bias`, `factors`, `concept`, `text`, `rated`, `raters`, `related`, `levels`, `new` or `rule`.
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
        found: dict[str, Any] = {"kind": self.kind, "side": self.side, "name": self.name, "stars": self.stars}
        return found | _origin_json(self.origin)


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
        found: dict[str, Any] = {"node": self.node, "label": self.label}
        if self.relation is not None:
            found |= {"relation": self.relation, "forward": self.forward}
        if self.stars is not None:
            found["stars"] = self.stars
        return found | _origin_json(self.origin)

    @property
    def words(self) -> str:
        """The step as people read it: the edge as an arrow, with where it stands, and the node."""
        if self.relation is None:
            return self.label
        stars = "" if self.stars is None else f" ({_starred(self.stars)})"
        relation = "chose" if self.relation == RATED and self.stars is None else self.relation
        arrow = f"-- {relation}{stars} ->" if self.forward else f"<- {relation}{stars} --"
        return f"{arrow} {self.label} [{self.origin}]"


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """An account in words.

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
    paths: Sequence[Sequence[Step]] = field(default_factory=tuple)
    implicit: bool = False

    @property
    def sentence(self) -> str:
        """Say in plain English what the score is based on."""
        base = sum(part.stars for part in self.parts if part.kind == MEAN)
        predicted = f"score {self.score:.2f}" if self.implicit else f"{self.score:.2f} stars expected"
        told = [f"{self.label}: {predicted}; the average of everything is {base:.2f}."]
        rest = [part for part in self.parts if part.kind != MEAN]
        for words, found in (
            ("For it", [part for part in rest if part.stars >= LEAST]),
            ("Against it", [part for part in rest if part.stars <= -LEAST]),
        ):
            named = sorted(found, key=lambda part: -abs(part.stars))[:NAMED]
            if named:
                told.append(f"{words}: {', '.join(f'{part.name} ({part.stars:+.2f})' for part in named)}.")
        if self.paths:
            told.append(_path_words(self.paths[0]))
        return " ".join(told)

    def as_json(self) -> dict[str, Any]:
        """Return plain values: `user`, `item`, `label`, `score`, `sentence`, `parts`, `paths`."""
        return {
            "user": self.user,
            "item": self.item,
            "label": self.label,
            "score": self.score,
            "sentence": self.sentence,
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
    """Put an account into words and find the paths that carry it.

    Args:
        recommender: A trained model.
        attribution: The account of the pair.
        user: Id of the user; None for someone new.
        item: Id of the item.
        ratings: Stars of the items that the person rated, by item index.
        num_paths: Most paths.
        boosts: Stars that rules add, by the name of the rule.
    """
    graph, implicit = recommender.graph, recommender.implicit
    index = graph.items.vocabulary.index_of(item)
    stars = dict(zip(attribution.keys, attribution.stars.tolist(), strict=True))
    stars |= {PartKey(RULE, name=name): boost for name, boost in (boosts or {}).items()}
    owner = graph.users.vocabulary.index_of(user) if user is not None else None
    parts = [
        Part(
            kind=key.kind,
            side=key.side,
            name=_name(graph, key, ratings, implicit=implicit, told=user is None and not implicit),
            stars=found,
            origin=_origin(graph, key, index if key.side == ITEM else owner),
        )
        for key, found in stars.items()
    ]
    return Explanation(
        user=user,
        item=item,
        label=str(graph.items.labels[index]),
        score=attribution.score + sum((boosts or {}).values()),
        parts=sorted(parts, key=lambda part: (part.kind != MEAN, -abs(part.stars))),
        paths=[
            _steps(recommender, meta_path, user, index, ratings)
            for meta_path in _best_meta_paths(graph, stars, index, ratings, num_paths)
        ],
        implicit=implicit,
    )


def _name(graph: KnowledgeGraph, key: PartKey, ratings: Mapping[int, float], *, implicit: bool, told: bool) -> str:
    if key.kind == MEAN:
        return "average of everything"
    if key.kind == RULE:
        return f"rule: {key.name}"
    if key.kind == NEIGHBOUR:
        assert key.sender is not None
        label = graph.items.labels[key.sender]
        # How an item was rated reaches a known user's free row only; its message says that it was rated.
        return f"{'chose' if implicit else 'rated'}: {label}" + (f", {_starred(ratings[key.sender])}" if told else "")
    if key.kind == CONCEPT:
        assert key.message is not None
        kind, relation, _ = key.message
        whose = "person's " if key.side == USER else ""
        return f"{whose}{relation_words(relation)}: {graph.nodes[kind].labels[key.sender]}"
    if key.kind == RELATED:
        assert key.message is not None
        words = relation_words(key.message[1].removeprefix(RATED_OVER))
        return (
            f"who rated the related items ({words})" if key.side == ITEM else f"what the related people rated ({words})"
        )
    return (_OWN_CHOICES if implicit else _OWN)[key.kind][key.side == ITEM]


def _origin(graph: KnowledgeGraph, key: PartKey, node: int | None) -> Origin | None:
    """Find the edge behind a concept: messages run against edges, or along one whose name got the ending `_of`."""
    if key.kind != CONCEPT or key.message is None or key.sender is None or node is None:
        return None
    kind, relation, side = key.message
    return origin_of(graph, EdgeType(side, relation, kind), node, key.sender) or origin_of(
        graph, EdgeType(kind, relation.removesuffix("_of"), side), key.sender, node
    )


def _best_meta_paths(
    graph: KnowledgeGraph, stars: Mapping[PartKey, float], item: int, ratings: Mapping[int, float], most: int
) -> list[MetaPath]:
    """Return the bridges whose ends the account counts most, as the sum of both parts.

    Only what adds something is a reason, and each rated item and each concept is named once: ten paths through one genre
    say no more than one.
    """
    rated = np.array(sorted(ratings), dtype=np.int64)
    weighed = [
        (_carried(stars, meta_path.rated, meta_path.far), number, meta_path)
        for number, meta_path in enumerate(meta_paths(graph, rated, item))
    ]
    found: list[MetaPath] = []
    used: set[tuple[str, int]] = set()
    for carried, _, meta_path in sorted(weighed, key=lambda one: (-one[0], one[1])):
        ends = {(ITEM, meta_path.rated), (meta_path.far.kind, meta_path.far.node)}
        if carried > 0 and not used & ends and len(found) < most:
            found.append(meta_path)
            used |= ends
    return found


def _carried(stars: Mapping[PartKey, float], rated: int, far: Link) -> float:
    source, relation, target = far.edge_type
    message = (target, relation, ITEM) if far.forward else (source, f"{relation}_of", ITEM)
    neighbour = stars.get(PartKey(NEIGHBOUR, USER, sender=rated), 0.0)
    return neighbour + stars.get(PartKey(CONCEPT, ITEM, message, far.node), 0.0)


def _steps(
    recommender: Trained, meta_path: MetaPath, user: str | None, item: int, ratings: Mapping[int, float]
) -> list[Step]:
    graph = recommender.graph
    start = (
        Step(node="user", label="someone new")
        if user is None
        else Step(node=f"{USER}:{user}", label=str(graph.users.labels[graph.users.vocabulary.index_of(user)]))
    )
    given = Origin("history" if user is None else "ratings", 0)
    first = _step(graph, ITEM, meta_path.rated, RATED, origin=given)
    steps = [start, first if recommender.implicit else _with_stars(first, ratings[meta_path.rated])]
    if meta_path.near is not None:
        near = meta_path.near
        steps.append(_step(graph, near.kind, near.node, near.edge_type.relation, near.forward, near.origin))
    # Seen from the item the edge leads away; the path goes the other way.
    far = meta_path.far
    return [*steps, _step(graph, ITEM, item, far.edge_type.relation, not far.forward, far.origin)]


def _step(
    graph: KnowledgeGraph, kind: str, node: int, relation: str, forward: bool = True, origin: Origin | None = None
) -> Step:
    nodes = graph.nodes[kind]
    name = f"{kind}:{nodes.vocabulary.id_of(node)}"
    return Step(node=name, label=str(nodes.labels[node]), relation=relation, forward=forward, origin=origin)


def _with_stars(step: Step, stars: float) -> Step:
    return Step(**{**vars(step), "stars": stars})


def _path_words(path: Sequence[Step]) -> str:
    rated, end = path[1], path[-1]
    how = "chosen" if rated.stars is None else f"rated {_starred(rated.stars)}"
    by = f"{rated.label}, which the person has {how}"
    if len(path) == 3:
        return f"It is joined by “{relation_words(str(end.relation))}” to {by}."
    relations = dict.fromkeys(relation_words(str(step.relation)) for step in path[2:])
    return f"It shares {path[2].label} ({' / '.join(relations)}) with {by}."


def _starred(stars: float) -> str:
    return f"{stars:g} star{'' if stars == 1 else 's'}"


def _origin_json(origin: Origin | None) -> dict[str, Any]:
    if origin is None:
        return {}
    return {"source": origin.source} | ({"line": origin.line} if origin.line else {})
