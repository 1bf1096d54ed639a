"""What is shipped: our packages and nothing else, and a ground floor that loads no network."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after a statement."""
    code = f"{statement}\nimport sys\nprint(' '.join({{name.partition('.')[0] for name in sys.modules}}))"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize("statement", ["import kg", "import training.cli"])
def test_nothing_light_loads_a_network(statement: str) -> None:
    assert not loaded_by(statement) & {"torch", "torch_geometric", "transformers", "sentence_transformers"}


def test_the_lock_file_names_versions_and_no_addresses() -> None:
    lines = (ROOT / "requirements.lock").read_text().split("\n")[:-1]
    assert len(lines) > 50
    assert [line for line in lines if "==" not in line or "/" in line or "@" in line] == []


@pytest.mark.slow
def test_the_wheel_holds_our_packages_and_their_data(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (wheel,) = tmp_path.glob("kgrec-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {
        "kg",
        "kgrec.py",
        "models",
        "training",
    }
    ours = {
        str(path.relative_to(ROOT)) for name in ("kg", "models", "training") for path in (ROOT / name).rglob("*.py")
    }
    assert {name for name in names if name.endswith(".py")} == {*ours, "kgrec.py"}
    for data in (
        "training/films.ttl",
        "training/films.yaml",
        "training/films_ratings.csv.gz",
        "training/templates/page.html.j2",
        "kg/shapes.ttl",
        "kg/descriptions/movielens-100k.yaml",
        "kg/py.typed",
    ):
        assert data in names
