"""The command that measures lists beyond their accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kg.counted import counted
from training.commands.cli_options import Json, Overwrite

__all__ = ["beyond"]


def beyond(
    run: Annotated[Path, typer.Argument(help="Directory of a trained run.", show_default=False)],
    part: Annotated[str | None, typer.Option(help="Test part; by default the first.")] = None,
    concept: Annotated[
        str | None, typer.Option(help="Relation whose shares in lists and in what users liked are compared.")
    ] = None,
    groups: Annotated[
        str | None, typer.Option(help="How users are grouped: relations of users, and activity, with commas.")
    ] = None,
    baselines: Annotated[bool, typer.Option(help="Fit and measure the baselines as well.")] = True,
    out: Annotated[
        Path | None, typer.Option(help="Folder for beyond.json and the trade-off curve as CSV, PNG and SVG.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Measure what lists show beyond hits: coverage, novelty, diversity, popularity bias, and whom they serve how well.

    With --out also what variety costs: NDCG of lists re-ranked with every weight of --diversity and --novelty.

    Example: kgrec beyond runs/u1 --out reports/beyond
    """
    import json

    from kg.storage.atomic import write_file
    from kg.storage.outputs import claim_folder
    from training.bundle import load_run
    from training.commands import console
    from training.studies.beyond import beyond_report, shelf_of
    from training.studies.trade_off import trade_off, write_trade_off

    if out is not None:
        names = ("beyond.json", *(f"trade-off.{kind}" for kind in ("csv", "png", "svg")))
        claim_folder(out, names, key="trade_off", overwrite=overwrite)
    loaded = load_run(run)
    grouped = [name.strip() for name in (groups or "").split(",") if name.strip()]
    report = beyond_report(loaded, part=part, concept=concept, groups=grouped, baselines=baselines)
    if out is not None:
        shelf, _ = shelf_of(loaded, part=part, concept=concept)
        rows = trade_off(loaded.recommender, shelf)
        report["trade_off"] = rows.to_dict("records")
        write_file(out / "beyond.json", json.dumps(report, indent=1) + "\n")
        write_trade_off(rows, report["models"], out)
    if as_json:
        console.print_json(report)
        return
    _print(report)
    if out is not None:
        console.out.print(f"Written to {out}.")


def _print(report: dict[str, Any]) -> None:
    import pandas as pd

    from training.commands import console
    from training.studies.beyond import BETTER

    def told(found: dict[str, float] | None) -> str:
        return "" if found is None else f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"

    models = report["models"]
    rows = [
        (metric.replace("_", " "), better, *(told(found.get(metric)) for found in models.values()))
        for metric, better in BETTER.items()
    ]
    title = f"{report['part']}: lists of {report['list_length']} for {counted(report['num_users'], 'user')}"
    console.out.print(console.plain_table(title, pd.DataFrame(rows, columns=["measure", "better", *models])))
    for grouping, metrics in report["groups"].items():
        for metric, by_model in metrics.items():
            found = by_model["kgrec"]
            table = [(label, f"{row['num_users']:,}", told(row)) for label, row in found["groups"].items()]
            tested = f"; widest gap {found['gap']:.3f}, p {found['p']:.3f}" if "gap" in found else ""
            console.out.print(
                console.plain_table(
                    f"{grouping}: {metric} of kgrec{tested}", pd.DataFrame(table, columns=["group", "users", metric])
                )
            )
    console.out.print(
        "In brackets: 95 % bootstrap intervals over users. Gaps are between groups of at least 10 users; p by permutation "
        "of users, not adjusted for the number of groupings."
    )
