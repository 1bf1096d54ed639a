"""Description in, data set out: the graph, the ratings, and an account of everything on the way."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.dataset import Dataset
from kg.description import Description
from kg.errors import Problems
from kg.forgotten import Forgotten
from kg.graph import Edges, KnowledgeGraph, Nodes
from kg.merging import Merger
from kg.origin import Origin
from kg.rdf.engine import Engine, open_engine
from kg.rdf.knowledge_files import KnowledgeFiles
from kg.rdf.links import ItemNames
from kg.rdf.predicates import local_name, relation_name
from kg.rdf.source import GivenSource
from kg.report import FileAccount, summary
from kg.schema import ITEM, USER, EdgeType, Namespace
from kg.storage.manifest import file_sha256
from kg.tabular.entities import Entities, read_entities
from kg.tabular.link_cells import link_remedy
from kg.tabular.rating_table import RawRatings, index_ratings, read_ratings, scale_of
from kg.tabular.raw_ids import are_names, unicode_twins
from kg.tabular.split_files import SplitReader
from kg.triples import BLANK, is_iri
from kg.vocabulary import Vocabulary

if TYPE_CHECKING:
    from kg.rdf.linking import LinkedTriples
    from kg.rdf.sources import LinkedSource

__all__ = ["build"]

_INVALID = "the link is not a valid IRI"  # why a link of a table of links is dropped


def build(
    description: Description,
    *,
    data: Path | None = None,
    refresh: bool = False,
    snapshots: Path | None = None,
    engine: str = "duckdb",
    scratch: Path | None = None,
    forgotten: Forgotten | None = None,
    known: Dataset | None = None,
) -> Dataset:
    """Build the knowledge graph and the ratings that a description speaks of.

    Deterministic: the same inputs give the same data set whatever the engine, and `Dataset.save` the same bytes.

    Args:
        description: What the files mean.
        data: Folder that its paths are relative to; by default the folder the description was loaded with.
        refresh: Ask SPARQL endpoints again, even if their answers are in the cache.
        snapshots: Folder that receives what endpoints answered, as files that a description can name.
        engine: What joins the triples of RDF files: `duckdb` or `pyspark`.
        scratch: An existing folder for triples that do not fit into memory; by default where temporary files are.
        forgotten: People who are left out, and counted, wherever the sources name them.
        known: An earlier data set. Its nodes and edges are taken over, and only ratings and splits read, if nothing that
            nodes and edges come from has changed.

    Raises:
        InputError: If an input is missing or wrong, with file and line.
    """
    folder = description.folder if data is None else Path(data)
    knowledge = KnowledgeFiles(folder=folder, refresh=refresh, snapshots=snapshots)
    forgotten = forgotten or Forgotten()
    # Python's search for cycles of unused objects would go again and again through the millions that are made here to stay.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        opened = partial(open_engine, engine, scratch)
        return _Build(description=description, knowledge=knowledge, engine=opened, forgotten=forgotten).run(known)
    finally:
        if was_enabled:
            gc.enable()


@dataclass(kw_only=True, eq=False)
class _Build:
    """One run of the build; every step adds nodes, edges and its part of the account."""

    description: Description
    knowledge: KnowledgeFiles
    engine: Callable[[], AbstractContextManager[Engine]]
    forgotten: Forgotten
    merger: Merger | None = None
    files: dict[str, FileAccount] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    text_fields: dict[str, dict[str, int]] = field(default_factory=dict)
    nodes: dict[str, Nodes] = field(default_factory=dict)
    edges: dict[EdgeType, list[pd.DataFrame]] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.knowledge.folder

    def run(self, known: Dataset | None) -> Dataset:
        origin = Origin.of(self.description, self.folder)
        if known is not None and not origin.covers_graph_of(known, self.description, self.forgotten):
            known = None
        # The ratings come first: where they are absent the description is meant for other data.
        table = self.description.rating_table(self.folder)
        problems, raw, described = Problems(), None, dict[str, Entities]()
        with problems.gathered():
            raw = read_ratings(table, self.folder, self.description.splits)
        if known is None:
            for kind, tables in ((ITEM, self.description.items), (USER, self.description.users)):
                with problems.gathered():
                    described[kind] = self._entities(kind, tables, raw, problems, keep=table.unlisted == "keep")
        if raw is None or (known is None and len(described) < 2):
            problems.tell()
        assert raw is not None, "what is not there is a problem that was told"
        if known is None:
            self.notes += [note for kind in described for note in unicode_twins(described[kind].vocabulary)]
            users, items = described[USER].vocabulary, described[ITEM].vocabulary
        else:
            users, items = known.graph.users.vocabulary, known.graph.items.vocabulary
        with problems.gathered():
            ratings = index_ratings(
                raw, users, items, unlisted=table.unlisted, files=self.files, forgotten=self.forgotten
            )
        problems.tell()
        scale, shown = scale_of(raw, table), None
        del raw
        if table.clicked is not None:
            shown, ratings = ratings.select(ratings.value == 0), ratings.select(ratings.value > 0)
        if known is None:
            graph, with_triples = self._graph(described[ITEM], described[USER])
        else:
            report: Mapping[str, Any] = known.report
            graph, with_triples = known.graph, report["items"]["with_triples"]
            self.files = {**origin.accounts_of(known), **self.files}
            self.notes += report["notes"]
            self.warnings += report.get("warnings", [])
            self.text_fields = report["text_fields"]
        reader = SplitReader(
            folder=self.folder,
            table=table,
            ratings=ratings,
            users=users,
            items=items,
            files=self.files,
            forgotten=self.forgotten,
        )
        splits = reader.read_all(self.description.splits, self.notes)
        if self.merger is not None:
            ratings, splits = self.merger.ratings(ratings, splits)
            shown = None if shown is None else self.merger.shown(shown, ratings)
            self.notes += self.merger.notes
        return Dataset(
            graph=graph,
            ratings=ratings,
            shown=shown,
            scale=scale,
            splits=splits,
            report={
                **summary(graph, ratings, with_triples, implicit=table.implicit, shown=shown),
                "splits": {name: split.sizes for name, split in splits.items()},
                "text_fields": self.text_fields,
                "files": {file: account.as_json() for file, account in self.files.items()},
                "notes": self.notes,
                "warnings": self.warnings,
                "inputs": self._inputs(origin),
                "origin": origin.as_json(self.forgotten),
                **({"forgotten": {"people": len(self.forgotten)}} if self.forgotten else {}),
            },
            namespace=self.description.namespace,
            ledger_version=1 if known is None else known.ledger_version,
            forgotten=self.forgotten,
        )

    def _entities(
        self, kind: str, tables: Sequence[Any], raw: RawRatings | None, problems: Problems, *, keep: bool
    ) -> Entities:
        """Read the tables of a kind; the ids of the ratings join them, or stand for them where there are none.

        What is wrong with cells joins the problems, what is wrong with ids is raised.
        """
        rated: list[str] = []
        if raw is not None:
            there = ~self.forgotten.mask(raw.frame["user"].to_numpy(dtype=object))
            rated = raw.frame[kind][there].unique().tolist()
        entities = read_entities(
            kind,
            tables,
            self.folder,
            self.files,
            self.notes,
            self.forgotten if kind == USER else Forgotten(),
            problems=problems,
            rated=rated,
            joining=rated if keep else (),
        )
        named = entities is not None and not all(table.grouped for table in tables)
        if entities is None:
            entities = Entities.of(kind, rated)
        ids = list(entities.vocabulary)
        if kind == ITEM and not named and are_names(ids):
            entities.texts = [[raw_id] for raw_id in ids]
            self.notes.append(f"No table names the items, and their ids are read as names, such as {ids[0]!r}.")
        return entities

    def _graph(self, items: Entities, users: Entities) -> tuple[KnowledgeGraph, int]:
        """Put nodes and edges together; return with them the number of items about which a source has triples."""
        names = ItemNames(items, Namespace(self.description.namespace), merge=self.description.merge)
        sources = self._gather(items, names)
        self.notes += names.clashes()
        self.warnings += items.warnings
        self._warn_of_triples(sources, items)
        self.text_fields = {**items.text_fields, **users.text_fields}
        self._add_concepts(items, users)
        for kind, entities in ((ITEM, items), (USER, users)):
            for frame in entities.relations:
                for relation, pairs in frame.groupby("relation", sort=False):
                    self._add_edges(EdgeType(kind, str(relation), kind), pairs, pairs["other"])
        with_triples = self._add_knowledge(sources, len(items.vocabulary))
        graph = KnowledgeGraph(
            name=self.description.name,
            nodes={USER: _nodes(users), ITEM: _nodes(items), **self.nodes},
            edges={edge_type: _edges(frames) for edge_type, frames in self.edges.items()},
            sources=tuple(self.sources),
        )
        if self.description.merge:
            self.merger = Merger(into=names.merged_into(), items=items.vocabulary)
            graph, with_triples = self.merger.graph(graph), self.merger.any(with_triples)
        return graph, int(with_triples.sum())

    def _add_edges(self, edge_type: EdgeType, statements: pd.DataFrame, target: Any) -> None:
        """Add an edge from the `entity` of each statement to a target; `source` and `line` say where it stands."""
        places = {name: self.sources.setdefault(name, len(self.sources)) for name in statements["source"].unique()}
        frame = pd.DataFrame(
            {
                "source": np.asarray(statements["entity"], dtype=np.int64),
                "target": np.asarray(target, dtype=np.int64),
                "provenance": statements["source"].map(places).to_numpy(dtype=np.int64),
                "line": np.asarray(statements["line"], dtype=np.int64),
            }
        )
        self.edges.setdefault(edge_type, []).append(frame)

    def _add_concepts(self, items: Entities, users: Entities) -> None:
        """Add concept nodes in order of first mention, and what connects them."""
        claims = [claim.assign(holder=ITEM) for claim in items.claims]
        claims += [claim.assign(holder=USER) for claim in users.claims]
        together = pd.concat(claims, ignore_index=True) if claims else pd.DataFrame({"kind": []})
        for kind, members in together.groupby("kind", sort=False):
            concepts = members.drop_duplicates("id")
            vocabulary = Vocabulary(str(kind), concepts["id"])
            self.nodes[str(kind)] = Nodes.of(vocabulary, labels=concepts["label"].tolist())
            for (holder, relation), claim in members.groupby(["holder", "relation"], sort=False):
                target = vocabulary.indices(claim["id"].to_numpy(dtype=object))
                self._add_edges(EdgeType(str(holder), str(relation), str(kind)), claim, target)

    def _gather(self, items: Entities, names: ItemNames) -> list[LinkedSource]:
        """Link the items to the sources of knowledge that are there; literals add to what is known of items."""
        wanted = []
        for knowledge in self.description.knowledge:
            links = knowledge.links
            if links is not None and knowledge.optional and not (self.folder / links.file).exists():
                self.notes.append(f"{links.file} is not there; the graph goes without triples of {knowledge.source}.")
                continue
            if links is not None:
                names.read_table(knowledge, self.folder, self.files.setdefault(links.file, FileAccount()))
            wanted.append(knowledge)
        places = [self.knowledge.find(knowledge, list(names.items_of), self.notes) for knowledge in wanted]
        given = [
            GivenSource(knowledge=knowledge, name=place[0], path=place[1])
            for knowledge, place in zip(wanted, places, strict=True)
            if place is not None
        ]
        if not given:
            return []
        # Ibis takes half a second to load, which only those who read RDF should wait for.
        from kg.rdf.sources import gather

        with self.engine() as engine:
            return gather(given, names, items, engine, self.files)

    def _warn_of_triples(self, sources: Sequence[LinkedSource], items: Entities) -> None:
        """Warn where a source was read and none of its triples is used, or none of a table's links."""
        for file in dict.fromkeys(known.links.file for known in self.description.knowledge if known.links is not None):
            account = self.files.get(file, FileAccount())
            invalid = account.dropped.get(_INVALID, 0)
            if invalid and not account.kept:
                bare = account.examples[_INVALID][0].partition(": ")[2]
                self.warnings.append(
                    f"no link in {file} is a valid IRI ({invalid:,} there, such as {bare!r}), so no item is linked by them; "
                    f"{link_remedy(bare)} as iri under links."
                )
        example = next((link for link in items.links if link is not None), None)
        remedy = (
            "no item has a link; give same_as under items, or links under knowledge"
            if example is None
            else f"links of items, such as {example}, must be written as that source writes its IRIs"
        )
        for source in sources:
            account = self.files[source.name]
            if account.dropped and not account.kept:
                reasons = ", ".join(f"{number:,} {reason}" for reason, number in account.dropped.items())
                self.warnings.append(f"no triple of {source.name} is used ({reasons}): {remedy}.")

    def _add_knowledge(self, sources: Sequence[LinkedSource], num_items: int) -> NDArray[np.bool_]:
        """Add what sources of knowledge say about linked items; return which items have triples."""
        places: dict[str, dict[str, int]] = {}
        labels: dict[str, dict[str, str]] = {}
        texts: dict[str, dict[str, list[str]]] = {}
        about = np.zeros(num_items, dtype=bool)
        for part in sources:
            name, linked = part.knowledge.source, part.linked
            known, stated = places.setdefault(name, {}), labels.setdefault(name, {})
            place = np.array([known.setdefault(node, len(known)) for node in linked.entities], dtype=np.int64)
            for node, label in zip(linked.entities, linked.labels, strict=True):
                if label and label.strip():
                    stated.setdefault(node, " ".join(label.split()))
            for node, more in part.texts.items():
                before = texts.setdefault(name, {}).setdefault(node, [])
                before += [text for text in more if text not in before]
            self._add_triples(linked, name, part.name, place)
            about[linked.subject[linked.subject_is_item]] = True
            about[linked.object[linked.object_is_item]] = True
        for name, known in places.items():
            texts_of = texts.get(name, {})
            self.nodes[name] = Nodes.of(
                Vocabulary(name, known),
                labels=[labels[name].get(node) or _end_of(node) for node in known],
                texts=[" ".join(texts_of.get(node, ())) or None for node in known],
                iris=[node if is_iri(node) else None for node in known],
            )
        return about

    def _add_triples(self, linked: LinkedTriples, name: str, file: str, place: NDArray[np.int64]) -> None:
        """Add edges by type, in order of first mention; `place` holds the index of each of the entities."""
        ends = {
            end: np.where(is_item, number, place[np.where(is_item, 0, number)] if len(place) else 0)
            for end, number, is_item in (
                ("entity", linked.subject, linked.subject_is_item),
                ("target", linked.object, linked.object_is_item),
            )
        }
        relations = np.array([relation_name(name, iri) for iri in linked.predicates], dtype=object)
        frame = pd.DataFrame(
            {
                **ends,
                "line": linked.line,
                "relation": relations[linked.predicate],
                "of_item": linked.subject_is_item,
                "to_item": linked.object_is_item,
            }
        )
        for (relation, of_item, to_item), part in frame.groupby(["relation", "of_item", "to_item"], sort=False):
            edge_type = EdgeType(ITEM if of_item else name, str(relation), ITEM if to_item else name)
            self._add_edges(edge_type, part.assign(source=file), part["target"])

    def _inputs(self, origin: Origin) -> dict[str, str]:
        """Return the SHA-256 of each file that was read."""
        matches = [table.match for table in self.description.items if table.match is not None]
        spellings = [match.spellings.file for match in matches if match.spellings is not None]
        files = dict.fromkeys([*self.files, *(file for file in spellings if (self.folder / file).exists())])
        return {file: origin.hashes.get(file) or file_sha256(self.knowledge.path(file)) for file in files}


def _nodes(entities: Entities) -> Nodes:
    labels = [label or raw_id for label, raw_id in zip(entities.labels, entities.vocabulary, strict=True)]
    texts = [" ".join(texts) or None for texts in entities.texts]
    return Nodes.of(entities.vocabulary, labels=labels, texts=texts, iris=entities.links)


def _edges(frames: Sequence[pd.DataFrame]) -> Edges:
    """Return the edges of a type in the order of their ends; of those between the same ends the first."""
    frame = pd.concat(frames, ignore_index=True).drop_duplicates(["source", "target"])
    frame = frame.sort_values(["source", "target"])
    return Edges(
        index=frame[["source", "target"]].to_numpy(dtype=np.int64).T,
        provenance=frame["provenance"].to_numpy(dtype=np.int16),
        lines=frame["line"].to_numpy(),
    )


def _end_of(node: str) -> str:
    """Return what stands for a label that no source gives: the last part of an IRI."""
    return "unnamed" if node.startswith(BLANK) else local_name(node).replace("_", " ")
