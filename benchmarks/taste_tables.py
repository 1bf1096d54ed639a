"""How well tastes are recovered, as tables: of one audience, of several, by activity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

__all__ = ["activity_table", "mean_rows", "recovery_table"]


def mean_rows(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of several audiences as one: mean and standard deviation of `value`, means of what stands beside it."""
    figures = ["value", "average_alone", "ceiling"]
    frame = pd.concat([pd.DataFrame(run["rows"]).astype(dict.fromkeys(figures, float)) for run in runs])
    groups = frame.groupby(["measure", "family"], sort=False)
    found = groups[figures].mean().assign(deviation=groups["value"].std(ddof=1)).reset_index()
    plain = found.astype(object).where(found.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in plain]


def recovery_table(found: Mapping[str, Any]) -> pd.DataFrame:
    """Lay out what `run_film_world` or `run_audiences` returned, as text."""

    def figure(value: float | None) -> str:
        return "" if value is None else f"{value:.3f}"

    def told(row: Mapping[str, Any]) -> str:
        if "deviation" in row:
            return f"{figure(row['value'])} ± {figure(row['deviation'])}"
        return f"{figure(row['value'])} [{figure(row['low'])}, {figure(row['high'])}]"

    return pd.DataFrame(
        [
            {
                "compared": row["measure"],
                "concepts": row["family"],
                "profiles": told(row),
                "average user alone": figure(row["average_alone"]),
                "ceiling": figure(row["ceiling"]),
            }
            for row in found["rows"]
        ]
    )


def activity_table(found: Mapping[str, Any]) -> pd.DataFrame:
    """Lay out the correlations by activity that `run_film_world` returned, as text."""
    bins = list(dict.fromkeys((row["least"], row["most"]) for row in found["by_activity"]))
    families = list(dict.fromkeys(row["family"] for row in found["by_activity"]))
    cells = {(row["least"], row["family"]): row for row in found["by_activity"]}
    lines = []
    for least, most in bins:
        some = [cells[least, family] for family in families]
        line = {"ratings": f"{least} to {most}" if most else f"{least} and more", "users": str(some[0]["num_users"])}
        for row in some:
            value = row["value"]
            line[row["family"]] = "" if value is None else f"{value:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
        lines.append(line)
    return pd.DataFrame(lines)
