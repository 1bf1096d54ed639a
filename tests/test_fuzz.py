"""Spoilt inputs: whatever stands in the files, a build ends in a data set whose account adds up, or in one sentence.

Each case is made from its number alone: `python tests/test_fuzz.py 4711` runs case 4711 by itself, `python tests/test_fuzz.py
0 10000` the first ten thousand in limited memory.
"""

from __future__ import annotations

import gzip
import json
import random
import resource
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.errors import InputError, JointInputError

CASES, MANY = 60, 300
LIMIT = 6 << 30  # bytes of address space, most of it reserved and never used

DESCRIPTION = r"""name: fuzzed
ratings:
  file: [ratings.csv, more.tsv.gz]
  scale: [1, 5]
  unknown_ids: drop
items:
  - file: items.csv
    id: id
    label: "{title} ({year})"
    text: "{title}. {genres}. {plot}"
    same_as: link
    missing: ["", "N/A"]
    concepts: &people
      genre: {column: genres, split: ", "}
      director: {column: directors, kind: person, split: ", ", first: 2}
      decade: {column: year, pattern: '^(\d{3})', wording: "{}0s"}
  - file: extra.json
    id: key
    text: "{plot}"
    concepts:
      length: {column: minutes, bins: [60, 90]}
      tag: {column: tags}
  - file: other.json.gz
    match: {title: title, year: year}
    concepts: {studio: {column: studio, names_from: {file: names.csv, code: code, name: name}}}
  - file: cites.dat
    format: {lines: cited}
    id: line
    optional: true
    relations: {cites: {column: cited, split: " ", counted: true, unknown_ids: drop}}
users:
  - file: users.dat
    format: {separator: "::", columns: [id, age, occupation], bad_bytes: replace}
    id: id
    concepts: {age: {column: age, bins: [18, 25]}, occupation: {column: occupation}}
knowledge:
  - {file: facts.nt.gz, source: wiki}
  - {file: plain.nt, source: wiki, keep: [starring, follows]}
  - {file: more.ttl, source: other}
splits:
  canonical: {test: test.csv}
  cold: {items: cold.txt}
"""

FACTS = """<http://w.example/A> <http://w.example/o/starring> <http://w.example/Bo_Ek> .
<http://w.example/B> <http://w.example/o/follows> <http://w.example/A> .
<http://w.example/A> <http://w.example/o/budget> "12"^^<http://www.w3.org/2001/XMLSchema#integer> .
<http://w.example/Bo_Ek> <http://www.w3.org/2000/01/rdf-schema#label> "Bo Ek, \\"actor\\""@en .
_:b0 <http://w.example/o/starring> <http://w.example/A> .
# a comment
<http://w.example/A> <http://w.example/o/starring> <http://w.example/Cy> .
"""
TURTLE = """@prefix w: <http://w.example/> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
w:A w:place w:Oslo ; w:award "Bear"@de , [ w:year 1999 ] .
w:Oslo skos:broader w:Norway ; skos:prefLabel "Oslo" .
w:Norway skos:broader w:Oslo .
"""
FILES: dict[str, bytes] = {
    "description.yaml": DESCRIPTION.encode(),
    "ratings.csv": b"user,item,rating,time\n007,0,5,100\n007,1,1.5,200\n8,0,3,300\n9223372036854775807,2,4,400\n",
    "more.tsv.gz": gzip.compress(b"user\titem\trating\ttime\n8\t1\t2\t500\n8\t2\t2.5\t600\n", mtime=0),
    "items.csv": (
        b"id,title,year,genres,directors,plot,link\n"
        b'0,Alpha,1999,"Drama, War",Ann Lee,"A ""quoted"" plot.",http://w.example/A\n'
        b"1,Beta,2001,drama,N/A,,http://w.example/B\n2,N/A,,,,N/A,\n"
    ),
    "extra.json": json.dumps(
        [
            {"key": "0", "plot": "Ünïcode 🎬.", "minutes": 91, "tags": ["long", "loud"]},
            {"key": "1", "plot": None, "minutes": 60.5, "tags": []},
            {"key": "77", "plot": "No such item.", "minutes": "", "tags": ["odd", None]},
        ]
    ).encode(),
    "other.json.gz": gzip.compress(
        b'[{"title": "Alpha", "year": 1999, "studio": 1}, {"title": "Gamma", "year": 1, "studio": 2}]', mtime=0
    ),
    "names.csv": b"code,name\n1,Big Studio\n2,Small Studio\n",
    "cites.dat": b"1 1\n0\n2 0 9\n",
    "users.dat": b"007::17::spy\n8::24::\n9223372036854775807::25::spy\n",
    "facts.nt.gz": gzip.compress(FACTS.encode(), mtime=0),
    "plain.nt": FACTS.encode(),
    "more.ttl": TURTLE.encode(),
    "test.csv": b"user,item,rating,time\n8,0,3,300\n",
    "cold.txt": b"2\n",
}
RDF = ("facts.nt.gz", "plain.nt", "more.ttl")

Mutator = Callable[[bytes, random.Random], bytes]


def flip_bits(content: bytes, rng: random.Random) -> bytes:
    spoilt = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8])):
        if spoilt:
            spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
    return bytes(spoilt)


def cut_off(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def cut_out(content: bytes, rng: random.Random) -> bytes:
    start, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return content[:start] + content[min(end, start + 20) :]


def repeat_lines(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines(keepends=True) or [b""]
    place = rng.randrange(len(lines))
    return b"".join(lines[: place + 1] + lines[place : place + 1] * rng.choice([1, 2, 500]) + lines[place + 1 :])


def delete_line(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines(keepends=True) or [b""]
    del lines[rng.randrange(len(lines))]
    return b"".join(lines)


def swap_lines(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    rng.shuffle(lines)
    return b"".join(lines)


def huge_number(content: bytes, rng: random.Random) -> bytes:
    digits = [place for place, byte in enumerate(content) if chr(byte).isdigit() and byte < 128]
    number = rng.choice(
        [b"9" * 30, b"9" * 5_000, b"1e999", b"-1e999", b"1e-999", b"-1", b"nan", b"inf", b"0x10", b"1_000", b"1e15", b"9223372036854775808", b"0.1" + b"0" * 400, b"\xd9\xa3"]
    )  # fmt: skip
    if not digits:
        return content + number
    place = rng.choice(digits)
    return content[:place] + number + content[place + 1 :]


def insert(*pieces: bytes) -> Mutator:
    def spoil(content: bytes, rng: random.Random) -> bytes:
        place = rng.randrange(len(content) + 1)
        return content[:place] + rng.choice(pieces) + content[place:]

    return spoil


def nest(content: bytes, rng: random.Random) -> bytes:
    depth = rng.choice([50, 1_200, 30_000])
    place = rng.randrange(len(content) + 1)
    opening, closing = rng.choice(
        [(b"[", b"]"), (b'{"a":', b"}"), (b"{a: ", b"}"), (b"- ", b""), (b"(", b")"), (b'"', b'"')]
    )
    return content[:place] + opening * depth + (closing * depth if rng.random() < 0.5 else b"") + content[place:]


def mark_bytes(content: bytes, rng: random.Random) -> bytes:
    return rng.choice([b"\xef\xbb\xbf", b"\xff\xfe", b"\xef\xbb\xbf\xef\xbb\xbf"]) + content


def other_line_ends(content: bytes, rng: random.Random) -> bytes:
    return content.replace(b"\n", rng.choice([b"\r\n", b"\r", b"\n\n", b"\x0b", b"\n\r", "\u2028".encode()]))


def other_encoding(content: bytes, rng: random.Random) -> bytes:
    text = content.decode("utf-8", errors="replace")
    return text.encode(rng.choice(["utf-16", "utf-32", "latin-1", "cp037"]), errors="replace")


MUTATORS: tuple[Mutator, ...] = (
    flip_bits,
    flip_bits,
    cut_off,
    cut_out,
    repeat_lines,
    delete_line,
    swap_lines,
    huge_number,
    insert(b"\x00", b"\x00" * 50, b"\x1a", b"\x1f", b"\x7f", b"\x85"),
    insert(b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80"),
    insert(b'"', b"'", b'""', b"\\", b"\\u", b'\\ud800', b"\\x", b"%", b"{", b"}", b"<", b">"),
    insert(b"\n", b"\r", b"\r\n", b",", b"\t", b"::", b" ", b": ", b"- ", b"#", b"&a ", b"*a ", b"!!python/none ", b"? "),
    insert("\u202e".encode(), "\u200b".encode(), "e\u0301".encode(), "İ".encode(), "\ufffe".encode(), b"A" * 70_000),
    insert(b"null", b"true", b"[]", b"{}", b"2001-01-01", b"~", b"0o7", b"1:30", b"=", b"<<: ", b"%YAML 9.9\n", b"---\n"),
    nest,
    mark_bytes,
    other_line_ends,
    other_encoding,
)  # fmt: skip


def spoil(number: int) -> tuple[dict[str, bytes], str]:
    """Return the files of a case, and in words what was done to them."""
    rng = random.Random(number)
    files, done = dict(FILES), []
    for name in rng.sample(sorted(FILES), k=rng.choice([1, 1, 1, 2])):
        content = files[name]
        packed = name.endswith(".gz") and rng.random() < 0.7
        if packed:
            content = gzip.decompress(content)
        for mutator in rng.choices(MUTATORS, k=rng.choice([1, 1, 2, 3])):
            content = mutator(content, rng)
            done.append(f"{mutator.__qualname__.split('.')[0]} in {name}")
        files[name] = gzip.compress(content, mtime=0) if packed else content
    return files, ", ".join(done)


def missing_rows(dataset: Dataset) -> list[str]:
    """Return what an account does not explain."""
    found = []
    for file, account in dataset.report["files"].items():  # type: ignore[attr-defined]
        explained = account["kept"] + sum(account.get("dropped", {}).values())
        if file in RDF:
            explained += account.get("counts", {}).get("labels read", 0)
        if account["rows"] != explained:
            found.append(f"{file}: {account['rows']} rows, {explained} explained: {account}")
    return found


def lost_triples(files: dict[str, bytes], dataset: Dataset) -> list[str]:
    """Return where the account of N-Triples knows fewer rows than the file has lines with something on them."""
    found = []
    for file in ("facts.nt.gz", "plain.nt"):
        content = gzip.decompress(files[file]) if file.endswith(".gz") else files[file]
        lines = [line.strip(b" \t") for line in content.replace(b"\r", b"\n").split(b"\n")]
        stated = sum(bool(line) and not line.startswith(b"#") for line in lines)
        rows = dataset.report["files"][file]["rows"]  # type: ignore[index]
        if rows < stated:
            found.append(f"{file}: {rows} rows of {stated} lines")
    return found


def outcome(number: int, folder: Path) -> tuple[str, str | None]:
    """Run one case; return how it ended, and what is wrong with that."""
    files, done = spoil(number)
    for name, content in files.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)
    try:
        dataset = build(Description.load(folder / "description.yaml"))
        dataset.save(folder / "graph")
    except InputError as error:
        for message in map(str, error.problems if isinstance(error, JointInputError) else [error]):
            if "\n" in message or len(message) > 2_000:
                return "refused", f"case {number} ({done}): a message of several lines or very long: {message[:300]!r}"
        return "refused", None
    except BaseException:
        return "failed", f"case {number} ({done}): {traceback.format_exc(limit=-4)}"
    # A description that is spoilt may read the files in another way, or not at all.
    lost = missing_rows(dataset) + (lost_triples(files, dataset) if files["description.yaml"] == FILES["description.yaml"] else [])  # fmt: skip
    if number % 10 == 0 and Dataset.load(folder / "graph").fingerprint != dataset.fingerprint:
        lost.append("what was saved loads as something else")
    return "built", f"case {number} ({done}): {lost}" if lost else None


def run_cases(first: int, count: int) -> tuple[Counter[str], list[str]]:
    ends: Counter[str] = Counter()
    wrong = []
    with TemporaryDirectory() as folder:
        for number in range(first, first + count):
            end, problem = outcome(number, Path(folder))
            ends[end] += 1
            if problem is not None:
                wrong.append(problem)
    return ends, wrong


def test_the_unspoilt_files_build_and_all_of_them_are_read(tmp_path: Path) -> None:
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    dataset = build(Description.load(tmp_path / "description.yaml"))
    assert set(dataset.report["files"]) == set(FILES) - {"description.yaml"}  # type: ignore[call-overload]
    assert missing_rows(dataset) == []
    assert lost_triples(FILES, dataset) == []
    assert len(dataset.ratings) == 6


def test_spoilt_inputs_end_in_a_data_set_that_adds_up_or_in_a_sentence() -> None:
    ends, wrong = run_cases(0, CASES)
    assert not wrong, "\n".join(wrong[:20])
    assert min(ends["built"], ends["refused"]) > CASES // 10  # the mutations neither miss nor destroy everything


@pytest.mark.slow
def test_many_more_spoilt_inputs() -> None:
    ends, wrong = run_cases(CASES, MANY)
    assert not wrong, "\n".join(wrong[:20])
    assert min(ends["built"], ends["refused"]) > MANY // 10


def main() -> int:
    """Run the cases named on the command line in this process, whose memory is limited."""
    first, count = int(sys.argv[1]), int((sys.argv[2:] or ["1"])[0])
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    run_cases(0, 50)  # what libraries keep for ever
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ends, wrong = run_cases(first, count)
    growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    sys.stdout.write(json.dumps({"ends": ends, "growth_mb": growth, "wrong": wrong[:40]}, indent=1) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
