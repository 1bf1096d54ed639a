"""A run with what joined it since training, under a new name."""

from __future__ import annotations

import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

from kg.errors import InputError
from kg.storage.atomic import staged_directory
from kg.storage.manifest import canonical, refuse_foreign, seal
from models.recommender import Recommender
from models.saved import FORMAT_NAME, said_of, write_ledger
from models.saved.ledger import LEDGER_FILES

__all__ = ["write_extended_run"]


def write_extended_run(directory: Path, manifest: dict[str, Any], recommender: Recommender, out: Path) -> None:
    """Write a run with what was added to it under a new name; the old one stays.

    Args:
        directory: The run.
        manifest: Its manifest.
        recommender: Its recommender with the additions.
        out: Directory of the new run.

    Raises:
        InputError: If the new directory is there already.
    """
    _refuse_any(out)
    ledger = said_of(recommender)
    files = [name for name in manifest["files"] if name not in LEDGER_FILES]
    content = {name: part for name, part in manifest.items() if name not in ("files", "checksum")}
    added = canonical([[part.kind, part.source, list(part.records)] for part in ledger])
    # Not the run that training would make: to train again is not taken as done.
    content["identity"] = sha256(f"{manifest['identity']}\n".encode() + added).hexdigest()
    with staged_directory(out, replaceable=_refuse_any) as folder:
        if (directory / "graph").is_dir():  # not of a recommender that was saved alone
            shutil.copytree(directory / "graph", folder / "graph", ignore=shutil.ignore_patterns(".*"))
        for name in files:
            if not (folder / name).exists():
                shutil.copyfile(directory / name, folder / name)
        seal(folder, content, (*files, *write_ledger(ledger, folder)))


def _refuse_any(out: Path) -> None:
    refuse_foreign(out, form=FORMAT_NAME, noun="run", also=("*",))
    if out.is_dir() and any(out.iterdir()):
        raise InputError("a run is here already; give --out another name", file=out)
