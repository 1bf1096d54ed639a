"""The study: its words follow its tables, its page stands alone, and it runs on real data."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from kg.ratings import Ratings
from training.cli import app
from training.comparison.result_rows import OURS
from training.studies.asking import INFORMATIVE, POPULAR, RANDOM, Interview
from training.studies.cold_start import PARTS, TABLES, Study
from training.studies.cold_tables import INFORMED, asking_table, few_shot_table, with_holm
from training.studies.few_shot import Draw, Served
from training.studies.study_figures import FIGURES, draw, write_figures
from training.studies.study_page import findings, write_page


def curve_of(errors: dict[int, float], values: np.ndarray) -> dict[int, Served]:
    sign = np.where(np.arange(len(values)) % 2, 1.0, -1.0)
    return {number: Served(stars=values + sign * size) for number, size in errors.items()}


def few_shot(
    ours: dict[int, float], biases: dict[int, float], informed: dict[int, float] | None = None
) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    values = rng.integers(1, 6, 60).astype(np.float32)
    part = Ratings(user=np.repeat(np.arange(6), 10), item=np.arange(60), value=values, num_users=6, num_items=60)
    draw = Draw(
        part=part,
        newcomers=np.arange(6),
        given=np.zeros((6, 0), dtype=np.int64),
        test=np.arange(60),
        owner=np.repeat(np.arange(6), 10),
    )
    curves = {OURS: curve_of(ours, values), "biases": curve_of(biases, values)}
    if informed:
        curves[INFORMED] = curve_of(informed, values)
    return few_shot_table(curves, draw, np.arange(1, 6, dtype=np.float32))


def study(ours: dict[int, float], biases: dict[int, float]) -> Study:
    """A study whose answers are known: every error has the same size."""
    lines = [
        {"part": part, "model": model, "rmse": rmse, "low": rmse - 0.1, "high": rmse + 0.1, "gain": gain,
         "gain_low": gain - 0.01, "gain_high": gain + 0.01, "p": p}
        for part in PARTS
        for model, rmse, gain, p in (
            (OURS, 0.9, np.nan, np.nan), ("biases", 1.0, 0.1, 0.001), ("mean", 1.2, 0.25, 0.001),
            (f"{OURS} without text", 0.91, 0.011, 0.9), (f"{OURS} without concepts", 1.0, 0.1, 0.001),
        )
    ]  # fmt: skip
    bins = [
        {"by": by, "bin": f"{low} to {low + 9}", "items": 5, "ratings": 50, "rmse": 1.0 - low / 100, "low": 0.95 - low / 100,
         "high": 1.05 - low / 100, "biases": 1.1, "gain": 0.05, "gain_low": 0.01, "gain_high": 0.09, "p": 0.001}
        for by in ("edges to concepts", "characters of text", "ratings") for low in (0, 40)
    ]  # fmt: skip
    calibration = [
        {"part": part, "what": "interval", "at": at, "share": at - 0.05 * (part == "cold_both"), "low": at - 0.06,
         "high": at + 0.01}
        for part in PARTS for at in (0.5, 0.8, 0.95)
    ]  # fmt: skip
    calibration += [{"part": part, "what": "pit", "at": at / 10, "share": 0.1} for part in PARTS for at in range(10)]
    values, owner = np.full(40, 3.0), np.repeat(np.arange(4), 10)
    sign = np.where(np.arange(40) % 2, 1.0, -1.0)
    sizes = {INFORMATIVE: (1.0, 0.8), POPULAR: (1.0, 0.9), RANDOM: (1.0, 1.0)}
    asked = [
        Interview(strategy=name, asked=number, answered=np.full(4, number // 2), stars=values + sign * size)
        for name, both in sizes.items()
        for number, size in zip((0, 10), both, strict=True)
    ]
    tables = {
        "settings": pd.DataFrame(lines),
        "gains": with_holm(pd.DataFrame(lines), family=["part"]),
        "few_shot_users": few_shot(ours, biases, informed={number: 0.75 * size for number, size in biases.items()}),
        "few_shot_items": few_shot(ours, biases),
        "bins": with_holm(pd.DataFrame(bins), family=[]),
        "calibration": pd.DataFrame(calibration),
        "questions": asking_table(asked, owner, values),
    }
    facts = {"graph": "a <b> & c", "split": "cold-both: 1 rating.", "training_ratings": 9, "few_shot_users": 6,
             "few_shot_items": 6, "quick": False, "seed": 0}  # fmt: skip
    return Study(facts=facts, tables=tables)


FALLING, FLAT = {0: 1.0, 5: 0.8, 20: 0.7}, {0: 1.0, 5: 1.0, 20: 1.0}


def test_a_table_of_equal_errors_has_their_size_and_an_exact_gain() -> None:
    table = few_shot(FALLING, FLAT).set_index(["model", "given"])
    np.testing.assert_allclose(table.loc[(OURS, 5), ["rmse", "low", "high"]].astype(float), 0.8, atol=1e-6)
    np.testing.assert_allclose(table.loc[(OURS, 5), ["gain", "gain_low", "gain_high"]].astype(float), 0.2, atol=1e-6)
    assert np.isnan(table.loc[("biases", 5), "gain"])


def test_sentences_follow_the_tables() -> None:
    good, bad = findings(study(FALLING, FLAT)), findings(study(FLAT, FALLING))
    assert "20.0 % lower" in good["few_shot_users"][0]
    assert "It falls at every step" in good["few_shot_users"][1]
    assert "are known as well, it is 0.750 with 5 ratings: kgrec's is 25.0 % lower" in good["few_shot_users"][2]
    assert len(good["few_shot_items"]) == 2
    assert "25.0 % higher" in bad["few_shot_users"][0]
    rising = findings(study({0: 0.5, 5: 0.9, 20: 1.4}, FLAT))
    assert "It does not fall throughout" in rising["few_shot_items"][1]
    assert "hurt most without concepts" in good["parts_left_out"][0]
    assert "Leaving out text makes no significant difference" in good["parts_left_out"][0]
    assert "Outside of 78 to 82 %: new users rating new items." in good["calibration"][0]
    assert "against popular ones: it is 11.1 % lower" in good["questions"][0]
    assert "6 of 6 groups" in good["bins"][0]


def test_a_part_that_is_not_missed_is_not_said_to_hurt() -> None:
    made = study(FALLING, FLAT)
    left_out = made.tables["gains"]["model"].str.startswith(f"{OURS} without")
    made.tables["gains"].loc[left_out, ["gain", "gain_low", "gain_high"]] *= -1
    said = findings(made)["parts_left_out"][0]
    assert "hurt" not in said
    assert "misses nothing that was left out; against the one without text, kgrec's is 1.1 % higher" in said
    made.tables["gains"].loc[left_out, "p_holm"] = 0.9
    assert "None of what was left out makes a significant" in findings(made)["parts_left_out"][0]


def test_what_parts_bring_is_drawn_on_one_scale() -> None:
    """Panels with scales of their own make a small bar as long as a large one."""
    panels = draw(study(FALLING, FLAT), "parts_left_out").axes
    assert len({panel.get_xlim() for panel in panels}) == 1


class Page(HTMLParser):
    """Collects ids, references, and links to other files."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.outside: list[str] = []
        self.figures = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found: dict[str, Any] = dict(attrs)
        self.figures += tag == "figure"
        if found.get("id"):
            self.ids.append(found["id"])
        for name in ("src", "href", "xlink:href"):
            if found.get(name) and not found[name].startswith("#"):
                self.outside.append(found[name])


def test_the_page_stands_alone_and_escapes_names(tmp_path: Path) -> None:
    made = study(FALLING, FLAT)
    drawn = write_figures(made, tmp_path)
    assert set(drawn) == set(FIGURES)
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        f"{n}.{k}" for n in FIGURES for k in ("png", "svg")
    }
    text = write_page(made, drawn, tmp_path).read_text()
    page = Page()
    page.feed(text)
    assert page.figures == len(FIGURES)
    assert not page.outside
    assert len(set(page.ids)) == len(page.ids)
    for used in set(re.findall(r"url\(#([^)]+)\)", text)) | set(re.findall(r'href="#([^"]+)"', text)):
        assert used in page.ids
    assert "a &lt;b&gt; &amp; c" in text


def test_the_same_study_has_the_same_figures(tmp_path: Path) -> None:
    first, again = (write_figures(study(FALLING, FLAT), tmp_path / name) for name in ("a", "b"))
    assert first == again


def test_a_missing_graph_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["cold-start", str(tmp_path / "nothing"), "--out", str(tmp_path / "out")])
    assert result.exit_code != 0
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_first_look_at_real_data_and_a_second_call_that_trains_nothing(real_data: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    graph, out = str(tmp_path / "graph"), tmp_path / "report"
    built = runner.invoke(app, ["build", "movielens-100k", "--data", str(real_data), "--out", graph])
    assert built.exit_code == 0, built.output
    command = ["cold-start", graph, "--out", str(out), "--quick", "--no-ablate", "--json"]
    first = runner.invoke(app, command)
    assert first.exit_code == 0, first.output
    found = json.loads(first.stdout)
    assert {f"{name}.csv" for name in TABLES} <= {path.name for path in out.iterdir()}
    users = pd.DataFrame(found["tables"]["few_shot_users"])
    ours = users[users["model"] == OURS].set_index("given")["rmse"]
    assert ours[20] < ours[5] < ours[0] < 1.1
    items = pd.DataFrame(found["tables"]["few_shot_items"])
    assert (items[items["model"] == OURS].set_index("given")["gain"] > 0).all()
    stamp = (out / "runs" / "kgrec-0" / "model.safetensors").stat().st_mtime_ns
    again = runner.invoke(app, command)
    assert json.loads(again.stdout)["tables"] == found["tables"]
    assert (out / "runs" / "kgrec-0" / "model.safetensors").stat().st_mtime_ns == stamp


def test_the_log_loss_is_that_of_the_chance_of_what_was_given() -> None:
    values = np.array([1, 5, 5, 2], dtype=np.float32)
    owner = np.array([0, 0, 1, 1])
    part = Ratings(user=owner, item=np.arange(4), value=values, num_users=2, num_items=4)
    draw = Draw(part=part, newcomers=np.arange(2), given=np.zeros((2, 0), np.int64), test=np.arange(4), owner=owner)
    chances = np.array([[0.5, 0.5, 0, 0, 0], [0, 0, 0, 0, 1], [0.75, 0, 0, 0, 0.25], [0, 0.5, 0.5, 0, 0]], np.float32)
    levels = np.arange(1, 6, dtype=np.float32)
    served = Served(stars=chances.astype(np.float64) @ levels, probabilities=chances)
    biases = Served(stars=np.full(4, 3.0))
    table = few_shot_table({OURS: {5: served}, "biases": {5: biases}}, draw, levels).set_index("model")
    assert table.loc[OURS, "log_loss"] == pytest.approx(np.log([2, 1, 4, 2]).mean())
    assert np.isnan(table.loc["biases", "log_loss"])
