from __future__ import annotations

import json

import networkx as nx
import numpy as np
import pytest

from kg.dataset import Dataset
from kg.queries.structure import structure
from kg.queries.views import to_networkx


@pytest.mark.parametrize("rated", [False, True])
def test_structure_is_that_of_networkx(small_dataset: Dataset, rated: bool) -> None:
    graph, ratings = small_dataset.graph, small_dataset.ratings if rated else None
    found = json.loads(json.dumps(structure(graph, ratings)))
    directed = to_networkx(graph, ratings)
    view = nx.Graph(directed.to_undirected(as_view=True))
    assert (found["nodes"], found["edges"]) == (len(view), directed.number_of_edges())
    assert found["density"] == pytest.approx(nx.density(view))
    components = sorted((len(part) for part in nx.connected_components(view)), reverse=True)
    assert found["components"]["count"] == len(components)
    assert found["components"]["single_nodes"] == components.count(1)
    assert [part["nodes"] for part in found["components"]["largest"]] == components[:5]
    assert all(sum(part["kinds"].values()) == part["nodes"] for part in found["components"]["largest"])
    for kind, shown in found["kinds"].items():
        degrees = [view.degree(node) for node in view if node[0] == kind]
        assert (shown["nodes"], shown["isolated"]) == (len(degrees), degrees.count(0))
        assert shown["highest"] == max(degrees)
        assert shown["mean"] == pytest.approx(np.mean(degrees))
    for relation in found["relations"]:
        mine = [
            (start, end)
            for start, end, name in directed.edges(keys=True)
            if (start[0], name, end[0]) == (relation["source"], relation["relation"], relation["target"])
        ]
        assert relation["edges"] == len(mine)
        per_end = [[pair[1] for pair in mine].count(end) for end in {pair[1] for pair in mine}]
        assert relation["per_target"]["highest"] == max(per_end)
    items = len(graph.items)
    slow = {node: sum(other[0] == "item" for other in view[node]) for node in view if node[0] != "item"}
    assert [hub["items"] for hub in found["hubs"]] == sorted((n for n in slow.values() if n), reverse=True)[:10]
    for hub in found["hubs"]:
        assert slow[(hub["kind"], hub["id"])] == hub["items"]
        assert hub["share_of_items"] == pytest.approx(hub["items"] / items)


def test_as_many_hubs_as_asked(small_dataset: Dataset) -> None:
    assert len(structure(small_dataset.graph, hubs=2)["hubs"]) == 2
    assert structure(small_dataset.graph, hubs=0)["hubs"] == []
