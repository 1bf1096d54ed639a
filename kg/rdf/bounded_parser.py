"""A program that parses RDF within limits: bytes on standard input, N-Quads on standard output, errors as JSON.

Run as `python bounded_parser.py FORMAT BASE LENIENT BYTES SECONDS`. It loads nothing of kgrec, so that it starts at once.
"""

from __future__ import annotations

import json
import resource
import sys

import pyoxigraph as ox

_STACK = 1 << 20  # what nests so deeply that it needs more would also end the process that reads the result


def main() -> int:
    """Parse; 1 is returned where the input is not valid, and the system ends the process where a limit is passed."""
    name, base, lenient, size, seconds = sys.argv[1:]
    limits = {
        resource.RLIMIT_DATA: int(size),
        resource.RLIMIT_CPU: int(seconds),
        resource.RLIMIT_STACK: _STACK,
        resource.RLIMIT_CORE: 0,
    }
    for limit, most in limits.items():
        hard = resource.getrlimit(limit)[1]
        resource.setrlimit(limit, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    formats = (
        ox.RdfFormat.TURTLE,
        ox.RdfFormat.TRIG,
        ox.RdfFormat.RDF_XML,
        ox.RdfFormat.JSON_LD,
        ox.RdfFormat.N_TRIPLES,
    )
    try:
        quads = ox.parse(
            sys.stdin.buffer,
            format=next(known for known in formats if known.name == name),
            base_iri=base,
            lenient=lenient == "lenient",
        )
        ox.serialize(quads, sys.stdout.buffer, format=ox.RdfFormat.N_QUADS)
        sys.stdout.buffer.flush()
    except (SyntaxError, ValueError, OSError) as error:
        problem = {"problem": getattr(error, "msg", None) or str(error), "line": getattr(error, "lineno", None)}
        sys.stderr.write(json.dumps(problem))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
