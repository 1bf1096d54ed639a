"""RDF files of every common format as a stream of statements that know their lines where the format tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyoxigraph as ox

from kg.errors import InputError, did_you_mean
from kg.packed import PackedFile, plain_suffix
from kg.report import FileAccount

__all__ = ["FORMATS", "RELATIVE", "rdf_format", "statements"]

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
_BY_LINE = (ox.RdfFormat.N_TRIPLES, ox.RdfFormat.N_QUADS)
_BLOCK_BYTES, _MOST_LINE_BYTES = 1 << 20, 1 << 24
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


def statements(
    file: Path, form: ox.RdfFormat, *, lenient: bool, account: FileAccount, base: str | None = None
) -> Iterator[tuple[int, ox.Quad]]:
    """Yield `(line, statement)` in the order of the file, in bounded memory.

    Args:
        file: Plain, or packed as its suffix says.
        form: How it is written.
        lenient: Refuse and count invalid lines of N-Triples and N-Quads instead of stopping at the first.
        account: Receives the refused lines.
        base: IRI that relative ones start from; without it they come out below `RELATIVE`.

    Returns:
        Line counted from 1 for N-Triples and N-Quads, 0 for others: they do not say where a statement stands.

    Raises:
        InputError: If the file is missing, damaged or not valid, with the line where that can be told.
    """
    if form in _BY_LINE:
        return _by_line(file, form, lenient=lenient, account=account)
    return _whole(file, form, base or RELATIVE)


def _by_line(file: Path, form: ox.RdfFormat, *, lenient: bool, account: FileAccount) -> Iterator[tuple[int, ox.Quad]]:
    """Every line stands alone, so a block is read at once, and one with an invalid line again line by line."""
    first = 1
    with PackedFile(file) as stream:
        for block in _blocks(stream, file):
            lines = block.splitlines()
            numbers = [number for number, line in enumerate(lines, first) if line.strip()[:1] not in (b"", b"#")]
            try:
                found = list(ox.parse(block, format=form))
            except (SyntaxError, ValueError, MemoryError):
                found = []
            if len(found) == len(numbers):
                yield from zip(numbers, found, strict=True)
            else:
                for number in numbers:
                    try:
                        yield from [(number, quad) for quad in list(ox.parse(lines[number - first], format=form))]
                    except (SyntaxError, ValueError, MemoryError) as error:
                        if not lenient:
                            raise _invalid(error, form, file, number) from None
                        account.rows += 1
                        account.drop(f"the line is not valid {form.name}", 1, [f"line {number}"])
            first += len(lines)


def _blocks(stream: PackedFile, file: Path) -> Iterator[bytes]:
    """Yield whole lines, about a megabyte at a time."""
    rest = b""
    while part := stream.read(_BLOCK_BYTES):
        head, end, tail = part.rpartition(b"\n")
        if end:
            yield rest + head + end
            rest = tail
        else:
            rest += part
        if len(rest) > _MOST_LINE_BYTES:
            raise InputError(
                f"a line is longer than {_MOST_LINE_BYTES >> 20} MiB; is this really a file of one statement a line?",
                file=file,
            )
    if rest:
        yield rest


def _whole(file: Path, form: ox.RdfFormat, base: str) -> Iterator[tuple[int, ox.Quad]]:
    found = 0
    try:
        with PackedFile(file) as stream:
            guarded = _WithoutEntityBombs(stream) if form == ox.RdfFormat.RDF_XML else stream
            for quad in ox.parse(guarded, format=form, base_iri=base):  # type: ignore[arg-type]
                yield 0, quad
                found += 1
    except (SyntaxError, ValueError, MemoryError, OSError) as error:
        if isinstance(error, InputError):
            raise
        line = getattr(error, "lineno", None)
        if line is None and form == ox.RdfFormat.RDF_XML:
            line = _line_of_error(file, base)
        raise _invalid(error, form, file, line) from None
    if not found and form == ox.RdfFormat.JSON_LD:
        raise InputError(
            "expected statements in JSON-LD, found none; without an @context, keys that are no IRIs say nothing",
            file=file,
        )


def _invalid(error: BaseException, form: ox.RdfFormat, file: Path, line: int | None) -> InputError:
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
