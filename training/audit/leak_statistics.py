"""Concepts and texts that tell how items were rated: found by what they explain of the held-out ratings."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import spearmanr

from kg.checks.findings import EXAMPLES, Finding, shorten
from kg.schema import ITEM, USER
from training.audit.held_out import HeldOut

__all__ = ["Outcome", "derived_concepts", "numbers_in_texts", "outcomes"]

Values = NDArray[np.float64]
Predictor = Callable[[Values, NDArray[np.bool_]], Values]  # (outcome by item, where it is known) -> prediction by item

FEWEST_ITEMS = 40
FEWEST_RATINGS = 4  # held-out ratings of an item whose mean is looked at
PERMUTATIONS = 199
_NAMED = {"rating", "ratings", "rated", "score", "scores", "popularity", "popular", "vote", "votes", "voted", "stars"}
_NAMED |= {"rank", "ranking", "likes", "views", "watched", "watchers", "reviews"}
_AGREES_IF_NAMED = 0.2
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Za-z][a-z]*")
_NUMBER = re.compile(r"(?:([^\W\d_]+)\W{1,3})?(?<![\w.])(\d+(?:[.,]\d+)?)(?![\w.]*\w)(?:\W{1,2}([^\W\d_]+))?")


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What became of items, and how much of it another column may tell.

    Attributes:
        name: In words.
        value: Outcome by item, `[num_items]`.
        known: Items whose outcome is known well enough, `[num_items]`.
        ceiling: Rank correlation that perfect knowledge of the truth behind the outcome would have, in (0, 1].
        limit: Fraction of the ceiling from which on a column is taken to be derived from ratings.
    """

    name: str
    value: Values
    known: NDArray[np.bool_]
    ceiling: float
    limit: float

    def agreement(self, predictor: Predictor, value: Values | None = None) -> float:
        """Return the rank correlation of a prediction with the outcome, or with another value, as a fraction of the ceiling."""
        value = self.value if value is None else value
        return _rank_correlation(predictor(value, self.known), value, self.known) / self.ceiling

    def beats_chance(self, predictor: Predictor, agreement: float) -> bool:
        """Return whether no permutation of the outcomes among items agrees as well: at most one in 200 by chance."""
        rng, rows = np.random.default_rng(0), np.flatnonzero(self.known)
        for _ in range(PERMUTATIONS):
            value = self.value.copy()
            value[rows] = self.value[rng.permutation(rows)]
            if self.agreement(predictor, value) >= agreement:
                return False
        return True


def outcomes(held: HeldOut) -> list[Outcome]:
    r"""Return the mean held-out rating of items and their popularity, as far as the data can show them.

    The mean is of $r_{ui} - \bar r_u$ with the user's mean in training, over at least four held-out ratings. Its
    ceiling is $\sqrt{2 r / (1 + r)}$ with the rank correlation $r$ of the means of two random halves (Spearman-Brown).
    Popularity is the logarithm of the number of all ratings. Limits: people, genres and years of clean films reach 0.4
    of the ceiling of the means and 0.5 in popularity; a public score from outside reaches 0.7 of the means.
    """
    ratings, train = held.dataset.ratings, held.split.train
    known_outcomes = []
    if not held.dataset.implicit:
        test, size = ratings.select(np.sort(held.row_numbers)), ratings.num_items
        user_mean = _means(train.user, train.value, train.num_users)
        rest = test.value - np.where(train.user_counts > 0, user_mean, train.value.mean())[test.user]
        known = test.item_counts >= FEWEST_RATINGS
        # Within each item, held-out ratings fall into two halves in random order.
        order = np.lexsort((np.random.default_rng(0).random(len(test)), test.item))
        halves = [_means(test.item[rows], rest[rows], size) for rows in (order[::2], order[1::2])]
        alike = _rank_correlation(halves[0], halves[1], known)
        if alike > 0.1:  # else the ratings are too few to know how items are liked
            ceiling, mean = float(np.sqrt(2 * alike / (1 + alike))), _means(test.item, rest, size)
            known_outcomes.append(
                Outcome(name="mean held-out rating", value=mean, known=known, ceiling=ceiling, limit=0.6)
            )
    rated = ratings.item_counts > 0
    popular = np.log(np.maximum(ratings.item_counts, 1).astype(float))
    known_outcomes.append(Outcome(name="number of ratings", value=popular, known=rated, ceiling=1.0, limit=0.7))
    return known_outcomes


def derived_concepts(held: HeldOut, judged_by: Sequence[Outcome]) -> Iterator[Finding]:
    r"""Find relations of items whose concepts tell how items are rated or how popular they are.

    An item's outcome is predicted as the mean over its concepts of $(s_c - y_i + k \bar y) / (n_c - 1 + k)$, with the
    sum $s_c$ and number $n_c$ of the concept's items and $k = 1$: without the item itself, so that a concept of
    one item predicts nothing. Numbers among the labels are also held against the outcome as they are. A relation above
    the limit is a leak if no permutation does as well; one whose name speaks of ratings needs a fifth of the ceiling.
    """
    graph = held.dataset.graph
    for (source, relation, target), edges in graph.edges.items():
        for index, kind, other in ((edges.index, source, target), (edges.index[::-1], target, source)):
            if kind != ITEM or other in (USER, ITEM):
                continue
            item, concept = np.unique(index, axis=1)
            labels = [str(label) for label in graph.nodes[other].labels]
            shape = (len(graph.items), len(labels))
            holds = sparse.coo_matrix((np.ones(len(item)), (item, concept)), shape=shape).tocsr()
            predictors: list[Predictor] = [partial(_without_itself, holds)]
            numbers = pd.to_numeric(pd.Series(labels).str.replace(",", ""), errors="coerce").to_numpy(float)[concept]
            is_number = np.isfinite(numbers)
            if len(item) and is_number.mean() >= 0.9:
                of_item = np.full(len(graph.items), np.nan)
                of_item[item[is_number]] = numbers[is_number]
                predictors.append(partial(_signed, of_item))
            examples = ", ".join(shorten(labels[place]) for place in np.unique(concept)[:EXAMPLES])
            what = f"The concepts of {relation!r} (such as {examples})"
            yield from _judged("DerivedConcepts", what, predictors, judged_by, held, named=_speaks_of_ratings(relation))


def numbers_in_texts(held: HeldOut, judged_by: Sequence[Outcome]) -> Iterator[Finding]:
    """Find numbers in texts, told apart by the word before or after them, that tell how items are rated."""
    items = held.dataset.graph.items
    columns: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for item, text in enumerate(items.texts):
        for before, number, after in _NUMBER.findall(text or ""):
            for place, word in (("after", before), ("before", after)):
                if word:
                    columns[place, word.casefold()].setdefault(item, float(number.replace(",", ".")))
    # The word before and the word after may stand at the same numbers: that is one column.
    together: dict[tuple[tuple[int, float], ...], list[tuple[str, str]]] = defaultdict(list)
    for place_and_word, values in sorted(columns.items()):
        if len(values) >= FEWEST_ITEMS:
            together[tuple(sorted(values.items()))].append(place_and_word)
    for pairs, words in together.items():
        numbers = np.full(len(items), np.nan)
        numbers[[item for item, _ in pairs]] = [number for _, number in pairs]
        what = f"The numbers {' and '.join(f'{place} the word {word!r}' for place, word in words)} in the texts of {len(pairs):,} items"
        named = any(word in _NAMED for _, word in words)
        yield from _judged("DerivedTexts", what, [partial(_signed, numbers)], judged_by, held, named=named)
    for file, fields in held.dataset.report.get("text_fields", {}).items():  # type: ignore[attr-defined]
        for name in filter(_speaks_of_ratings, fields):
            yield Finding(
                check="NamedTexts",
                severity="warning",
                sentence=f"The texts from {file} hold the column {name!r}, which by its name comes from ratings.",
                remedy=f"leave {{{name}}} out of the text, unless it is something else",
                count=int(fields[name]),
                total=len(items),
            )


def _judged(
    check: str, what: str, predictors: Sequence[Predictor], judged_by: Sequence[Outcome], held: HeldOut, *, named: bool
) -> Iterator[Finding]:
    """Yield the first agreement of a prediction with an outcome that is too good to be clean."""
    items = held.dataset.graph.items
    for outcome in judged_by:
        for predictor in predictors:
            agreement = outcome.agreement(predictor)
            limit = _AGREES_IF_NAMED if named else outcome.limit
            if agreement < limit or not outcome.beats_chance(predictor, agreement):
                continue
            predicted = np.flatnonzero(outcome.known & np.isfinite(predictor(outcome.value, outcome.known)))
            ids = items.vocabulary.ids[predicted]
            yield Finding(
                check=check,
                severity="error",
                sentence=f"{what} tell the {outcome.name} of {len(ids):,} items: {100 * min(agreement, 1.0):.0f} % of the "
                f"rank correlation there can be, where clean data stay below {100 * outcome.limit:.0f} %"
                f"{'; the name speaks of ratings' if named else ''}; for example items {', '.join(ids[:EXAMPLES])}.",
                remedy="leave it out: whoever uses it knows what is to be predicted",
                count=len(ids),
                total=len(items),
                kind=ITEM,
                rows=[{"item": raw_id} for raw_id in ids],
            )
            return


def _speaks_of_ratings(name: str) -> bool:
    return bool(_NAMED & {word.lower() for word in _WORDS.findall(name)})


def _means(group: NDArray[np.int64], value: NDArray[np.floating], size: int) -> Values:
    """Return the mean of the values of each group, `[size]`; 0 where it has none."""
    return np.asarray(np.bincount(group, value, size) / np.maximum(np.bincount(group, minlength=size), 1))


def _rank_correlation(prediction: Values, value: Values, known: NDArray[np.bool_]) -> float:
    """Return the rank correlation over items with both; 0 where they are too few or all alike."""
    both = known & np.isfinite(prediction)
    if both.sum() < FEWEST_ITEMS or not (np.ptp(prediction[both]) and np.ptp(value[both])):
        return 0.0
    return float(spearmanr(prediction[both], value[both]).statistic)


def _without_itself(holds: sparse.csr_matrix, value: Values, known: NDArray[np.bool_]) -> Values:
    """Predict each item from the other items of its concepts; NaN where it has no concept."""
    weight = known.astype(float)
    centred = (value - value[known].mean()) * weight
    sums, counts = holds.T @ centred, holds.T @ weight
    entries = holds.tocoo()
    others = (sums[entries.col] - centred[entries.row]) / (counts[entries.col] - weight[entries.row] + 1)
    return np.where(holds.getnnz(1) > 0, _means(entries.row, others, holds.shape[0]), np.nan)


def _signed(numbers: Values, value: Values, known: NDArray[np.bool_]) -> Values:
    """Return numbers with the sign that agrees with the outcome: a rank of 1 is the best."""
    return numbers if _rank_correlation(numbers, value, known) >= 0 else -numbers
