"""Concepts and texts that tell how items were rated: found by what they explain of the held-out ratings."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import rankdata

from kg.checks.findings import EXAMPLES, Finding, shorten
from kg.schema import ITEM, USER
from training.audit.held_out import HeldOut

__all__ = ["Outcome", "derived_concepts", "numbers_in_texts", "outcomes"]

Values = NDArray[np.float64]
FEWEST_ITEMS = 40
FEWEST_RATINGS = 4  # held-out ratings of an item whose mean is looked at
PERMUTATIONS = 199
_NAMED = {"rating", "ratings", "rated", "score", "scores", "popularity", "popular", "vote", "votes", "voted", "stars"}
_NAMED |= {"rank", "ranking", "likes", "views", "watched", "watchers", "reviews"}
_AGREES_IF_NAMED = 0.2
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Za-z][a-z]*")
_NUMBER = re.compile(r"(?:([^\W\d_]+)\W{1,3})?(?<![\w.])(\d+(?:[.,]\d+)?)(?![\w.]*\w)(?:\W{1,2}([^\W\d_]+))?")
_REMEDY = "leave it out: whoever uses it knows what is to be predicted"


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What became of items, and how much of it another column may tell.

    Attributes:
        name: In words.
        value: Outcome by item, `[num_items]`.
        known: Items whose outcome is known well enough.
        ceiling: Rank correlation that perfect knowledge of the truth behind the outcome would have, in (0, 1].
        limit: Fraction of the ceiling from which on a column is taken to be derived from ratings.
    """

    name: str
    value: Values
    known: NDArray[np.bool_]
    ceiling: float
    limit: float

    @cached_property
    def _shuffled(self) -> list[NDArray[np.int64]]:
        rng, rows = np.random.default_rng(0), np.flatnonzero(self.known)
        return [rng.permutation(rows) for _ in range(PERMUTATIONS)]

    def agreement(self, predict: Callable[[Values], Values]) -> float:
        """Return the rank correlation of a prediction with the outcome, as a fraction of the ceiling."""
        return _agreement(predict(self.value), self.value, self.known) / self.ceiling

    def beats_chance(self, predict: Callable[[Values], Values], agreement: float) -> bool:
        """Return whether no permutation of the outcomes among items agrees as well: at most one in 200 by chance."""
        for order in self._shuffled:
            value = self.value.copy()
            value[self.known] = self.value[order]
            if _agreement(predict(value), value, self.known) / self.ceiling >= agreement:
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
    found = []
    if not held.dataset.implicit:
        test = ratings.select(held.rows)
        middle = float(train.value.mean())
        sums = np.bincount(train.user, train.value, minlength=train.num_users)
        user_mean = np.where(train.user_counts > 0, sums / np.maximum(train.user_counts, 1), middle)
        rest = test.value - user_mean[test.user]
        known = test.item_counts >= FEWEST_RATINGS
        mean = np.bincount(test.item, rest, minlength=test.num_items) / np.maximum(test.item_counts, 1)
        # Within each item, held-out ratings fall into two halves in random order.
        order = np.lexsort((np.random.default_rng(0).random(len(test)), test.item))
        half = np.arange(len(test)) % 2
        halves = []
        for side in (0, 1):
            rows = order[half == side]
            count = np.bincount(test.item[rows], minlength=test.num_items)
            halves.append(np.bincount(test.item[rows], rest[rows], minlength=test.num_items) / np.maximum(count, 1))
        if known.sum() >= FEWEST_ITEMS:
            alike = _agreement(halves[0], halves[1], known)
            if alike > 0.1:  # else the ratings are too few to know how items are liked
                ceiling = float(np.sqrt(2 * alike / (1 + alike)))
                found.append(Outcome(name="mean held-out rating", value=mean, known=known, ceiling=ceiling, limit=0.6))
    rated = ratings.item_counts > 0
    if rated.sum() >= FEWEST_ITEMS and np.ptp(ratings.item_counts[rated]):
        popular = np.log(np.maximum(ratings.item_counts, 1).astype(float))
        found.append(Outcome(name="number of ratings", value=popular, known=rated, ceiling=1.0, limit=0.7))
    return found


def derived_concepts(held: HeldOut, looked_at: list[Outcome]) -> Iterator[Finding]:
    r"""Find relations of items whose concepts tell how items are rated or how popular they are.

    An item's outcome is predicted as the mean over its concepts of $(s_c - y_i + k \bar y) / (n_c - 1 + k)$, with the
    sum $s_c$ and number $n_c$ of the concept's items and $k = 1$: without the item itself, so that a concept of
    one item predicts nothing. Numbers among the labels are also held against the outcome as they are. A relation above
    the limit is a leak if no permutation does as well; one whose name speaks of ratings needs a fifth of the ceiling.
    """
    graph = held.dataset.graph
    for edge_type, edges in graph.edges.items():
        for side, kind, other in ((0, edge_type.source, edge_type.target), (1, edge_type.target, edge_type.source)):
            if kind != ITEM or other in (USER, ITEM):
                continue
            shape = (len(graph.items), len(graph.nodes[other]))
            index = np.unique(edges.index[[side, 1 - side]], axis=1)
            holds = sparse.coo_matrix((np.ones(index.shape[1]), tuple(index)), shape=shape).tocsr()
            numbers = _as_numbers([str(label) for label in graph.nodes[other].labels], index, shape[0])
            named = bool(_NAMED & {word.lower() for word in _WORDS.findall(edge_type.relation)})
            examples = [str(label) for label in graph.nodes[other].labels[np.unique(index[1])[:EXAMPLES]]]
            what = f"The concepts of {edge_type.relation!r} (such as {', '.join(map(shorten, examples))})"
            predictors: list[Predictor] = [partial(_without_itself, holds)]
            if numbers is not None:
                predictors.append(partial(_towards, numbers))
            yield from _judged("DerivedConcepts", what, predictors, looked_at, held, named=named)


def numbers_in_texts(held: HeldOut, looked_at: list[Outcome]) -> Iterator[Finding]:
    """Find numbers in texts, told apart by the word before or after them, that tell how items are rated."""
    columns: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for item, text in enumerate(held.dataset.graph.items.texts):
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
        numbers = np.full(len(held.dataset.graph.items), np.nan)
        numbers[[item for item, _ in pairs]] = [number for _, number in pairs]
        places = " and ".join(f"{place} the word {word!r}" for place, word in words)
        predictors: list[Predictor] = [partial(_towards, numbers)]
        named = any(word in _NAMED for _, word in words)
        what = f"The numbers {places} in the texts of {len(pairs):,} items"
        yield from _judged("DerivedTexts", what, predictors, looked_at, held, named=named)
    for file, fields in held.dataset.report.get("text_fields", {}).items():  # type: ignore[attr-defined]
        for name in fields:
            if _NAMED & {word.lower() for word in _WORDS.findall(name)}:
                yield Finding(
                    check="NamedTexts",
                    severity="warning",
                    sentence=f"The texts from {file} hold the column {name!r}, which by its name comes from ratings.",
                    remedy=f"leave {{{name}}} out of the text, unless it is something else",
                    count=int(fields[name]),
                    total=len(held.dataset.graph.items),
                )


Predictor = Callable[[Values, NDArray[np.bool_]], Values]


def _judged(
    check: str, what: str, predictors: list[Predictor], looked_at: list[Outcome], held: HeldOut, *, named: bool
) -> Iterator[Finding]:
    for outcome in looked_at:
        for predictor in predictors:

            def predict(value: Values, predictor: Predictor = predictor, outcome: Outcome = outcome) -> Values:
                return predictor(value, outcome.known)

            agreement = outcome.agreement(predict)
            limit = _AGREES_IF_NAMED if named else outcome.limit
            if agreement >= limit and outcome.beats_chance(predict, agreement):
                items = np.flatnonzero(outcome.known & np.isfinite(predict(outcome.value)))
                ids = held.dataset.graph.items.vocabulary.ids[items]
                yield Finding(
                    check=check,
                    severity="error",
                    sentence=f"{what} tell the {outcome.name} of {len(items):,} items: {100 * min(agreement, 1.0):.0f} % of the "
                    f"rank correlation there can be, where clean data stay below {100 * outcome.limit:.0f} %"
                    f"{'; the name speaks of ratings' if named else ''}; for example items {', '.join(ids[:EXAMPLES])}.",
                    remedy=_REMEDY,
                    count=len(items),
                    total=len(held.dataset.graph.items),
                    kind=ITEM,
                    rows=[{"item": raw_id} for raw_id in ids],
                )
                return


def _agreement(prediction: Values, value: Values, known: NDArray[np.bool_]) -> float:
    """Return the rank correlation over items with both; 0 where they are too few or all alike."""
    both = known & np.isfinite(prediction)
    if both.sum() < FEWEST_ITEMS:
        return 0.0
    first, second = rankdata(prediction[both]), rankdata(value[both])
    if not (np.ptp(first) and np.ptp(second)):
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _without_itself(holds: sparse.csr_matrix, value: Values, known: NDArray[np.bool_]) -> Values:
    weight = known.astype(float)
    centred = (value - value[known].mean()) * weight
    sums, counts = holds.T @ centred, holds.T @ weight
    entries = holds.tocoo()
    alone = (sums[entries.col] - centred[entries.row]) / (counts[entries.col] - weight[entries.row] + 1)
    number = np.bincount(entries.row, minlength=holds.shape[0])
    with np.errstate(invalid="ignore"):
        return np.where(
            number > 0, np.bincount(entries.row, alone, minlength=holds.shape[0]) / np.maximum(number, 1), np.nan
        )


def _towards(numbers: Values, value: Values, known: NDArray[np.bool_]) -> Values:
    """Return numbers with the sign that agrees with the outcome: a rank of 1 is the best."""
    return numbers if _agreement(numbers, value, known) >= 0 else -numbers


def _as_numbers(labels: list[str], index: NDArray[np.int64], size: int) -> Values | None:
    """Return an item's number where nine in ten labels are numbers, NaN where it has none."""
    parsed = np.array([_number(label) for label in labels])
    used = np.isfinite(parsed[index[1]])
    if not len(used) or used.mean() < 0.9:
        return None
    numbers = np.full(size, np.nan)
    numbers[index[0][used]] = parsed[index[1][used]]
    return numbers


def _number(label: str) -> float:
    try:
        return float(label.replace(",", ""))
    except ValueError:
        return float("nan")
