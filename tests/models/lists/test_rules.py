"""Rules on the small world: three items, of which two are dramas, one is a war film, and one has nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kg.dataset import Dataset
from kg.errors import InputError
from models.lists.rules import AppliedRules, apply_rules

DIRECTED = "SELECT ?item { ?item kv:director/rdfs:label 'Ann Lee' }"


def applied(dataset: Dataset, folder: Path, *rules: str) -> AppliedRules:
    file = folder / "rules.yaml"
    file.write_text("rules:\n" + "".join(f"  - {rule}\n" for rule in rules), encoding="utf-8")
    return apply_rules(file, dataset.graph)


def ids(dataset: Dataset, mask: np.ndarray) -> set[str]:
    return {dataset.graph.items.vocabulary.id_of(int(item)) for item in np.flatnonzero(mask)}


def index(dataset: Dataset, raw_id: str) -> int:
    return int(dataset.graph.items.vocabulary.index_of(raw_id))


@pytest.mark.parametrize(
    ("rule", "hidden"),
    [
        ("hide: {genre: War}", {"a b"}),
        ("hide: {genre: WAR}", {"a b"}),  # upper and lower case alike
        ("hide: {genre: [War, Drama]}", {"a b", "é/1"}),
        ("hide: {genre: Drama, director: Ann Lee}", {"a b"}),  # all relations of a condition
        ("hide: {item: '03'}", {"03"}),
        ('hide: {sparql: "%s"}' % DIRECTED, {"a b"}),  # noqa: UP031 - braces of YAML
        ("only: {genre: Drama}", {"03"}),
    ],
)
def test_what_a_rule_hides(small_dataset: Dataset, tmp_path: Path, rule: str, hidden: set[str]) -> None:
    found = applied(small_dataset, tmp_path, rule)
    assert ids(small_dataset, found.hidden) == hidden
    assert not found.boost.any()
    assert found.num_left == 3 - len(hidden)
    assert found.notes == ()


def test_boosts_add_up_and_are_told_of_each_item(small_dataset: Dataset, tmp_path: Path) -> None:
    found = applied(
        small_dataset,
        tmp_path,
        "{boost: {genre: Drama}, stars: 0.3}",
        "{boost: {director: Ann Lee}, stars: 0.5, name: more Ann Lee}",
    )
    both, one, none = (index(small_dataset, raw_id) for raw_id in ("a b", "é/1", "03"))
    np.testing.assert_allclose(found.boost[[both, one, none]], [0.8, 0.3, 0.0], rtol=1e-6)
    assert [str(effect) for effect in found.of_item(both)] == ["boost genre: Drama by +0.3 stars", "more Ann Lee"]
    assert found.boosts_of(both) == {"boost genre: Drama by +0.3 stars": 0.3, "more Ann Lee": 0.5}
    assert found.boosts_of(none) == {}


def test_a_hidden_item_stays_hidden_whatever_boosts_it(small_dataset: Dataset, tmp_path: Path) -> None:
    found = applied(small_dataset, tmp_path, "hide: {genre: War}", "{boost: {genre: Drama}, stars: 1}")
    war = index(small_dataset, "a b")
    assert found.hidden[war]
    assert found.boost[war] == 0
    assert found.boosts_of(war) == {}
    assert any("hidden items stay hidden" in note for note in found.notes)


def test_opposite_boosts_are_told(small_dataset: Dataset, tmp_path: Path) -> None:
    found = applied(
        small_dataset, tmp_path, "{boost: {genre: Drama}, stars: 0.5}", "{boost: {genre: War}, stars: -0.2}"
    )
    assert found.boost[index(small_dataset, "a b")] == pytest.approx(0.3)
    assert any("both ways" in note and "+0.3" in note for note in found.notes)


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (("only: {genre: War}", "only: {item: '03'}"), ("no item satisfies", "put alternatives into one rule")),
        (("only: {genre: War}", "hide: {genre: Drama}"), ("leave no item", "narrow them")),
        (("hide: {item: [a b, é/1, '03']}",), ("leave no item", "every item")),
    ],
)
def test_rules_that_leave_nothing_are_refused(
    small_dataset: Dataset, tmp_path: Path, rules: tuple[str, ...], words: tuple[str, ...]
) -> None:
    with pytest.raises(InputError) as error:
        applied(small_dataset, tmp_path, *rules)
    for word in (*words, "rules.yaml"):
        assert (
            word in error.value.sentence
            if hasattr(error.value, "sentence")
            else word in str(error.value) + str(error.value.file)
        )


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("hide: {gender: War}", ("items have no relation 'gender'", "Did you mean 'genre'?")),
        ("hide: {genre: Wat}", ("no item has the genre 'Wat'", "Did you mean 'War'?")),
        ("hide: {item: 99}", ("99",)),
        ("{boost: {genre: War}}", ("boost needs stars",)),
        ("{hide: {genre: War}, stars: 1}", ("stars belong to boost",)),
        ("{hide: {genre: War}, only: {genre: Drama}}", ("exactly one of hide, boost and only",)),
        ("{boost: {genre: War}, stars: 0}", ("moves nothing",)),
        ("{hid: {genre: War}}", ("hid",)),
        ("hide: {genre: 1.5}", ("in quotes",)),
        ("hide: {genre: []}", ("at least one value",)),
        ('hide: {sparql: "SELECT ?x { ?x a kv:item }"}', ("?item",)),
        ('hide: {sparql: "SELECT ?item {"}', ("rules.yaml",)),
        ('hide: {sparql: "SELECT ?item { ?item a kv:genre }"}', ("no item of this graph",)),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(
    small_dataset: Dataset, tmp_path: Path, rule: str, words: tuple[str, ...]
) -> None:
    with pytest.raises(InputError) as error:
        applied(small_dataset, tmp_path, "hide: {genre: War}", rule)
    told = f"{error.value.file}, line {error.value.line}: {error.value}"
    assert "rules.yaml" in told
    assert "line 3" in told
    for word in words:
        assert word in told


def test_a_removed_item_counts_nowhere(small_dataset: Dataset, tmp_path: Path) -> None:
    found = applied(small_dataset, tmp_path, "only: {genre: Drama}")
    assert found.matches.shape == (1, 3)
    with pytest.raises(ValueError, match="got matches of"):
        AppliedRules(rules=found.rules, matches=found.matches[:, :2], present=found.present)
