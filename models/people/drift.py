"""Change over time in what a person rates, and how; stated only where time and sessions allow it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["ChangePoint", "Drift", "Window", "change_points", "drift_of", "sessions_of"]

SESSION_GAP = 6 * 3_600  # seconds without a rating that end a session
LEAST_SESSIONS = 5  # of fewer, too few orders exist for any to be unlikely
LEAST_RATINGS = 20
LEAST_DAYS = 14
LEVEL = 0.05  # chance of a false alarm for a person whose taste does not change
PERMUTATIONS = 999
MOST_WINDOWS = 6
SHOWN = 3  # features named at a change

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Window:
    """A stretch of time.

    Attributes:
        start: Unix time of its first rating, in seconds.
        end: Unix time of its last rating.
        num_ratings: Ratings in it.
        shares: Share of the ratings whose item has a concept, by label, those of the broadest relation; a rating may
            have several.
        above_expected: Mean of the ratings above what the biases of person and items expect, in stars; None without stars.
    """

    start: int
    end: int
    num_ratings: int
    shares: dict[str, float]
    above_expected: float | None


@dataclass(frozen=True, kw_only=True)
class ChangePoint:
    """A moment from which on a person rates other things, or otherwise.

    Attributes:
        time: Unix time of the first rating after the change.
        what: `choice` for what is rated, `stars` for how.
        p_value: Share of the random orders of the sessions that show as large a change.
        before: Mean of the features that changed most, by label, before the change (back to the last change).
        after: The same after it.
    """

    time: int
    what: str
    p_value: float
    before: dict[str, float]
    after: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How a person's ratings moved over time.

    Attributes:
        status: `no times`, `too short a time to tell`, `steady` (no change was found) or `changed`.
        days: Days between first and last rating.
        num_sessions: Number of sessions: ratings less than six hours apart.
        windows: At most six stretches with about as many ratings each.
        change_points: Changes, in the order of time.
    """

    status: str
    days: float
    num_sessions: int
    windows: tuple[Window, ...] = ()
    change_points: tuple[ChangePoint, ...] = ()


def drift_of(
    time: Indices | None,
    concepts: NDArray[np.bool_],
    labels: Sequence[str],
    above_expected: Floats | None,
    *,
    seed: int = 0,
) -> Drift:
    """Look for changes in a person's ratings.

    What is rated (which concepts the items have) and how (stars above expectation) are tested each at half the
    level, so that a person who never changes is called changed with a chance of at most 5 %.

    Args:
        time: Unix times of the ratings, `[num_ratings]`, in any order; None where the data has none.
        concepts: Which concepts the rated items have, `[num_ratings, num_concepts]`.
        labels: Labels of the concepts.
        above_expected: Ratings above what biases expect, in stars `[num_ratings]`; None without stars.
        seed: Seed of the random orders.
    """
    if time is None:
        return Drift(status="no times", days=0.0, num_sessions=0)
    order = np.argsort(time, kind="stable")
    time, features = time[order], {"choice": (concepts[order].astype(np.float64), list(labels))}
    if above_expected is not None:
        features["stars"] = (above_expected[order, None], ["stars above expectation"])
    session = sessions_of(time)
    drift = Drift(
        status="too short a time to tell",
        days=float(time[-1] - time[0]) / 86_400 if len(time) else 0.0,
        num_sessions=len(np.unique(session)),
        windows=_windows(time, features),
    )
    if drift.num_sessions < LEAST_SESSIONS or len(time) < LEAST_RATINGS or drift.days < LEAST_DAYS:
        return drift
    changes = []
    for what, (columns, names) in features.items():
        places = change_points(columns, session, level=LEVEL / len(features), rng=np.random.default_rng(seed))
        ends = [0, *(place for place, _ in places), len(time)]
        for start, (place, p_value), end in zip(ends, places, ends[2:], strict=False):
            before, after = columns[start:place].mean(axis=0), columns[place:end].mean(axis=0)
            most = np.argsort(-np.abs(after - before), kind="stable")[:SHOWN]
            means = [{names[column]: float(mean[column]) for column in most} for mean in (before, after)]
            changes.append(
                ChangePoint(time=int(time[place]), what=what, p_value=p_value, before=means[0], after=means[1])
            )
    changes.sort(key=lambda change: change.time)
    return replace(drift, status="changed" if changes else "steady", change_points=tuple(changes))


def sessions_of(time: Indices) -> Indices:
    """Number the sessions of rising Unix times from 0, `[num_ratings]`; a pause of six hours starts a new one."""
    return np.cumsum(np.diff(time, prepend=time[:1]) > SESSION_GAP)


def change_points(
    features: Floats, session: Indices, *, level: float, rng: np.random.Generator, permutations: int = PERMUTATIONS
) -> list[tuple[int, float]]:
    r"""Find where the mean of the features changes, by binary segmentation with permutation tests.

    The split of a stretch at a border between sessions is judged by the variance it explains,
    $\frac{n_1 n_2}{n_1 + n_2} \lVert \bar x_1 - \bar x_2 \rVert^2$, features scaled to variance 1. The best split
    counts if fewer than `level` of random *orders of the sessions* have as good a one; its two parts are then
    searched in turn, as in E-Divisive (arXiv:1306.4933). Whole sessions are moved, since ratings of one evening
    are alike in any case: changes are tested against sessions that could have come in any order. Penalties as of
    PELT (arXiv:1101.1438) would take the similarity within a session for a change. A change that is soon taken back
    may stay unseen: one split hardly explains it.

    Args:
        features: `[num_ratings, num_features]`, in the order of time.
        session: Session of each rating, from 0, rising.
        level: Chance of a change where there is none.
        rng: Source of the random orders.
        permutations: Number of random orders.

    Returns:
        Position of the first rating after each change and the test's p-value, rising.
    """
    spread = features.std(axis=0)
    features = features[:, spread > 0] / spread[spread > 0]
    if not features.size:
        return []
    starts = np.unique(session, return_index=True)[1]
    sums, counts = np.add.reduceat(features, starts, axis=0), np.diff(np.append(starts, len(session)))
    changes: list[tuple[int, float]] = []
    stretches = [(0, len(counts))]
    while stretches:
        start, stop = stretches.pop()
        if stop - start < LEAST_SESSIONS:
            continue
        part, sizes = sums[start:stop], counts[start:stop]
        gains = _gains(part, sizes)
        orders = rng.permuted(np.tile(np.arange(stop - start), (permutations, 1)), axis=1)
        by_chance = _gains(part[orders], sizes[orders]).max(axis=1)
        p_value = float(1 + np.count_nonzero(by_chance >= gains.max() - 1e-9)) / (1 + permutations)
        if p_value <= level:
            split = start + 1 + int(gains.argmax())
            changes.append((int(starts[split]), p_value))
            stretches += [(start, split), (split, stop)]
    return sorted(changes)


def _gains(sums: Floats, counts: Indices) -> Floats:
    """Return what a split after each session but the last explains, `[..., num_sessions - 1]`.

    Args:
        sums: Sums of the features of each session, `[..., num_sessions, num_features]`.
        counts: Its ratings, `[..., num_sessions]`.
    """
    total = counts.sum(axis=-1, keepdims=True)
    before = counts.cumsum(axis=-1)[..., :-1].astype(np.float64)
    after = total - before
    head = sums.cumsum(axis=-2)
    rest = head[..., -1:, :] - head[..., :-1, :]
    gap = head[..., :-1, :] / before[..., None] - rest / after[..., None]
    gains: Floats = before * after / total * np.square(gap).sum(axis=-1)
    return gains


def _windows(time: Indices, features: Mapping[str, tuple[Floats, list[str]]]) -> tuple[Window, ...]:
    number = min(MOST_WINDOWS, len(time) // 5) if len(time) >= 10 else min(1, len(time))
    concepts, labels = features["choice"]
    return tuple(
        Window(
            start=int(time[part[0]]),
            end=int(time[part[-1]]),
            num_ratings=len(part),
            shares=dict(zip(labels, concepts[part].mean(axis=0).tolist(), strict=True)),
            above_expected=float(features["stars"][0][part].mean()) if "stars" in features else None,
        )
        for part in (np.array_split(np.arange(len(time)), number) if number else [])
    )
