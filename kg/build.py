"""Description in, data set out: the graph, the ratings, and an account of everything on the way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.dataset import Dataset
from kg.description import Description
from kg.errors import InputError, Problems
from kg.forgotten import Forgotten
from kg.garbage import no_garbage_collection
from kg.graph import Edges, KnowledgeGraph, Nodes
from kg.merging import Merger
from kg.named_split import NamedSplit
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
from kg.tabular.id_names import are_names
from kg.tabular.link_cells import link_remedy
from kg.tabular.rating_table import RawRatings, index_ratings, read_ratings, scale_of
from kg.tabular.split_files import SplitReader
from kg.tabular.unicode_duplicates import unicode_twins
from kg.triples import BLANK, is_iri
from kg.vocabulary import Vocabulary

if TYPE_CHECKING:
    from kg.rdf.linking import LinkedTriples
    from kg.rdf.sources import LinkedSource

__all__ = ["build"]


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
    opened = partial(open_engine, engine, scratch)
    with no_garbage_collection():
        return _Build(description, knowledge, opened, forgotten or Forgotten(), known).run()


class _Build:
    """One run of the build; every step adds nodes, edges and its part of the account."""

    def __init__(
        self,
        description: Description,
        knowledge: KnowledgeFiles,
        engine: Callable[[], AbstractContextManager[Engine]],
        forgotten: Forgotten,
        known: Dataset | None,
    ) -> None:
        self.description = description
        self.folder = knowledge.folder
        self.knowledge = knowledge
        self.engine = engine
        self.forgotten = forgotten
        self.origin = Origin.of(description, self.folder)
        covered = known is not None and self.origin.covers_graph_of(known, description, forgotten)
        self.known = known if covered else None
        self.merger: Merger | None = None
        self.files: dict[str, FileAccount] = {}
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.nodes: dict[str, Nodes] = {}
        self.edges: dict[EdgeType, pd.DataFrame] = {}
        self.sources: dict[str, int] = {}

    def run(self) -> Dataset:
        # The ratings come first: where they are absent the description is meant for other data.
        table = self.description.rating_table(self.folder)
        problems, raw, described = Problems(), None, []
        with problems.gathered():
            raw = read_ratings(table, self.folder, self.description.splits)
            if not len(raw.user):
                raise InputError(
                    "expected ratings, found none; is this the right file, and does it hold more than a header?",
                    file=self.folder / table.files[0],
                )
            scale = scale_of(raw, table)
        if self.known is None:
            for kind, tables in ((ITEM, self.description.items), (USER, self.description.users)):
                with problems.gathered():
                    described.append(self._entities(kind, tables, raw, problems, keep=table.unlisted == "keep"))
            if raw is None or len(described) < 2:
                problems.tell()
            self.notes += [note for found in described for note in unicode_twins(found.vocabulary)]
            ledgers = described[1].vocabulary, described[0].vocabulary
        else:
            problems.tell()
            ledgers = self.known.graph.users.vocabulary, self.known.graph.items.vocabulary
        assert raw is not None, "what is not there is a problem that was told"
        with problems.gathered():
            ratings = index_ratings(raw, *ledgers, unlisted=table.unlisted, files=self.files, forgotten=self.forgotten)
        problems.tell()
        shown = None
        if table.clicked is not None:
            shown, ratings = ratings.select(ratings.value == 0), ratings.select(ratings.value > 0)
        for name, rows in zip(raw.rows.names, raw.rows.tables, strict=True):
            for column, number in rows.whole.items():
                self.files[name].count(f"cells of {column} written with .0, read as whole numbers", number)
        del raw
        graph, facts = self._graph(*described) if self.known is None else self._graph_of(self.known)
        splits = self._splits(
            SplitReader(
                folder=self.folder,
                table=table,
                ratings=ratings,
                users=ledgers[0],
                items=ledgers[1],
                files=self.files,
                forgotten=self.forgotten,
            )
        )
        if self.merger is not None:
            ratings, splits = self.merger.ratings(ratings, splits)
            shown = None if shown is None else self.merger.shown(shown, ratings)
            self.notes += self.merger.notes
        report = {
            **summary(graph, ratings, facts["with_triples"], implicit=table.implicit, shown=shown),
            "splits": {name: split.sizes for name, split in splits.items()},
            "text_fields": facts["text_fields"],
            "files": {file: account.as_json() for file, account in self.files.items()},
            "notes": self.notes,
            "warnings": self.warnings,
            "inputs": {file: self._sha256(file) for file in self._inputs()},
            "origin": self.origin.as_json(self.forgotten),
            **({"forgotten": {"people": len(self.forgotten)}} if self.forgotten else {}),
        }
        return Dataset(
            graph=graph,
            ratings=ratings,
            shown=shown,
            scale=scale,
            splits=splits,
            report=report,
            namespace=self.description.namespace,
            ledger_version=1 if self.known is None else self.known.ledger_version,
            forgotten=self.forgotten,
        )

    def _graph(self, items: Entities, users: Entities) -> tuple[KnowledgeGraph, dict[str, Any]]:
        """Put nodes and edges together; return with them what the report says of the sources."""
        names = ItemNames(items, Namespace(self.description.namespace), merge=self.description.merge)
        sources = self._gather(items, names)
        self.notes += names.clashes()
        self.warnings += items.warnings
        self._warn_of_triples(sources, items)
        self._add_concepts(items, users)
        for kind, entities in ((ITEM, items), (USER, users)):
            self._add_relations(kind, entities)
        self.nodes = {USER: _nodes(users), ITEM: _nodes(items), **self.nodes}
        with_triples = self._add_knowledge(sources, len(items.vocabulary))
        graph = KnowledgeGraph(
            name=self.description.name,
            nodes=self.nodes,
            edges={edge_type: _edges(frame) for edge_type, frame in self.edges.items()},
            sources=tuple(self.sources),
        )
        if self.description.merge:
            self.merger = Merger(into=names.merged_into(), items=items.vocabulary)
            graph, with_triples = self.merger.graph(graph), self.merger.any(with_triples)
        return graph, {
            "with_triples": int(with_triples.sum()),
            "text_fields": {**items.text_fields, **users.text_fields},
        }

    def _graph_of(self, known: Dataset) -> tuple[KnowledgeGraph, dict[str, Any]]:
        """Take over nodes and edges, with what the report says of the sources."""
        report: Mapping[str, Any] = known.report
        self.files = {**self.origin.accounts_of(known), **self.files}
        self.notes += report["notes"]
        self.warnings += report.get("warnings", [])
        return known.graph, {"with_triples": report["items"]["with_triples"], "text_fields": report["text_fields"]}

    def _entities(
        self, kind: str, tables: Sequence[Any], raw: RawRatings | None, problems: Problems, *, keep: bool
    ) -> Entities:
        """Read the tables of a kind; the ids of the ratings join them, or stand for them where there are none.

        What is wrong with cells joins the problems, what is wrong with ids is raised.
        """
        forgotten = self.forgotten if kind == USER else Forgotten()
        rated: list[str] = []
        if raw is not None:
            named = (raw.user if kind == USER else raw.item)[~self.forgotten.mask(raw.user.to_numpy(dtype=object))]
            rated = [str(raw_id) for raw_id in named.unique()]
        found = read_entities(
            kind,
            tables,
            self.folder,
            self.files,
            self.notes,
            forgotten,
            problems=problems,
            rated=rated,
            joining=rated if keep else (),
        )
        entities = Entities.of(kind, rated) if found is None else found
        if kind == ITEM and (found is None or all(table.grouped for table in tables)):
            self._read_names(entities)
        return entities

    def _read_names(self, items: Entities) -> None:
        """Where no table says what items are called and their ids are names, take these for their texts."""
        ids = list(items.vocabulary)
        if are_names(ids):
            items.texts = [[raw_id] for raw_id in ids]
            self.notes.append(f"No table names the items, and their ids are read as names, such as {ids[0]!r}.")

    def _add_concepts(self, items: Entities, users: Entities) -> None:
        """Add concept nodes in order of first mention, and one edge per relation and pair: the first source that states it."""
        claims = [(ITEM, claim) for claim in items.claims] + [(USER, claim) for claim in users.claims]
        if not claims:
            return
        together = pd.concat([claim.assign(holder=holder) for holder, claim in claims], ignore_index=True)
        for kind, members in together.groupby("kind", sort=False):
            concepts = members.drop_duplicates("id")
            vocabulary = Vocabulary(str(kind), concepts["id"])
            nothing = np.full(len(vocabulary), None, dtype=object)
            self.nodes[str(kind)] = Nodes(
                vocabulary=vocabulary, labels=concepts["label"].to_numpy(dtype=object), texts=nothing, iris=nothing
            )
            for (holder, relation), claim in members.groupby(["holder", "relation"], sort=False):
                frame = pd.DataFrame(
                    {
                        "source": claim["entity"].to_numpy(dtype=np.int64),
                        "target": vocabulary.indices(claim["id"].to_numpy(dtype=object)),
                        "provenance": claim["source"].map(self._source).to_numpy(dtype=np.int64),
                        "line": claim["line"].to_numpy(dtype=np.int64),
                    }
                )
                self.edges[EdgeType(str(holder), str(relation), str(kind))] = frame

    def _add_relations(self, kind: str, entities: Entities) -> None:
        """Add one edge per relation and pair of items, or of users: the first source that states it."""
        if not entities.relations:
            return
        for relation, pairs in pd.concat(entities.relations, ignore_index=True).groupby("relation", sort=False):
            frame = pd.DataFrame(
                {
                    "source": pairs["entity"].to_numpy(dtype=np.int64),
                    "target": pairs["other"].to_numpy(dtype=np.int64),
                    "provenance": pairs["source"].map(self._source).to_numpy(dtype=np.int64),
                    "line": pairs["line"].to_numpy(dtype=np.int64),
                }
            )
            self.edges[EdgeType(kind, str(relation), kind)] = frame

    def _source(self, name: str) -> int:
        return self.sources.setdefault(name, len(self.sources))

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
        found = [(one, self.knowledge.find(one, list(names.items_of), self.notes)) for one in wanted]
        given = [GivenSource(knowledge=one, name=place[0], path=place[1]) for one, place in found if place is not None]
        if not given:
            return []
        # Ibis takes half a second to load, which only those who read RDF should wait for.
        from kg.rdf.sources import gather

        with self.engine() as engine:
            return gather(given, names, items, engine, self.files)

    def _warn_of_triples(self, sources: Sequence[LinkedSource], items: Entities) -> None:
        """Warn where a source was read and none of its triples is used, or none of a table's links."""
        for knowledge in self.description.knowledge:
            account = None if knowledge.links is None else self.files.get(knowledge.links.file)
            invalid = 0 if account is None else account.dropped.get("the link is not a valid IRI", 0)
            if account is not None and knowledge.links is not None and invalid and not account.kept:
                bare = account.examples["the link is not a valid IRI"][0].partition(": ")[2]
                self.warnings.append(
                    f"no link in {knowledge.links.file} is a valid IRI ({invalid:,} there, such as {bare!r}), so no item "
                    f"is linked by them; {link_remedy(bare)} as iri under links."
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
        entities: dict[str, list[str]] = {}
        labels: dict[str, NDArray[np.object_]] = {}
        named: dict[str, NDArray[np.bool_]] = {}
        texts: dict[str, dict[str, list[str]]] = {}
        about = np.zeros(num_items, dtype=bool)
        for each in sources:
            source, linked = each.knowledge.source, each.linked
            known = entities.setdefault(source, [])
            place = _join(known, linked.entities)
            before = len(labels.get(source, ()))
            labels[source] = np.resize(labels.get(source, np.empty(len(known), dtype=object)), len(known))
            named[source] = np.pad(named.get(source, np.zeros(0, dtype=bool)), (0, len(known) - before))
            # The first label that is stated stays; the end of an IRI only stands in for one.
            stated = np.array([bool(label and label.strip()) for label in linked.labels], dtype=bool)
            taken = (place >= before) | (stated & ~named[source][place])
            labels[source][place[taken]] = _column(_labels(linked))[taken]
            named[source][place] |= stated
            for node, said in each.texts.items():
                found = texts.setdefault(source, {}).setdefault(node, [])
                found += [text for text in said if text not in found]
            self._add_triples(linked, source, each.name, place)
            about[linked.subject[linked.subject_is_item]] = True
            about[linked.object[linked.object_is_item]] = True
        for source, known in entities.items():
            of_source = texts.get(source, {})
            self.nodes[source] = Nodes(
                vocabulary=Vocabulary(source, known),
                labels=labels[source],
                texts=_column(
                    [" ".join(of_source.get(node, ())) or None for node in known] if of_source else [None] * len(known)
                ),
                iris=_column([node if is_iri(node) else None for node in known]),
            )
        return about

    def _add_triples(self, linked: LinkedTriples, source: str, file: str, place: NDArray[np.int64]) -> None:
        """Add edges by type; `place` holds the index of each of the entities."""
        names = [relation_name(source, iri) for iri in linked.predicates]
        relations = list(dict.fromkeys(names))
        relation = np.array([relations.index(name) for name in names], dtype=np.int64)[linked.predicate]
        ends = {
            end: np.where(is_item, number, place[np.where(is_item, 0, number)] if len(place) else 0)
            for end, number, is_item in (
                ("source", linked.subject, linked.subject_is_item),
                ("target", linked.object, linked.object_is_item),
            )
        }
        # There are few kinds as a rule, and numbers of 16 bits are sorted by counting.
        small = np.min_scalar_type(4 * len(relations))
        kind = (relation * 4 + linked.subject_is_item * 2 + linked.object_is_item).astype(small)
        number = np.bincount(kind)
        ordered = np.argsort(kind, kind="stable")
        starts = np.cumsum(number) - number
        kinds = np.flatnonzero(number)
        for code in kinds[np.argsort(ordered[starts[kinds]])].tolist():
            rows = ordered[starts[code] : starts[code] + number[code]]
            edge_type = EdgeType(ITEM if code & 2 else source, relations[code >> 2], ITEM if code & 1 else source)
            frame = pd.DataFrame({end: values[rows] for end, values in ends.items()}).assign(
                provenance=self._source(file), line=linked.line[rows]
            )
            known = self.edges.get(edge_type)
            self.edges[edge_type] = frame if known is None else pd.concat([known, frame], ignore_index=True)

    def _splits(self, reader: SplitReader) -> dict[str, NamedSplit]:
        splits = {}
        for name, split in self.description.splits.items():
            absent = [file for file in split.files if not (self.folder / file).exists()]
            if absent and split.optional:
                self.notes.append(f"{absent[0]} is not there; the split {name!r} is not offered.")
                continue
            splits[name] = reader.read(split)
        return splits

    def _sha256(self, file: str) -> str:
        return self.origin.hashes.get(file) or file_sha256(self.knowledge.path(file))

    def _inputs(self) -> list[str]:
        spellings = [
            table.match.spellings.file
            for table in self.description.items
            if table.match is not None and table.match.spellings is not None
        ]
        return [
            *self.files,
            *(file for file in dict.fromkeys(spellings) if file not in self.files and (self.folder / file).exists()),
        ]


def _nodes(entities: Entities) -> Nodes:
    labels = [label or raw_id for label, raw_id in zip(entities.labels, entities.vocabulary, strict=True)]
    return Nodes(
        vocabulary=entities.vocabulary,
        labels=_column(labels),
        texts=_column([" ".join(texts) or None for texts in entities.texts]),
        iris=_column(entities.links),
    )


def _column(values: Collection[str | None]) -> NDArray[np.object_]:
    return np.fromiter(values, dtype=object, count=len(values))


def _edges(frame: pd.DataFrame) -> Edges:
    """Return the edges of a type in the order of their ends; of those between the same ends the first."""
    index = frame[["source", "target"]].to_numpy(dtype=np.int64).T
    pair = index[0] * (int(index[1].max(initial=0)) + 1) + index[1]  # one number a pair
    order = np.argsort(pair, kind="stable")
    pair = pair[order]
    order = order[np.concatenate([np.ones(min(len(pair), 1), dtype=bool), pair[1:] != pair[:-1]])]
    return Edges(
        index=index[:, order],
        provenance=frame["provenance"].to_numpy(dtype=np.int16)[order],
        lines=frame["line"].to_numpy(dtype=np.int64)[order],
    )


def _join(known: list[str], nodes: Sequence[str]) -> NDArray[np.int64]:
    """Return the places of nodes, which are all different, among those known; new ones are put behind these."""
    if not known:  # as a rule: then nothing has to be looked up
        known += nodes
        return np.arange(len(nodes), dtype=np.int64)
    places = {node: place for place, node in enumerate(known)}
    found = [places.setdefault(node, len(places)) for node in nodes]
    known[:] = places
    return np.array(found, dtype=np.int64)


def _labels(linked: LinkedTriples) -> list[str]:
    """Return what people read for each entity: its label, else the last part of its IRI."""
    return [
        (" ".join(label.split()) if label else "")
        or ("unnamed" if node.startswith(BLANK) else local_name(node).replace("_", " "))
        for node, label in zip(linked.entities, linked.labels, strict=True)
    ]
