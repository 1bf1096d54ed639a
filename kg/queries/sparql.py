"""The text of a SPARQL query: the prefixes it may use, the names in it, and its mistakes in a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from kg.errors import InputError, did_you_mean
from kg.schema import Namespace

__all__ = ["XSD", "calls_service", "names_in", "prefixes_of", "shorten", "syntax_error"]

XSD = "http://www.w3.org/2001/XMLSchema#"
_STANDARD = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "owl": "http://www.w3.org/2002/07/owl#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "schema": "https://schema.org/",
    "xsd": XSD,
}
_UPDATES = ("insert", "delete", "load", "clear", "drop", "create", "add", "move", "copy", "with")
_TOKEN = re.compile(
    r"""(?P<long>\"{3}.*?\"{3}|'{3}.*?'{3})|(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
    r"""|<(?P<iri>[^<>"{}|^`\\\s]*)>|(?P<comment>\#[^\n]*)|(?P<variable>[?$]\w+)"""
    r"""|(?P<prefix>[^\W\d_][\w.-]*)?:(?P<local>(?:[\w:%-]|\\.|\.(?=[\w:%-]))*)|(?P<word>\w+)""",
    re.DOTALL,
)
# What can stand in a query without being a keyword, if no text is in single or triple quotes.
_HARMLESS = re.compile(r"""<[^<>"'{}|^`\\\s]*>|"(?:[^"\\\r\n]|\\.)*"|[?$][A-Za-z0-9_]+|:[A-Za-z0-9_-]+""")
_LOCAL = re.compile(r"(?:[A-Za-z0-9_.~-]|%[0-9A-Fa-f]{2})+")


def prefixes_of(namespace: Namespace, kinds: Iterable[str]) -> dict[str, str]:
    """Return the prefixes that a query need not declare.

    `kv:` is the vocabulary of the graph (`kv:item`, `kv:director`), `from:` leads to its named graphs
    (`from:items\\.csv`), each node kind to its nodes (`item:50`, `genre:drama`); ids are percent-encoded.
    """
    own = {"kv": namespace.term(""), "from": namespace.base + "graph/from/"}
    nodes = {kind: f"{namespace.base}{kind}/" for kind in kinds if ":" not in kind}
    return {**nodes, **own, **_STANDARD}


def shorten(iri: str, prefixes: Mapping[str, str]) -> str:
    """Return `prefix:name`, as a query may write it, where a prefix fits, else `<iri>`."""
    fitting = [prefix for prefix, base in prefixes.items() if iri.startswith(base)]
    best = max(fitting, key=lambda prefix: len(prefixes[prefix]), default=None)
    if best is None or not _LOCAL.fullmatch(iri[len(prefixes[best]) :]):
        return f"<{iri}>"
    return best + ":" + re.sub(r"[.~]|^-", r"\\\g<0>", iri[len(prefixes[best]) :])


def names_in(query: str, prefixes: Mapping[str, str]) -> dict[str, str]:
    """Return the IRIs that a query names, as they are written there -> in full; prefix declarations apart."""
    known, names = dict(prefixes), {}
    tokens = [token for token in _TOKEN.finditer(query) if token.lastgroup not in ("comment", "text", "long")]
    declared = False
    for before, token in zip([None, *tokens], tokens, strict=False):
        if before is not None and (before["word"] or "").lower() == "prefix" and token["local"] is not None:
            declared = True
            name = token["prefix"] or ""
        elif token["iri"] is not None:
            if declared:
                known[name] = token["iri"]
            elif before is None or (before["word"] or "").lower() != "base":
                names[token[0]] = token["iri"]
            declared = False
        elif token["local"] and (token["prefix"] or "") in known:
            names[token[0]] = known[token["prefix"] or ""] + re.sub(r"\\(.)", r"\1", token["local"])
    return {written: iri for written, iri in names.items() if not iri.startswith(XSD)}


def calls_service(query: str) -> bool:
    """Return whether a query may ask another server; when in doubt the answer is yes.

    `SERVICE` needs these letters in a row outside of texts, IRIs, variables and local names. Where single or triple
    quotes or escapes could hide the border of a text, every occurrence counts.
    """
    if "service" not in query.lower():
        return False
    doubtful = "'" in query or '"""' in query or "\\u" in query.lower()
    return doubtful or "service" in _HARMLESS.sub(" ", query).lower()


def _reason(message: str) -> str:
    """Return what the parser complains of, if it says so in words; lists of the tokens it could go on with say little."""
    if "IRI parsing failed" in message:
        return "an IRI holds a character that it may not, such as a space"
    if "variable that is unbound" in message:
        return "a variable after SELECT is neither grouped by nor counted; add GROUP BY"
    return "expected something else; check the words, brackets and quotes there and just before"


def syntax_error(query: str, message: str, prefixes: Mapping[str, str], *, file: str | None = None) -> InputError:
    """Turn the parser's complaint into a sentence with line, column and remedy.

    Args:
        query: The query.
        message: What the parser says, `error at LINE:COLUMN: expected ...`.
        prefixes: What need not be declared.
        file: Where the query was read, if not on the command line.
    """
    words = [token["word"].lower() for token in _TOKEN.finditer(query) if token["word"]]
    form = next((word for word in words if word not in ("prefix", "base")), None)
    if form in _UPDATES:
        return InputError(
            f"{form.upper()} changes data, and a query only reads: use SELECT, ASK, CONSTRUCT or DESCRIBE; "
            "to change a graph change its tables and build it again",
            file=file,
        )
    place = re.match(r"error at (\d+):(\d+): ", message)
    line, column = (int(place[1]), int(place[2])) if place else (1, 1)
    if "Prefix not found" in message:
        known = {*prefixes, *re.findall(r"(?i)\bprefix\s+([\w.-]*):", query)}
        used = [token["prefix"] for token in _TOKEN.finditer(query) if token["prefix"]]
        for name in (name for name in used if name not in known):
            return InputError(
                f"the prefix {name + ':'!r} in line {line} is not known; declare it with PREFIX {name}: <...>, or use one "
                f"of {', '.join(sorted(prefixes))}.{did_you_mean(name, prefixes)}",
                file=file,
            )
    expected = _reason(message)
    if form not in ("select", "ask", "construct", "describe"):
        expected = "expected SELECT, ASK, CONSTRUCT or DESCRIBE"
    lines = query.splitlines() or [""]
    rest = lines[line - 1][column - 1 :].strip() if line <= len(lines) else ""
    near = f", near {rest[:30]!r}" if rest else ""
    return InputError(f"the query is not valid SPARQL in line {line}, column {column}{near}: {expected}", file=file)
