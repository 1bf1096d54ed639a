"""Requests that people wrote to other people (ReDial, arXiv:1812.07617): what is listed for the words alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer

from kg.errors import InputError
from kg.wording import item_sentences
from models.recommender import Recommender
from training.bundle import Run
from training.metrics import bootstrap, ndcg_at, paired_bootstrap_p, top_k
from training.predictions import LIST_LENGTH, SEED

__all__ = ["PARTS", "Request", "film_requests", "read_requests"]

GRAPHS = {"movielens-100k": "ml-100k", "movielens-1m": "ml-1m"}
PARTS = ("choices", "test")
OURS, COSINE, BM25, POPULARITY = "kgrec", "cosine of the texts", "BM25", "popularity"
_SATURATION, _LENGTH = 1.2, 0.75  # the usual k1 and b of BM25

Scores = NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What someone wrote, and what came of it.

    Attributes:
        part: `choices`, on whose dialogues settings were chosen, or `test`.
        text: All that they wrote so far.
        named: Films that they named as liked or seen; no list shows them.
        recommended: Films that the other person then recommended.
    """

    part: str
    text: str
    named: NDArray[np.int64]
    recommended: NDArray[np.int64]


def read_requests(file: Path, recommender: Recommender) -> list[Request]:
    """Read the requests with an answer among the films of a run.

    Raises:
        InputError: If the file cannot be read, or the run is not of MovieLens 100K or 1M.
    """
    key = GRAPHS.get(recommender.graph.name)
    if key is None:
        raise InputError(f"the requests name films of {' and '.join(GRAPHS)}; this run is of {recommender.graph.name}")
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"this file cannot be read: {error.strerror}", file=file) from None
    records = [json.loads(line) for line in lines]
    chosen_on = _dialogues_of_choices(records)
    ids, requests = recommender.graph.items.vocabulary, []
    for line in records:
        recommended = ids.indices(line["recommended"][key])
        named = {mention.node for mention in recommender.names.read(line["text"]).items}
        named |= set(ids.indices(line["liked"][key]).tolist()) - set(recommended.tolist())
        if len(recommended):
            seen = np.array(sorted(named - set(recommended.tolist())), dtype=np.int64)
            requests.append(
                Request(
                    part=PARTS[line["dialogue"] not in chosen_on],
                    text=line["text"],
                    named=seen,
                    recommended=recommended,
                )
            )
    return requests


def _dialogues_of_choices(records: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return half of the dialogues with an answer in MovieLens 100K: on these, with that data, settings were chosen."""
    dialogues = sorted({record["dialogue"] for record in records if record["recommended"]["ml-100k"]})
    return set(np.random.default_rng(SEED).permutation(dialogues)[: len(dialogues) // 2].tolist())


def film_requests(run: Run, file: Path) -> dict[str, Any]:
    """Rank all films for each request by several models and compare the lists.

    Args:
        run: A run of MovieLens 100K or 1M, best one that holds nothing out.
        file: The requests, JSON lines.

    Returns:
        `rows`, one a part of the dialogues and model: NDCG@20 with its 95 % bootstrap interval over requests, and `p` of a
        paired bootstrap against ours.
    """
    recommender = run.recommender
    requests = read_requests(file, recommender)
    models: dict[str, Callable[[str], Scores]] = {
        OURS: lambda text: recommender.scores_of(recommender.user_query(text=text)),
        COSINE: lambda text: recommender.item_vectors @ recommender.encoder.encode([text])[0],
        BM25: _bm25(recommender),
        POPULARITY: lambda _: recommender.train.item_counts.astype(np.float64),
    }
    rows = []
    for part in PARTS:
        asked = [request for request in requests if request.part == part]
        ndcg = {name: np.array([_ndcg(scores, request) for request in asked]) for name, scores in models.items()}
        for name, values in ndcg.items():
            estimate = bootstrap(values, rng=SEED)
            p = None if name == OURS else paired_bootstrap_p(ndcg[OURS], values, rng=SEED)
            rows.append(
                {
                    "part": part,
                    "model": name,
                    "requests": len(asked),
                    f"ndcg@{LIST_LENGTH}": estimate.value,
                    "low": estimate.low,
                    "high": estimate.high,
                    "p": p,
                }
            )
    return {"protocol": "film-requests", "run": str(run.directory), "graph": recommender.graph.name, "rows": rows}


def _ndcg(scores_of: Callable[[str], Scores], request: Request) -> float:
    scores = np.array(scores_of(request.text), dtype=np.float64)
    scores[request.named] = -np.inf
    listed = top_k(scores[None], LIST_LENGTH, rng=SEED)
    return float(ndcg_at(LIST_LENGTH, np.isin(listed, request.recommended), np.array([len(request.recommended)]))[0])


def _bm25(recommender: Recommender) -> Callable[[str], Scores]:
    """Return BM25 (Robertson and Zaragoza 2009) of a request's words on the texts of the films."""
    texts = [sentence or "" for sentence in item_sentences(recommender.graph)]
    vectorizer = CountVectorizer(stop_words="english")
    counts = sparse.csr_array(vectorizer.fit_transform(texts), dtype=np.float64)
    length = np.asarray(counts.sum(axis=1))
    with_word = np.asarray((counts > 0).sum(axis=0))
    rarity = np.log(1 + (len(texts) - with_word + 0.5) / (with_word + 0.5))
    row = np.repeat(np.arange(len(texts)), np.diff(counts.indptr))
    norm = _SATURATION * (1 - _LENGTH + _LENGTH * length / length.mean())
    weights = counts.copy()
    weights.data = counts.data * (_SATURATION + 1) / (counts.data + norm[row]) * rarity[counts.indices]

    def scores(text: str) -> Scores:
        words = np.asarray(vectorizer.transform([text]).toarray()[0] > 0, dtype=np.float64)
        return np.asarray(weights @ words)

    return scores
