"""The leak audit: what a graph gives away of the ratings that a split holds out."""

from __future__ import annotations

from kg.checks.findings import Finding, in_order
from kg.dataset import Dataset
from training.audit.held_out import HeldOut
from training.audit.leak_duplicates import same_items
from training.audit.leak_pairs import edges_of_pairs, pairs_through_concepts
from training.audit.leak_statistics import derived_concepts, numbers_in_texts, outcomes
from training.splits import Split

__all__ = ["audit"]


def audit(dataset: Dataset, split: Split) -> list[Finding]:
    """Return what of the held-out ratings can be read off the graph; errors are leaks, notes are worth knowing.

    Looked for are held-out ratings as edges, forwards, backwards and through concepts; items under two ids; concepts and
    numbers in texts that tell how items were rated. Not looked for: leaks in the ratings themselves, for example of one
    person under two ids, statements made only after a split by time, and concepts of just the items one user rated.
    """
    held = HeldOut(dataset=dataset, split=split)
    judged_by = outcomes(held)
    return in_order(
        [
            *edges_of_pairs(held),
            *pairs_through_concepts(held),
            *same_items(held),
            *derived_concepts(held, judged_by),
            *numbers_in_texts(held, judged_by),
        ]
    )
