"""Commands that look into a graph: one node, the paths between two, its shape, and a search by meaning."""

from __future__ import annotations

from itertools import groupby, islice
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from kg.counted import counted
from training.commands.cli_options import Json

__all__ = ["paths", "search", "show", "stats"]

GraphArgument = Annotated[Path, typer.Argument(help="Directory of a graph.", show_default=False)]
_NODE = "as kind:id, e.g. item:50, user:196, genre:drama"
_SHOWN = 10  # edges a relation and nodes a distance; --json has all


def show(
    graph: GraphArgument,
    node: Annotated[str, typer.Argument(help=f"A node {_NODE}.", show_default=False)],
    hops: Annotated[int, typer.Option(min=0, help="How far to look; 1 shows the edges of the node.")] = 1,
    as_json: Json = False,
) -> None:
    """Show one node: label, text, link, and its edges with the file and line that state each.

    Example: kgrec show graphs/ml-100k item:50
    """
    from kg.dataset import Dataset
    from kg.queries.adjacency import parse_node
    from kg.queries.statements import node_page
    from training.commands import console

    dataset = Dataset.load(graph)
    page = node_page(dataset.graph, parse_node(dataset.graph, node), hops, dataset.ratings)
    if as_json:
        console.print_json(page)
        return
    shown = page["node"]
    console.out.print(_node_words(shown), style="bold")
    for part in (shown["text"], shown["iri"] and f"link: {shown['iri']}"):
        if part:
            console.out.print(part)
    if page["edges"]:
        console.out.print(console.plain_table("", _edge_rows(page["edges"])))
    for distance, members in groupby(page["near"], key=lambda neighbour: neighbour["hops"]):
        near = list(members)
        names = "; ".join(f"{neighbour['label']} ({neighbour['kind']})" for neighbour in near[:_SHOWN])
        console.out.print(f"{counted(distance, 'hop')} away: {counted(len(near), 'node')}, e.g. {names}.")


def paths(
    graph: GraphArgument,
    start: Annotated[str, typer.Argument(help=f"Where paths begin, {_NODE}.", show_default=False)],
    end: Annotated[str, typer.Argument(help="Where they end.", show_default=False)],
    cutoff: Annotated[int, typer.Option(min=1, max=6, help="Most edges of a path.")] = 3,
    count: Annotated[int, typer.Option("-k", "--count", min=1, help="Number of paths.")] = 5,
    as_json: Json = False,
) -> None:
    """Find the shortest paths between two nodes; passing a hub, such as a genre, counts as a detour.

    Example: kgrec paths graphs/ml-100k user:196 item:50
    """
    from kg.dataset import Dataset
    from kg.queries.adjacency import parse_node
    from kg.queries.connections import path_page
    from kg.queries.connections import paths as shortest_paths
    from training.commands import console

    dataset = Dataset.load(graph)
    ends = [parse_node(dataset.graph, text) for text in (start, end)]
    shortest = shortest_paths(dataset.graph, *ends, cutoff=cutoff, ratings=dataset.ratings)
    pages = [path_page(dataset.graph, path, dataset.ratings) for path in islice(shortest, count)]
    if as_json:
        console.print_json({"from": ":".join(ends[0]), "to": ":".join(ends[1]), "by": "rarity", "paths": pages})
        return
    if not pages:
        console.out.print(f"No path of at most {counted(cutoff, 'edge')}; a higher --cutoff looks farther.")
    for page in pages:
        console.out.print(f"length {page['length']:.2f}", style="bold")
        console.out.print(f"  {_node_words(page['nodes'][0])}")
        for step, reached in zip(page["steps"], page["nodes"][1:], strict=True):
            words = "; ".join(f"{_arrow(edge)}{_stars(edge)} [{_place(edge)}]" for edge in step)
            console.out.print(f"  {words} {_node_words(reached)}")


def stats(
    graph: GraphArgument,
    ratings: Annotated[bool, typer.Option("--ratings", help="Count ratings as edges.")] = False,
    as_json: Json = False,
) -> None:
    """Count what a graph is like: components, degrees, hubs, isolated nodes, density.

    Example: kgrec stats graphs/ml-100k
    """
    from kg.dataset import Dataset
    from kg.queries.structure import structure
    from training.commands import console

    dataset = Dataset.load(graph)
    shape = structure(dataset.graph, dataset.ratings if ratings else None)
    if as_json:
        console.print_json(shape)
        return
    sizes = f"{counted(shape['nodes'], 'node')}, {counted(shape['edges'], 'edge')}"
    console.out.print(f"{shape['name']}: {sizes}, density {shape['density']:.2g}.")
    parts = shape["components"]
    largest = "; ".join(
        f"{counted(part['nodes'], 'node')} ({', '.join(f'{kind} {count:,}' for kind, count in part['kinds'].items())})"
        for part in parts["largest"]
    )
    single = f"{parts['single_nodes']:,} of them single nodes"
    console.out.print(f"{counted(parts['count'], 'component')}, {single}; the largest: {largest}.")
    console.out.print(console.plain_table("number of different neighbours", _kind_rows(shape["kinds"])))
    console.out.print(console.plain_table("relations", _relation_rows(shape["relations"])))
    if shape["hubs"]:
        hubs = [
            (hub["label"], hub["kind"], f"{hub['items']:,}", f"{hub['share_of_items']:.1%}") for hub in shape["hubs"]
        ]
        columns = ["node", "kind", "items", "of all items"]
        console.out.print(console.plain_table("hubs", pd.DataFrame(hubs, columns=columns)))


def search(
    graph: GraphArgument,
    text: Annotated[str, typer.Argument(help="What to look for, in words.", show_default=False)],
    kind: Annotated[
        list[str] | None, typer.Option(help="Only nodes of this kind; may be repeated. By default all but users.")
    ] = None,
    count: Annotated[int, typer.Option("-k", "--count", min=1, help="Number of nodes.")] = 10,
    as_json: Json = False,
) -> None:
    """Find the nodes whose texts are nearest in meaning to a sentence.

    Example: kgrec search graphs/ml-100k "films about memory loss" --kind item
    """
    from kg.dataset import Dataset
    from kg.storage.cache_directory import default_cache_directory
    from models.lists.search import search_nodes
    from models.text import TextEncoder
    from training.commands import console

    dataset = Dataset.load(graph)
    with console.progress_bar() as progress:
        nearest = search_nodes(
            dataset.graph,
            TextEncoder(cache=default_cache_directory()),
            text,
            k=count,
            kinds=kind,
            progress=lambda done, all_: progress("encode", done, all_, "texts"),
        )
    if as_json:
        console.print_json({"query": text, "nodes": nearest})
        return
    rows = [(node["label"], node["kind"], node["id"], f"{node['score']:.3f}") for node in nearest]
    table = pd.DataFrame(rows, columns=["label", "kind", "id", "cosine"])
    console.out.print(console.plain_table(f"nearest to “{text}”", table))


def _edge_rows(edges: list[dict[str, Any]]) -> pd.DataFrame:
    rows: list[tuple[str, str, str, str]] = []
    for relation, members in groupby(edges, key=_arrow):
        of_relation = list(members)
        rows += [
            (relation, f"{edge['label']}{_stars(edge)}", edge["other"], _place(edge)) for edge in of_relation[:_SHOWN]
        ]
        if len(of_relation) > _SHOWN:
            rows.append((relation, f"and {len(of_relation) - _SHOWN:,} more", "", ""))
    return pd.DataFrame(rows, columns=["relation", "label", "node", "stated in"])


def _arrow(edge: dict[str, Any]) -> str:
    return f"-- {edge['relation']} ->" if edge["forward"] else f"<- {edge['relation']} --"


def _stars(edge: dict[str, Any]) -> str:
    return f" ({edge['value']:g} stars)" if "value" in edge else ""


def _place(edge: dict[str, Any]) -> str:
    return f"{edge['source']}, line {edge['line']}" if "line" in edge else str(edge["source"])


def _node_words(node: dict[str, Any]) -> str:
    name = f"{node['kind']} {node['id']}"
    return name if node["label"] == node["id"] else f"{node['label']} ({name})"


def _kind_rows(kinds: dict[str, dict[str, Any]]) -> pd.DataFrame:
    columns = ["kind", "nodes", "isolated", "lowest", "median", "mean", "90 %", "highest"]
    keys = ["nodes", "isolated", "lowest", "median", "mean", "percentile_90", "highest"]
    rows = [(kind, *(_number(degrees.get(key)) for key in keys)) for kind, degrees in kinds.items()]
    return pd.DataFrame(rows, columns=columns)


def _relation_rows(relations: list[dict[str, Any]]) -> pd.DataFrame:
    rows = [
        (
            f"{relation['source']} -- {relation['relation']} -> {relation['target']}",
            f"{relation['edges']:,}",
            f"{relation['density']:.2g}",
            *(
                f"{_number(relation[end].get('mean'))} / {_number(relation[end].get('highest'))}"
                for end in ("per_source", "per_target")
            ),
        )
        for relation in relations
    ]
    return pd.DataFrame(rows, columns=["relation", "edges", "density", "a start: mean / most", "an end: mean / most"])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
