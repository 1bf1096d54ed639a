"""The notebooks run from top to bottom, draw their figures, and are kept without outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def cells_of(path: Path) -> list[dict[str, Any]]:
    found = json.loads(path.read_bytes())
    assert found["nbformat"] == 4
    cells = found["cells"]
    assert isinstance(cells, list)
    return cells


def test_there_is_a_notebook() -> None:
    assert [path.name for path in NOTEBOOKS] == ["01_graph.ipynb"]


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


@pytest.mark.slow
@pytest.mark.parametrize("people", [True, False], ids=["all data", "MovieLens alone"])
def test_the_graph_notebook_runs_and_draws(
    real_data: Path, people: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    drawn: list[Path] = []

    def show() -> None:
        for number in plt.get_fignums():
            drawn.append(tmp_path / f"figure-{len(drawn) + 1}.png")
            plt.figure(number).savefig(drawn[-1], bbox_inches="tight")
        plt.close("all")

    data = real_data.resolve()
    if not people:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "ml-100k").symlink_to(data / "ml-100k")
        data = tmp_path / "data"
    monkeypatch.setattr(plt, "show", show)
    monkeypatch.setenv("KGREC_DATA", str(data))
    monkeypatch.chdir(FOLDER)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    with mpl.rc_context():
        for number, cell in enumerate(cells_of(FOLDER / "01_graph.ipynb")):
            if cell["cell_type"] == "code":
                code = compile("".join(cell["source"]), f"01_graph.ipynb, cell {number}", "exec")
                exec(code, namespace)
    assert len(drawn) == 4
    assert all(path.stat().st_size > 5_000 for path in drawn)
    out = capsys.readouterr().out
    assert "1,682 items, 943 users, 100,000 ratings" in out
    assert "1 of 1,682 items has no edge at all, for example 267 'unknown'" in out
    assert "length" in out.rpartition("has no edge")[2]
    if people:
        assert next(str(row[0]) for row in namespace["answer"]) == "James Cameron"
        assert len(namespace["films"]) == 6
