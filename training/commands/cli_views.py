"""Commands that look into a graph: one node, the paths between two, its shape, and a search by meaning."""

from __future__ import annotations

from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pandas as pd
import typer

from kg.counted import counted
from kg.errors import InputError
from training.commands.cli_options import Json

if TYPE_CHECKING:
    from kg.graph import KnowledgeGraph
    from kg.queries.adjacency import Node

__all__ = ["paths", "search", "show", "stats"]

GraphArgument = Annotated[Path, typer.Argument(help="Directory of a graph.", show_default=False)]
User = Annotated[str | None, typer.Option(help="Id of a user.")]
Item = Annotated[str | None, typer.Option(help="Id of an item.")]
_SHOWN = 10


def show(
    graph: GraphArgument,
    item: Item = None,
    user: User = None,
    node: Annotated[str | None, typer.Option(help="Any node as kind:id, e.g. genre:drama.")] = None,
    hops: Annotated[int, typer.Option(min=0, help="How far to look; 1 shows the edges of the node.")] = 1,
    limit: Annotated[int, typer.Option(min=1, help="Edges a relation and nodes a distance that are shown.")] = _SHOWN,
    as_json: Json = False,
) -> None:
    """Show one node: label, text, link, and its edges with the file and line that state each.

    Example: kgrec show graphs/ml-100k --item 50
    """
    from kg.dataset import Dataset
    from kg.queries.statements import node_page
    from training.commands import console

    dataset = Dataset.load(graph)
    chosen = _named(dataset.graph, user=user, item=item, nodes=[node])
    if len(chosen) != 1:
        raise InputError("give one node: --item ID, --user ID or --node kind:id")
    page = node_page(dataset.graph, chosen[0], hops, dataset.ratings)
    if as_json:
        console.print_json(page)
        return
    found = page["node"]
    console.out.print(_node_words(found), style="bold")
    for part in (found["text"], found["iri"] and f"link: {found['iri']}"):
        if part:
            console.out.print(part)
    if page["edges"]:
        console.out.print(console.plain_table("", _edge_rows(page["edges"], limit)))
    for distance, members in groupby(page["near"], key=lambda one: one["hops"]):
        near = list(members)
        names = "; ".join(f"{one['label']} ({one['kind']})" for one in near[:limit])
        console.out.print(f"{counted(distance, 'hop')} away: {counted(len(near), 'node')}, e.g. {names}.")


def paths(
    graph: GraphArgument,
    user: User = None,
    item: Item = None,
    node: Annotated[
        list[str] | None, typer.Option(help="An end as kind:id, e.g. person:tim burton; may be repeated.")
    ] = None,
    cutoff: Annotated[int, typer.Option(min=1, max=6, help="Most edges of a path.")] = 3,
    count: Annotated[int, typer.Option("-k", "--count", min=1, help="Number of paths.")] = 5,
    by: Annotated[
        Literal["rarity", "edges"], typer.Option(help="What makes a path short: passing no hubs, or few edges.")
    ] = "rarity",
    as_json: Json = False,
) -> None:
    """Find the shortest paths between two nodes; passing a hub, such as a genre, counts as a detour.

    Example: kgrec paths graphs/ml-100k --user 196 --item 50
    """
    from kg.dataset import Dataset
    from kg.queries.connections import path_page
    from kg.queries.connections import paths as find
    from training.commands import console

    dataset = Dataset.load(graph)
    ends = _named(dataset.graph, user=user, item=item, nodes=node or [])
    if len(ends) != 2:
        raise InputError("give two nodes, with --user ID, --item ID and --node kind:id")
    found = find(dataset.graph, *ends, cutoff=cutoff, rare=by == "rarity", ratings=dataset.ratings)
    pages = [path_page(dataset.graph, path, dataset.ratings) for path in islice(found, count)]
    if as_json:
        console.print_json({"from": ":".join(ends[0]), "to": ":".join(ends[1]), "by": by, "paths": pages})
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
    hubs: Annotated[int, typer.Option(min=0, help="How many hubs to name.")] = 10,
    as_json: Json = False,
) -> None:
    """Count what a graph is like: components, degrees, hubs, isolated nodes, density.

    Example: kgrec stats graphs/ml-100k
    """
    from kg.dataset import Dataset
    from kg.queries.structure import structure
    from training.commands import console

    dataset = Dataset.load(graph)
    found = structure(dataset.graph, dataset.ratings if ratings else None, hubs=hubs)
    if as_json:
        console.print_json(found)
        return
    parts = found["components"]
    console.out.print(
        f"{found['name']}: {counted(found['nodes'], 'node')}, {counted(found['edges'], 'edge')}, density {found['density']:.2g}."
    )
    console.out.print(
        f"{counted(parts['count'], 'component')}, {parts['single_nodes']:,} of them single nodes; the largest: "
        + "; ".join(
            f"{counted(part['nodes'], 'node')} ({', '.join(f'{kind} {count:,}' for kind, count in part['kinds'].items())})"
            for part in parts["largest"]
        )
        + ".",
    )
    console.out.print(console.plain_table("number of different neighbours", _kind_rows(found["kinds"])))
    console.out.print(console.plain_table("relations", _relation_rows(found["relations"])))
    if found["hubs"]:
        console.out.print(console.plain_table("hubs", _hub_rows(found["hubs"])))


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
    from models.lists.search import NodeSearch
    from models.text import TextEncoder
    from training.commands import console

    dataset = Dataset.load(graph)
    with console.progress_bar() as progress:
        nearest = NodeSearch(
            dataset.graph,
            TextEncoder(),
            kinds=kind,
            progress=lambda done, all_: progress("encode", done, all_, "texts"),
        ).search(text, k=count)
    if as_json:
        console.print_json({"query": text, "nodes": nearest})
        return
    rows = pd.DataFrame(
        [
            {"label": one["label"], "kind": one["kind"], "id": one["id"], "cosine": f"{one['score']:.3f}"}
            for one in nearest
        ],
        columns=["label", "kind", "id", "cosine"],
    )
    console.out.print(console.plain_table(f"nearest to “{text}”", rows))


def _named(
    graph: KnowledgeGraph, *, user: str | None, item: str | None, nodes: list[str] | list[str | None]
) -> list[Node]:
    """Return the nodes that options name: a user, an item, then any; unknown ones raise `UnknownNameError`."""
    from kg.queries.adjacency import parse_node

    named = [("user", user), ("item", item)]
    found = [(kind, raw_id) for kind, raw_id in named if raw_id is not None]
    for kind, raw_id in found:
        graph.nodes[kind].vocabulary.index_of(raw_id)
    return [*found, *(parse_node(graph, text) for text in nodes if text is not None)]


def _edge_rows(edges: list[dict[str, Any]], limit: int) -> pd.DataFrame:
    rows: list[tuple[str, str, str, str]] = []
    for relation, members in groupby(edges, key=_arrow):
        found = list(members)
        rows += [(relation, f"{edge['label']}{_stars(edge)}", edge["other"], _place(edge)) for edge in found[:limit]]
        if len(found) > limit:
            rows.append((relation, f"and {len(found) - limit:,} more", "", ""))
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
    rows = [(kind, *(_number(found.get(key)) for key in keys)) for kind, found in kinds.items()]
    return pd.DataFrame(rows, columns=columns)


def _relation_rows(relations: list[dict[str, Any]]) -> pd.DataFrame:
    rows = []
    for found in relations:
        ends = [
            f"{_number(found[end].get('mean'))} / {_number(found[end].get('highest'))}"
            for end in ("per_source", "per_target")
        ]
        rows.append(
            (
                f"{found['source']} -- {found['relation']} -> {found['target']}",
                f"{found['edges']:,}",
                f"{found['density']:.2g}",
                *ends,
            )
        )
    return pd.DataFrame(rows, columns=["relation", "edges", "density", "a start: mean / most", "an end: mean / most"])


def _hub_rows(hubs: list[dict[str, Any]]) -> pd.DataFrame:
    rows = [(hub["label"], hub["kind"], f"{hub['items']:,}", f"{hub['share_of_items']:.1%}") for hub in hubs]
    return pd.DataFrame(rows, columns=["node", "kind", "items", "of all items"])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
