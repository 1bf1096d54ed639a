from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.graph import KnowledgeGraph
from kg.report import report_lines
from kg.schema import EdgeType


def edges_of(graph: KnowledgeGraph, edge_type: tuple[str, str, str]) -> set[tuple[str, str, str]]:
    """Edges as raw ids with their source: readable by hand."""
    edges = graph.edges[EdgeType(*edge_type)]
    starts, ends = graph.nodes[edge_type[0]].vocabulary, graph.nodes[edge_type[2]].vocabulary
    return {
        (starts.id_of(start), ends.id_of(end), graph.sources[source])
        for start, end, source in zip(*edges.index.tolist(), edges.provenance.tolist(), strict=True)
    }


def test_nodes_keep_their_ids_labels_texts_and_links(small_dataset: Dataset) -> None:
    items, users = small_dataset.graph.items, small_dataset.graph.users
    assert list(items.vocabulary) == ["a b", "é/1", "03"]
    assert list(users.vocabulary) == ["007", "8", "9223372036854775807"]
    assert items.labels.tolist() == ["Alpha (1999)", "Beta (2001)", "03"]
    assert items.texts.tolist() == ['Alpha (1999). Drama, War. A "quoted" plot.', "Beta (2001). drama.", None]
    assert items.iris.tolist() == ["http://wiki.example/Alpha", "http://wiki.example/Beta", None]


def test_concepts_meet_over_spellings_relations_and_tables(small_dataset: Dataset) -> None:
    graph = small_dataset.graph
    assert list(graph.nodes) == ["user", "item", "genre", "person", "decade", "age", "occupation", "wiki"]
    assert graph.nodes["genre"].labels.tolist() == ["Drama", "War"]
    assert edges_of(graph, ("item", "genre", "genre")) == {
        ("a b", "drama", "items.csv"),
        ("a b", "war", "items.csv"),
        ("é/1", "drama", "items.csv"),
    }
    assert list(graph.nodes["person"].vocabulary) == ["ann lee", "bo ek"]
    assert edges_of(graph, ("item", "actor", "person")) == {
        ("a b", "bo ek", "items.csv"),
        ("a b", "ann lee", "items.csv"),
        ("é/1", "bo ek", "items.csv"),
    }
    assert edges_of(graph, ("item", "decade", "decade")) == {
        ("a b", "1990s", "items.csv"),
        ("é/1", "2000s", "items.csv"),
    }
    assert edges_of(graph, ("user", "age", "age")) == {
        ("007", "under 18", "users.dat"),
        ("8", "18-24", "users.dat"),
        ("9223372036854775807", "25+", "users.dat"),
    }


def test_triples_about_linked_items_and_between_reached_entities_are_kept(small_dataset: Dataset) -> None:
    graph, wiki = small_dataset.graph, "http://wiki.example/"
    assert graph.nodes["wiki"].labels.tolist() == ["Bo Ek, actor", "Book"]
    assert edges_of(graph, ("item", "wiki:starring", "wiki")) == {("a b", wiki + "Bo_Ek", "facts.nt.gz")}
    assert edges_of(graph, ("item", "wiki:follows", "item")) == {("é/1", "a b", "facts.nt.gz")}
    assert edges_of(graph, ("wiki", "wiki:follows", "item")) == {(wiki + "Book", "a b", "facts.nt.gz")}
    assert edges_of(graph, ("wiki", "wiki:basedOn", "wiki")) == {(wiki + "Book", wiki + "Bo_Ek", "facts.nt.gz")}


@pytest.mark.parametrize("files", [("facts.nt.gz", "more.nt"), ("more.nt", "facts.nt.gz")])
def test_a_stated_label_stays_whichever_file_of_a_source_comes_first(small_world: Path, files: tuple[str, str]) -> None:
    (small_world / "more.nt").write_text(
        "<http://wiki.example/Beta> <http://wiki.example/o/starring> <http://wiki.example/Bo_Ek> .\n"
        "<http://wiki.example/Beta> <http://wiki.example/o/starring> <http://wiki.example/Di_Fu> .\n"
    )
    text = (small_world / "description.yaml").read_text()
    line = "  - {file: facts.nt.gz, source: wiki, keep: [starring, follows, basedOn]}\n"
    lines = {"facts.nt.gz": line, "more.nt": "  - {file: more.nt, source: wiki, keep: [starring]}\n"}
    both = "".join(lines[file] for file in files)
    (small_world / "description.yaml").write_text(text.replace(line, both))
    nodes = build(Description.load(small_world / "description.yaml")).graph.nodes["wiki"]
    labels = dict(zip(nodes.vocabulary, nodes.labels.tolist(), strict=True))
    assert labels == {
        f"http://wiki.example/{end}": label
        for end, label in (("Bo_Ek", "Bo Ek, actor"), ("Book", "Book"), ("Di_Fu", "Di Fu"))
    }


def test_each_edge_knows_the_line_of_its_source(small_dataset: Dataset) -> None:
    graph = small_dataset.graph
    found = {
        edge_type: [
            (graph.nodes[edge_type.source].vocabulary.id_of(start), graph.sources[source], line)
            for start, source, line in zip(
                edges.index[0].tolist(), edges.provenance.tolist(), edges.lines.tolist(), strict=True
            )
        ]
        for edge_type, edges in graph.edges.items()
    }
    assert set(found[EdgeType("item", "genre", "genre")]) == {("a b", "items.csv", 2), ("é/1", "items.csv", 3)}
    assert found[EdgeType("user", "age", "age")] == [
        ("007", "users.dat", 1),
        ("8", "users.dat", 2),
        ("9223372036854775807", "users.dat", 3),
    ]


def test_an_edge_of_two_sources_keeps_the_first_with_its_line(small_world: Path) -> None:
    (small_world / "more.csv").write_text('key,who\n\n03,Ann Lee\na b,"Ann Lee"\n')
    text = (small_world / "description.yaml").read_text()
    more = '  - {file: more.csv, id: key, concepts: {director: {column: who, kind: person, split: ","}}}\nusers:'
    (small_world / "description.yaml").write_text(text.replace("users:", more, 1))
    graph = build(Description.load(small_world / "description.yaml")).graph
    edges = graph.edges[EdgeType("item", "director", "person")]
    rows = [(graph.sources[source], line) for source, line in zip(edges.provenance, edges.lines.tolist(), strict=True)]
    assert rows == [("items.csv", 2), ("more.csv", 3)]


def test_ratings_and_splits(small_dataset: Dataset) -> None:
    ratings = small_dataset.ratings
    assert ratings.user.tolist() == [0, 0, 1, 2]
    assert ratings.item.tolist() == [0, 1, 0, 2]
    assert ratings.value.tolist() == [5, 1.5, 3, 4]
    assert ratings.time is not None
    assert ratings.time.tolist() == [100, 200, 300, 400]
    assert small_dataset.splits["canonical"].test_ratings.tolist() == [0, 2]
    assert small_dataset.splits["cold"].test_items.tolist() == [2]


def test_nothing_is_dropped_silently(small_dataset: Dataset) -> None:
    report = small_dataset.report
    assert report["items"] == {"count": 3, "with_text": 2, "with_link": 2, "with_triples": 2, "isolated": 1}
    facts = report["files"]["facts.nt.gz"]
    assert facts["rows"] == 8
    assert facts["kept"] == 4
    assert facts["dropped"] == {
        "the object is a literal": 1,
        "the predicate is not kept": 1,
        "neither end is a linked item or reached from one": 1,
    }
    assert facts["rows"] == facts["kept"] + sum(facts["dropped"].values()) + facts["counts"]["labels read"]
    assert any("3 items, 3 users, 4 ratings" in line for line in report_lines(report))


def test_an_absent_optional_file_is_a_note(small_world: Path) -> None:
    text = (small_world / "description.yaml").read_text()
    (small_world / "description.yaml").write_text(text.replace("source: wiki,", "source: wiki, optional: true,"))
    (small_world / "facts.nt.gz").unlink()
    report = build(Description.load(small_world / "description.yaml")).report
    assert report["notes"] == ["facts.nt.gz is not there; the graph goes without triples of wiki."]


def test_unknown_ids_may_be_dropped_and_are_counted(small_world: Path) -> None:
    text = (small_world / "description.yaml").read_text()
    (small_world / "description.yaml").write_text(text.replace("  scale:", "  unknown_ids: drop\n  scale:"))
    with (small_world / "ratings.tsv").open("a") as file:
        file.write("nobody\ta b\t3\t1\n007\tnothing\t3\t1\n")
    dataset = build(Description.load(small_world / "description.yaml"))
    assert len(dataset.ratings) == 4
    assert dataset.report["files"]["ratings.tsv"]["dropped"] == {"no user of this id": 1, "no item of this id": 1}


def test_without_tables_users_and_items_come_from_the_ratings(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("user,item,rating\nb,2,3\na,2,4\n")
    (tmp_path / "d.yaml").write_text("name: bare\nratings: {file: ratings.csv}\n")
    dataset = build(Description.load(tmp_path / "d.yaml"))
    assert list(dataset.graph.users.vocabulary) == ["b", "a"]
    assert dataset.graph.items.labels.tolist() == ["2"]
    assert dataset.ratings.time is None
    dataset.save(tmp_path / "graph")
    assert Dataset.load(tmp_path / "graph").ratings.time is None


def test_of_several_rating_tables_the_first_that_is_there_is_taken(tmp_path: Path) -> None:
    (tmp_path / "d.yaml").write_text(
        "name: x\nratings:\n"
        '  - {file: official.dat, format: {separator: "::", columns: [user, item, rating, time]}}\n'
        "  - {file: rebuilt.csv, user: userId, item: movieId}\n"
    )
    (tmp_path / "rebuilt.csv").write_text("userId,movieId,rating\n1,2,3\n")
    assert build(Description.load(tmp_path / "d.yaml")).ratings.time is None
    (tmp_path / "official.dat").write_text("1::2::4::978300760\n")
    ratings = build(Description.load(tmp_path / "d.yaml")).ratings
    assert (ratings.value.tolist(), ratings.time is not None) == ([4], True)


def test_nothing_is_written_into_the_data_folder(small_world: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in [small_world, *small_world.iterdir()]}
    build(Description.load(small_world / "description.yaml"))
    assert {path: path.stat().st_mtime_ns for path in [small_world, *small_world.iterdir()]} == before


def test_later_tables_add_texts_and_labels_and_their_foreign_rows_are_counted(small_world: Path) -> None:
    (small_world / "more.csv").write_text('id,name,words\n03,Gamma,New words.\na b,Other,A "quoted" plot.\nzz,No,No\n')
    text = (small_world / "description.yaml").read_text()
    later = "  - {file: more.csv, format: {quote: ''}, id: id, label: name, text: words}\nusers:\n"
    (small_world / "description.yaml").write_text(text.replace("users:\n", later))
    dataset = build(Description.load(small_world / "description.yaml"))
    assert dataset.graph.items.labels.tolist() == ["Alpha (1999)", "Beta (2001)", "Gamma"]
    assert dataset.graph.items.texts.tolist() == [
        'Alpha (1999). Drama, War. A "quoted" plot.',
        "Beta (2001). drama.",
        "New words.",
    ]
    assert dataset.report["files"]["more.csv"]["dropped"] == {"no item of this id": 1}


def test_two_items_of_one_link_both_get_its_triples(small_world: Path) -> None:
    items = (small_world / "items.csv").read_text()
    (small_world / "items.csv").write_text(items.replace("http://wiki.example/Beta", "http://wiki.example/Alpha"))
    dataset = build(Description.load(small_world / "description.yaml"))
    starring = edges_of(dataset.graph, ("item", "wiki:starring", "wiki"))
    assert {item for item, _, _ in starring} == {"a b", "é/1"}
    assert any("belong to more than one item" in note for note in dataset.report["notes"])


def test_flags_and_later_tables_matched_by_title(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("user,item,rating\nu,1,3\n")
    (tmp_path / "items.txt").write_text("1|Matrix, The (1999)|1|0\n2|Heat (1995)|0|1\n3|Twins (1988)|1|1\n")
    (tmp_path / "plots.json").write_text(
        '[{"name": "The Matrix", "year": 1998, "plot": "Red pill.", "cast": ["K. R.", "C. M."]},'
        ' {"name": "HEAT!", "year": 1995, "plot": "A heist."}, {"name": "Heat", "year": 1996, "plot": "Another."},'
        ' {"name": "Twins", "year": 1988, "plot": "One."}, {"name": "Twins", "year": 1988, "plot": "Two."}]'
    )
    (tmp_path / "d.yaml").write_text(
        "name: x\nratings: {file: ratings.csv}\nitems:\n"
        '  - {file: items.txt, format: {separator: "|", columns: [id, title, Fun, War]}, id: id, label: title, concepts: {genre: {flags: [Fun, War]}}}\n'
        "  - {file: plots.json, match: {title: name, year: year}, text: '{plot}', concepts: {actor: {column: cast}}}\n"
    )
    dataset = build(Description.load(tmp_path / "d.yaml"))
    assert dataset.graph.items.texts.tolist() == ["Red pill.", "A heist.", None]
    assert dataset.graph.nodes["actor"].labels.tolist() == ["K. R.", "C. M."]
    assert {pair[:2] for pair in edges_of(dataset.graph, ("item", "genre", "genre"))} == {
        ("1", "fun"), ("2", "war"), ("3", "fun"), ("3", "war"),
    }  # fmt: skip
    counts = dataset.report["files"]["plots.json"]["counts"]
    assert counts["items matched by title"] == 2
    assert counts["items with several rows of the same title, left out"] == 1


def test_movielens_100k_from_the_real_files(real_data: Path, tmp_path: Path) -> None:
    description = Description.load("movielens-100k", data=real_data)
    dataset = build(description)
    report = dataset.report
    assert (report["items"]["count"], report["users"]["count"], report["ratings"]["count"]) == (1682, 943, 100_000)
    assert report["text_fields"]["movie-text/ml-100k-items.json"]["plot"] == 1674
    assert report["items"]["with_link"] == 1607
    assert report["files"]["movie-text/ml-1m-movies.dat"]["counts"]["items matched by title"] > 1600
    assert report["files"]["dbpedia-movies/dbpedia.nt.gz"]["kept"] > 13_000
    assert len(dataset.splits["u1"].test_ratings) == 20_000
    assert (len(dataset.splits["cold-items"].test_items), len(dataset.splits["cold-items"].validation_items)) == (
        336,
        269,
    )
    dataset.save(tmp_path / "one")
    build(description).save(tmp_path / "two")
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in names)


def test_movielens_100k_from_the_official_archive_alone(real_data: Path, tmp_path: Path) -> None:
    (tmp_path / "ml-100k").mkdir()
    for name in ("u.data", "u.item", "u.user"):
        (tmp_path / "ml-100k" / name).symlink_to((real_data / "ml-100k" / name).resolve())
    dataset = build(Description.load("movielens-100k", data=tmp_path))
    assert len(dataset.ratings) == 100_000
    assert len(dataset.report["notes"]) == 5
    assert dataset.graph.items.labels[0] == "Toy Story (1995)"


@pytest.mark.slow
def test_movielens_1m_from_the_rebuilt_file(real_data: Path) -> None:
    dataset = build(Description.load("movielens-1m", data=real_data))
    assert len(dataset.ratings) == 999_714
    assert (len(dataset.graph.users), len(dataset.graph.items)) == (6040, 3883)
    assert np.isin(dataset.ratings.value, [1, 2, 3, 4, 5]).all()
    assert dataset.ratings.time is None


def test_marks_are_removed_from_texts(small_world: Path) -> None:
    text = (small_world / "description.yaml").read_text()
    (small_world / "description.yaml").write_text(
        text.replace("    same_as:", '    remove: "quoted|Beta .*"\n    same_as:')
    )
    texts = build(Description.load(small_world / "description.yaml")).graph.items.texts
    assert texts.tolist() == ['Alpha (1999). Drama, War. A "" plot.', None, None]
