"""People the model never saw, served from what they would say of themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.perturbations import PERTURBATIONS
from kg.errors import InputError
from models.lists.text_query import TextQuery
from models.lists.user_query import user_query_of_history
from models.recommender import Recommender
from training.bundle import Run
from training.metrics import bootstrap, ndcg_at, paired_bootstrap_p, recall_at
from training.predictions import LIST_LENGTH, SEED
from training.progress import Progress, silent
from training.synthetic_texts import Facts, Profiler
from training.text_templates import OTHER, self_description, short_request

__all__ = ["Stranger", "sentence_study", "strangers_of"]

PART = "cold_users"
OURS, NEAR, POPULARITY, COSINE = "kgrec", "without the map", "popularity", "cosine"
NDCG = f"ndcg@{LIST_LENGTH}"
TOPIC_SHARE = 0.3  # a topic that more items have is no test of a list
TOPIC_ITEMS = 20
_Scores = Callable[[int], NDArray[Any]]  # of a stranger's number


@dataclass(frozen=True, kw_only=True, eq=False)
class Stranger:
    """A held-out user: one half of the ratings makes the sentences, the other half judges the lists.

    Attributes:
        facts: What is telling about the first half.
        texts: What the person says by voice: `plain`, as the portraits that the map learned from; `other`, in templates it
            never saw; `wish`, a few words.
        history: The first half, item id -> stars.
        told: Items of the first half; no list shows them.
        liked: Items of the second half that the person liked.
    """

    facts: Facts
    texts: dict[str, str]
    history: dict[str, float]
    told: NDArray[np.int64]
    liked: NDArray[np.int64]


def strangers_of(run: Run) -> list[Stranger]:
    """Return the held-out users who have something to say and liked something in the half that judges.

    Raises:
        InputError: If the run holds out no users, or none of them qualifies.
    """
    held_out = run.experiment.split.test.get(PART)
    if held_out is None:
        raise InputError(
            "this run holds out no users, so it cannot be told how well it serves new ones; "
            "train one with `--split cold-users --set split.test_share=0.2`"
        )
    recommender = run.recommender
    profiler, rng = Profiler(recommender.graph, recommender.train), np.random.default_rng(SEED)
    ids = recommender.graph.items.vocabulary.ids
    strangers = []
    for user in np.unique(held_out.user):
        rows = rng.permutation(np.flatnonzero(held_out.user == user))
        told, judged = rows[: len(rows) // 2], rows[len(rows) // 2 :]
        facts = profiler.facts(held_out.item[told], held_out.value[told])
        plain, other = self_description(facts, rng), self_description(facts, rng, OTHER)
        texts = {"plain": plain, "other": other, "wish": short_request(facts, rng)}
        liked = held_out.item[judged[held_out.value[judged] >= recommender.relevant_from]]
        if all(texts.values()) and len(liked):
            history = {ids[held_out.item[row]]: float(held_out.value[row]) for row in told}
            strangers.append(Stranger(facts=facts, texts=texts, history=history, told=held_out.item[told], liked=liked))
    if len(strangers) < 2:
        raise InputError("hardly any held-out user has ratings to speak of; hold out more users")
    return strangers


def sentence_study(run: Run, *, sentences: int = 200, progress: Progress = silent) -> dict[str, Any]:
    """Measure lists made from sentences, on users whose ratings nothing was learned from.

    Args:
        run: A run that holds out users.
        sentences: Number of sentences that are said in other letters and words, half portraits, half wishes.
        progress: Called with (stage, done, total, message).

    Returns:
        `lists`: by voice and model NDCG and recall at 20 with 95 % bootstrap intervals over users, and `p`, that of a paired
        bootstrap against ours; `topics`: share of the first 20 that have the one topic a text names; `robustness`: how
        alike lists are before and after a change of letters or words.

    Raises:
        InputError: If the run holds out no users, or has not learned what sentences say.
    """
    recommender, strangers = run.recommender, strangers_of(run)
    if recommender.sentences is None:
        raise InputError(
            "this run has not learned what sentences say of a taste; train again with text.synthetic_texts above 0"
        )
    study = _Study(recommender, strangers, progress)
    return {
        "run": str(run.directory),
        "split": run.experiment.split.sentence,
        "num_users": len(strangers),
        "example": strangers[0].texts,
        "lists": {voice: study.lists(voice) for voice in strangers[0].texts},
        "topics": study.topics(),
        "robustness": study.robustness(sentences),
    }


@dataclass(frozen=True, eq=False)
class _Study:
    recommender: Recommender
    strangers: Sequence[Stranger]
    progress: Progress

    def lists(self, voice: str) -> dict[str, dict[str, Any]]:
        recommender, strangers = self.recommender, self.strangers
        texts = [stranger.texts[voice] for stranger in strangers]
        self._read(texts)
        models: dict[str, _Scores] = {
            OURS: lambda number: recommender.scores_of(recommender.user_query(text=texts[number])),
            POPULARITY: lambda _: recommender.train.item_counts,
            COSINE: lambda number: recommender.item_vectors @ recommender.encoder.encode([texts[number]])[0],
        }
        if voice == "plain":
            near = recommender.with_map(None)
            models[NEAR] = lambda number: near.scores_of(near.user_query(text=texts[number]))
            models["their ratings instead"] = lambda number: recommender.scores_of(
                user_query_of_history(recommender, strangers[number].history)
            )
        values = {name: self._values(name, scores) for name, scores in models.items()}
        report: dict[str, dict[str, Any]] = {}
        for name, measures in values.items():
            report[name] = {metric: bootstrap(of_users, rng=SEED).as_json() for metric, of_users in measures.items()}
            if name != OURS:
                report[name]["p"] = paired_bootstrap_p(values[OURS][NDCG], measures[NDCG], rng=SEED)
        return report

    def _values(self, name: str, scores: _Scores) -> dict[str, NDArray[np.float64]]:
        hits = np.zeros((len(self.strangers), LIST_LENGTH), dtype=bool)
        for number, stranger in enumerate(self.strangers):
            self.progress("sentences", number, len(self.strangers), name)
            best = self._best(scores(number), without=stranger.told)
            hits[number, : len(best)] = np.isin(best, stranger.liked)
        liked = np.array([len(stranger.liked) for stranger in self.strangers])
        return {NDCG: ndcg_at(LIST_LENGTH, hits, liked), f"recall@{LIST_LENGTH}": recall_at(LIST_LENGTH, hits, liked)}

    def _best(self, scores: NDArray[Any], without: Sequence[int] | NDArray[np.int64] = ()) -> NDArray[np.int64]:
        candidates = np.array(scores, dtype=np.float64)
        candidates[~self.recommender.graph.items.present] = -np.inf
        candidates[np.asarray(without, dtype=np.int64)] = -np.inf
        order = np.argsort(-candidates, kind="stable")[:LIST_LENGTH]
        return order[np.isfinite(candidates[order])]

    def topics(self) -> dict[str, Any]:
        """Ask for one topic by its name and look how many of the listed items have it."""
        recommender = self.recommender
        near = recommender.with_map(None)
        asked = [
            (str(labels[topic]).lower(), members)
            for role, table, labels in Profiler(recommender.graph, recommender.train).tables
            if role == "topic"
            for topic, members in enumerate(table.toarray().T > 0)
            if TOPIC_ITEMS <= members.sum() <= TOPIC_SHARE * len(members)
        ]
        models: dict[str, Callable[[str], NDArray[Any]]] = {
            OURS: lambda text: recommender.scores_of(recommender.user_query(text=text)),
            NEAR: lambda text: near.scores_of(near.user_query(text=text)),
            POPULARITY: lambda _: recommender.train.item_counts,
        }
        shares = {
            name: [float(members[self._best(scores(text))].mean()) for text, members in asked]
            for name, scores in models.items()
        }
        means = {name: float(np.mean(of_topics)) if of_topics else None for name, of_topics in shares.items()}
        return {"num_topics": len(asked), **means}

    def robustness(self, sentences: int) -> dict[str, Any]:
        rng = np.random.default_rng(SEED)
        chosen = self.strangers[: sentences // 2]
        half = len(chosen)
        texts = [stranger.texts[voice] for voice in ("plain", "wish") for stranger in chosen]
        before = self._listed(texts)
        changes = {
            name: _alike(before, self._listed([change(text, rng) for text in texts]))
            for name, change in PERTURBATIONS.items()
        }
        again = [self_description(stranger.facts, rng) for stranger in chosen]
        otherwise = [stranger.texts["other"] for stranger in chosen]
        for name, portraits in (("same templates, other draw", again), ("other templates", otherwise)):
            changes[name] = _alike(before[:half], self._listed(portraits))
        apart = _alike(before[:half], [*before[1:half], before[0]])
        return {"num_sentences": len(texts), "changes": changes, "another person's sentence": apart}

    def _listed(self, texts: Sequence[str]) -> list[set[int]]:
        self._read(texts)
        lists = []
        for number, text in enumerate(texts):
            self.progress("sentences", number, len(texts), "in other letters and words")
            scores = self.recommender.scores_of(self.recommender.user_query(text=text))
            lists.append(set(self._best(scores).tolist()))
        return lists

    def _read(self, texts: Sequence[str]) -> None:
        """Let the language model read all texts at once: what is asked one by one later is there already."""
        self.recommender.encoder.encode([part for text in texts for part in TextQuery.read(text).readings])


def _alike(before: Sequence[set[int]], after: Sequence[set[int]]) -> dict[str, Any]:
    """Return which share of the items of a list is in both, mean over pairs of lists."""
    shares = [len(one & other) / max(len(one), len(other), 1) for one, other in zip(before, after, strict=True)]
    return {f"overlap@{LIST_LENGTH}": bootstrap(np.array(shares), rng=SEED).as_json()}
