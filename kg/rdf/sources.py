"""Sources of knowledge, read and linked to the items: RDF files, tables of triples and endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import ibis
import pyarrow as pa
from ibis import _

from kg.errors import InputError
from kg.rdf.engine import Engine
from kg.rdf.knowledge_description import Knowledge, TripleTable
from kg.rdf.linking import LinkedTriples, link_statements
from kg.rdf.links import SAME_AS, ItemNames
from kg.rdf.literals import literal_concepts, literal_texts
from kg.rdf.source import GivenSource, Source
from kg.rdf.statement_files import codes_of
from kg.rdf.statement_tables import read_statements, read_table_of_triples
from kg.report import FileAccount
from kg.tabular.entities import Entities

__all__ = ["LinkedSource", "gather"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LinkedSource:
    """One source with its triples about linked items.

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
    sources = [_read(each, engine, files.setdefault(each.name, FileAccount())) for each in given]
    linked_sources = []
    for source in _follow_same_as(sources, names, engine):
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
        linked_sources.append(LinkedSource(knowledge=source.knowledge, name=source.name, linked=linked, texts=texts))
    return linked_sources


def _read(given: GivenSource, engine: Engine, account: FileAccount) -> Source:
    knowledge, read = given.knowledge, FileAccount()
    if isinstance(knowledge.format, TripleTable):
        statements = read_table_of_triples(given.path, knowledge.format, engine, read)
    else:
        statements = read_statements(
            given.path,
            engine,
            lenient=knowledge.lenient,
            account=read,
            form=knowledge.format,
            base=knowledge.base,
            literals=list(knowledge.literals),
            prefixes=knowledge.prefixes,
        )
    if knowledge.endpoint is None:  # which may know nothing of these items
        _refuse_nothing(read, given.path)
    account.include(read)
    return Source(knowledge=knowledge, name=given.name, path=given.path, statements=statements, account=account)


def _refuse_nothing(read: FileAccount, file: Path) -> None:
    """Raise `InputError` if a file states nothing, or nothing that can be read."""
    if not read.rows:
        raise InputError(
            "expected statements, found none; name another file, or take it out of the description", file=file
        )
    if sum(read.dropped.values()) == read.rows and not read.counts.get("literals read"):
        reason = next(iter(read.dropped))
        example = "".join(f", the first: {text}" for text in read.examples.get(reason, [])[:1])
        raise InputError(
            f"not one of {read.rows:,} statements can be used ({reason}{example}); correct the file or its description",
            file=file,
        )


def _follow_same_as(sources: Sequence[Source], names: ItemNames, engine: Engine) -> list[Source]:
    """Tell the names of items that sources know, and return the sources without the statements that were followed."""
    pairs: list[tuple[str, str]] = []
    for source in sources:
        nodes = source.statements.nodes
        minted = nodes.filter(_.node.startswith(names.minted)).select("node").order_by("node")
        for node in engine.rows(minted)["node"].to_pylist():
            names.add_minted(node)
        same = source.statements.triples.filter(_.predicate == SAME_AS).select("position", "subject", "object")
        subjects, objects = (nodes.select(**{end: "code", f"{end}_node": "node"}) for end in ("subject", "object"))
        stated = same.inner_join(subjects, "subject").inner_join(objects, "object").order_by("position")
        pairs += zip(*engine.rows(stated.select("subject_node", "object_node")).to_pydict().values(), strict=True)
    followed = names.follow(pairs)
    if not followed:
        return list(sources)
    codes = engine.table(pa.table({"subject": codes_of(sorted(followed))}))
    aliases = engine.table(
        pa.table(
            {
                "old": pa.array(names.alias, pa.string()),
                "new": pa.array(names.alias.values(), pa.string()),
                "old_code": codes_of(list(names.alias)),
                "new_code": codes_of(list(names.alias.values())),
            }
        )
    )
    return [_without(source, codes, aliases, engine) for source in sources]


def _without(source: Source, codes: ibis.Table, aliases: ibis.Table, engine: Engine) -> Source:
    """Return a source without the statements that were followed, and with one name for nodes that are the same."""
    statements = source.statements
    stated = statements.triples.filter(_.predicate == SAME_AS)
    source.account.count("owl:sameAs followed", engine.count(stated.semi_join(codes, "subject")))
    triples = statements.triples.filter(_.predicate != SAME_AS).union(stated.anti_join(codes, "subject"))
    for end in ("subject", "object"):
        triples = _replaced(triples, end, aliases, "_code")
    names = aliases.select(code="new_code", node="new")
    return replace(
        source,
        statements=replace(
            statements,
            triples=engine.keep(triples),
            nodes=engine.keep(statements.nodes.select("code", "node").union(names, distinct=True)),
            literals=engine.keep(_replaced(statements.literals, "subject", aliases, "")),
        ),
    )


def _replaced(table: ibis.Table, column: str, aliases: ibis.Table, ending: str) -> ibis.Table:
    columns, old, new = list(table.columns), f"old{ending}", f"new{ending}"
    joined = table.left_join(aliases.select(old, new), [(column, old)])
    return joined.mutate(**{column: ibis.coalesce(joined[new], joined[column])}).select(*columns)
