from __future__ import annotations

from pathlib import Path

import pytest

from kg.description import Description, ready_made
from kg.errors import InputError
from kg.tabular.table_format import TableFormat

BARE = "name: bare\nratings: {file: ratings.csv}\n"


def load(tmp_path: Path, text: str, data: Path | None = None) -> Description:
    (tmp_path / "d.yaml").write_text(text)
    return Description.load(tmp_path / "d.yaml", data=data)


def test_the_ready_made_descriptions_are_valid(tmp_path: Path) -> None:
    assert list(ready_made()) == [
        "amazon-scientific",
        "citeulike-a",
        "dkn-news",
        "flixster-monti",
        "kmrd-small",
        "lastfm-dbpedia",
        "movielens-100k",
        "movielens-100k-freebase",
        "movielens-1m",
        "movielens-latest-small",
    ]
    for name in ready_made():
        description = Description.load(name, data=tmp_path)
        assert (description.name, description.folder) == (name, tmp_path)


def test_the_public_score_of_the_item_texts_is_never_read(tmp_path: Path) -> None:
    description = Description.load("movielens-100k", data=tmp_path)
    (table,) = (table for table in description.items if table.file.endswith("ml-100k-items.json"))
    assert "rating" not in {concept.column for concept in table.concepts.values()}
    assert "{rating}" not in f"{table.text} {table.label}"


def test_paths_start_at_the_description_or_at_data(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert load(tmp_path, BARE).folder == tmp_path
    assert load(tmp_path, BARE, tmp_path / "data").folder == tmp_path / "data"


def test_defaults(tmp_path: Path) -> None:
    ratings = load(tmp_path, BARE).ratings
    assert not isinstance(ratings, tuple)
    assert (ratings.user, ratings.item, ratings.rating, ratings.time, ratings.scale) == (
        "user",
        "item",
        "rating",
        "time",
        (1, 5),
    )


def test_numbers_are_names_but_truth_values_are_not(tmp_path: Path) -> None:
    users = "users: [{file: u, id: 0, concepts: {job: {column: 1, names: {007: spy}}}}]\n"
    (table,) = load(tmp_path, BARE + users).users
    assert (table.id, table.concepts["job"].column, table.concepts["job"].names) == ("0", "1", {"7": "spy"})
    with pytest.raises(InputError, match=r"line 3: .*put it in quotes"):
        load(tmp_path, BARE + "users: [{file: u, id: no}]\n")


def test_merge_keys_work(tmp_path: Path) -> None:
    text = BARE + (
        "items:\n  - {file: a, id: id, concepts: &shared {genre: {column: g}}}\n"
        "  - {file: b, id: id, concepts: {<<: *shared, year: {column: y}}}\n"
    )
    assert set(load(tmp_path, text).items[1].concepts) == {"genre", "year"}


def test_of_several_rating_tables_errors_still_have_their_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 4: unknown key 'usr'.*Did you mean 'user'"):
        load(tmp_path, "name: x\nratings:\n  - {file: a}\n  - {file: b, usr: u}\n")


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"separator": "a\n"}, "line ends"),
        ({"quote": "«"}, "printable ASCII"),
        ({"separator": "::", "quote": '"'}, "one ASCII character"),
        ({"separator": "|", "quote": "|"}, "other than the separator"),
    ],
)
def test_formats_that_cannot_be(form: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TableFormat.model_validate(form)


@pytest.mark.parametrize("namespace", ["films", "https://a.example/kg#", "https://a.example/a b/"])
def test_namespaces_that_cannot_be(tmp_path: Path, namespace: str) -> None:
    with pytest.raises(InputError, match=r"line 3: namespace: expected an IRI that ends in '/'"):
        load(tmp_path, BARE + f'namespace: "{namespace}"\n')


def test_items_need_an_id_before_a_match(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="first table of items needs an id"):
        load(tmp_path, BARE + "items: [{file: a, match: {title: t}}]\n")


@pytest.mark.parametrize(
    ("concept", "told"),
    [
        ("bins: [a]", r"concepts.age.bins.0: expected a number, found 'a'"),
        ("bins: 18", r"concepts.age.bins: expected a list, as in \[a, b\], found 18"),
        ("bins: []", r"concepts.age.bins: expected a list of at least 1, found \[\]"),
        ("first: 0", r"concepts.age.first: expected at least 1, found 0"),
        ("names: no", r"concepts.age.names: expected keys with their values, as in \{key: value\}, found False"),
    ],
)
def test_values_of_the_wrong_kind_are_told_in_plain_words(tmp_path: Path, concept: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        load(tmp_path, BARE + f"users: [{{file: u, id: id, concepts: {{age: {{column: age, {concept}}}}}}}]\n")
