"""Planted leaks, one each: found, with rows and remedy; a clean world is left in peace."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from typer.testing import CliRunner

from kg.build import build
from kg.checks.duplicates import duplicates
from kg.checks.findings import Finding
from kg.dataset import Dataset
from kg.description import Description
from kg.graph import Edges, KnowledgeGraph, Nodes
from kg.named_split import NamedSplit
from kg.ratings import Ratings
from kg.schema import ITEM, USER, EdgeType
from kg.vocabulary import Vocabulary
from training.audit.held_out import HeldOut
from training.audit.leaks import audit
from training.cli import app
from training.splits import make_split

USERS, ITEMS, PAIRS, START = 60, 80, 2400, 900_000_000
Indices = NDArray[np.int64]


def column(values: Iterable[str | None]) -> NDArray[np.object_]:
    listed = list(values)
    found = np.empty(len(listed), dtype=object)
    found[:] = listed
    return found


def nodes(kind: str, labels: list[str], texts: list[str | None] | None = None) -> Nodes:
    nothing: list[str | None] = [None] * len(labels)
    ids = [f"{kind[0]}{number}" for number in range(len(labels))] if kind in (USER, ITEM) else labels
    return Nodes(
        vocabulary=Vocabulary(kind, ids), labels=column(labels), texts=column(texts or nothing), iris=column(nothing)
    )


def edges(pairs: Indices) -> Edges:
    return Edges(index=np.unique(pairs, axis=1), provenance=np.zeros(np.unique(pairs, axis=1).shape[1], dtype=np.int16))


def random_edges(sources: int, targets: int, rng: np.random.Generator, most: int = 3) -> Edges:
    source = np.repeat(np.arange(sources), most)
    return edges(np.stack([source, rng.integers(0, targets, len(source))]))


@pytest.fixture(scope="module")
def clean() -> Dataset:
    """Users with tastes, items of different quality that no concept knows of."""
    rng = np.random.default_rng(1)
    pair = np.sort(rng.permutation(USERS * ITEMS)[:PAIRS])
    user, item = pair // ITEMS, pair % ITEMS
    quality = rng.normal(0, 0.9, ITEMS)
    value = np.clip(np.round(3 + quality[item] + rng.normal(0, 0.7, PAIRS)), 1, 5)
    words = ["river", "tower", "garden", "letter", "winter", "captain", "mirror", "island"]
    graph = KnowledgeGraph(
        name="clean",
        nodes={
            USER: nodes(USER, [f"u{number}" for number in range(USERS)]),
            ITEM: nodes(
                ITEM,
                [f"Film {number}" for number in range(ITEMS)],
                [f"In {1950 + n % 50} a {words[n % 8]} is lost beside {n} {words[n // 8 % 8]}s." for n in range(ITEMS)],
            ),
            "genre": nodes("genre", [f"Genre {number}" for number in range(6)]),
            "actor": nodes("actor", [f"Actor {number}" for number in range(40)]),
            "job": nodes("job", [f"Job {number}" for number in range(5)]),
        },
        edges={
            EdgeType(ITEM, "genre", "genre"): random_edges(ITEMS, 6, rng),
            EdgeType(ITEM, "actor", "actor"): random_edges(ITEMS, 40, rng),
            EdgeType(USER, "job", "job"): random_edges(USERS, 5, rng, most=1),
        },
        sources=("table",),
    )
    ratings = Ratings(
        user=user,
        item=item,
        value=value,
        time=START + rng.integers(0, 10**7, PAIRS),
        num_users=USERS,
        num_items=ITEMS,
    )
    return Dataset(graph=graph, ratings=ratings, scale=(1, 5))


def with_graph(
    dataset: Dataset, *, more: dict[str, Nodes] | None = None, edges: dict[EdgeType, Edges] | None = None
) -> Dataset:
    graph = dataset.graph
    return replace(
        dataset,
        graph=KnowledgeGraph(
            name=graph.name,
            nodes={**graph.nodes, **(more or {})},
            edges={**graph.edges, **(edges or {})},
            sources=graph.sources,
        ),
    )


def concept_of(dataset: Dataset, relation: str, labels: list[str]) -> Dataset:
    """Give each item one concept of a new kind."""
    names = sorted(set(labels))
    index = np.stack([np.arange(ITEMS), np.array([names.index(label) for label in labels])])
    return with_graph(
        dataset, more={relation: nodes(relation, names)}, edges={EdgeType(ITEM, relation, relation): edges(index)}
    )


def mean_ratings(dataset: Dataset) -> NDArray[np.float64]:
    ratings = dataset.ratings
    return np.bincount(ratings.item, ratings.value, minlength=ITEMS) / np.maximum(ratings.item_counts, 1)


def found(dataset: Dataset, split: str = "random") -> list[Finding]:
    return audit(dataset, make_split(dataset, split, test_share=0.2))


def the_leak(dataset: Dataset, split: str = "random") -> Finding:
    (finding,) = found(dataset, split)
    assert finding.severity == "error"
    assert finding.remedy
    assert len(finding.rows) == finding.count or finding.check == "SameItems"
    return finding


@pytest.mark.parametrize("split", ["random", "by-time", "liked", "cold-items", "cold-users", "cold-both"])
def test_a_clean_world_is_left_in_peace(clean: Dataset, split: str) -> None:
    assert found(clean, split) == []


@given(seed=st.integers(0, 2**32 - 1))
def test_concepts_by_chance_are_left_in_peace(seed: int, clean: Dataset) -> None:
    rng = np.random.default_rng(seed)
    random = concept_of(clean, "mood", [f"Mood {number}" for number in rng.integers(0, 8, ITEMS)])
    assert found(random) == []


@pytest.mark.parametrize("backwards", [False, True])
def test_held_out_ratings_as_edges(clean: Dataset, backwards: bool) -> None:
    ratings = clean.ratings
    index = np.stack([ratings.user, ratings.item])
    edge_type = EdgeType(ITEM, "seen_by", USER) if backwards else EdgeType(USER, "saw", ITEM)
    leak = the_leak(with_graph(clean, edges={edge_type: edges(index[::-1] if backwards else index)}))
    assert (leak.check, leak.count, leak.total) == ("ReverseEdges" if backwards else "RatingEdges", 480, 480)
    held_out = make_split(clean, "random", test_share=0.2).test["warm"]
    expected = {(f"u{user}", f"i{item}") for user, item in zip(held_out.user, held_out.item, strict=True)}
    assert {(row["user"], row["item"]) for row in leak.rows} == expected
    for row in leak.rows:
        place = row["rating_number"] - 1
        assert (f"u{ratings.user[place]}", f"i{ratings.item[place]}") == (row["user"], row["item"])


def test_edges_of_training_ratings_are_no_leak(clean: Dataset) -> None:
    train = make_split(clean, "random", test_share=0.2).train
    seen = edges(np.stack([train.user, train.item]))
    assert found(with_graph(clean, edges={EdgeType(USER, "saw", ITEM): seen})) == []


def test_favourites_of_users_by_title(clean: Dataset) -> None:
    ratings = clean.ratings
    titles = nodes("favourite", [f"film {number}" for number in range(ITEMS)])
    liked = np.stack([ratings.user, ratings.item])[:, ratings.value >= 4]
    leak = the_leak(
        with_graph(clean, more={"favourite": titles}, edges={EdgeType(USER, "favourite", "favourite"): edges(liked)})
    )
    assert leak.check == "RatingsThroughConcepts"
    assert leak.count == int((make_split(clean, "random", test_share=0.2).test["warm"].value >= 4).sum())


def test_rdf_that_states_ratings(clean: Dataset) -> None:
    """What is left of `schema:Rating` once literals are dropped: rating -> author, rating -> item reviewed."""
    ratings = clean.ratings
    names = [f"http://x.example/rating/r{n}" for n in range(PAIRS)] + [f"http://x.example/u{n}" for n in range(USERS)]
    author = np.stack([np.arange(PAIRS), PAIRS + ratings.user])
    reviewed = np.stack([np.arange(PAIRS), ratings.item])
    stated = with_graph(
        clean,
        more={"rdf": nodes("rdf", names)},
        edges={
            EdgeType("rdf", "rdf:author", "rdf"): edges(author),
            EdgeType("rdf", "rdf:itemReviewed", ITEM): edges(reviewed),
        },
    )
    leak = the_leak(stated)
    assert (leak.check, leak.count) == ("RatingsThroughConcepts", 480)


@pytest.mark.parametrize("name", ["quality", "rating"])
def test_a_binned_score(clean: Dataset, name: str) -> None:
    noisy = mean_ratings(clean) + np.random.default_rng(3).normal(0, 0.25, ITEMS)
    leak = the_leak(concept_of(clean, name, [f"{value:.0f} of 8" for value in noisy * 2 - 2]))
    assert leak.check == "DerivedConcepts"
    assert f"'{name}'" in leak.sentence
    assert ("speaks of ratings" in leak.sentence) == (name == "rating")


def test_a_weaker_score_needs_a_name_that_speaks(clean: Dataset) -> None:
    noisy = mean_ratings(clean) + np.random.default_rng(3).normal(0, 1.3, ITEMS)
    labels = [f"{value:.0f} of 5" for value in noisy]
    assert found(concept_of(clean, "quality", labels)) == []
    assert the_leak(concept_of(clean, "public_score", labels)).check == "DerivedConcepts"


def test_a_rank_in_numbers_that_no_two_items_share(clean: Dataset) -> None:
    order = np.argsort(np.argsort(-mean_ratings(clean)))
    leak = the_leak(concept_of(clean, "place", [str(place + 1) for place in order]))
    assert leak.check == "DerivedConcepts"


def test_popularity(clean: Dataset) -> None:
    counts = clean.ratings.item_counts
    leak = the_leak(concept_of(clean, "reach", [f"about {count // 3 * 3}" for count in counts]))
    assert "number of ratings" in leak.sentence


def test_a_number_in_texts(clean: Dataset) -> None:
    items = clean.graph.items
    texts = [
        f"{text} Viewers gave {mean:.1f} stars." for text, mean in zip(items.texts, mean_ratings(clean), strict=True)
    ]
    leak = the_leak(with_graph(clean, more={ITEM: replace(items, texts=column(texts))}))
    assert leak.check == "DerivedTexts"
    assert "after the word 'gave' and before the word 'stars'" in leak.sentence


def test_a_template_with_a_column_of_ratings_is_named(clean: Dataset) -> None:
    named = replace(clean, report={"text_fields": {"items.csv": {"title": 80, "imdb_rating": 79}}})
    (finding,) = found(named)
    assert (finding.check, finding.severity) == ("NamedTexts", "warning")
    assert "'imdb_rating'" in finding.sentence
    assert "{imdb_rating}" in finding.remedy


def twin_world(dataset: Dataset, *, share: str) -> Dataset:
    """Item 1 becomes item 0 under another id."""
    items = dataset.graph.items
    changed = {name: getattr(items, name).copy() for name in ("labels", "texts", "iris")}
    if share == "iris":
        changed["iris"][:2] = "http://x.example/film"
        changed["labels"][1] = "Film 0, the second cut"
    else:
        changed[share][1] = changed[share][0]
    return with_graph(dataset, more={ITEM: replace(items, **changed)})


@pytest.mark.parametrize("share", ["labels", "texts", "iris"])
def test_an_item_held_out_under_another_id(clean: Dataset, share: str) -> None:
    both = twin_world(clean, share=share)
    cold = replace(both, splits={"cold": NamedSplit(test_items=np.array([1, 5]))})
    findings = {finding.check: finding for finding in found(cold, "cold")}
    assert findings["SameItems"].severity == "error"
    assert findings["SameItems"].rows[0]["item"] == "i1"
    assert findings["SameItems"].rows[0]["twin"] == "i0"


def test_one_link_of_two_titles_is_a_doubt(clean: Dataset) -> None:
    items = clean.graph.items
    iris, labels = items.iris.copy(), items.labels.copy()
    iris[:2] = "http://x.example/film"
    labels[:2] = "River Song", "Tower Block"
    doubtful = with_graph(clean, more={ITEM: replace(items, iris=iris, labels=labels)})
    cold = replace(doubtful, splits={"cold": NamedSplit(test_items=np.array([1, 5]))})
    (finding,) = found(cold, "cold")
    assert (finding.check, finding.severity) == ("SameLinks", "warning")


def test_ratings_of_an_item_moved_to_another_id(clean: Dataset) -> None:
    """In a split of single ratings: those held out stand under an id of their own."""
    both, ratings = twin_world(clean, share="labels"), clean.ratings
    item = ratings.item.copy()
    of_either = np.flatnonzero(item <= 1)
    item[of_either[::2]], item[of_either[1::2]] = 0, 1
    pairs = ratings.user * ITEMS + item
    kept = np.sort(np.unique(pairs, return_index=True)[1])
    moved = replace(ratings, item=item).select(kept)
    split = NamedSplit(
        test_ratings=np.flatnonzero((moved.item == 1) | (np.arange(len(moved)) % 9 == 4) & (moved.item > 1))
    )
    findings = {finding.check for finding in found(replace(both, ratings=moved, splits={"moved": split}), "moved")}
    assert "SameItems" in findings


def test_twins_are_symmetric_and_name_what_they_share(clean: Dataset) -> None:
    assert duplicates(clean.graph) == {}
    both = twin_world(twin_world(clean, share="labels"), share="texts")
    assert duplicates(both.graph) == {(0, 1): "label and text", (1, 0): "label and text"}


def test_agreement_with_chance_is_no_leak(clean: Dataset) -> None:
    held = HeldOut(dataset=clean, split=make_split(clean, "random", test_share=0.2))
    rng = np.random.default_rng(5)
    assert not held.beyond_chance(rng.integers(0, USERS, 2000), rng.integers(0, ITEMS, 2000))
    assert held.beyond_chance(held.test[:60] // ITEMS, held.test[:60] % ITEMS)


def test_the_command_tells_leaks_and_its_code_says_so(clean: Dataset, tmp_path: Path) -> None:
    clean.save(tmp_path / "clean")
    runner = CliRunner()
    fine = runner.invoke(app, ["check", str(tmp_path / "clean"), "--leaks"])
    assert (fine.exit_code, fine.stdout.splitlines()[-1]) == (0, "Nothing leaks.")
    spoilt = concept_of(clean, "rating", [f"{value:.0f}" for value in mean_ratings(clean) * 2])
    spoilt.save(tmp_path / "spoilt")
    leak = runner.invoke(app, ["check", str(tmp_path / "spoilt"), "--leaks", "--json"])
    result = json.loads(leak.stdout)
    assert (leak.exit_code, result["ok"], result["split"]) == (1, False, "random")
    assert [finding["check"] for finding in result["findings"]] == ["DerivedConcepts"]


def built(folder: Path, name: str) -> Dataset:
    return build(Description.load(name, data=folder), data=folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "split", "notes"),
    [
        ("movielens-100k", "u1", ["SameItemRatedTwice"]),
        ("movielens-100k", "by-time", ["SameItemRatedTwice"]),
        ("movielens-1m", "random", []),
        ("citeulike-a", "aldi", []),
    ],
)
def test_clean_builds_leak_nothing(real_data: Path, name: str, split: str, notes: list[str]) -> None:
    dataset = built(real_data, name)
    findings = audit(dataset, make_split(dataset, split))
    assert [(finding.check, finding.severity) for finding in findings] == [(check, "note") for check in notes]


@pytest.mark.slow
@pytest.mark.parametrize("relation", ["rating", "quality"])
def test_the_public_score_is_found_whatever_it_is_called(real_data: Path, tmp_path: Path, relation: str) -> None:
    text = (Path(str(Description.load("movielens-100k", data=real_data).file))).read_text()
    anchor = "    concepts: &people\n"
    assert text.count(anchor) == 1
    bins = f"{anchor}      {relation}: {{column: rating, bins: [4, 5, 5.5, 6, 6.5, 7, 7.5, 8, 8.5]}}\n"
    people = '      director: {column: directors, kind: person, split: ","}\n      actor: {column: cast, kind: person, split: ",", first: 8}\n'
    leaky = tmp_path / "leaky.yaml"
    leaky.write_text(text.replace(anchor, bins).replace("      <<: *people\n", people))
    dataset = build(Description.load(leaky, data=real_data), data=real_data)
    errors = [finding for finding in audit(dataset, make_split(dataset, "u1")) if finding.severity == "error"]
    assert [finding.check for finding in errors] == ["DerivedConcepts"]
    assert f"'{relation}'" in errors[0].sentence


@pytest.mark.slow
def test_the_cold_items_of_movielens_have_twins(real_data: Path) -> None:
    dataset = built(real_data, "movielens-100k")
    findings = {finding.check: finding for finding in audit(dataset, make_split(dataset, "cold-items"))}
    assert {name: finding.count for name, finding in findings.items() if finding.severity != "note"} == {
        "SameItems": 8,
        "SameLinks": 5,
    }
