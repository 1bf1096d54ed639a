"""The names of coded values, from a table of their own."""

from __future__ import annotations

from pathlib import Path

from kg.errors import InputError
from kg.report import FileAccount
from kg.tabular.entity_description import NameTable
from kg.tabular.html_entities import unescaped
from kg.tabular.tables import read_table

__all__ = ["read_names"]


def read_names(description: NameTable, folder: Path, files: dict[str, FileAccount]) -> dict[str, str]:
    """Return the name of each code.

    Args:
        description: The table.
        folder: Where its path starts.
        files: Receives an account of the table.

    Raises:
        InputError: If the table cannot be read, or a code stands twice, with file and line.
    """
    table = read_table(folder / description.file, description.format)
    codes, names = table.column(description.code).str.strip(), table.column(description.name)
    twice = codes.duplicated().to_numpy(dtype=bool)
    if twice.any():
        row = int(twice.argmax())
        raise InputError(
            f"the code {codes.iloc[row]!r} is named for the second time; keep one of its names",
            file=table.file,
            line=table.line(row),
        )
    found = {str(code): unescaped(str(name)) for code, name in zip(codes, names, strict=True) if name.strip()}
    if description.file not in files:
        files[description.file] = FileAccount(rows=len(table), kept=len(found))
        files[description.file].drop("the name is empty", len(table) - len(found))
        files[description.file].count("bad bytes replaced", table.replaced)
    return found
