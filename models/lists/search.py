"""Search over nodes by meaning: exact cosine over vectors that stay on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg.errors import InputError
from kg.graph import KnowledgeGraph
from kg.schema import ITEM, USER
from kg.wording import concept_sentences, item_sentences, user_sentences
from models.text import TextEncoder

__all__ = ["NodeSearch", "nearest", "vector_file"]

_BLOCK = 16_384  # rows of vectors in memory at a time: 24 MB for 384 dimensions
_TEXTS = 2_048  # texts encoded between two writes
_SLACK = 1e-4  # no float32 product of unit vectors is off by more
_Encode = Callable[[Sequence[str]], NDArray[np.float32]]


class NodeSearch:
    """Finds nodes of a graph by what they are about.

    A node is known by the words the language model reads of it: an item by its text, or else its label and concepts; a
    concept by its label and kind, `Drama (genre).`. Nodes without any words are not found.

    Args:
        graph: The graph.
        encoder: Turns words into vectors.
        kinds: Kinds of nodes to search; by default all but users.
        progress: Called with (texts encoded, texts to encode) where vectors are not on disk yet.

    Raises:
        UnknownNameError: If the graph has no such kind.
    """

    def __init__(
        self,
        graph: KnowledgeGraph,
        encoder: TextEncoder,
        *,
        kinds: Sequence[str] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.graph = graph
        self.encoder = encoder
        self.progress = progress
        chosen = [kind for kind in graph.nodes if kind != USER] if kinds is None else list(dict.fromkeys(kinds))
        self._words = {kind: _sentences(graph, graph.schema.kind(kind)) for kind in chosen}

    @cached_property
    def _vectors(self) -> dict[str, tuple[NDArray[np.float32], list[int]]]:
        """The vectors of each kind on disk, and the indices of the nodes they stand for."""
        members = {kind: [index for index, text in enumerate(words) if text] for kind, words in self._words.items()}
        total, done = sum(map(len, members.values())), 0
        directory = self.encoder.cache_directory / "search" / self.encoder.fingerprint
        found = {}
        for kind, present in members.items():
            if not present:
                continue

            def report(count: int, before: int = done) -> None:
                if self.progress is not None:
                    self.progress(before + count, total)

            texts = [str(self._words[kind][index]) for index in present]
            file = vector_file(texts, self.encoder.encode, directory, progress=report)
            found[kind] = (np.asarray(np.lib.format.open_memmap(file, mode="r")), present)
            done += len(present)
        return found

    def search(self, text: str, *, k: int = 10) -> list[dict[str, Any]]:
        """Return the `k` nodes nearest to a text, best first: `kind`, `id`, `label`, `text`, `score` (the cosine).

        Nodes that are equally near come in the order of kinds and indices.

        Raises:
            InputError: If the text is empty.
        """
        if not text.strip():
            raise InputError("there is nothing to look for; give a few words")
        query = self.encoder.encode_query(text)
        found = [
            (-score, place, kind, present[row])
            for place, (kind, (vectors, present)) in enumerate(self._vectors.items())
            for row, score in zip(*(part.tolist() for part in nearest(vectors, query, k)), strict=True)
        ]
        rows = []
        for score, _, kind, index in sorted(found)[:k]:
            nodes = self.graph.nodes[kind]
            rows.append(
                {
                    "kind": kind,
                    "id": nodes.vocabulary.id_of(index),
                    "label": str(nodes.labels[index]),
                    "text": nodes.texts[index],
                    "score": -score,
                }
            )
        return rows


def nearest(
    vectors: NDArray[np.floating[Any]], query: NDArray[np.floating[Any]], k: int, *, block: int = _BLOCK
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the rows of the `k` largest cosines and the cosines, largest first; of equal ones the first row.

    Rows are read block after block, so `vectors` may be a file mapped into memory; of what was seen only the best `k`
    are kept. A block is first multiplied in single precision; what that cannot tell from the best `k` is computed again
    in double precision, each row by itself: the result does not depend on the size of the blocks, equal rows get
    equal cosines, and it is the one that sorting all cosines gives.

    Args:
        vectors: Unit vectors, `[num_rows, dimension]`, float16 or float32.
        query: A unit vector, `[dimension]`.
        k: How many.
        block: Rows in memory at a time.
    """
    rows, scores = np.zeros(0, dtype=np.int64), np.zeros(0)
    single, double = np.asarray(query, dtype=np.float32), np.asarray(query, dtype=np.float64)
    for start in range(0, len(vectors), block):
        part = np.asarray(vectors[start : start + block], dtype=np.float32)
        rough = part @ single
        bound = -np.inf if len(scores) < k else scores[-1]
        if len(rough) > k:
            bound = max(bound, float(np.partition(rough, len(rough) - k)[len(rough) - k]) - _SLACK)
        close = np.flatnonzero(rough >= bound - _SLACK)
        if not len(close):
            continue
        exact = (part[close].astype(np.float64) * double).sum(axis=1)
        rows, scores = np.concatenate([rows, close + start]), np.concatenate([scores, exact])
        order = np.lexsort((rows, -scores))[:k]
        rows, scores = rows[order], scores[order]
    return rows, scores


def vector_file(
    texts: Sequence[str], encode: _Encode, directory: Path, *, progress: Callable[[int], None] | None = None
) -> Path:
    """Return the file of the vectors of texts, in their order, float32 `.npy`; written block by block if it is not there.

    Args:
        texts: The texts, none of them empty.
        encode: Gives the unit vectors of some texts.
        directory: Folder of one encoder; the name of the file is the SHA-256 of all texts, so it is never out of date.
        progress: Called with the number of texts that are done.
    """
    file = directory / f"{_identity(texts)}.npy"
    if file.exists():
        return file
    directory.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=directory, prefix=".partial-") as folder:
        partial, into = Path(folder) / "vectors.npy", None
        for start in range(0, len(texts), _TEXTS):
            vectors = encode(texts[start : start + _TEXTS])
            if into is None:
                into = np.lib.format.open_memmap(
                    partial, mode="w+", dtype=np.float32, shape=(len(texts), vectors.shape[1])
                )
            into[start : start + len(vectors)] = vectors
            if progress is not None:
                progress(start + len(vectors))
        assert into is not None
        into.flush()
        del into
        os.replace(partial, file)
    return file


def _identity(texts: Iterable[str]) -> str:
    digest = sha256()
    for text in texts:
        content = text.encode()
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.hexdigest()[:32]


def _sentences(graph: KnowledgeGraph, kind: str) -> Sequence[str | None]:
    if kind == ITEM:
        return item_sentences(graph)
    return user_sentences(graph) if kind == USER else concept_sentences(graph, kind)
