"""RDF files of every common format as a stream of statements."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyoxigraph as ox

from kg.errors import InputError, did_you_mean
from kg.rdf.parser_process import ParserLimitError, parsed
from kg.storage.packed import PACKED, PackedFile, plain_suffix

__all__ = ["FORMATS", "RELATIVE", "invalid", "rdf_format", "statements"]

FORMATS = {
    "turtle": ox.RdfFormat.TURTLE,
    "n-triples": ox.RdfFormat.N_TRIPLES,
    "n-quads": ox.RdfFormat.N_QUADS,
    "trig": ox.RdfFormat.TRIG,
    "rdf-xml": ox.RdfFormat.RDF_XML,
    "json-ld": ox.RdfFormat.JSON_LD,
}
_SUFFIXES = {
    ".ttl": "turtle",
    ".nt": "n-triples",
    ".nq": "n-quads",
    ".trig": "trig",
    ".rdf": "rdf-xml",
    ".xml": "rdf-xml",
    ".owl": "rdf-xml",
    ".jsonld": "json-ld",
    ".json": "json-ld",
}
RELATIVE = "http://relative.invalid/"  # stands before IRIs that a file leaves relative, so that none gets lost unseen
_BLOCK_BYTES = 1 << 20
_PACKED_TIMES = 20  # how much larger a packed file is taken to be
_ENTITY = re.compile(rb"<!ENTITY\s+(?:%\s+)?\S+\s+(?:\"([^\"]*)\"|'([^']*)')?")
_NESTED = re.compile(rb"%[A-Za-z_:][\w.\-]*;|&(?!lt;|gt;|amp;|quot;|apos;|#(?!0*38;|[xX]0*26;))")
_PLACE = re.compile(r"^Parser error at line \d+ | \(line \d+\)$")


def rdf_format(file: Path, name: str | None = None) -> ox.RdfFormat:
    """Return the format of a file: the one that is named, else the one its suffix says.

    Raises:
        InputError: If neither says it.
    """
    name = name or _SUFFIXES.get(plain_suffix(file))
    if name is None:
        raise InputError(
            f"the suffix {plain_suffix(file)!r} is of no RDF format; expected one of {', '.join(_SUFFIXES)}, plain or "
            f".gz, .bz2, .zst, or format: NAME in the description with one of {', '.join(FORMATS)}"
            f".{did_you_mean(plain_suffix(file), _SUFFIXES)}",
            file=file,
        )
    return FORMATS[name]


def statements(file: Path, form: ox.RdfFormat, *, base: str | None = None) -> Iterator[ox.Quad]:
    """Yield the statements of a file in its order, in bounded memory; the parser is a process of its own.

    Args:
        file: Plain, or packed as its suffix says.
        form: How it is written.
        base: IRI that relative ones start from; without it they come out below `RELATIVE`.

    Raises:
        InputError: If the file is missing, damaged or not valid, with the line where that can be told, or takes far more
            memory or time than its size explains.
    """
    base = base or RELATIVE
    found = 0
    try:
        with PackedFile(file) as stream:
            guarded = _WithoutEntityBombs(stream) if form == ox.RdfFormat.RDF_XML else stream
            size = file.stat().st_size * (_PACKED_TIMES if file.suffix.lower() in PACKED else 1)
            for quad in parsed(guarded, form, size=size, base=base):
                yield quad
                found += 1
    except ParserLimitError as error:
        raise InputError(str(error), file=file) from None
    except (SyntaxError, ValueError, MemoryError, OSError) as error:
        if isinstance(error, InputError):
            raise
        line = getattr(error, "lineno", None)
        if line is None and form == ox.RdfFormat.RDF_XML:
            line = _line_of_error(file, base)
        raise invalid(error, form, file, line) from None
    if not found and form == ox.RdfFormat.JSON_LD:
        raise InputError(
            "expected statements in JSON-LD, found none; without an @context, keys that are no IRIs say nothing",
            file=file,
        )


def invalid(error: BaseException, form: ox.RdfFormat, file: Path, line: int | None) -> InputError:
    """Return the sentence about an error of the parser."""
    problem = str(getattr(error, "msg", None) or error)
    if "LoadDocumentCallback" in problem:
        return InputError(
            "the @context stands at another address, and nothing is fetched from there; write the context itself into the file",
            file=file,
        )
    problem = " ".join(_PLACE.sub("", problem).split()) or type(error).__name__
    return InputError(f"expected valid {form.name}, found an error: {problem}", file=file, line=line)


class _WithoutEntityBombs:
    """Refuses entities of XML that are built from others or long: a few lines of them fill any memory."""

    _MOST_CHARACTERS = 256

    def __init__(self, stream: PackedFile) -> None:
        self.stream = stream
        self.head = b""
        # Entities are declared before the first element; a declaration is short.
        while len(self.head) < _BLOCK_BYTES and (part := stream.read(_BLOCK_BYTES)):
            self.head += part
        for found in _ENTITY.finditer(self.head):
            value = found[1] or found[2] or b""
            if len(value) > self._MOST_CHARACTERS or _NESTED.search(value):
                self.refuse(self.head[: found.start()].count(b"\n") + 1)
        self.tail = self.head[-16:]

    def read(self, size: int = -1) -> bytes:
        if self.head:
            part, self.head = self.head[:size], self.head[size:]
            return part
        part = self.stream.read(size)
        if b"<!ENTITY" in self.tail + part:
            self.refuse(None)
        self.tail = part[-16:]
        return part

    def refuse(self, line: int | None) -> None:
        raise InputError(
            f"expected entities of at most {self._MOST_CHARACTERS} characters without other entities in them, at the "
            "beginning of the file; write the text out where it is used",
            file=self.stream.file,
            line=line,
        )


def _line_of_error(file: Path, base: str) -> int | None:
    """Read RDF/XML again, handing out a line at a time: the last one handed out holds the error."""
    with PackedFile(file) as stream:
        lines = _LineByLine(stream)
        try:
            for _ in ox.parse(lines, format=ox.RdfFormat.RDF_XML, base_iri=base):  # type: ignore[arg-type]
                pass
        except (SyntaxError, ValueError, MemoryError):
            return max(lines.number, 1)
    return None


class _LineByLine:
    def __init__(self, stream: PackedFile) -> None:
        self.stream = stream
        self.ahead = b""
        self.number = 0
        self.ended = True

    def read(self, size: int = -1) -> bytes:
        if not self.ahead:
            self.ahead = self.stream.read(_BLOCK_BYTES)
        if not self.ahead:
            return b""
        end = self.ahead.find(b"\n", 0, size if size >= 0 else None) + 1
        end = end or (size if size >= 0 else len(self.ahead))
        part, self.ahead = self.ahead[:end], self.ahead[end:]
        self.number += self.ended
        self.ended = part.endswith(b"\n")
        return part
