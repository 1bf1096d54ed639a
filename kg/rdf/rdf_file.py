"""RDF files of every common format as N-Quads, parsed in a process of its own.

An input that would fill the memory, or crash the parser, ends that process alone.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from xml.parsers import expat

import pyoxigraph as ox

from kg.errors import InputError, did_you_mean
from kg.storage.packed import PackedFile, plain_suffix

__all__ = ["FORMATS", "LINES", "RELATIVE", "invalid", "rdf_format", "write_as_nquads"]

FORMATS = {
    "turtle": ox.RdfFormat.TURTLE,
    "n-triples": ox.RdfFormat.N_TRIPLES,
    "n-quads": ox.RdfFormat.N_QUADS,
    "trig": ox.RdfFormat.TRIG,
    "rdf-xml": ox.RdfFormat.RDF_XML,
    "json-ld": ox.RdfFormat.JSON_LD,
}
LINES = (ox.RdfFormat.N_TRIPLES, ox.RdfFormat.N_QUADS)  # formats of a statement a line
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
RELATIVE = "relative://file/"  # stands before IRIs that a file leaves relative, so that none gets lost unseen
_PROGRAM = Path(__file__).with_name("bounded_parser.py")
# A parser needs some MB and takes a second for 10 MB; what it must remember grows with the input, not faster.
_MEMORY_BYTES, _MEMORY_TIMES = 512 << 20, 64
_SECONDS, _SECONDS_PER_MB = 10, 2
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


def write_as_nquads(
    file: Path, form: ox.RdfFormat, target: Path, *, base: str | None = None, lenient: bool = False
) -> None:
    """Write the statements of a file as N-Quads, in their order.

    Args:
        file: The file, plain, or packed as its suffix says.
        form: How it is written.
        target: The new file of N-Quads; its folder also holds the unpacked file for a while.
        base: IRI that relative ones start from; without it they come out below `RELATIVE`.
        lenient: Take IRIs that are none.

    Raises:
        InputError: If the file is missing, damaged or not valid, with the line where that can be told, or takes far more
            memory or time than its size explains.
    """
    plain = target.with_suffix(".plain")
    with PackedFile(file) as packed, plain.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked, 1 << 20)
    size = plain.stat().st_size
    limits = _MEMORY_BYTES + _MEMORY_TIMES * size, _SECONDS + _SECONDS_PER_MB * (size >> 20)
    options = (form.name, base or RELATIVE, "lenient" if lenient else "strict", *map(str, limits))
    with plain.open("rb") as source, target.open("wb") as sink:
        done = subprocess.run(
            [sys.executable, "-S", "-P", str(_PROGRAM), *options],
            stdin=source,
            stdout=sink,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            check=False,
        )
    if done.returncode == 1:
        try:
            problem = json.loads(done.stderr)
        except ValueError:
            words = done.stderr.decode(errors="replace").splitlines() or ["it says nothing"]
            raise InputError(f"the parser of RDF does not start: {words[-1]}") from None
        line = _line_of_xml_error(plain) if form == ox.RdfFormat.RDF_XML else problem["line"]
        raise invalid(problem["problem"], form, file, line)
    if done.returncode:
        what = "time" if done.returncode == -signal.SIGXCPU else "memory"
        raise InputError(
            f"parsing this takes far more {what} than its size explains; is it nested thousands deep? Write it flat, as "
            "N-Triples",
            file=file,
        )
    plain.unlink()
    if form == ox.RdfFormat.JSON_LD and not target.stat().st_size:
        raise InputError(
            "expected statements in JSON-LD, found none; without an @context, keys that are no IRIs say nothing",
            file=file,
        )


def invalid(problem: str, form: ox.RdfFormat, file: Path, line: int | None) -> InputError:
    """Return the sentence about an error of the parser."""
    if "LoadDocumentCallback" in problem:
        return InputError(
            "the @context stands at another address, and nothing is fetched from there; write the context itself into the file",
            file=file,
        )
    problem = " ".join(_PLACE.sub("", problem).split())
    return InputError(f"expected valid {form.name}, found an error: {problem}", file=file, line=line)


def _line_of_xml_error(file: Path) -> int | None:
    """Return the line where XML itself is broken, which the parser of RDF/XML does not tell."""
    try:
        with file.open("rb") as stream:
            expat.ParserCreate().ParseFile(stream)
    except expat.ExpatError as error:
        return error.lineno
    return None
