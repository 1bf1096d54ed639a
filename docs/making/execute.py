"""Execute a notebook and write it as a page of the site: `python docs/making/execute.py NOTEBOOK PAGE`.

The page is Markdown, with what the cells printed and drew; the pictures lie in a folder beside it. Without the data
that notebooks read, the page shows the cells alone and says so.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import MarkdownExporter
from traitlets.config import Config

from kg.storage.atomic import write_file

SOCKETS = Config({"AsyncKernelManager": {"transport": "ipc"}})  # files, which no one else on the machine can listen to
NOT_EXECUTED = """\
!!! warning "This notebook was not executed"
    Its figures and numbers are missing, because MovieLens 100K was not found in `{data}` when this site was built.
    Run `kgrec download ml-100k --to data`, name that folder in `KGREC_DATA`, and run `make docs` again.

"""


def page_of(notebook: Path, page: Path, data: Path) -> None:
    """Execute a notebook in its own folder and write the page; an error in a cell ends the program."""
    book = nbformat.read(notebook, as_version=4)
    note = NOT_EXECUTED.format(data=data)
    if (data / "ml-100k").is_dir():
        note = ""
        folder = {"metadata": {"path": notebook.parent}}
        NotebookClient(book, timeout=None, kernel_name="python3", resources=folder, config=SOCKETS).execute()
    pictures = page.with_name(f"{page.stem}_files")
    text, resources = MarkdownExporter().from_notebook_node(
        book, resources={"unique_key": page.stem, "output_files_dir": pictures.name}
    )
    pictures.mkdir(parents=True, exist_ok=True)
    for name, content in resources["outputs"].items():
        (page.parent / name).write_bytes(content)
    write_file(page, note + text)  # last and at once: make never takes half a page for a whole one


if __name__ == "__main__":
    page_of(Path(sys.argv[1]), Path(sys.argv[2]), Path(os.environ["KGREC_DATA"]))
