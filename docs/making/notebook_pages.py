"""MkDocs hook: the executed notebooks of `build/notebooks` become pages of the site."""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

BUILT = Path("build/notebooks")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add each executed notebook and its pictures under `notebooks/`."""
    for path in (*sorted(BUILT.glob("*.md")), *sorted(BUILT.glob("*_files/*"))):
        place = f"notebooks/{path.relative_to(BUILT).as_posix()}"
        files.append(File.generated(config, place, abs_src_path=str(path.resolve())))
    return files
