"""Tables of triples: any column names, ids that are no IRIs, and the Freebase graph of RecBole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from kg.build import build
from kg.description import Description, ready_made
from kg.errors import InputError
from kg.rdf.engine import open_engine
from kg.rdf.knowledge_description import TripleTable
from kg.rdf.statement_tables import read_table_of_triples
from kg.report import FileAccount


def test_columns_lines_and_empty_cells(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("h,r,t\na,p,b\n\n a ,p,\nc,q,d e\n")
    account, table = FileAccount(), TripleTable(head="h", relation="r", tail="t")
    with open_engine() as engine:
        read = read_table_of_triples(tmp_path / "t.csv", table, engine, account)
        nodes = dict(zip(*engine.rows(read.nodes.select("code", "node")).to_pydict().values(), strict=True))
        rows = engine.rows(read.triples.order_by("position")).to_pylist()
        with pytest.raises(InputError, match="expected a column 'head', found only 'h', 'r', 't'"):
            read_table_of_triples(tmp_path / "t.csv", TripleTable(), engine, FileAccount())
    triples = [(nodes[row["subject"]], row["predicate"], nodes[row["object"]]) for row in rows]
    assert triples == [("a", "p", "b"), ("c", "q", "d e")]
    assert read.lines_of(np.arange(2)).tolist() == [2, 5]
    assert (account.rows, account.dropped, account.examples) == (3, {"an empty cell": 1}, {"an empty cell": ["line 4"]})


@pytest.mark.parametrize("namespace", ["", "http://n.example/"])
def test_ids_need_not_be_iris(tmp_path: Path, namespace: str) -> None:
    (tmp_path / "ratings.csv").write_text("user,item,rating\nu,1,1\nu,2,1\n")
    (tmp_path / "t.kg").write_text(
        "head\trelation\ttail\nm.1\tfilm.film.actor\tm.a\nm.b\tfilm.writer.film\tm.2\nm.x\tp\tm.y\n"
    )
    (tmp_path / "t.link").write_text("item\tentity\n1\tm.1\n2\tm.2\n")
    given = f", namespace: '{namespace}'" if namespace else ""
    (tmp_path / "d.yaml").write_text(
        "name: small\nratings: {file: ratings.csv}\nknowledge:\n"
        f'  - {{file: t.kg, source: freebase, format: {{separator: "\\t"{given}}},\n'
        '     links: {file: t.link, format: {separator: "\\t"}, item: item, iri: entity}}\n'
    )
    dataset = build(Description.load(tmp_path / "d.yaml"))
    assert sorted(dataset.graph.edges) == [
        ("freebase", "freebase:film.writer.film", "item"), ("item", "freebase:film.film.actor", "freebase"),
    ]  # fmt: skip
    nodes = dataset.graph.nodes["freebase"]
    assert list(nodes.vocabulary) == [namespace + "m.a", namespace + "m.b"]
    assert nodes.labels.tolist() == ["m.a", "m.b"]
    assert nodes.iris.tolist() == ([namespace + "m.a", namespace + "m.b"] if namespace else [None, None])
    assert dataset.graph.items.iris.tolist() == ([namespace + "m.1", namespace + "m.2"] if namespace else [None, None])


def test_the_description_with_freebase_differs_in_its_knowledge_only() -> None:
    usual, freebase = (
        yaml.safe_load(ready_made()[name].read_text()) for name in ("movielens-100k", "movielens-100k-freebase")
    )
    del usual["items"][1]["same_as"]
    for description in (usual, freebase):
        del description["name"], description["knowledge"]
    assert usual == freebase


@pytest.mark.slow
def test_the_freebase_graph_of_movielens(real_data: Path) -> None:
    if not (real_data / "freebase-ml-100k" / "ml-100k.kg").is_file():
        pytest.skip("the Freebase graph of MovieLens 100K is not among the real data")
    dataset = build(Description.load("movielens-100k-freebase", data=real_data))
    report = dataset.report
    files, items = report["files"], report["items"]
    assert isinstance(files, dict)
    assert isinstance(items, dict)
    graph = files["freebase-ml-100k/ml-100k.kg"]
    assert (graph["rows"], graph["kept"], graph.get("dropped")) == (91_631, 91_631, None)
    assert (items["with_link"], items["with_triples"]) == (1_598, 1_598)
    of_freebase = [edge_type for edge_type in dataset.graph.edges if edge_type.relation.startswith("freebase:")]
    assert len({edge_type.relation for edge_type in of_freebase}) == 24
    assert sum(len(dataset.graph.edges[edge_type]) for edge_type in of_freebase) == 91_631
