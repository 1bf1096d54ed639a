"""The account of a build: what was read, kept and dropped, and why; in a form for machines and in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kg.counted import counted
from kg.graph import KnowledgeGraph, Nodes
from kg.ratings import Ratings
from kg.schema import ITEM, USER
from kg.wording import item_sentences

__all__ = ["FileAccount", "report_lines", "summary"]

_MOST_LEVELS = 21  # of a scale in steps; the values of one with more are told


@dataclass(kw_only=True)
class FileAccount:
    """Account of what became of the rows of one file.

    Attributes:
        rows: Rows or triples that were read.
        kept: Rows or triples that are used.
        dropped: Number by reason.
        counts: Other numbers worth knowing, by what they count.
        examples: A few dropped values by reason, so that a person can look them up.
    """

    rows: int = 0
    kept: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def drop(self, reason: str, number: int, examples: list[str] | None = None) -> None:
        """Count what was dropped; zero is not mentioned."""
        if number:
            self.dropped[reason] = self.dropped.get(reason, 0) + int(number)
            if examples:
                known = self.examples.setdefault(reason, [])
                known += examples[: 3 - len(known)]

    def count(self, what: str, number: int) -> None:
        """Add to a number worth knowing; zero is not mentioned."""
        if number:
            self.counts[what] = self.counts.get(what, 0) + int(number)

    def include(self, other: FileAccount) -> None:
        """Add what another account of the same file says."""
        self.rows += other.rows
        self.kept += other.kept
        for reason, number in other.dropped.items():
            self.drop(reason, number, other.examples.get(reason))
        for what, number in other.counts.items():
            self.count(what, number)

    def as_json(self) -> dict[str, Any]:
        """Return the account as plain JSON values, without empty parts."""
        parts = {"dropped": self.dropped, "counts": self.counts, "examples": self.examples}
        return {"rows": self.rows, "kept": self.kept, **{name: part for name, part in parts.items() if part}}


def summary(
    graph: KnowledgeGraph, ratings: Ratings, with_triples: int, *, implicit: bool, shown: Ratings | None = None
) -> dict[str, Any]:
    """Return what a graph holds in numbers: nodes with text and link, without any edge, edges of each relation.

    An item counts as one with text where the language model has something to read, be it its label and concepts alone.

    Args:
        graph: The graph.
        ratings: Its ratings.
        with_triples: Number of items about which an RDF source says something.
        implicit: Whether a rating only says that a user chose an item.
        shown: What was shown and not taken, if that is known.
    """
    isolated = {kind: nodes.present for kind, nodes in graph.nodes.items()}
    for edge_type, edges in graph.edges.items():
        isolated[edge_type.source][edges.index[0]] = False
        isolated[edge_type.target][edges.index[1]] = False
    counts = {
        kind: {"nodes": nodes.num_present, "isolated": int(isolated[kind].sum())}
        for kind, nodes in graph.nodes.items()
        if nodes.num_present or kind in (USER, ITEM)
    }
    return {
        "name": graph.name,
        "items": {
            **_known(graph.items),
            "with_text": sum(sentence is not None for sentence in item_sentences(graph)),
            "with_triples": with_triples,
            "isolated": counts[ITEM]["isolated"],
        },
        "users": {**_known(graph.users), "isolated": counts[USER]["isolated"]},
        "ratings": {
            "count": len(ratings),
            "lowest": float(ratings.value.min()) if len(ratings) else 0.0,
            "highest": float(ratings.value.max()) if len(ratings) else 0.0,
            "levels": len(ratings.levels),
            "with_time": ratings.time is not None,
            "implicit": implicit,
            **({} if shown is None else {"shown": len(shown)}),
        },
        "kinds": counts,
        "relations": [{**edge_type._asdict(), "edges": len(edges)} for edge_type, edges in graph.edges.items()],
    }


def _known(nodes: Nodes) -> dict[str, int]:
    return {
        "count": nodes.num_present,
        "with_text": sum(text is not None for text in nodes.texts),
        "with_link": sum(iri is not None for iri in nodes.iris),
    }


def report_lines(report: Mapping[str, Any]) -> list[str]:
    """Return a build report as plain sentences for the terminal."""
    items, users, ratings = report["items"], report["users"], report["ratings"]
    kind = "choice (implicit feedback: no stars)"
    if not ratings["implicit"]:
        kind = f"rating from {ratings['lowest']:g} to {ratings['highest']:g} stars"
        if ratings.get("levels", 0) > _MOST_LEVELS:
            kind += f" in {ratings['levels']:,} different values"
    beside = "" if ratings["with_time"] else ", without times"
    if "shown" in ratings:
        beside += f"; {ratings['shown']:,} more were shown and not taken"
    lines = [
        f"{report['name']}: {counted(items['count'], 'item')}, {counted(users['count'], 'user')}, "
        f"{counted(ratings['count'], kind)}{beside}.",
        f"Items: {items['with_text']:,} with text, {items['with_link']:,} with a link, {items['with_triples']:,} with triples, "
        f"{items['isolated']:,} without any edge.",
    ]
    lines += [f"Texts from {file}: {_listed(fields)}." for file, fields in report.get("text_fields", {}).items()]
    kinds, relations = report["kinds"], report["relations"]
    edges = counted(sum(relation["edges"] for relation in relations), "edge")
    nodes = _listed({kind: counts["nodes"] for kind, counts in kinds.items()})
    lines.append(f"Graph: {edges} of {counted(len(relations), 'relation')}; nodes: {nodes}.")
    isolated = {kind: counts["isolated"] for kind, counts in kinds.items() if counts["isolated"]}
    if isolated:
        lines.append(f"Nodes without any edge: {_listed(isolated)}.")
    for file, account in report["files"].items():
        lines.append(f"{file}: {counted(account['rows'], 'row read')}, {account['kept']:,} kept{_reasons(account)}.")
    lines += [f"Note: {note}" for note in report["notes"]]
    if "forgotten" in report:
        lines.append(f"People who were forgotten here and stay left out: {report['forgotten']['people']:,}.")
    return lines


def _listed(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in numbers.items())


def _reasons(account: Mapping[str, Any]) -> str:
    reasons = ""
    for reason, number in account.get("dropped", {}).items():
        examples = "; ".join(account.get("examples", {}).get(reason, ()))
        reasons += f"; {number:,} dropped ({reason}{', e.g. ' + examples if examples else ''})"
    return reasons + "".join(f"; {number:,} {what}" for what, number in account.get("counts", {}).items())
