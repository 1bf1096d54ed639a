"""Sources of knowledge, read and linked to the items: what RDF files, tables of triples and endpoints say about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import ibis
import pyarrow as pa
from ibis import _

from kg.rdf.engine import Engine
from kg.rdf.knowledge_description import Knowledge, TripleTable
from kg.rdf.linking import LinkedTriples, link_statements
from kg.rdf.links import SAME_AS, ItemNames
from kg.rdf.literals import literal_concepts, literal_texts
from kg.rdf.source import GivenSource, Source
from kg.rdf.statement_tables import Statements, read_statements, read_table_of_triples
from kg.report import FileAccount
from kg.tabular.entities import Entities

__all__ = ["LinkedSource", "gather"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LinkedSource:
    """What one source says about linked items.

    Attributes:
        knowledge: What the description says of it.
        name: The file as the description names it, or the address of the endpoint.
        linked: Its triples.
        texts: The texts of nodes.
    """

    knowledge: Knowledge
    name: str
    linked: LinkedTriples
    texts: dict[str, list[str]]


def gather(
    given: Sequence[GivenSource],
    names: ItemNames,
    items: Entities,
    engine: Engine,
    files: dict[str, FileAccount],
) -> list[LinkedSource]:
    """Read sources and link them to the items.

    Args:
        given: The sources that are there.
        names: The names of items so far; receives those that sources tell.
        items: Receive the concepts and texts that literals are.
        engine: Joins the triples.
        files: Receives an account of each source.

    Raises:
        InputError: If a source is damaged or not valid, or lacks what the description asks of it.
    """
    sources = []
    for one in given:
        account = files.setdefault(one.name, FileAccount())
        statements = _statements(one, engine, account)
        sources.append(
            Source(knowledge=one.knowledge, name=one.name, path=one.path, statements=statements, account=account)
        )
    sources = _follow_same_as(sources, names, engine)
    found = []
    for source in sources:
        items.claims.append(literal_concepts(source, names.items_of, engine))
        texts = literal_texts(source, engine)
        for node in texts:
            for item in names.items_of.get(node, ()):
                items.texts[item] += [text for text in texts[node] if text not in " ".join(items.texts[item])]
        linked = link_statements(
            engine,
            source.statements,
            names.items_of,
            source.knowledge.choice,
            source.path,
            source.account,
            min_degree=source.knowledge.min_degree,
        )
        found.append(LinkedSource(knowledge=source.knowledge, name=source.name, linked=linked, texts=texts))
    return found


def _statements(given: GivenSource, engine: Engine, account: FileAccount) -> Statements:
    knowledge = given.knowledge
    if isinstance(knowledge.format, TripleTable):
        return read_table_of_triples(given.path, knowledge.format, engine, account)
    return read_statements(
        given.path,
        engine,
        lenient=knowledge.lenient,
        account=account,
        form=knowledge.format,
        base=knowledge.base,
        literals=list(knowledge.literals),
        prefixes=knowledge.prefixes,
    )


def _follow_same_as(sources: Sequence[Source], names: ItemNames, engine: Engine) -> list[Source]:
    """Tell the names of items that sources know, and return the sources without the statements that were followed."""
    pairs: list[tuple[str, str]] = []
    for source in sources:
        triples = source.statements.triples
        nodes = triples.select(node="subject").union(triples.select(node="object"))
        minted = nodes.filter(_.node.startswith(names.minted)).distinct().order_by("node")
        for node in engine.rows(minted)["node"].to_pylist():
            names.add_minted(node)
        same = triples.filter(_.predicate == SAME_AS).order_by("position").select("subject", "object")
        pairs += [(pair["subject"], pair["object"]) for pair in engine.rows(same).to_pylist()]
    followed = names.follow(pairs)
    return [_without(source, followed, names, engine) for source in sources] if followed else list(sources)


def _without(source: Source, followed: set[str], names: ItemNames, engine: Engine) -> Source:
    """Return a source without the statements that were followed, and with the names of nodes that were merged."""
    triples, literals = source.statements.triples, source.statements.literals
    nodes = engine.table(pa.table({"node": pa.array(sorted(followed), pa.string())}))
    stated = triples.filter(_.predicate == SAME_AS)
    source.account.count("owl:sameAs followed", engine.count(stated.semi_join(nodes, [("subject", "node")])))
    triples = triples.filter(_.predicate != SAME_AS).union(stated.anti_join(nodes, [("subject", "node")]))
    if names.alias:
        columns = {"old": pa.array(names.alias, pa.string()), "new": pa.array(names.alias.values(), pa.string())}
        aliases = engine.table(pa.table(columns))
        triples = _renamed(_renamed(triples, "subject", aliases), "object", aliases)
        literals = engine.keep(_renamed(literals, "subject", aliases))
    return replace(source, statements=replace(source.statements, triples=engine.keep(triples), literals=literals))


def _renamed(table: ibis.Table, column: str, aliases: ibis.Table) -> ibis.Table:
    columns = list(table.columns)
    joined = table.left_join(aliases, [(column, "old")])
    return joined.mutate(**{column: ibis.coalesce(joined["new"], joined[column])}).select(*columns)
