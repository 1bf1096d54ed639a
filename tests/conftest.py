"""What several test files share: small worlds, runs trained on them, a stand-in of the language model."""

from __future__ import annotations

import bz2
import gzip
import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import settings

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.rdf.engine import open_engine
from kg.rdf.statement_tables import Statements, read_statements
from kg.report import FileAccount

if TYPE_CHECKING:
    from models.text import TextEncoder

settings.register_profile("kgrec", deadline=None, max_examples=40)
settings.load_profile("kgrec")

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is loaded: sums come out the same, cores are shared out

PROJECT = Path(__file__).resolve().parents[1]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as of what is started in the background: tests send interrupts
    signal.signal(signal.SIGINT, signal.default_int_handler)

LONGEST = ("test_fuzz_tables.py", "test_update.py", "test_fuzz.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, so that no core waits for one of them at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(scope="session", autouse=True)
def disks_do_not_fail() -> Iterator[None]:
    """Processes die in tests, machines do not: nothing waits for the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda handle: None)
        yield


# The language model

DIMENSION = 16


@cache
def direction(word: str) -> np.ndarray:
    return np.random.default_rng(list(sha256(word.encode()).digest())).normal(size=DIMENSION)


def stand_in_vector(text: str) -> np.ndarray:
    total = sum(direction(word) for word in re.findall(r"\w+", text.lower()) or [text])
    return np.asarray(total / np.linalg.norm(total), dtype=np.float32)


def stand_in_vectors(encoder: object, texts: Sequence[str], **_: Any) -> np.ndarray:
    return np.array([stand_in_vector(text) for text in texts], dtype=np.float32).reshape(-1, DIMENSION)


def replace_encoder(patch: pytest.MonkeyPatch) -> None:
    encoder = "models.text.TextEncoder"  # by name: tests of tables load no torch
    patch.setattr(f"{encoder}.encode", stand_in_vectors)
    patch.setattr(f"{encoder}.encode_query", lambda _, text: stand_in_vector(text))
    patch.setattr(f"{encoder}.fingerprint", "stand-in")


@pytest.fixture(scope="session", name="replace_encoder")
def replace_encoder_with() -> Callable[[pytest.MonkeyPatch], None]:
    """A function that puts the stand-in in the place of the language model, for as long as the patch lasts."""
    return replace_encoder


@pytest.fixture(scope="module")
def stand_in_encoder() -> Iterator[None]:
    """A language model without a language: a text is the sum of a direction for each word, whatever its case, of length 1."""
    with pytest.MonkeyPatch.context() as patch:
        replace_encoder(patch)
        yield


# The small world, as files

DESCRIPTION = r"""name: small
ratings:
  file: ratings.tsv
  scale: [1, 5]
items:
  - file: items.csv
    id: id
    label: "{title} ({year})"
    text: "{title} ({year}). {genres}. {plot}"
    same_as: link
    missing: ["", "N/A"]
    concepts:
      genre: {column: genres, split: ", "}
      director: {column: directors, kind: person, split: ", "}
      actor: {column: cast, kind: person, split: ", ", first: 2}
      decade: {column: year, pattern: '^(\d{3})', wording: "{}0s"}
users:
  - file: users.dat
    format: {separator: "::", columns: [id, age, occupation]}
    id: id
    concepts:
      age: {column: age, bins: [18, 25]}
      occupation: {column: occupation}
knowledge:
  - {file: facts.nt.gz, source: wiki, keep: [starring, follows, basedOn]}
splits:
  canonical: {test: test.tsv}
  cold: {items: cold.txt}
"""

FILES = {
    "description.yaml": DESCRIPTION,
    "ratings.tsv": "user\titem\trating\ttime\n007\ta b\t5\t100\n007\té/1\t1.5\t200\n8\ta b\t3\t300\n9223372036854775807\t03\t4\t400\n",
    "test.tsv": "user\titem\trating\ttime\n8\ta b\t3\t300\n007\ta b\t5\t100\n",
    "cold.txt": "03\n",
    "items.csv": (
        "id,title,year,genres,directors,cast,plot,link\n"
        'a b,Alpha,1999,"Drama, War",Ann Lee,"Bo Ek, Ann Lee, Cy Doe","A ""quoted"" plot.",http://wiki.example/Alpha\n'
        "é/1,Beta,2001,drama,N/A,Bo  Ek,,http://wiki.example/Beta\n"
        "03,N/A,,,,,N/A,\n"
    ),
    "users.dat": "007::17::spy\n8::24::\n9223372036854775807::25::spy\n",
}

FACTS = """<http://wiki.example/Alpha> <http://wiki.example/o/starring> <http://wiki.example/Bo_Ek> .
<http://wiki.example/Beta> <http://wiki.example/o/follows> <http://wiki.example/Alpha> .
<http://wiki.example/Book> <http://wiki.example/o/basedOn> <http://wiki.example/Bo_Ek> .
<http://wiki.example/Gamma> <http://wiki.example/o/starring> <http://wiki.example/Bo_Ek> .
<http://wiki.example/Book> <http://wiki.example/o/follows> <http://wiki.example/Alpha> .
<http://wiki.example/Alpha> <http://wiki.example/o/budget> "12" .
<http://wiki.example/Bo_Ek> <http://www.w3.org/2000/01/rdf-schema#label> "Bo Ek, actor"@en .
<http://wiki.example/Alpha> <http://wiki.example/o/seenBy> <http://wiki.example/Cat> .
"""


# Readers of RDF


@dataclass(frozen=True, kw_only=True)
class Read:
    """What was read of an RDF file, in memory: statements in order, each with its line, and the label of each node."""

    triples: list[tuple[str, str, str, int]]
    literals: list[tuple[str, str, str, str, str | None, int]]
    labels: dict[str, str]
    account: FileAccount


def decoded(statements: Statements) -> ibis.Table:
    """Triples with the nodes that their codes stand for."""
    subjects = statements.nodes.select(subject="code", subject_node="node")
    objects = statements.nodes.select(object="code", object_node="node")
    joined = statements.triples.inner_join(subjects, "subject").inner_join(objects, "object")
    return joined.select("position", "predicate", subject="subject_node", object="object_node").select(
        "position", "subject", "predicate", "object"
    )


@pytest.fixture(scope="session")
def read_rdf() -> Iterator[Callable[..., Read]]:
    """A function that writes some content to a file and reads it with `read_statements`."""
    with open_engine() as engine:

        def read(file: Path, content: str | bytes, *, lenient: bool = True, **options: Any) -> Read:
            file.write_bytes(content.encode() if isinstance(content, str) else content)
            account = FileAccount()
            found = read_statements(file, engine, lenient=lenient, account=account, **options)
            triples = engine.rows(decoded(found).order_by("position"))
            literals = engine.rows(found.literals.order_by("position"))
            names = engine.rows(found.labels.order_by([ibis.desc("rank"), ibis.desc("position")]))
            columns = [
                [table[name].to_pylist() for name in table.column_names if name != "position"]
                + [found.lines_of(table["position"].to_numpy()).tolist()]
                for table in (triples, literals)
            ]
            return Read(
                triples=list(zip(*columns[0], strict=True)),
                literals=list(zip(*columns[1], strict=True)),
                labels=dict(zip(names["iri"].to_pylist(), names["label"].to_pylist(), strict=True)),
                account=account,
            )

        yield read


@pytest.fixture(scope="session")
def packings() -> dict[str, Callable[[bytes], bytes]]:
    """How a file is packed, by the suffix that says so; none for the empty suffix."""
    return {
        "": bytes,
        ".gz": gzip.compress,
        ".bz2": bz2.compress,
        ".zst": lambda content: pa.Codec("zstd").compress(content).to_pybytes(),
    }


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with real data, by `KGREC_DATA` or beside the project; the test is skipped where it is absent."""
    folder = Path(os.environ.get("KGREC_DATA", PROJECT / "../shared/data"))
    if not (folder / "ml-100k" / "u.data").is_file():
        pytest.skip(f"real data is not at {folder}; set KGREC_DATA to the folder that holds ml-100k/")
    return folder


def write_small_world(folder: Path) -> Path:
    """Write a description with all its files; three items, three users, four ratings, eight triples."""
    for name, content in FILES.items():
        (folder / name).write_bytes(content.encode())
    (folder / "facts.nt.gz").write_bytes(gzip.compress(FACTS.encode(), mtime=0))
    return folder


@pytest.fixture
def small_world(tmp_path: Path) -> Path:
    """The folder of the small world; tests may spoil it."""
    folder = tmp_path / "world"
    folder.mkdir()
    return write_small_world(folder)


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The small world, built."""
    return build(Description.load(write_small_world(tmp_path_factory.mktemp("small")) / "description.yaml"))


# A tiny world with a trained run

TINY = """name: tiny
ratings: {{file: ratings.csv, {feedback}}}
items:
  - {{file: items.csv, id: id, label: title, text: "{{title}}", concepts: {{genre: {{column: genre}}}}}}
users:
  - {{file: users.csv, id: id, concepts: {{job: {{column: job}}}}}}
"""
TINY_USERS = ("007", "1", "2", "3", "a b", "5", "ann", "7", "8")


def write_tiny(folder: Path, *, implicit: bool = False) -> Path:
    folder.mkdir(exist_ok=True)
    rows = ["user,item" if implicit else "user,item,rating,time"]
    for number, user in enumerate(TINY_USERS[:8]):
        for item in range(6):
            if not implicit:
                rows.append(f"{user},{item},{1 + (3 * number + 2 * item) % 5},{86_400 * (number + item)}")
            elif (number + item) % 3:
                rows.append(f"{user},{item}")
    items = [f"{item},Film {item},{'Drama' if item % 2 else 'War'}" for item in range(8)]
    jobs = [f"{user},{'cook' if number % 2 else 'spy'}" for number, user in enumerate(TINY_USERS)]
    for name, lines in (("ratings", rows), ("items", ["id,title,genre", *items]), ("users", ["id,job", *jobs])):
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    (folder / "tiny.yaml").write_text(TINY.format(feedback="feedback: implicit" if implicit else "scale: [1, 5]"))
    build(Description.load(folder / "tiny.yaml")).save(folder / "graph")
    return folder / "graph"


@pytest.fixture(scope="session")
def write_tiny_graph() -> Callable[..., Path]:
    """A function that writes the tiny world, with stars or choices, and builds it: user `8`, items `6` and `7` are unrated."""
    return write_tiny


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run on the tiny world, beside its graph and description; not to be spoilt."""
    from training.config import LangevinConfig, ModelConfig, RunConfig, TextConfig
    from training.runs import train_run

    graph = write_tiny(tmp_path_factory.mktemp("tiny"))
    config = RunConfig(
        text=TextConfig(num_features=2),
        model=ModelConfig(embedding_size=2),
        training=LangevinConfig(epochs=12, burn_in=4, hold=1, keep_every=1),
    )
    with pytest.MonkeyPatch.context() as patch:
        replace_encoder(patch)
        train_run(graph, config, graph.parent / "run")
    return graph.parent / "run"


# Real encoders, but tiny

TINY_WORDS = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] a film about and number love tears family letter tank soldier bomb front . , no "
    + " ".join(str(number) for number in range(30))
).split()


def write_tiny_encoder(folder: Path, *, decoder: bool = False) -> Path:
    """Write a BERT of two layers (or a Llama) with random weights and the words of a small world."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(TINY_WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    if not decoder:
        words.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    names = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "mask_token": "[MASK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
    }
    PreTrainedTokenizerFast(tokenizer_object=words, **names).save_pretrained(folder)
    sizes = {"vocab_size": len(TINY_WORDS), "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if decoder:
            model = LlamaForCausalLM(LlamaConfig(**sizes, intermediate_size=64, num_key_value_heads=2, pad_token_id=0))
        else:
            model = BertModel(BertConfig(**sizes, intermediate_size=64, max_position_embeddings=64))
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> TextEncoder:
    """A real encoder of the architecture of the default one, small enough to be trained in a second."""
    from models.text import TextEncoder

    folder = tmp_path_factory.mktemp("tiny-bert")
    return TextEncoder(
        str(write_tiny_encoder(folder / "model")), cache=folder / "cache", max_length=32, precision="float32"
    )


@pytest.fixture(scope="session")
def tiny_decoder(tmp_path_factory: pytest.TempPathFactory) -> TextEncoder:
    """A real decoder, whose last token reads the whole text."""
    from models.text import TextEncoder

    folder = tmp_path_factory.mktemp("tiny-decoder")
    path = write_tiny_encoder(folder / "model", decoder=True)
    return TextEncoder(str(path), cache=folder / "cache", max_length=32, precision="float32")
