"""What the terminal shows is what the data says."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from training import console

HOSTILE = ["urn:x:1", "a:b:c", r"\[bold]hi[/bold]", "[x]", ":smile:"]


def test_json_is_exact(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_json({"ids": HOSTILE})
    assert json.loads(capsys.readouterr().out) == {"ids": HOSTILE}


def test_tables_show_labels_and_ids_as_they_are() -> None:
    rows = pd.DataFrame(
        {"id": HOSTILE, "label": HOSTILE, "score": 4.0, "low": 3.0, "high": 5.0, "source": "warm", "reason": HOSTILE}
    )
    with console.out.capture() as shown:
        console.out.print(console.recommendation_table("[title]", rows))
    assert "[title]" in shown.get()
    for text in HOSTILE:
        assert shown.get().count(text) >= 3, text
