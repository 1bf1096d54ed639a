"""Explanations in words, on the small world, of which every edge and its line is known; the account is given."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kg.dataset import Dataset
from kg.graph import KnowledgeGraph
from kg.queries.meta_paths import meta_paths
from kg.queries.provenance import Origin
from kg.schema import ITEM, USER
from models.attribution.attributions import Attribution
from models.attribution.contributions import BIAS, CONCEPT, LEVELS, MEAN, NEIGHBOUR, TEXTS, PartKey
from models.attribution.explanation import Explanation, Step, explanation_of

DRAMA = ("genre", "genre", ITEM)
ACTOR = ("person", "actor", ITEM)
FOLLOWED = (ITEM, "wiki:follows_of", ITEM)  # Beta follows Alpha: Beta's message to Alpha


def concept(graph: KnowledgeGraph, message: tuple[str, str, str], raw_id: str, side: str = ITEM) -> PartKey:
    return PartKey(CONCEPT, side, message, graph.nodes[message[0]].vocabulary.index_of(raw_id))


def alpha(small_dataset: Dataset, **stars: float) -> dict[PartKey, float]:
    """Parts of user 007's prediction of Alpha, who rated Beta."""
    graph = small_dataset.graph
    beta = graph.items.vocabulary.index_of("é/1")
    return {
        PartKey(MEAN): 3.5,
        PartKey(BIAS, USER): -0.25,
        PartKey(NEIGHBOUR, USER, sender=beta): stars.get("beta", 0.125),
        concept(graph, DRAMA, "drama"): stars.get("drama", 0.5),
        concept(graph, ACTOR, "bo ek"): stars.get("bo", 0.25),
        concept(graph, FOLLOWED, "é/1"): stars.get("follows", 0.0625),
        concept(graph, ("occupation", "occupation", USER), "spy", USER): -0.5,
        PartKey(TEXTS, ITEM): 0.004,
        PartKey(LEVELS, USER): 0.0,
    }


def explained(
    small_dataset: Dataset,
    parts: dict[PartKey, float],
    *,
    user: str | None = "007",
    implicit: bool = False,
    ratings: dict[str, float] | None = None,
    **options: Any,
) -> Explanation:
    graph = small_dataset.graph
    stars = np.array(list(parts.values()))
    attribution = Attribution(keys=tuple(parts), stars=stars, score=float(stars.sum()))
    known = {graph.items.vocabulary.index_of(item): value for item, value in (ratings or {"é/1": 1.5}).items()}
    recommender: Any = SimpleNamespace(graph=graph, implicit=implicit)
    return explanation_of(recommender, attribution, user=user, item="a b", ratings=known, **options)


def test_parts_are_named_for_people_and_state_their_source(small_dataset: Dataset) -> None:
    found = explained(small_dataset, alpha(small_dataset))
    told = [(part.kind, part.side, part.name, part.stars, part.origin) for part in found.parts]
    assert told[0] == ("mean", "", "average of everything", 3.5, None)
    assert set(told[1:]) == {
        ("concept", "item", "genre: Drama", 0.5, Origin("items.csv", 2)),
        ("concept", "user", "person's occupation: spy", -0.5, Origin("users.dat", 1)),
        ("concept", "item", "actor: Bo Ek", 0.25, Origin("items.csv", 2)),
        ("concept", "item", "follows of: Beta (2001)", 0.0625, Origin("facts.nt.gz", 2)),
        ("bias", "user", "how high the person rates", -0.25, None),
        ("rated", "user", "rated: Beta (2001)", 0.125, None),
        ("text", "item", "description", 0.004, None),
        ("levels", "user", "how the person uses the scale", 0.0, None),
    }
    sizes = [abs(part.stars) for part in found.parts[1:]]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(part.stars for part in found.parts) == pytest.approx(found.score)


def test_a_newcomers_part_tells_the_rating(small_dataset: Dataset) -> None:
    found = explained(small_dataset, alpha(small_dataset), user=None)
    assert "rated: Beta (2001), 1.5 stars" in [part.name for part in found.parts]
    assert found.paths[0][0] == Step(node="user", label="someone new")
    assert found.paths[0][1].origin == Origin("history", 0)


def test_of_choices_no_stars_are_told(small_dataset: Dataset) -> None:
    found = explained(small_dataset, alpha(small_dataset), implicit=True)
    assert "chose: Beta (2001)" in [part.name for part in found.parts]
    assert all(step.stars is None for path in found.paths for step in path)
    assert "stars" not in found.sentence


def test_the_best_path_comes_first_and_each_edge_has_its_line(small_dataset: Dataset) -> None:
    found = explained(small_dataset, alpha(small_dataset), num_paths=5)
    # Beta is named once: of its three ways to Alpha the one with the largest parts.
    assert [[step.as_json() for step in path] for path in found.paths] == [
        [
            {"node": "user:007", "label": "007"},
            {
                "node": "item:é/1",
                "label": "Beta (2001)",
                "relation": "RATED",
                "forward": True,
                "stars": 1.5,
                "source": "ratings",
            },
            {
                "node": "genre:drama",
                "label": "Drama",
                "relation": "genre",
                "forward": True,
                "source": "items.csv",
                "line": 3,
            },
            {
                "node": "item:a b",
                "label": "Alpha (1999)",
                "relation": "genre",
                "forward": False,
                "source": "items.csv",
                "line": 2,
            },
        ]
    ]
    assert found.paths[0][-1].words == "<- genre -- Alpha (1999) [items.csv, line 2]"


def test_one_edge_between_items_is_a_path_too(small_dataset: Dataset) -> None:
    found = explained(small_dataset, alpha(small_dataset, follows=2.0))
    assert [step.node for step in found.paths[0]] == ["user:007", "item:é/1", "item:a b"]
    end = found.paths[0][-1]
    assert (end.relation, end.forward, end.origin) == ("wiki:follows", True, Origin("facts.nt.gz", 2))
    assert found.sentence.endswith("It is joined by “follows” to Beta (2001), which the person has rated 1.5 stars.")


def test_what_speaks_against_an_item_is_no_path(small_dataset: Dataset) -> None:
    against = alpha(small_dataset, beta=-1.0)
    assert explained(small_dataset, against).paths == []
    assert explained(small_dataset, alpha(small_dataset), num_paths=0).paths == []


def test_the_sentence_names_the_largest_for_and_against(small_dataset: Dataset) -> None:
    found = explained(small_dataset, alpha(small_dataset), boosts={"autumn": 1.0})
    assert found.score == pytest.approx(3.5 - 0.25 + 0.125 + 0.5 + 0.25 + 0.0625 - 0.5 + 0.004 + 1.0)
    assert found.sentence == (
        "Alpha (1999): 4.69 stars expected; the average of everything is 3.50. "
        "For it: rule: autumn (+1.00), genre: Drama (+0.50), actor: Bo Ek (+0.25). "
        "Against it: person's occupation: spy (-0.50), how high the person rates (-0.25). "
        "It shares Drama (genre) with Beta (2001), which the person has rated 1.5 stars."
    )


def test_all_ways_between_items_are_found(small_dataset: Dataset) -> None:
    """Beta and Alpha share Drama and Bo Ek, and Beta follows Alpha; nothing else joins them."""
    graph = small_dataset.graph
    beta, to = graph.items.vocabulary.index_of("é/1"), graph.items.vocabulary.index_of("a b")
    found = meta_paths(graph, np.array([beta, to]), to)
    ways = {(way.near and way.near.edge_type.relation, way.far.edge_type.relation, way.far.kind) for way in found}
    assert ways == {(None, "wiki:follows", ITEM), ("genre", "genre", "genre"), ("actor", "actor", "person")}
    assert {way.rated for way in found} == {beta}
    assert meta_paths(graph, np.zeros(0, dtype=np.int64), to) == []


def test_every_edge_of_every_way_is_in_the_graph(small_dataset: Dataset) -> None:
    graph = small_dataset.graph
    everything = np.arange(len(graph.items))
    for item in everything.tolist():
        for way in meta_paths(graph, everything, item):
            for start, link in ((way.rated, way.near), (item, way.far)):
                if link is None:
                    continue
                ends = (start, link.node) if link.forward else (link.node, start)
                edges = graph.edges[link.edge_type]
                places = np.flatnonzero((edges.index.T == ends).all(axis=1)).tolist()
                stated = {Origin(graph.sources[int(edges.provenance[at])], int(edges.lines[at])) for at in places}
                assert link.origin in stated
