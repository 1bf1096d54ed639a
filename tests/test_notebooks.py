"""The notebooks run from top to bottom, draw their figures, and are kept without outputs."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def cells_of(path: Path) -> list[dict[str, Any]]:
    found = json.loads(path.read_bytes())
    assert found["nbformat"] == 4
    cells = found["cells"]
    assert isinstance(cells, list)
    return cells


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A notebook that was run: what its names stand for, the files of its figures, what it printed, the tables it showed."""

    names: dict[str, Any]
    figures: list[Path]
    printed: str
    tables: list[pd.DataFrame]


@pytest.fixture
def run_notebook(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Any]:
    """A function that runs a notebook as people see it: the value of a cell's last line is shown, figures are drawn."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure

    figures: list[Path] = []
    tables: list[pd.DataFrame] = []

    def draw(figure: Figure) -> None:
        figures.append(tmp_path / f"figure-{len(figures) + 1}.png")
        figure.savefig(figures[-1], bbox_inches="tight")

    def show() -> None:
        for number in plt.get_fignums():
            draw(plt.figure(number))
        plt.close("all")

    def run(name: str, data: Path, runs: Path) -> Ran:
        monkeypatch.setattr(plt, "show", show)
        monkeypatch.setenv("KGREC_DATA", str(data))
        monkeypatch.setenv("KGREC_RUNS", str(runs))
        monkeypatch.chdir(FOLDER)
        namespace: dict[str, Any] = {"__name__": "__main__"}
        for number, cell in enumerate(cells_of(FOLDER / f"{name}.ipynb")):
            if cell["cell_type"] != "code":
                continue
            place, tree = f"{name}.ipynb, cell {number}", ast.parse("".join(cell["source"]))
            last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, place, "exec"), namespace)
            shown = None if last is None else eval(compile(ast.Expression(last.value), place, "eval"), namespace)
            if isinstance(shown, Figure):
                draw(shown)
            elif isinstance(shown, pd.DataFrame):
                tables.append(shown)
            assert not plt.get_fignums(), f"{place} leaves a figure that nobody sees"
        return Ran(names=namespace, figures=figures, printed=capsys.readouterr().out, tables=tables)

    with mpl.rc_context():
        yield run


@pytest.fixture(scope="session")
def shared_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where notebooks keep graph and runs: what one has trained the next one finds."""
    return tmp_path_factory.mktemp("notebooks")


def test_there_are_four_notebooks() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["01_graph", "02_train", "03_cold_start", "04_user_behaviour"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_no_outputs_are_stored_and_every_cell_is_code_or_text(path: Path) -> None:
    cells = cells_of(path)
    assert len({cell["id"] for cell in cells}) == len(cells)
    for number, cell in enumerate(cells):
        source = "".join(cell["source"])
        assert source.strip()
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
            compile(source, f"{path.name}, cell {number}", "exec")
        else:
            assert cell["cell_type"] == "markdown"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_results_are_computed_and_never_typed_into_the_text(path: Path) -> None:
    """A share, an error or a large count in prose would be wrong after the next training."""
    for cell in cells_of(path):
        if cell["cell_type"] == "markdown":
            prose = re.sub(r"`[^`]*`", "", "".join(cell["source"]))
            assert not re.search(r"\d\.\d|\d,\d{3}", prose), prose


@pytest.mark.slow
@pytest.mark.parametrize("people", [True, False], ids=["all data", "MovieLens alone"])
def test_the_graph_notebook_runs_and_draws(real_data: Path, people: bool, run_notebook: Any, tmp_path: Path) -> None:
    data = real_data.resolve()
    if not people:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "ml-100k").symlink_to(data / "ml-100k")
        data = tmp_path / "data"
    ran = run_notebook("01_graph", data, tmp_path / "runs")
    assert len(ran.figures) == 4
    assert all(path.stat().st_size > 5_000 for path in ran.figures)
    assert "1,682 items, 943 users, 100,000 ratings" in ran.printed
    assert "1 of 1,682 items has no edge at all, for example 267 'unknown'" in ran.printed
    assert "length" in ran.printed.rpartition("has no edge")[2]
    if people:
        assert next(str(row[0]) for row in ran.names["answer"]) == "James Cameron"
        assert len(ran.names["films"]) == 6


@pytest.mark.slow
def test_the_training_notebook_runs_and_draws(real_data: Path, run_notebook: Any, shared_runs: Path) -> None:
    ran = run_notebook("02_train", real_data.resolve(), shared_runs)
    assert len(ran.figures) == 6
    assert all(path.stat().st_size > 5_000 for path in ran.figures)
    assert all(len(table) for table in ran.tables)
    assert "u1: 76,000 ratings to train on, 4,000 to validate on, 20,000 held out" in ran.printed
    error = ran.names["error"]
    assert error["the average so far"][-1] < error["each alone"].min()  # an average of models beats each of them
    rmse = {name: found["rmse"]["value"] for name, found in ran.names["models"].items() if "rmse" in found}
    assert min(rmse, key=lambda name: rmse[name]) == "kgrec"
    assert ran.names["worst"] < 1e-5  # parts sum to predictions
    assert 0.77 <= ran.names["inside"][3].value <= 0.83
    assert list(ran.names["diagnostics"].index) == ["cold", "warm"]
    assert (ran.names["diagnostics"]["R-hat of the loss"] >= 0.9).all()
    setting = ran.tables[0].set_index("setting")
    assert setting.loc["training.epochs"].tolist() == [600, 2400]


@pytest.mark.slow
def test_the_cold_start_notebook_runs_and_draws(real_data: Path, run_notebook: Any, shared_runs: Path) -> None:
    ran = run_notebook("03_cold_start", real_data.resolve(), shared_runs)
    assert len(ran.figures) == 13
    assert all(path.stat().st_size > 5_000 for path in ran.figures)
    assert all(len(table) for table in ran.tables)
    tables = ran.names["study"].tables
    gains = tables["gains"].set_index(["part", "model"])
    assert gains.loc[("cold_items", "biases"), "gain_low"] > 0  # new films: better than the rule of thumb
    assert gains.loc[("cold_items", "kgrec without text and concepts"), "gain_low"] > 0
    curve = tables["few_shot_users"].query("model == 'kgrec'").set_index("given")["rmse"]
    assert curve[20] < curve[5] < curve[0]
    assert len(ran.names["answers"]) == 6
    if (real_data / "ml-1m").is_dir():
        assert len(ran.names["films"]) == 242
        assert "the rank correlation of what was expected with what was found is" in ran.printed


@pytest.mark.slow
def test_the_behaviour_notebook_runs_and_draws(real_data: Path, run_notebook: Any, shared_runs: Path) -> None:
    ran = run_notebook("04_user_behaviour", real_data.resolve(), shared_runs)
    assert len(ran.figures) == 10
    assert all(path.stat().st_size > 5_000 for path in ran.figures)
    assert all(len(table) for table in ran.tables)
    why = ran.names["why"]
    assert sum(part.stars for part in why.parts) == pytest.approx(why.score, abs=1e-5)
    assert all(step.origin is not None for path in why.paths for step in path[1:])
    lists = [tuple(found["id"]) for found in ran.names["lists"].values()]
    assert len(set(lists)) == len(lists)  # an edit moves the list
    assert ran.names["alike"].mean() > ran.names["any_two"].mean()
    assert sum(segment.size for segment in ran.names["segments"].segments) == ran.names["segments"].num_users
    listed = ran.names["graph"].items.vocabulary.indices(list(ran.names["ruled"]["id"]))
    assert not ran.names["applied"].hidden[listed].any()
    assert ran.names["applied"].hidden.any()
