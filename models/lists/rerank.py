"""Re-ranking of a list: the greedy trade of relevance for diversity and novelty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kg.errors import InputError
from kg.ratings import Ratings
from models.lists.content import Content
from models.lists.ranking import best_of
from models.lists.trained import Trained

__all__ = ["POOL", "Reranker", "check_weights", "greedy", "pool_of", "self_information"]

POOL = 100  # best items among which a list is chosen, or five times its length
_SAMPLE = 512  # items that tell how far apart two items usually are
_LAST = np.float32(-1e9)  # an item that may not be recommended: after all that may, before those taken

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Reranker:
    r"""Chooses a list of $k$ items among the best of a ranking, one after the other (MMR, Carbonell & Goldstein 1998).

    The next item is the one with the highest

    $$(1 - \delta - \nu)\, \bar s_i + \delta\, \bar d_i + \nu\, \bar n_i, \quad d_i = \frac{1}{|L|} \sum_{j \in L} d(i, j)$$

    with $s$ the ranking score, $L$ the list so far, $d(i, j)$ the distance of content, $n$ the self-information of the
    item, and $\bar x = (x - \min x) / (\max x - \min x)$ over the candidates that are left: the three have different
    units, and distances of content differ little (normalised at each step as by Vargas & Castells, RecSys 2011). MMR takes the
    nearest item of the list where this takes the mean distance, which is what intra-list diversity measures. With both
    weights 0 the list is that of the ranking.

    Attributes:
        content: Texts and concepts of items.
        novelty: Self-information of each item in training, in bits, `[num_items]`.
        typical: Mean distance of two items, which stands in where nothing is known of one of them.
    """

    content: Content
    novelty: Floats
    typical: float

    @classmethod
    def of(cls, recommender: Trained) -> Reranker:
        """Take distances from the content of a recommender's items and novelty from its training ratings."""
        content, train = Content.of(recommender.data, recommender.item_vectors), recommender.train
        sample = np.random.default_rng(0).permutation(train.num_items)[:_SAMPLE].astype(np.int64)
        distances = _distances(content, sample, typical=np.nan)[np.triu_indices(len(sample), 1)]
        known = distances[np.isfinite(distances)]
        return cls(
            content=content,
            novelty=self_information(train).astype(np.float32),
            typical=float(known.mean()) if len(known) else 1.0,
        )

    def distances(self, items: Indices) -> Floats:
        r"""Return how far apart items are in content, `[num_items_given, num_items_given]`, in [0, 1]; 0 on the diagonal.

        $d = 1 - \frac12 (\cos(t_i, t_j)^+ + \cos(c_i, c_j))$ of text vectors around their mean and of concepts weighed by rarity;
        only the one that both items have, where one has no text or no concept, and `typical` where there is neither.
        """
        return _distances(self.content, items, typical=self.typical)

    def best(self, scores: Floats, k: int, *, diversity: float = 0.0, novelty: float = 0.0) -> Indices:
        """Return `k` items for one person, first choice first; what scores `-inf` is never among them.

        Args:
            scores: Ranking scores of all items, at least 0, `[num_items]`.
            k: Length of the list.
            diversity: Weight of the distance to what the list has already, in [0, 1].
            novelty: Weight of how few people know the item, in [0, 1]; the two sum to at most 1.

        Raises:
            InputError: If a weight is out of its range.
        """
        check_weights(diversity, novelty)
        pool = best_of(scores, max(POOL, 5 * k))
        if not len(pool):
            return pool
        places = greedy(
            scores[pool][None],
            self.distances(pool)[None],
            self.novelty[pool][None],
            min(k, len(pool)),
            diversity=diversity,
            novelty_weight=novelty,
        )
        return pool[places[0]]


def check_weights(diversity: float, novelty: float) -> None:
    """Raise `InputError` if the weights of a re-ranking are out of their range."""
    for name, value in (("diversity", diversity), ("novelty", novelty)):
        if not 0 <= value <= 1:
            raise InputError(f"{name} is a weight from 0 (the plain list) to 1 (nothing else counts), got {value:g}")
    if diversity + novelty > 1 + 1e-9:
        raise InputError(
            f"diversity and novelty share a weight of 1 with relevance; {diversity:g} and {novelty:g} are more"
        )


def greedy(
    scores: Floats, distances: Floats, novelty: Floats, k: int, *, diversity: float, novelty_weight: float
) -> Indices:
    """Return the places of the chosen candidates, first choice first, `[num_users, k]`; see `Reranker`.

    Args:
        scores: Ranking scores of each user's candidates, at least 0, falling; `-inf` for what comes last, `[num_users, num_candidates]`.
        distances: Distances of the candidates to each other, `[num_users, num_candidates, num_candidates]`.
        novelty: Novelty of the candidates, `[num_users, num_candidates]`.
        k: Length of the lists, at most `num_candidates`.
        diversity: Weight of the distance.
        novelty_weight: Weight of the novelty.
    """
    left = np.isfinite(scores)
    finite = np.where(left, scores, 0.0).astype(np.float32)
    users = np.arange(len(scores))
    apart = np.zeros_like(finite)  # summed distance to the list so far
    chosen = np.empty((len(scores), k), dtype=np.int64)
    for place in range(k):
        value = (1 - diversity - novelty_weight) * _spread(finite, left)
        value += diversity * _spread(apart, left) + novelty_weight * _spread(novelty, left)
        value[~left] = _LAST
        value[users[:, None], chosen[:, :place]] = -np.inf
        # Equal values: the higher ranked candidate stands first, and argmax takes the first.
        best = value.argmax(axis=1)
        chosen[:, place] = best
        apart += distances[users, best]
        left[users, best] = False
    return chosen


def _spread(values: Floats, left: NDArray[np.bool_]) -> Floats:
    """Return values as places between the least (0) and the most (1) of the candidates that are left; 0 where all are equal."""
    low = np.where(left, values, np.inf).min(axis=1, keepdims=True)
    width = np.where(left, values, -np.inf).max(axis=1, keepdims=True) - low
    differ = np.isfinite(width) & (width > 0)
    return np.divide(values - np.where(differ, low, 0.0), width, out=np.zeros_like(values), where=differ & left)


def pool_of(scores: Floats, size: int) -> Indices:
    """Return each user's `size` items of highest score, best first, equal ones by index, `[num_users, size]`."""
    if size >= scores.shape[1]:
        return np.argsort(-scores, axis=1, kind="stable").astype(np.int64)
    best = np.sort(np.argpartition(-scores, size - 1, axis=1)[:, :size], axis=1)
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1).astype(np.int64)


def self_information(train: Ratings) -> NDArray[np.float64]:
    r"""Return $-\log_2 \frac{n_i + 1}{n + 1}$ in bits, `[num_items]`: 0 for an item that all $n$ users rated in training."""
    return np.asarray(np.log2(train.num_users + 1) - np.log2(train.item_counts + 1.0))


def _distances(content: Content, items: Indices, *, typical: float) -> Floats:
    texts, concepts = content.text[items], content.concepts[items]
    has_text = texts.any(axis=1)
    has_concepts = np.diff(concepts.indptr) > 0
    similarity = np.maximum(texts @ texts.T, 0.0) + (concepts @ concepts.T).toarray()
    num_known = np.outer(has_text, has_text).astype(np.float32) + np.outer(has_concepts, has_concepts)
    mean = np.divide(similarity, num_known, out=np.zeros_like(similarity), where=num_known > 0)
    distances = np.where(num_known > 0, np.clip(1.0 - mean, 0.0, 1.0), typical).astype(np.float32)
    np.fill_diagonal(distances, 0.0)
    return distances
