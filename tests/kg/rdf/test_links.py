"""Items and RDF: linked by a column, a table, `owl:sameAs` or their own IRI; clashes reported, merged only when asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.errors import InputError
from training.cli import app

W = "http://w.example/"
SAME = "<http://www.w3.org/2002/07/owl#sameAs>"
ITEMS = "id,title,iri\n1,One,http://w.example/One\n2,Two,\n3,Three,http://w.example/Three\n4,Four,\n"
RATINGS = "user,item,rating,time\nu,1,1,10\nu,2,2,20\nu,3,3,5\nv,3,4,9\nw,4,5,1\n"


def made(
    folder: Path,
    triples: str,
    *,
    items: str = ITEMS,
    ratings: str = RATINGS,
    knowledge: str = "",
    top: str = "",
    **files: str,
) -> Dataset:
    folder.mkdir(exist_ok=True)
    contents = {"items.csv": items, "ratings.csv": ratings, "facts.nt": triples}
    for name, content in {**contents, **{name.replace("_", "."): text for name, text in files.items()}}.items():
        (folder / name).write_text(content)
    (folder / "d.yaml").write_text(
        "name: small\nratings: {file: ratings.csv}\n"
        "items:\n  - {file: items.csv, id: id, label: title, text: '{title}', same_as: iri}\n"
        f"knowledge:\n  - {{file: facts.nt, source: wiki{knowledge}}}\n{top}"
    )
    return build(Description.load(folder / "d.yaml"))


def edges(dataset: Dataset) -> set[tuple[str, str, str]]:
    graph, found = dataset.graph, set()
    for edge_type, of_type in graph.edges.items():
        ends = (graph.nodes[edge_type.source].vocabulary, graph.nodes[edge_type.target].vocabulary)
        found |= {
            (ends[0].id_of(source), edge_type.relation, ends[1].id_of(target))
            for source, target in of_type.index.T.tolist()
        }
    return found


def account(dataset: Dataset, file: str) -> dict[str, object]:
    files = dataset.report["files"]
    assert isinstance(files, dict)
    found: dict[str, object] = files[file]
    return found


def spoken(subject: str, target: str = "E", predicate: str = "p") -> str:
    return f"<{W}{subject}> <{W}{predicate}> <{W}{target}> .\n"


def same(first: str, second: str) -> str:
    return f"<{first}> {SAME} <{second}> .\n"


def test_chains_of_same_as_lead_to_an_item_in_both_directions(tmp_path: Path) -> None:
    chain = same(W + "One", W + "b") + same(W + "c", W + "b") + same(W + "c", W + "d") + same(W + "x", W + "y")
    dataset = made(tmp_path, chain + spoken("d") + spoken("x", "F") + spoken("q", "b"))
    assert edges(dataset) == {("1", "wiki:p", W + "E"), (W + "q", "wiki:p", "1")}
    found = account(dataset, "facts.nt")
    assert found["counts"] == {"owl:sameAs followed": 3}
    assert found["rows"] == 7 == found["kept"] + sum(found["dropped"].values()) + 3  # type: ignore[operator, attr-defined]


def test_the_iri_of_an_item_in_our_own_namespace_is_its_name(tmp_path: Path) -> None:
    own = "https://kgrec.example/item/"
    text = (
        f"<{own}4> <{W}p> <{W}E> .\n"
        + same(own + "2", W + "Two")
        + spoken("Two", "F")
        + f"<{own}nobody> <{W}p> <{W}E> .\n"
    )
    dataset = made(tmp_path, text)
    assert edges(dataset) >= {("4", "wiki:p", W + "E"), ("2", "wiki:p", W + "F")}
    assert dataset.graph.items.iris.tolist() == [W + "One", W + "Two", W + "Three", None]


LINKS = ", links: {file: links.tsv, item: movie, iri: uri}"


def test_a_table_of_links(tmp_path: Path) -> None:
    table = f"movie\turi\n2\t{W}Two\n4\t\n9\t{W}Nine\n3\tnot an iri\n2\t{W}Second\n1\t{W}Uno\n"
    dataset = made(tmp_path, spoken("Two") + spoken("One") + spoken("Uno", "F"), knowledge=LINKS, links_tsv=table)
    assert edges(dataset) == {("2", "wiki:p", W + "E"), ("1", "wiki:p", W + "E"), ("1", "wiki:p", W + "F")}
    found = account(dataset, "links.tsv")
    assert (found["rows"], found["kept"]) == (6, 2)
    assert found["dropped"] == {
        "no link": 1,
        "no item of this id": 1,
        "the link is not a valid IRI": 1,
        "another link of an item that has one here; merge: true uses all": 1,
    }
    examples = found["examples"]
    assert isinstance(examples, dict)
    assert examples["the link is not a valid IRI"] == ["line 5: not an iri"]
    assert examples["no item of this id"] == ["9"]


def test_a_second_link_of_an_item_counts_when_merged(tmp_path: Path) -> None:
    table = f"movie\turi\n2\t{W}Two\n2\t{W}Second\n"
    dataset = made(tmp_path, spoken("Second"), knowledge=LINKS, top="merge: true\n", links_tsv=table)
    assert edges(dataset) == {("2", "wiki:p", W + "E")}


def test_an_absent_table_of_links_is_an_error_or_a_note(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        made(tmp_path, spoken("One"), knowledge=LINKS)
    dataset = made(tmp_path, spoken("One"), knowledge=LINKS + ", optional: true")
    assert dataset.report["notes"] == ["links.tsv is not there; the graph goes without triples of wiki."]


CLASH = same(W + "One", W + "Three")


def test_items_that_are_the_same_are_reported_and_stay_apart(tmp_path: Path) -> None:
    dataset = made(tmp_path, CLASH + spoken("One"))
    assert edges(dataset) == {("1", "wiki:p", W + "E"), ("3", "wiki:p", W + "E")}
    assert dataset.graph.num_nodes == 3 + 4 + 1
    notes = dataset.report["notes"]
    assert isinstance(notes, list)
    assert any(f"{W}One of '1' and '3'; their triples count for each" in note for note in notes)


def test_items_that_are_the_same_are_merged_when_asked(tmp_path: Path) -> None:
    between = same(W + "z", W + "E") + spoken("One", "z") + spoken("Three") + spoken("Three", "One", "q")
    dataset = made(tmp_path, CLASH + between, top="merge: true\n")
    graph, ratings = dataset.graph, dataset.ratings
    assert list(graph.items.vocabulary) == ["1", "2", "4"]
    # E is called by the name that the statements of sameness mention first; what the items said of each other is gone.
    assert edges(dataset) == {("1", "wiki:p", W + "z")}
    assert graph.items.texts[0] == "One Three"
    who = [graph.users.vocabulary.id_of(user) for user in ratings.user.tolist()]
    what = [graph.items.vocabulary.id_of(item) for item in ratings.item.tolist()]
    # u rated 3 at time 5 and 1 at time 10: the later stays.
    expected = [("u", "1", 1.0), ("u", "2", 2.0), ("v", "1", 4.0), ("w", "4", 5.0)]
    assert list(zip(who, what, ratings.value.tolist(), strict=True)) == expected
    report = dataset.report
    items, notes = report["items"], report["notes"]
    assert isinstance(items, dict)
    assert isinstance(notes, list)
    assert (items["count"], items["with_triples"]) == (3, 1)
    assert "1 items were merged with others of the same link, for example '3' into '1'." in notes
    assert any(note.startswith("1 ratings are left out") for note in notes)


def test_merging_where_nothing_is_the_same_changes_nothing(tmp_path: Path) -> None:
    apart = made(tmp_path / "a", spoken("One") + spoken("Three", "F"))
    asked = made(tmp_path / "b", spoken("One") + spoken("Three", "F"), top="merge: true\n")
    assert apart.fingerprint == asked.fingerprint


def test_entities_that_are_the_same_stay_apart_unless_merged(tmp_path: Path) -> None:
    text = spoken("One", "E") + spoken("Three", "F") + same(W + "E", W + "F")
    assert edges(made(tmp_path / "a", text)) == {
        ("1", "wiki:p", W + "E"), ("3", "wiki:p", W + "F"), (W + "E", "wiki:sameAs", W + "F"),
    }  # fmt: skip
    assert edges(made(tmp_path / "b", text, top="merge: true\n")) == {
        ("1", "wiki:p", W + "E"),
        ("3", "wiki:p", W + "E"),
    }


def test_a_name_that_another_source_gives_is_taken_over(tmp_path: Path) -> None:
    """The second source never speaks of the name that its node gets from the first."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "more.nt").write_text(spoken("Three", "F") + spoken("F", "G", "q") + spoken("Three", "G"))
    text = spoken("One", "E") + same(W + "E", W + "F") + same(W + "H", W + "I")
    dataset = made(tmp_path / "a", text, knowledge="}\n  - {file: more.nt, source: wiki", top="merge: true\n")
    assert edges(dataset) == {
        ("1", "wiki:p", W + "E"),
        ("3", "wiki:p", W + "E"),
        ("3", "wiki:p", W + "G"),
        (W + "E", "wiki:q", W + "G"),
    }
    assert dataset.graph.nodes["wiki"].vocabulary.ids.tolist() == [W + "E", W + "G"]


def test_rare_entities_are_left_out(tmp_path: Path) -> None:
    part = f"<{W}Rare> <http://www.w3.org/2004/02/skos/core#broader> <{W}Top> .\n"
    text = spoken("One", "E") + spoken("Three", "E") + spoken("One", "Rare") + part
    dataset = made(tmp_path, text, knowledge=", min_degree: 2")
    assert edges(dataset) == {("1", "wiki:p", W + "E"), ("3", "wiki:p", W + "E")}
    assert account(dataset, "facts.nt")["dropped"] == {"an entity of fewer than 2 items": 2}


def test_nodes_without_iri_carry_what_they_speak_of(tmp_path: Path) -> None:
    text = f"<{W}One> <{W}p> _:b .\n_:b <{W}q> <{W}E> .\n_:c <{W}q> <{W}F> .\n"
    dataset = made(tmp_path, text)
    node = "_:facts.nt#b"
    assert edges(dataset) == {("1", "wiki:p", node), (node, "wiki:q", W + "E")}
    nodes = dataset.graph.nodes["wiki"]
    assert nodes.labels.tolist() == ["unnamed", "E"]
    assert nodes.iris.tolist() == [None, W + "E"]
    dataset.save(tmp_path / "graph")
    assert Dataset.load(tmp_path / "graph").fingerprint == dataset.fingerprint


@pytest.mark.parametrize(
    "step", ["http://www.w3.org/2004/02/skos/core#broader", "http://www.w3.org/2000/01/rdf-schema#subClassOf"]
)
def test_hierarchies_are_followed_to_the_top(tmp_path: Path, step: str) -> None:
    text = spoken("One", "a") + f"<{W}a> <{step}> <{W}b> .\n<{W}b> <{step}> <{W}c> .\n<{W}c> <{step}> <{W}a> .\n"
    dataset = made(tmp_path, text + spoken("One", "E", "r"), knowledge=", keep: [p]")
    assert {source for source, _, _ in edges(dataset)} == {"1", W + "a", W + "b", W + "c"}


def test_items_whose_ids_are_iris_are_linked_by_them(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text(f"user,item,rating\nu,{W}One_%28band%29,1\nv,two,2\n")
    (tmp_path / "facts.nt").write_text(spoken("One_%28band%29"))
    (tmp_path / "d.yaml").write_text(
        "name: small\nratings: {file: ratings.csv}\nknowledge: [{file: facts.nt, source: wiki}]\n"
    )
    dataset = build(Description.load(tmp_path / "d.yaml"))
    assert edges(dataset) == {(W + "One_%28band%29", "wiki:p", W + "E")}
    assert dataset.graph.items.labels.tolist() == ["One (band)", "two"]
    assert dataset.graph.items.iris.tolist() == [W + "One_%28band%29", None]


Q = "http://www.wikidata.org/entity/"
TT = "https://www.imdb.com/title/tt"


@pytest.mark.parametrize(
    ("link", "iris"),
    [
        ("qid", [None, None, None]),
        ('"http://www.wikidata.org/entity/{qid}"', [Q + "Q42", Q + "Q7", None]),
        ("{column: qid, prefix: 'http://www.wikidata.org/entity/'}", [Q + "Q42", Q + "Q7", None]),
        (
            "{column: imdb, prefix: 'https://www.imdb.com/title/tt', digits: 7}",
            [TT + "0114709", TT + "1375666", TT + "0000042"],
        ),
        ("{column: whole, prefix: 'https://www.imdb.com/title/tt'}", [TT + "0114709", TT + "7", None]),
    ],
)
def test_bare_ids_become_links(tmp_path: Path, link: str, iris: list[str | None]) -> None:
    items = f"id,title,qid,imdb,whole\n1,One,Q42,114709,{TT}0114709\n2,Two,Q7,1375666,7\n3,Three,,42,\n"
    (tmp_path / "items.csv").write_text(items)
    (tmp_path / "ratings.csv").write_text(RATINGS.replace("w,4,5,1\n", "").replace("v,3,4,9\n", ""))
    (tmp_path / "d.yaml").write_text(
        "name: small\nratings: {file: ratings.csv}\n"
        f"items:\n  - {{file: items.csv, id: id, label: title, same_as: {link}}}\n"
    )
    dataset = build(Description.load(tmp_path / "d.yaml"))
    assert dataset.graph.items.iris.tolist() == iris
    assert dataset.report["warnings"] == (
        []
        if any(iris)
        else [
            "no link in items.csv is a valid IRI (2 there, such as 'Q42'), so no item is linked by them; "
            'give {column: ..., prefix: "http://www.wikidata.org/entity/"} for bare ids under same_as.'
        ]
    )


def test_a_table_of_links_may_hold_bare_ids(tmp_path: Path) -> None:
    triples = f"<{TT}0000007> <{W}p> <{W}E> .\n"
    bare = {"items": "id,title,iri\n1,One,\n2,Two,\n3,Three,\n4,Four,\n", "ids_csv": "movie,imdb\n2,7\n"}
    links = ", links: {{file: ids.csv, item: movie, iri: {}}}"
    dataset = made(tmp_path, triples, knowledge=links.format(f"{{column: imdb, prefix: '{TT}', digits: 7}}"), **bare)
    assert edges(dataset) == {("2", "wiki:p", W + "E")}
    assert dataset.report["warnings"] == []
    dataset = made(tmp_path, triples, knowledge=links.format("imdb"), **bare)
    assert dataset.report["warnings"] == [
        "no link in ids.csv is a valid IRI (1 there, such as '7'), so no item is linked by them; "
        'give {column: ..., prefix: "https://..."} for bare ids as iri under links.',
        "no triple of facts.nt is used (1 neither end is a linked item or reached from one): "
        "no item has a link; give same_as under items, or links under knowledge.",
    ]


def test_a_source_of_which_nothing_is_used_is_a_warning_at_the_end(tmp_path: Path) -> None:
    made(tmp_path, spoken("One").replace("http:", "https:"))
    told = CliRunner().invoke(app, ["build", str(tmp_path / "d.yaml"), "--out", str(tmp_path / "graph")])
    assert told.exit_code == 0
    assert told.stderr == (
        "warning: no triple of facts.nt is used (1 neither end is a linked item or reached from one): links of items, "
        f"such as {W}One, must be written as that source writes its IRIs.\n"
    )
    assert "warning" not in told.stdout
