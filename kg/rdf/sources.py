"""Sources of knowledge, read and linked to the items: what RDF files, tables of triples and endpoints say about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
from ibis import _

from kg.errors import InputError
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
    read = FileAccount()
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
    return statements


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
        ends = [nodes.select(**{end: "code", f"{end}_node": "node"}) for end in ("subject", "object")]
        told = same.inner_join(ends[0], "subject").inner_join(ends[1], "object").order_by("position")
        found = engine.rows(told.select("subject_node", "object_node"))
        pairs += zip(found["subject_node"].to_pylist(), found["object_node"].to_pylist(), strict=True)
    followed = names.follow(pairs)
    return [_without(source, followed, names, engine) for source in sources] if followed else list(sources)


def _without(source: Source, followed: set[str], names: ItemNames, engine: Engine) -> Source:
    """Return a source without the statements that were followed, and with the names of nodes that were merged."""
    statements = source.statements
    nodes = engine.table(pa.table({"node": pa.array(sorted(followed), pa.string())}))
    codes = engine.keep(statements.nodes.semi_join(nodes, "node").select(subject="code"))
    stated = statements.triples.filter(_.predicate == SAME_AS)
    source.account.count("owl:sameAs followed", engine.count(stated.semi_join(codes, "subject")))
    triples = statements.triples.filter(_.predicate != SAME_AS).union(stated.anti_join(codes, "subject"))
    statements = replace(statements, triples=engine.keep(triples))
    return replace(source, statements=_renamed(statements, names.alias, engine) if names.alias else statements)


def _renamed(statements: Statements, alias: Mapping[str, str], engine: Engine) -> Statements:
    """Return statements with one name for nodes that have several."""
    columns = {"old": pa.array(alias, pa.string()), "new": pa.array(alias.values(), pa.string())}
    aliases = engine.table(pa.table(columns))
    # A name that another source gives has no code here; codes of hashes are not negative.
    given = dict.fromkeys(alias.values())
    spare = engine.table(
        pa.table({"node": pa.array(given, pa.string()), "spare": np.arange(-1, -1 - len(given), -1, dtype=np.int64)})
    )
    known = spare.left_join(statements.nodes, "node")
    names = engine.keep(known.select("node", code=ibis.coalesce(known["code"], known["spare"])))
    old = statements.nodes.select(old="node", old_code="code")
    new = names.select(new="node", new_code="code")
    changes = engine.keep(aliases.inner_join(old, "old").inner_join(new, "new").select("old_code", "new_code"))
    triples = statements.triples
    for end in ("subject", "object"):
        triples = _replaced(triples, end, changes, ("old_code", "new_code"))
    return replace(
        statements,
        triples=engine.keep(triples),
        nodes=engine.keep(statements.nodes.select("code", "node").union(names.select("code", "node"), distinct=True)),
        literals=engine.keep(_replaced(statements.literals, "subject", aliases, ("old", "new"))),
    )


def _replaced(table: ibis.Table, column: str, changes: ibis.Table, pair: tuple[str, str]) -> ibis.Table:
    columns, (old, new) = list(table.columns), pair
    joined = table.left_join(changes, [(column, old)])
    return joined.mutate(**{column: ibis.coalesce(joined[new], joined[column])}).select(*columns)
