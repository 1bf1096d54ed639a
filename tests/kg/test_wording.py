from __future__ import annotations

from pathlib import Path

import pytest

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.errors import UnknownNameError
from kg.wording import concept_sentences, item_sentences, user_sentences


def test_items_are_read_by_their_text_and_none_states_that_nothing_is_known(small_dataset: Dataset) -> None:
    assert item_sentences(small_dataset.graph) == [
        'Alpha (1999). Drama, War. A "quoted" plot.',
        "Beta (2001). drama.",
        None,
    ]


def test_an_item_without_text_is_read_by_its_label_and_concepts(small_world: Path) -> None:
    text = (small_world / "description.yaml").read_text()
    (small_world / "description.yaml").write_text(text.replace("    text:", "    # text:"))
    graph = build(Description.load(small_world / "description.yaml")).graph
    assert item_sentences(graph) == [
        "Alpha (1999). Genre: Drama, War. Director: Ann Lee. Actor: Ann Lee, Bo Ek. Decade: 1990s.",
        "Beta (2001). Genre: Drama. Actor: Bo Ek. Decade: 2000s.",
        None,
    ]


def test_concepts_and_users(small_dataset: Dataset) -> None:
    assert concept_sentences(small_dataset.graph, "genre") == ["Drama (genre).", "War (genre)."]
    assert user_sentences(small_dataset.graph) == [
        "A user. Age: under 18. Occupation: spy.",
        "A user. Age: 18-24.",
        "A user. Age: 25+. Occupation: spy.",
    ]
    with pytest.raises(UnknownNameError, match="Did you mean 'genre'"):
        concept_sentences(small_dataset.graph, "genres")
