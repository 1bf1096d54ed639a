"""Published protocols: which data, which split, and what others reported on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kg.errors import InputError, did_you_mean

__all__ = ["PROTOCOLS", "Protocol", "Published", "protocol_named"]


@dataclass(frozen=True, kw_only=True)
class Published:
    """A figure somebody reported on the same protocol.

    Attributes:
        model: What it is.
        figures: Metric -> value.
        source: Where it was reported.
        uses_test_date: Whether the date of the predicted rating was an input.
    """

    model: str
    figures: Mapping[str, float]
    source: str
    uses_test_date: bool = False


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A benchmark that can be repeated to the rating.

    Attributes:
        name: Name on the command line.
        description: Ready-made description of the data.
        split: Settings of the split, as `section.field=value`.
        parts: Test parts that are measured.
        metrics: Metrics of the table, in its order.
        published: What others reported.
        note: What a reader must know beside the figures.
    """

    name: str
    description: str
    split: tuple[str, ...]
    parts: tuple[str, ...]
    metrics: tuple[str, ...]
    published: tuple[Published, ...] = ()
    note: str = field(default="")


_RATINGS = ("rmse", "mae", "coverage_80", "ndcg@20", "recall@20")

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="ml-100k-u1",
            description="movielens-100k",
            split=("split.name=u1",),
            parts=("warm",),
            metrics=_RATINGS,
            published=(
                Published(
                    model="myFM ordered probit, with side information",
                    figures={"rmse": 0.8808},
                    source="myFM documentation, Ohtsuki",
                    uses_test_date=True,
                ),
                Published(model="GLocal-K, ratings alone", figures={"rmse": 0.8889}, source="arXiv:2108.12184"),
                Published(model="MG-GAT", figures={"rmse": 0.890}, source="arXiv:2009.04709"),
                Published(model="GraphRec with attributes", figures={"rmse": 0.897}, source="Rashed et al. 2019"),
                Published(model="IGMC", figures={"rmse": 0.905}, source="arXiv:1904.12058"),
                Published(model="GC-MC with features", figures={"rmse": 0.905}, source="arXiv:1706.02263"),
            ),
            note="One canonical split. The plots and people come from richer metadata than the published rows had.",
        ),
        Protocol(
            name="ml-1m-90-10",
            description="movielens-1m",
            split=("split.name=random", "split.test_share=0.1", "split.seed=0"),
            parts=("warm",),
            metrics=_RATINGS,
            published=(
                Published(
                    model="myFM ordered probit, with dates",
                    figures={"rmse": 0.8140},
                    source="myFM documentation, Ohtsuki",
                    uses_test_date=True,
                ),
                Published(model="GLocal-K, ratings alone", figures={"rmse": 0.8227}, source="arXiv:2108.12184"),
                Published(model="SparseFC", figures={"rmse": 0.824}, source="Muller et al. 2018"),
                Published(model="CF-NADE", figures={"rmse": 0.829}, source="arXiv:1605.09477"),
                Published(model="GC-MC", figures={"rmse": 0.832}, source="arXiv:1706.02263"),
            ),
            note="The published rows are for the original file and other random splits; 999,714 rebuilt ratings have no times.",
        ),
        Protocol(
            name="ml-100k-cold-items",
            description="movielens-100k",
            split=("split.name=cold-items",),
            parts=("cold_items", "warm"),
            metrics=_RATINGS,
            note="The 336 cold items are ranked among themselves; warm is a random tenth of the other ratings.",
        ),
    )
}


def protocol_named(name: str) -> Protocol:
    """Return a protocol, or raise `InputError` with the names there are."""
    if name not in PROTOCOLS:
        raise InputError(
            f"there is no protocol {name!r}; there are {', '.join(PROTOCOLS)}.{did_you_mean(name, PROTOCOLS)}"
        )
    return PROTOCOLS[name]
