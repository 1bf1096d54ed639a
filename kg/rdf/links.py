"""Links from items to nodes of RDF sources: by a column, by a table of links, by `owl:sameAs`, by their own IRI."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kg.rdf.knowledge_description import Knowledge, TripleTable
from kg.rdf.predicates import PREFIXES, local_name
from kg.report import FileAccount
from kg.schema import ITEM, Namespace
from kg.tabular.entities import Entities
from kg.tabular.link_cells import link_cells
from kg.tabular.tables import read_table
from kg.triples import is_iri

__all__ = ["SAME_AS", "ItemNames"]

SAME_AS = PREFIXES["owl"] + "sameAs"
_EXAMPLES = 3


class ItemNames:
    """The names of items in RDF sources; several items may bear one name, and one item several.

    Attributes:
        items_of: The items that bear a name, rising.
        minted: What the IRIs of items in our own namespace begin with.
        alias: With `merge`, for nodes that are the same as another the name of that.
    """

    def __init__(self, items: Entities, namespace: Namespace, *, merge: bool) -> None:
        """Begin with the links that tables of items give; with `merge` also those that differ from an earlier one.

        An item without a link whose id is an IRI is linked by it, and its label is the end of the IRI if it has none.
        """
        self.items = items
        self.merge = merge
        self.items_of: dict[str, list[int]] = {}
        self.minted = namespace.node(ITEM, "")
        self._namespace = namespace
        self.alias: dict[str, str] = {}
        for item, (raw_id, iri) in enumerate(zip(items.vocabulary, items.links, strict=True)):
            if iri is None and is_iri(raw_id):
                items.links[item] = raw_id
                items.labels[item] = items.labels[item] or local_name(raw_id).replace("_", " ")
            if (name := items.links[item]) is not None:
                self._add(name, item)
        if merge:
            for item, iri in items.other_links:
                self._add(iri, item)

    def _add(self, name: str, item: int) -> None:
        members = self.items_of.setdefault(name, [])
        if item not in members:
            members.append(item)
            members.sort()

    def read_table(self, knowledge: Knowledge, folder: Path, account: FileAccount) -> None:
        """Add the links of a source's table of links; a second link of an item counts only with `merge`.

        Raises:
            InputError: If the table is missing, damaged, or lacks a column.
        """
        links = knowledge.links
        assert links is not None
        triple_table = knowledge.format if isinstance(knowledge.format, TripleTable) else None
        table = read_table(folder / links.file, links.format)
        account.rows += len(table)
        ids = table.column(links.item).astype(object).str.strip()
        cells = link_cells(table, links.iri, links.missing)
        namespace = "" if triple_table is None else triple_table.namespace or ""
        index = self.items.vocabulary.find(ids.to_numpy(dtype=object))
        given: dict[int, str] = {}
        lines = table.lines(np.arange(len(table)))
        for row, (item, cell) in enumerate(zip(index.tolist(), cells, strict=True)):
            name = namespace + (cell or "")
            if item < 0:
                account.drop("no item of this id", 1, [str(ids.iloc[row])])
            elif cell is None:
                account.drop("no link", 1)
            elif triple_table is None and not is_iri(name):
                account.drop("the link is not a valid IRI", 1, [f"line {lines[row]}: {name}"])
            elif given.setdefault(item, name) != name and not self.merge:
                account.drop(
                    "another link of an item that has one here; merge: true uses all",
                    1,
                    [f"{ids.iloc[row]}: {given[item]} and {name}"],
                )
            else:
                account.kept += 1
                self._add(name, item)
                if self.items.links[item] is None and is_iri(name):
                    self.items.links[item] = name

    def follow(self, pairs: Iterable[tuple[str, str]]) -> set[str]:
        """Take what is the same as a name of an item for a name of it.

        With `merge`, nodes that are the same as each other but no item get the name of the one that is mentioned first.

        Args:
            pairs: Nodes that are the same, in order of mention.

        Returns:
            The nodes of which all that is said to be the same has been taken in.
        """
        import networkx as nx  # takes a quarter of a second, which only those who merge or link should wait for

        same = nx.Graph()
        same.add_edges_from(pairs)
        place = {node: position for position, node in enumerate(same)}
        followed: set[str] = set()
        for component in nx.connected_components(same):
            members = sorted(component, key=place.__getitem__)
            items = sorted({item for node in members for item in self.items_of.get(node, ())})
            for node in members if items else ():
                self.items_of[node] = items
            outside = [node for node in members if not node.startswith(self.minted) and is_iri(node)]
            for item in items if outside else ():
                self.items.links[item] = self.items.links[item] or outside[0]
            if items or self.merge:
                followed |= component
            if not items and self.merge:
                self.alias |= dict.fromkeys(members[1:], members[0])
        return followed

    def add_minted(self, node: str) -> None:
        """Take an IRI of our own namespace for a name of the item that it was minted for, if there is one."""
        _kind, raw_id = self._namespace.raw_id(node)
        item = int(self.items.vocabulary.find(np.array([raw_id], dtype=object))[0])
        if item >= 0 and self._namespace.node(ITEM, raw_id) == node:
            self._add(node, item)

    def clashes(self) -> list[str]:
        """Return sentences on names of several items, and on items of several links."""
        notes: list[str] = []
        id_of = self.items.vocabulary.id_of
        shared = {name: members for name, members in self.items_of.items() if len(members) > 1}
        if shared:
            groups: dict[tuple[int, ...], str] = {}
            for name, members in shared.items():
                groups.setdefault(tuple(members), name)
            examples = "; ".join(
                f"{name} of {' and '.join(repr(id_of(item)) for item in members)}"
                for members, name in list(groups.items())[:_EXAMPLES]
            )
            consequence = (
                "these items are merged"
                if self.merge
                else "their triples count for each of these items; merge: true makes them one"
            )
            notes.append(
                f"{len(shared):,} of the linked IRIs belong to more than one item, for example {examples}; {consequence}."
            )
        several: dict[int, list[str]] = {}
        for item, iri in self.items.other_links:
            several.setdefault(item, [str(self.items.links[item])]).append(iri)
        if several:
            item, iris = next(iter(several.items()))
            consequence = "all count" if self.merge else "the first counts; merge: true uses all"
            notes.append(
                f"{len(several):,} items have different links in different tables, for example "
                f"{id_of(item)!r}: {' and '.join(iris)}; {consequence}."
            )
        return notes

    def merged_into(self) -> NDArray[np.int64]:
        """Return for each item the first of those that share a name with it, over any number of steps; itself if alone."""
        import networkx as nx

        same = nx.Graph()
        for members in self.items_of.values():
            nx.add_path(same, members)
        into = np.arange(len(self.items.vocabulary), dtype=np.int64)
        for group in nx.connected_components(same):
            into[list(group)] = min(group)
        return into
