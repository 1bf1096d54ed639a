"""Published protocols: which data, which split, and what is measured on it; `published.csv` has what others reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from training.comparison.benchmark_run import NOT_LIKED, UNRATED, UNSEEN
from training.comparison.peer_baselines import ALL_BASELINES, EASE, EASE_ON_LIKED, EASE_UNRATED, LIST_BASELINES
from training.comparison.peers import Peer
from training.comparison.peers_implicit import ALS_1M, ALS_100K
from training.comparison.peers_lightfm import LIGHTFM
from training.comparison.peers_myfm import MYFM, MYFM_DECADES, MYFM_SETS, MYFM_WITHOUT_SETS
from training.comparison.peers_surprise import SURPRISE
from training.comparison.result_rows import TESTED
from training.predictions import LIST_LENGTH

__all__ = ["PROTOCOLS", "Protocol"]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A benchmark that can be repeated to the rating.

    Attributes:
        name: Name on the command line.
        description: Ready-made description of the data.
        split: Settings of the split, as `section.field=value`.
        parts: Test parts that are measured.
        metrics: Metrics of the table, in its order.
        note: What a reader must know beside the figures.
        baselines: Our baselines.
        peers: Other people's models that can be measured here.
        variants: Other settings of our model, by name, as `section.field=value`.
        repeats: Further settings of each repetition of the split.
        seeds: Usual number of seeds of our model, a repetition.
        candidates: What is ranked for a user: `UNRATED` items, those `NOT_LIKED` in training, or `UNSEEN` ones.
        tested: Metrics in which the other models are compared with ours by a paired bootstrap.
    """

    name: str
    description: str
    split: tuple[str, ...]
    parts: tuple[str, ...]
    metrics: tuple[str, ...]
    note: str = field(default="")
    baselines: tuple[Peer, ...] = ALL_BASELINES
    peers: tuple[Peer, ...] = ()
    variants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    repeats: tuple[tuple[str, ...], ...] = ((),)
    seeds: int = 5
    candidates: str = UNRATED
    tested: tuple[str, ...] = TESTED

    @property
    def lengths(self) -> tuple[int, ...]:
        """Lengths at which lists are measured, rising."""
        named = {int(metric.partition("@")[2]) for metric in (*self.metrics, *self.tested) if "@" in metric}
        return tuple(sorted(named | {LIST_LENGTH}))


_RATINGS = ("rmse", "mae", "coverage_80", "ndcg@20", "recall@20")
_LISTS = ("ndcg@20", "recall@20", "rmse")
_LISTS_10 = ("recall@10", "ndcg@10", "mrr@10", "hit_rate@10")
_RATING_PEERS = (*MYFM, *SURPRISE)
_LISTS_100K = (EASE_ON_LIKED, ALS_100K, LIGHTFM)
_LISTS_1M = (EASE_ON_LIKED, ALS_1M, LIGHTFM)
_VARIANTS = {
    "4 chains": ("training.chains=4",),
    "adamw": ("training.method=adamw", "split.validation_share=0.05"),
}
# What tuning the language model brings, beside the graph and, held against the ablation without concepts, by texts alone.
_TUNED = {
    "language model tuned": ("text.tune.strategy=top",),
    "text alone, language model tuned": ("model.leave_out=[concepts]", "text.tune.strategy=top"),
}

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="ml-100k-u1",
            description="movielens-100k",
            split=("split.name=u1",),
            parts=("warm",),
            metrics=_RATINGS,
            peers=(*_RATING_PEERS, *_LISTS_100K),
            variants=_VARIANTS,
            note="One canonical split. The plots and people come from richer metadata than the published rows had.",
        ),
        Protocol(
            name="ml-100k-random",
            description="movielens-100k",
            split=("split.name=random", "split.test_share=0.2"),
            parts=("warm",),
            metrics=_RATINGS,
            repeats=tuple((f"split.seed={seed}",) for seed in range(5)),
            seeds=1,
            peers=(*_RATING_PEERS, *_LISTS_100K),
            note="Five random splits, 80 % to train on.",
        ),
        Protocol(
            name="ml-1m-90-10",
            description="movielens-1m",
            split=("split.name=random", "split.test_share=0.1", "split.seed=0"),
            parts=("warm",),
            metrics=_RATINGS,
            peers=(*MYFM_WITHOUT_SETS, *SURPRISE, *_LISTS_1M),
            variants={"4 chains": _VARIANTS["4 chains"]},
            seeds=1,
            note="The published rows are for the original file and other random splits; 999,714 rebuilt ratings have no times.",
        ),
        Protocol(
            name="ml-100k-cold-items",
            description="movielens-100k",
            split=("split.name=cold-items",),
            parts=("cold_items", "warm"),
            variants=_TUNED,
            metrics=_RATINGS,
            peers=(*MYFM, *_LISTS_100K),
            note="The 336 cold items are ranked among themselves; warm is a random tenth of the other ratings.",
        ),
        Protocol(
            name="ml-1m-top20",
            description="movielens-1m",
            split=("split.name=liked", "split.test_share=0.2", "split.seed=0"),
            parts=("warm",),
            metrics=_LISTS,
            candidates=NOT_LIKED,
            peers=(*_LISTS_1M, EASE_UNRATED),
            seeds=1,
            note=(
                "A random fifth of the ratings of 4 and 5 stars is held out; all items are ranked that the user did not "
                "rate so in training. Ours, and EASE with rated items left out, never list what a user rated. Recall "
                "divides by the number of held-out items. The RMSE is that of liked items alone: it says little."
            ),
        ),
        Protocol(
            name="citeulike-a-cold",
            description="citeulike-a",
            split=("split.name=aldi",),
            parts=("cold_items", "warm"),
            metrics=("ndcg@20", "recall@20"),
            seeds=3,
            baselines=LIST_BASELINES,
            peers=(EASE, LIGHTFM),
            note=(
                "Each user's cold test articles are ranked among the 1,698 cold test articles; warm among all 16,980. The "
                "published rows read abstracts, ours read titles, tags and citations: not the same information."
            ),
        ),
        Protocol(
            name="lastfm-dbpedia",
            description="lastfm-dbpedia",
            split=("split.name=entity2rec",),
            parts=("warm",),
            metrics=_LISTS_10,
            tested=_LISTS_10[:3],
            candidates=UNSEEN,
            seeds=3,
            baselines=(*LIST_BASELINES, EASE),
            peers=(LIGHTFM,),
            note=(
                "The parts that come with the data: all artists are ranked that a user chose neither in training nor in "
                "validation, those that nobody chose in training as well. Recall divides by the number of held-out artists."
            ),
        ),
        Protocol(
            name="flixster",
            description="flixster-monti",
            split=("split.name=monti",),
            parts=("warm",),
            metrics=_RATINGS,
            seeds=3,
            peers=(*MYFM_SETS, EASE_ON_LIKED),
            note="The split of Monti et al. 2017, in half stars; ratings and two graphs, no texts and no names.",
        ),
        Protocol(
            name="ml-latest-small",
            description="movielens-latest-small",
            split=("split.name=random", "split.test_share=0.1"),
            parts=("warm",),
            metrics=_RATINGS,
            repeats=tuple((f"split.seed={seed}",) for seed in (1, 2, 3)),
            seeds=1,
            peers=(*MYFM_DECADES, EASE_ON_LIKED),
            note="MovieLens latest-small of 2016, in half stars; three random splits, 90 % to train on.",
        ),
    )
}
