"""Growth: an updated graph is a rebuilt one in the old indices."""

from __future__ import annotations

import csv
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.errors import InputError, UnknownNameError
from kg.growth.alignment import aligned
from kg.growth.forget import forget
from kg.growth.update import change_lines, update
from kg.queries.statements import statements
from kg.queries.views import to_networkx
from kg.saved.nquads import write_nquads
from kg.saved.store import from_rdf
from kg.schema import Namespace

PLAIN = """name: shop
ratings: {file: [ratings.csv, more.csv], scale: [1, 5], unknown_ids: drop}
items:
  - file: items.csv
    id: id
    label: title
    text: "{plot}"
    same_as: link
    concepts: {genre: {column: genre, split: "|"}, maker: {column: maker}}
    relations: {sequel: {column: sequel, unknown_ids: drop}}
  - {file: extra.csv, id: id, text: "{words}", optional: true, concepts: {genre: {column: genre, split: "|"}}}
users:
  - {file: users.csv, id: id, concepts: {job: {column: job}}}
knowledge:
  - {file: facts.nt, source: wiki, optional: true}
splits:
  held: {test: held.csv}
  cold: {items: cold.txt}
"""
WITHOUT_TABLES = "name: bare\nratings: {file: [ratings.csv, more.csv], scale: [1, 5]}\n"
HEADS = {
    "items.csv": ["id", "title", "plot", "link", "genre", "maker", "sequel"],
    "extra.csv": ["id", "words", "genre"],
    "users.csv": ["id", "job"],
    "ratings.csv": ["user", "item", "rating", "time"],
    "more.csv": ["user", "item", "rating", "time"],
    "held.csv": ["user", "item", "rating", "time"],
}


def contents(dataset: Dataset) -> dict[str, Any]:
    """All that a data set says, by raw ids, without the order of indices and without tombstones."""
    graph, ratings = dataset.graph, dataset.ratings
    ids = {kind: nodes.vocabulary.ids for kind, nodes in graph.nodes.items()}
    users, items = ids["user"], ids["item"]
    times = [None] * len(ratings) if ratings.time is None else ratings.time.tolist()
    rows = list(zip(users[ratings.user], items[ratings.item], ratings.value.tolist(), times, strict=True))
    nodes = {
        kind: {
            raw_id: (label, text, iri)
            for raw_id, label, text, iri, there in zip(
                ids[kind], found.labels, found.texts, found.iris, found.present, strict=True
            )
            if there
        }
        for kind, found in graph.nodes.items()
    }
    edges = {
        (edge_type, ids[edge_type.source][start], ids[edge_type.target][end], graph.sources[source])
        for edge_type, found in graph.edges.items()
        for start, end, source in zip(*found.index.tolist(), found.provenance.tolist(), strict=True)
    }
    splits = {
        (name, role): {items[row] if "items" in role else rows[row][:2] for row in found}
        for name, split in dataset.splits.items()
        for role, found in split.roles.items()
    }
    assert len(rows) == len({row[:2] for row in rows})
    assert len(edges) == graph.num_edges
    return {
        "name": graph.name,
        "nodes": {kind: found for kind, found in nodes.items() if found},
        "edges": edges,
        "ratings": set(rows),
        "splits": splits,
        "scale": dataset.scale,
    }


def account(dataset: Dataset) -> dict[str, Any]:
    """The report, without totals of what was forgotten, and without order."""
    report: dict[str, Any] = {**dataset.report, "forgotten": None}
    return {**report, "relations": sorted(map(str, report["relations"]))}


ALL_IDS = st.sampled_from(["1", "2", "3", "é/4", "5 b", "removed:0", "07"])
WORDS = st.sampled_from(["", "war", "love", "war|love", "War", "a|b|c"])


class Sources:
    """The files of a shop as Python values, to be changed at will and written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.items = {"1": ["One", "A plot.", "http://w.example/1", "war", "ann", ""]}
        self.extra: dict[str, list[str]] | None = {"1": ["Words.", "love"]}
        self.users = {"1": ["spy"], "2": [""]}
        self.ratings = {("1", "1"): [4, 10]}
        self.more: dict[tuple[str, str], list[int]] = {}
        self.held: list[tuple[str, str]] = []
        self.cold: list[str] = []
        self.triples: dict[tuple[str, str, str], None] | None = {("1", "by", "Bo"): None}
        self.tables = True

    def write(self) -> Description:
        rated = {**self.more, **self.ratings}
        known = {
            pair: row
            for pair, row in rated.items()
            if not self.tables or (pair[0] in self.users and pair[1] in self.items)
        }
        rows: dict[str, list[list[Any]] | None] = {
            "items.csv": [[item, *row] for item, row in self.items.items()],
            "extra.csv": None if self.extra is None else [[item, *row] for item, row in self.extra.items()],
            "users.csv": [[user, *row] for user, row in self.users.items()],
            "ratings.csv": [[*pair, *row] for pair, row in self.ratings.items()],
            "more.csv": [[*pair, *row] for pair, row in self.more.items() if pair not in self.ratings],
            "held.csv": [[*pair, *known[pair]] for pair in self.held if pair in known],
        }
        for file, table in rows.items():
            (self.folder / file).unlink(missing_ok=True)
            if table is not None:
                with (self.folder / file).open("w", newline="") as opened:
                    csv.writer(opened).writerows([HEADS[file], *table])
        (self.folder / "cold.txt").write_text("".join(f"{item}\n" for item in self.cold if item in self.items))
        (self.folder / "facts.nt").unlink(missing_ok=True)
        if self.triples is not None:
            lines = (
                f"<http://w.example/{subject}> <http://w.example/o/{relation}> <http://w.example/{target}> .\n"
                for subject, relation, target in self.triples
            )
            (self.folder / "facts.nt").write_text("".join(lines))
        (self.folder / "shop.yaml").write_text(PLAIN if self.tables else WITHOUT_TABLES.replace("bare", "shop"))
        return Description.load(self.folder / "shop.yaml")


class Growth(RuleBasedStateMachine):
    """Changes of the sources, one after the other; after each the updated graph is compared with a fresh build."""

    def __init__(self) -> None:
        super().__init__()
        self.temporary = TemporaryDirectory()
        self.sources = Sources(Path(self.temporary.name))
        self.now = build(self.sources.write())
        self.ledger = self.indices()
        self.changed = False

    def teardown(self) -> None:
        self.temporary.cleanup()

    def indices(self) -> dict[tuple[str, str], int]:
        return {
            (kind, raw_id): index
            for kind, nodes in self.now.graph.nodes.items()
            for index, raw_id in enumerate(nodes.vocabulary)
        }

    @rule(item=ALL_IDS, title=WORDS, plot=WORDS, genre=WORDS, maker=WORDS, linked=st.booleans(), sequel=ALL_IDS)
    def put_item(self, item: str, title: str, plot: str, genre: str, maker: str, linked: bool, sequel: str) -> None:
        link = f"http://w.example/{len(item)}" if linked else ""
        self.sources.items[item] = [title, plot, link, genre, maker, sequel]

    @rule(item=ALL_IDS)
    def drop_item(self, item: str) -> None:
        self.sources.items.pop(item, None)

    @rule(user=ALL_IDS, job=WORDS)
    def put_user(self, user: str, job: str) -> None:
        self.sources.users[user] = [job]

    @rule(user=ALL_IDS)
    def drop_user(self, user: str) -> None:
        self.sources.users.pop(user, None)

    @rule(
        user=ALL_IDS,
        item=ALL_IDS,
        stars=st.integers(1, 5),
        time=st.integers(1, 9),
        held=st.booleans(),
        more=st.booleans(),
    )
    def rate(self, user: str, item: str, stars: int, time: int, held: bool, more: bool) -> None:
        (self.sources.more if more else self.sources.ratings)[user, item] = [stars, time]
        if held and (user, item) not in self.sources.held:
            self.sources.held.append((user, item))

    @rule(data=st.data())
    def unrate(self, data: st.DataObject) -> None:
        if len(self.sources.ratings) > 1:  # a file of none is refused
            self.sources.ratings.pop(data.draw(st.sampled_from(sorted(self.sources.ratings))))

    @rule(item=ALL_IDS, words=WORDS, genre=WORDS)
    def put_extra(self, item: str, words: str, genre: str) -> None:
        self.sources.extra = {**(self.sources.extra or {}), item: [words, genre]}

    @rule(subject=st.sampled_from("123BD"), relation=st.sampled_from(["by", "broader"]), end=st.sampled_from("12BCD"))
    def state(self, subject: str, relation: str, end: str) -> None:
        self.sources.triples = {**(self.sources.triples or {}), (subject, relation, end): None}

    @rule(data=st.data())
    def unstate(self, data: st.DataObject) -> None:
        if len(self.sources.triples or {}) > 1:  # a file of none is refused
            self.sources.triples.pop(data.draw(st.sampled_from(sorted(self.sources.triples))))

    @rule(item=ALL_IDS)
    def hold_out_item(self, item: str) -> None:
        if item not in self.sources.cold:
            self.sources.cold.append(item)

    @rule(which=st.sampled_from(["extra", "triples", "tables"]))
    def drop_file(self, which: str) -> None:
        if which == "tables":
            self.sources.tables = not self.sources.tables
        else:
            setattr(self.sources, which, None)

    @rule(which=st.sampled_from(["items", "users", "ratings"]))
    def turn_around(self, which: str) -> None:
        setattr(self.sources, which, dict(reversed(getattr(self.sources, which).items())))

    @rule(user=ALL_IDS)
    def forget(self, user: str) -> None:
        if self.now.graph.users.vocabulary.places([user])[0] >= 0:
            self.now = forget(self.now, [user]).dataset
            assert user not in [*self.now.graph.users.vocabulary, *self.now.graph.users.labels]
            after = self.indices()
            assert {place: index for place, index in self.ledger.items() if place in after}.items() <= after.items()
            assert len(after) == len(self.ledger)
            self.ledger = after

    @invariant()
    def the_updated_graph_equals_a_rebuilt_one(self) -> None:
        description = self.sources.write()
        rebuilt = build(description, forgotten=self.now.forgotten)
        before = self.now
        self.now = aligned(before, build(description, forgotten=before.forgotten, known=before))
        assert contents(self.now) == contents(rebuilt)
        # The report of a graph whose nodes were taken over says what that of a fresh build says.
        assert account(self.now) == account(rebuilt)
        ledger = self.indices()
        assert self.ledger.items() <= ledger.items()
        self.ledger = ledger


def run_growth(sequences: int, steps: int) -> None:
    run_state_machine_as_test(
        Growth,
        settings=settings(
            max_examples=sequences,
            stateful_step_count=steps,
            suppress_health_check=list(HealthCheck),
            deadline=None,
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
        ),
    )


def test_an_updated_graph_equals_a_rebuilt_one_after_any_changes() -> None:
    run_growth(sequences=4, steps=4)


@pytest.mark.slow
def test_an_updated_graph_equals_a_rebuilt_one_after_many_sequences_of_changes() -> None:
    run_growth(sequences=int(os.environ.get("KGREC_SEQUENCES", "50")), steps=3)


def tree(directory: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in directory.iterdir()}


@pytest.fixture
def shop(tmp_path: Path) -> tuple[Sources, Path]:
    """A shop with a graph directory beside its files."""
    (tmp_path / "shop").mkdir()
    sources = Sources(tmp_path / "shop")
    sources.items["2"] = ["Two", "", "", "war|love", "bo", "1"]
    sources.ratings["2", "2"] = [5, 20]
    sources.more["1", "2"] = [3, 30]
    build(sources.write()).save(tmp_path / "graph")
    return sources, tmp_path / "graph"


def test_without_a_change_no_file_is_touched(shop: tuple[Sources, Path]) -> None:
    sources, graph = shop
    before = tree(graph)
    done = update(sources.write(), graph)
    assert not done.read
    assert tree(graph) == before
    assert change_lines(done) == ["No source has changed; the graph is as it was."]


def test_another_order_of_the_same_rows_leaves_the_same_artefacts(shop: tuple[Sources, Path]) -> None:
    sources, graph = shop
    sources.users = {user: [""] for user in sources.users}
    build(sources.write()).save(graph)
    before = Dataset.load(graph)
    sources.users, sources.ratings = dict(reversed(sources.users.items())), dict(reversed(sources.ratings.items()))
    done = update(sources.write(), graph)
    assert done.read
    after = Dataset.load(graph)
    assert (after.fingerprint, after.ledger_version) == (before.fingerprint, 1)
    assert change_lines(done) == ["Ledger version 1: no node, edge or rating has changed."]


def test_what_goes_leaves_a_tombstone_and_what_comes_back_finds_it(shop: tuple[Sources, Path]) -> None:
    sources, graph = shop
    kept = sources.items.pop("1")
    sources.items["3"] = ["Three", "", "", "", "", ""]
    done = update(sources.write(), graph)
    items = Dataset.load(graph).graph.items
    assert list(items.vocabulary) == ["1", "2", "3"]
    assert (items.present.tolist(), items.texts.tolist()[0], items.num_present) == ([False, True, True], None, 2)
    assert (items.vocabulary.find(["1", "3"]).tolist(), "1" in items.vocabulary) == ([-1, 2], False)
    with pytest.raises(UnknownNameError, match="item '1' is not among the 2 known"):
        items.vocabulary.index_of("1")
    assert done.dataset.report["update"]["nodes"]["item"] == {"new": 1, "changed": 0, "gone": 1}  # type: ignore[index]
    assert "Nodes of kind item: 1 new, 1 gone." in change_lines(done)
    sources.items["1"] = kept
    update(sources.write(), graph)
    again = Dataset.load(graph)
    assert again.graph.items.vocabulary.index_of("1") == 0
    assert again.ledger_version == 3
    assert contents(again) == contents(build(sources.write()))


def test_tombstones_are_in_no_view_and_survive_rdf_and_parquet(shop: tuple[Sources, Path], tmp_path: Path) -> None:
    sources, directory = shop
    del sources.items["2"], sources.users["2"]
    update(sources.write(), directory)
    loaded = Dataset.load(directory)
    graph = loaded.graph
    assert ("item", "2") not in to_networkx(graph)
    assert to_networkx(graph).number_of_nodes() == graph.num_nodes
    with pytest.raises(UnknownNameError):
        statements(graph, ("item", "2"))
    again = from_rdf(directory / "kg.nq.gz")
    for kind, nodes in graph.nodes.items():
        assert again.nodes[kind].vocabulary == nodes.vocabulary
        assert again.nodes[kind].labels.tolist() == nodes.labels.tolist()
    write_nquads(again, tmp_path / "again.nq.gz", Namespace())
    assert (tmp_path / "again.nq.gz").read_bytes() == (directory / "kg.nq.gz").read_bytes()
    manifest = json.loads((directory / "manifest.json").read_text())
    assert manifest["counts"] | {"items": 1, "users": 1} == manifest["counts"]
    assert manifest["counts"]["tombstones"] == sum((~nodes.present).sum() for nodes in graph.nodes.values())


def test_edges_and_ratings_of_a_tombstone_are_refused(shop: tuple[Sources, Path]) -> None:
    sources, _ = shop
    whole = build(sources.write())
    del sources.items["2"]
    part = aligned(whole, build(sources.write()))
    with pytest.raises(ValueError, match="touch a item that was removed"):
        replace(part.graph, edges=whole.graph.edges)
    with pytest.raises(ValueError, match="ratings touch a item that was removed"):
        replace(part, ratings=replace(whole.ratings, num_items=len(part.graph.items)))


def test_a_graph_of_other_data_is_not_updated(shop: tuple[Sources, Path]) -> None:
    sources, graph = shop
    description = sources.write()
    text = (sources.folder / "shop.yaml").read_text()
    (sources.folder / "shop.yaml").write_text(text.replace("name: shop", "name: garage"))
    before = tree(graph)
    with pytest.raises(InputError, match="this graph is called 'shop', the description 'garage'"):
        update(Description.load(sources.folder / "shop.yaml"), graph)
    (sources.folder / "ratings.csv").write_text("user,item,rating\n1,1,9\n")
    with pytest.raises(InputError, match="from 1 to 5, found 9"):
        update(description, graph)
    assert tree(graph) == before


def test_only_ratings_are_read_where_only_they_changed(
    shop: tuple[Sources, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    sources, graph = shop
    sources.ratings["2", "1"] = [2, 9]
    description = sources.write()

    def never(*_: object) -> None:
        raise AssertionError("tables of items and users were read again")

    monkeypatch.setattr(sys.modules["kg.build"], "read_entities", never)  # `kg.build` is also a function of `kg`
    update(description, graph)
    monkeypatch.undo()
    assert contents(Dataset.load(graph)) == contents(build(description))


def test_the_rdf_of_an_unchanged_graph_is_that_of_the_new_one(shop: tuple[Sources, Path], tmp_path: Path) -> None:
    sources, graph = shop
    sources.ratings["2", "1"] = [2, 9]
    update(sources.write(), graph)
    loaded = Dataset.load(graph)
    write_nquads(loaded.graph, tmp_path / "fresh.nq.gz", Namespace())
    assert (tmp_path / "fresh.nq.gz").read_bytes() == (graph / "kg.nq.gz").read_bytes()


def test_indices_in_outside_arrays_stay_valid(shop: tuple[Sources, Path]) -> None:
    sources, graph = shop
    outside = {raw_id: index for index, raw_id in enumerate(Dataset.load(graph).graph.items.vocabulary)}
    sources.items = {"0": ["New", "", "", "", "", ""], **dict(reversed(sources.items.items()))}
    update(sources.write(), graph)
    vocabulary = Dataset.load(graph).graph.items.vocabulary
    assert all(vocabulary.index_of(raw_id) == index for raw_id, index in outside.items())
