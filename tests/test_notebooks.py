"""The notebooks are kept without outputs; `make docs` executes them, and what it made of them is looked at here."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = ROOT / "build" / "notebooks"


def cells_of(path: Path) -> list[dict[str, Any]]:
    found = json.loads(path.read_bytes())
    assert found["nbformat"] == 4
    cells = found["cells"]
    assert isinstance(cells, list)
    return cells


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
@pytest.mark.parametrize(
    ("name", "num_figures", "sentences"),
    [
        (
            "01_graph",
            4,
            (
                "1,682 items, 943 users, 100,000 ratings",
                "1 of 1,682 items has no edge at all, for example 267 'unknown'",
                "James Cameron",
            ),
        ),
        ("02_train", 6, ("u1: 76,000 ratings to train on, 4,000 to validate on, 20,000 held out",)),
        ("03_cold_start", 13, ()),
        ("04_user_behaviour", 10, ()),
    ],
)
def test_an_executed_notebook_shows_its_figures(
    real_data: Path, name: str, num_figures: int, sentences: tuple[str, ...]
) -> None:
    page = PAGES / f"{name}.md"
    if not page.exists():
        pytest.skip("`make docs` executes the notebooks, and has not been run")
    text = page.read_text()
    pictures = re.findall(r"!\[\w+\]\(([^)]+)\)", text)
    assert len(pictures) == num_figures
    assert all((PAGES / picture).stat().st_size > 5_000 for picture in pictures)
    assert [sentence for sentence in sentences if sentence not in text] == []
    assert "Traceback" not in text
