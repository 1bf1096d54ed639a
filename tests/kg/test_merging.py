"""Merged items: against a slow reading by sets and dictionaries, and in the splits."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kg.graph import Edges, KnowledgeGraph, Nodes
from kg.merging import Merger
from kg.named_split import NamedSplit
from kg.ratings import Ratings
from kg.schema import EdgeType
from kg.vocabulary import Vocabulary

ITEMS, USERS = 6, 3
PAIRS = st.lists(st.tuples(st.integers(0, ITEMS - 1), st.integers(0, ITEMS - 1)), max_size=12, unique=True)


def nodes(kind: str, number: int) -> Nodes:
    ids = [f"{kind}{position}" for position in range(number)]
    nothing = np.full(number, None, dtype=object)
    return Nodes(vocabulary=Vocabulary(kind, ids), labels=np.array(ids, dtype=object), texts=nothing, iris=nothing)


@st.composite
def targets(draw: st.DrawFn) -> list[int]:
    """For each item itself, or an earlier one that stays."""
    into: list[int] = []
    for item in range(ITEMS):
        into.append(draw(st.sampled_from([*(other for other in into if into[other] == other), item])))
    return into


@given(into=targets(), pairs=PAIRS)
def test_edges_are_the_union_without_those_inside_a_merged_item(into: list[int], pairs: list[tuple[int, int]]) -> None:
    index = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2).T
    provenance = np.arange(index.shape[1], dtype=np.int16)
    edge_types = (
        EdgeType("item", "near", "item"),
        EdgeType("item", "about", "theme"),
        EdgeType("user", "likes", "item"),
    )
    graph = KnowledgeGraph(
        name="small",
        nodes={"user": nodes("user", ITEMS), "item": nodes("item", ITEMS), "theme": nodes("theme", ITEMS)},
        edges={edge_type: Edges(index=index, provenance=provenance) for edge_type in edge_types},
        sources=tuple(f"s{number}" for number in range(ITEMS**2)),
    )
    merger = Merger(into=np.array(into), items=graph.items.vocabulary)
    found = merger.graph(graph)
    merged = {kept for item, kept in enumerate(into) if kept != item}
    for edge_type in edge_types:
        expected: dict[tuple[str, str], int] = {}
        for number, (source, target) in enumerate(sorted(pairs)):
            ends = (
                f"item{into[source]}" if edge_type.source == "item" else f"user{source}",
                f"item{into[target]}" if edge_type.target == "item" else f"theme{target}",
            )
            if edge_type.relation != "near" or ends[0] != ends[1] or into[source] not in merged:
                expected.setdefault(ends, number)
        edges = found.edges[edge_type]
        sources, goals = (found.nodes[kind].vocabulary for kind in (edge_type.source, edge_type.target))
        assert {
            (sources.id_of(source), goals.id_of(target)): number
            for source, target, number in zip(*edges.index.tolist(), edges.provenance.tolist(), strict=True)
        } == expected
        assert len(edges) == len(expected)
    assert list(found.items.vocabulary) == [f"item{item}" for item in range(ITEMS) if into[item] == item]


@given(
    into=targets(),
    rated=st.lists(
        st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1), st.integers(1, 5), st.integers(0, 2)),
        unique_by=lambda row: row[:2],
        max_size=12,
    ),
    test=st.sets(st.integers(0, 11)),
    times=st.booleans(),
)
def test_the_later_of_two_ratings_stays_and_splits_follow(
    into: list[int], rated: list[tuple[int, int, int, int]], test: set[int], times: bool
) -> None:
    columns = np.array(rated, dtype=np.int64).reshape(-1, 4).T
    ratings = Ratings(
        user=columns[0],
        item=columns[1],
        value=columns[2].astype(np.float32),
        time=columns[3] if times else None,
        num_users=USERS,
        num_items=ITEMS,
    )
    rows = np.array(sorted(row for row in test if row < len(rated)), dtype=np.int64)
    merger = Merger(into=np.array(into), items=nodes("item", ITEMS).vocabulary)
    found, splits = merger.ratings(ratings, {"given": NamedSplit(test_ratings=rows)})
    best: dict[tuple[int, int], int] = {}
    for row, (user, item, _, time) in enumerate(rated):
        key = (user, into[item])
        if key not in best or not times or time >= rated[best[key]][3]:
            best[key] = row
    kept = sorted(best.values())
    staying = [item for item in range(ITEMS) if into[item] == item]
    assert [
        (user, staying[item], int(value)) for user, item, value in zip(found.user, found.item, found.value, strict=True)
    ] == [(rated[row][0], into[rated[row][1]], rated[row][2]) for row in kept]
    assert found.num_items == len(staying)
    expected = [position for position, row in enumerate(kept) if row in set(rows.tolist())]
    assert splits["given"].roles["test_ratings"].tolist() == expected


def test_an_item_of_which_a_part_is_held_out_is_held_out() -> None:
    nothing = np.empty(0, dtype=np.int64)
    ratings = Ratings(user=nothing, item=nothing, value=nothing.astype(np.float32), num_users=1, num_items=ITEMS)
    merger = Merger(into=np.array([0, 1, 0, 1, 4, 5]), items=nodes("item", ITEMS).vocabulary)
    split = NamedSplit(test_items=np.array([2, 4]), validation_items=np.array([0, 3]))
    _, splits = merger.ratings(ratings, {"given": split})
    assert {role: rows.tolist() for role, rows in splits["given"].roles.items()} == {
        "test_items": [0, 2],
        "validation_items": [1],
    }
    assert merger.any(np.array([False, False, True, False, False, True])).tolist() == [True, False, False, True]
