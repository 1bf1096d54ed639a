"""Names in a text: titles, genres, people and years of a small world of films."""

from __future__ import annotations

import pytest

from kg.build import build
from kg.description import Description
from models.language.mentions import NameIndex

DESCRIPTION = """name: films
ratings: {file: ratings.csv, scale: [1, 5]}
items:
  - file: films.csv
    id: id
    label: title
    concepts: {genre: {column: genre, split: "|"}, director: {column: director}}
"""
FILMS = """id,title,genre,director
1,Alien (1979),Horror|Sci-Fi,Ridley Scott
2,Aliens (1986),Action|Sci-Fi,James Cameron
3,"Matrix, The (1999)",Action,Lana Wachowski
4,Heat (1995),Crime,Michael Mann
5,Psycho (1960),Horror,Alfred Hitchcock
6,Vertigo (1958),Mystery,Alfred Hitchcock
7,Babe: Pig in the City (1998),Children's,George Miller
8,It Happened One Night (1934),Comedy,Frank Capra
"""


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> NameIndex:
    folder = tmp_path_factory.mktemp("films")
    (folder / "films.csv").write_text(FILMS)
    (folder / "ratings.csv").write_text("user,item,rating\n" + "".join(f"u,{item},4\n" for item in range(1, 9)))
    (folder / "films.yaml").write_text(DESCRIPTION)
    return NameIndex.of(build(Description.load(folder / "films.yaml")).graph)


@pytest.mark.parametrize(
    ("text", "items", "concepts", "years"),
    [
        ("something like Alien", ["Alien (1979)"], [], ()),
        ("I loved Aliens (1986) and The Matrix", ["Aliens (1986)", "Matrix, The (1999)"], [], ()),
        ("films by Hitchcock", [], ["Alfred Hitchcock"], ()),
        ("a horror film from the seventies", [], ["Horror"], ((1970, 1979),)),
        ("sci-fi or science fiction, 80s", [], ["Sci-Fi"], ((1980, 1989),)),
        ("comedies after 1980", [], ["Comedy"], ((1981, 9999),)),
        ("comedies since 1980, before 1990", [], ["Comedy"], ((1980, 9999), (0, 1989))),
        ("between 1970 and 1975", [], [], ((1970, 1975),)),
        ("for children, from 1998", [], ["Children's"], ((1998, 1998),)),
        ('I enjoyed "heat"', ["Heat (1995)"], [], ()),
        ("the heat of summer", [], [], ()),
        ("like Heat (2013)", [], [], ()),
        ("it happened one night", ["It Happened One Night (1934)"], [], ()),
        ("scott is my name", [], [], ()),
        ("Scott is my name", [], [], ()),
        ("nothing here", [], [], ()),
        ("", [], [], ()),
    ],
)
def test_names_are_found_where_they_are_meant(
    names: NameIndex, text: str, items: list[str], concepts: list[str], years: tuple[tuple[int, int], ...]
) -> None:
    found = names.read(text)
    assert [mention.label for mention in found.items] == items
    assert [mention.label for mention in found.concepts] == concepts
    assert found.years == years
