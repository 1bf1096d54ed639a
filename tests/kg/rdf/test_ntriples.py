"""Lines by a regular expression against the full parser: the same statements, the same refusals, at the same lines."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pyoxigraph as ox
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kg.errors import InputError
from kg.rdf import ntriples
from kg.rdf.ntriples import read_ntriples
from kg.rdf.statement_files import StatementFiles
from kg.report import FileAccount

HOSTILE = [
    "<http://a.example/s> <http://a.example/p> <http://a.example/o> .",
    "<http://a.example/s> <http://a.example/p> <http://a.example/o> . # a comment",
    "<http://a.example/s><http://a.example/p><http://a.example/o>.",
    "\t<http://a.example/s>\t<http://a.example/p>  <http://a.example/o> .\r",
    "<http://a.example/s> <http://a.example/p> <http://a.example/o>",
    "<http://a.example/s> <http://a.example/p> <http://a.example/o> . <http://a.example/s> <p:p> <p:o> .",
    "<http://a.example/s> <http://a.example/p> .",
    '<http://a.example/s> "p" <http://a.example/o> .',
    "<http://a.example/s s> <http://a.example/p> <http://a.example/o> .",
    "<http://a.example/%C3%A9> <http://a.example:80/p?x=1#y> <https://a.example/Caf\u00e9_(film)> .",
    "<http://a.example/%zz> <http://a.example/p> <http://a.example/o> .",
    "<http://a.example/[s]> <http://a.example/p> <http://a.example/o> .",
    "<http://a.example/a#b#c> <http://a.example/p> <http://a.example/o> .",
    "<http://a.example/\\u00E9> <http://a.example/p> <http://a.example/\\U0001F600> .",
    "<http://a.example/\ue000> <http://a.example/p> <http://a.example/o> .",
    "<http://a.example/\U0001f600> <http://a.example/p> <http://a.example/\u202e> .",
    "<urn:isbn:1> <mailto:a@b> <HTTP://a.example/> .",
    "<s> <http://a.example/p> <http://a.example/o> .",
    "_:b1 <http://a.example/p> <http://a.example/o> .",
    "<http://a.example/s> <http://a.example/p> _:b1 .",
    '_:b1 <http://a.example/p> "x" .',
    '<http://a.example/s> <http://a.example/p> "x" .',
    '<http://a.example/s> <http://a.example/p> "" .',
    '<http://a.example/s> <http://a.example/p> "<http://a.example/o> ." .',
    '<http://a.example/s> <http://a.example/p> "\u00e9\t\u2028"@en .',
    '<http://a.example/s> <http://a.example/p> "x"@EN-us .',
    '<http://a.example/s> <http://a.example/p> "x"@toolonglanguage .',
    '<http://a.example/s> <http://a.example/p> "1"^^<http://www.w3.org/2001/XMLSchema#integer> .',
    '<http://a.example/s> <http://a.example/p> "a \\"quoted\\" \\u00e9\\n" .',
    '<http://a.example/s> <http://a.example/p> "a"b" .',
    '<http://a.example/s> <http://a.example/p> "it\'s" .',
    '<http://a.example/s> <http://a.example/p> "a\x00\x01\x0b\x7f" .',
    '<http://a.example/s> <http://a.example/p> "a\\xb" .',
    "<http://a.example/s> <http://a.example/p> <<( <http://a.example/s> <http://a.example/p> <http://a.example/o> )>> .",
    "# a comment",
    "   ",
    "",
    "not a statement",
    "\ufeff<http://a.example/s> <http://a.example/p> <http://a.example/o> .",
]


def columns(pattern: Path) -> list[tuple[object, ...]]:
    """All rows of the files of a pattern, in order."""
    files = sorted(pattern.parent.glob(pattern.name))
    return sorted(tuple(row.values()) for file in files for row in pq.read_table(file).to_pylist())


def read_into(file: Path, into: Path, account: FileAccount, *, lenient: bool = True) -> None:
    rdf_format = ox.RdfFormat.N_QUADS if file.name == "t.nq" else ox.RdfFormat.N_TRIPLES
    files = StatementFiles(into, "f", account, labels=True)
    read_ntriples(file, rdf_format, files, lenient=lenient)


def read(content: bytes, name: str = "t.nt") -> tuple[list[tuple[object, ...]], list[tuple[object, ...]], FileAccount]:
    with TemporaryDirectory() as folder:
        file, into = Path(folder) / name, Path(folder) / "into"
        into.mkdir()
        file.write_bytes(content)
        account = FileAccount()
        read_into(file, into, account)
        nodes: dict[object, object] = dict(columns(into / StatementFiles.NODES))  # type: ignore[arg-type]
        triples = [
            (position, nodes[subject], predicate, nodes[target])
            for position, subject, predicate, target in columns(into / StatementFiles.TRIPLES)
        ]
        return sorted(triples), columns(into / StatementFiles.LITERALS), account


def node(term: ox.NamedNode | ox.BlankNode) -> str:
    return f"_:f#{term.value}" if isinstance(term, ox.BlankNode) else term.value


def by_the_full_parser(
    content: bytes, rdf_format: ox.RdfFormat = ox.RdfFormat.N_TRIPLES
) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]], list[int], int]:
    """Every line by pyoxigraph alone: triples, literals, lines refused, statements about statements."""
    triples: list[tuple[object, ...]] = []
    literals: list[tuple[object, ...]] = []
    refused: list[int] = []
    others = 0
    for number, line in enumerate(
        content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"), start=1
    ):
        try:
            for quad in ox.parse(line, format=rdf_format):
                subject, predicate, target = node(quad.subject), quad.predicate.value, quad.object
                if isinstance(target, ox.Literal):
                    value = (target.value, target.datatype.value, target.language)
                    literals.append((number, subject, predicate, *value))
                elif isinstance(target, ox.Triple):
                    others += 1
                else:
                    triples.append((number, subject, predicate, node(target)))
        except SyntaxError:
            refused.append(number)
    return triples, literals, refused, others


def agrees(content: bytes, name: str = "t.nt") -> None:
    triples, literals, account = read(content, name)
    rdf_format = ox.RdfFormat.N_QUADS if name == "t.nq" else ox.RdfFormat.N_TRIPLES
    expected_triples, expected_literals, refused, others = by_the_full_parser(content, rdf_format)
    assert triples == expected_triples
    assert literals == expected_literals
    invalid = "the line is not valid " + ("N-Quads" if name == "t.nq" else "N-Triples")
    assert account.dropped.get(invalid, 0) == len(refused)
    assert account.examples.get(invalid, []) == [f"line {number}" for number in refused[:3]]
    assert account.rows == len(triples) + len(literals) + len(refused) + others
    assert sum(account.dropped.values()) == len(refused) + others


@pytest.mark.parametrize("line", HOSTILE)
def test_every_hostile_line_is_read_as_the_full_parser_reads_it(line: str) -> None:
    agrees(line.encode())
    agrees(f"{HOSTILE[0]}\n{line}\n{HOSTILE[0]}\n".encode())


# Pieces that are near to what the regular expression takes, so that a slip in it shows.
PIECES = st.sampled_from(
    [
        *"<>\" .\\@^#%?/:[]{}|`'\t\r\n\x00\x7f\x80\xa0",
        "\ue000",
        "\ufffd",
        "\U0001f600",
        "http://",
        "a.example",
        "%41",
        "é",
    ]
)
IRIS = st.lists(PIECES | st.characters(codec="utf-8"), max_size=4).map(
    lambda parts: f"<http://a.example/{''.join(parts)}>"
)
TERMS = (
    IRIS | st.sampled_from(['"x"', '"x"@en', '"x"^^<http://a.example/t>', "_:b", "<<"]) | st.lists(PIECES).map("".join)
)
LINES = st.tuples(
    IRIS,
    st.just("<http://a.example/p>") | IRIS,
    TERMS,
    st.sampled_from([".", " .", "", ". #", "<http://a.example/g> ."]),
).map(" ".join)


@settings(max_examples=60)
@given(
    lines=st.lists(LINES | st.sampled_from(HOSTILE), min_size=1, max_size=40), name=st.sampled_from(["t.nt", "t.nq"])
)
def test_any_lines_are_read_as_the_full_parser_reads_them(lines: list[str], name: str) -> None:
    agrees("\n".join(lines).encode(), name)


@settings(max_examples=30)
@example(content=b"\xff\n" + HOSTILE[0].encode() + b'\n<http://a.example/s> <http://a.example/p> "\xe9" .\n')
@given(content=st.lists(st.binary(max_size=8) | st.sampled_from([line.encode() for line in HOSTILE])).map(b"\n".join))
def test_any_bytes_are_read_as_the_full_parser_reads_them(content: bytes) -> None:
    agrees(content)


def test_chunks_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    content = "\n".join(HOSTILE).encode()
    whole = read(content)
    for size in (1, 7, 64, 1000):
        monkeypatch.setattr(ntriples, "_CHUNK", size)
        assert read(content) == whole


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("t.nt.gz", gzip.compress),
        ("t.nt.bz2", bz2.compress),
        ("t.nt.zst", lambda content: pa.compress(content, codec="zstd", asbytes=True)),
        ("t.nt.gz", lambda content: gzip.compress(content[:99]) + gzip.compress(content[99:])),
    ],
)
def test_packed_files_are_unpacked(name: str, pack: Callable[[bytes], bytes]) -> None:
    content = "\n".join(HOSTILE).encode()
    assert read(pack(content), name) == read(content)


@pytest.mark.parametrize("name", ["t.nt.gz", "t.nt.bz2"])
def test_a_file_cut_off_is_an_input_error(name: str) -> None:
    content = "\n".join(f"<http://a.example/{number}> <p:p> <p:o> ." for number in range(9999)).encode()
    packed = gzip.compress(content) if name.endswith("gz") else bz2.compress(content)
    for damaged in (packed[:-30], b"not packed at all"):
        with pytest.raises(InputError, match="damaged"):
            read(damaged, name)


def test_a_file_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_into(tmp_path / "t.nt", tmp_path, FileAccount())


def test_without_lenience_the_first_bad_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.nt").write_text(f"{HOSTILE[0]}\n\nnot a statement\nnor this\n")
    with pytest.raises(InputError, match=r"t\.nt, line 3: expected valid N-Triples"):
        read_into(tmp_path / "t.nt", tmp_path, FileAccount(), lenient=False)


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ntriples, "_CHUNK", 1 << 10)
    monkeypatch.setattr(ntriples, "_LONGEST_LINE", 1 << 20)
    (tmp_path / "t.nt").write_text("# a comment\n" + "x" * (2 << 20))
    with pytest.raises(InputError, match=r"line 2: expected a statement a line, found a line of more than 1 MB"):
        read_into(tmp_path / "t.nt", tmp_path, FileAccount())
