"""New rows read by the description a graph was built from say what a rebuilt graph would hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.errors import InputError
from kg.growth.described_additions import described_records
from kg.growth.new_entities import NewEntities
from kg.schema import ITEM, USER

DESCRIPTION = r"""name: shop
ratings: {file: ratings.csv, scale: [1, 5]}
items:
  - file: films.csv
    id: key
    label: "{name} ({year})"
    text: "{name}. {plot}"
    same_as: link
    missing: ["", "N/A"]
    concepts:
      genre: {column: genres, split: ";"}
      director: {column: by, kind: person}
      decade: {column: year, pattern: '(\d{3})\d', wording: "{}0s"}
    relations: {sequel: {column: after, split: ",", unknown_ids: drop}}
users:
  - {file: people.csv, id: nr, concepts: {age: {column: age, bins: [18, 40]}, job: {column: job, names: {c: cook, s: spy}}}}
"""
FILMS = "key,name,year,plot,genres,by,after,link\n"
OLD_FILMS = "a,Alpha,1999,A war.,War;Drama,Ann Lee,,http://x/a\nb,Beta,1987,Love.,Love,Bo Ek,a,\nc,Gamma,2001,N/A,Drama;Love,N/A,,\n"
NEW_FILMS = 'd 1,Delta,1985,"Love, and war.",War;Love,Bo Ek,"a,b",http://x/d\né,N/A,2003,,N/A,Ann Lee,c,\n'
PEOPLE, OLD_PEOPLE, NEW_PEOPLE = "nr,age,job\n", "1,17,c\n2,25,s\n3,44,c\n", "007,39,s\n8,40,c\n"
RATINGS = "user,item,rating\n1,a,5\n2,b,4\n3,c,2\n"


def shop(folder: Path, films: str, people: str) -> Dataset:
    folder.mkdir()
    for name, content in (("shop.yaml", DESCRIPTION), ("films.csv", FILMS + films), ("people.csv", PEOPLE + people), ("ratings.csv", RATINGS)):  # fmt: skip
        (folder / name).write_text(content, encoding="utf-8")
    return build(Description.load(folder / "shop.yaml"))


def said(graph: Dataset | object, kind: str, raw_id: str) -> dict[str, object]:
    """What a graph says of one node, by ids."""
    found = graph.graph if isinstance(graph, Dataset) else graph
    nodes = found.nodes[kind]  # type: ignore[attr-defined]
    index = nodes.vocabulary.index_of(raw_id)
    edges = set()
    for edge_type, part in found.edges.items():  # type: ignore[attr-defined]
        for start, end in part.index.T:
            if (edge_type.source, start) == (kind, index) or (edge_type.target, end) == (kind, index):
                ends = [
                    found.nodes[side].vocabulary.id_of(int(place))  # type: ignore[attr-defined]
                    for side, place in ((edge_type.source, start), (edge_type.target, end))
                ]
                edges.add((edge_type.relation, *ends))
    return {"label": nodes.labels[index], "text": nodes.texts[index], "edges": edges}


@pytest.mark.parametrize(
    ("kind", "header", "rows", "ids"),
    [(ITEM, FILMS, NEW_FILMS, ["d 1", "é"]), (USER, PEOPLE, NEW_PEOPLE, ["007", "8"])],
)
def test_new_rows_say_what_a_rebuilt_graph_holds(
    tmp_path: Path, kind: str, header: str, rows: str, ids: list[str]
) -> None:
    before = shop(tmp_path / "before", OLD_FILMS, OLD_PEOPLE)
    rebuilt = shop(tmp_path / "rebuilt", OLD_FILMS + NEW_FILMS, OLD_PEOPLE + NEW_PEOPLE)
    (tmp_path / "new.csv").write_text(header + rows, encoding="utf-8")
    description = Description.load(tmp_path / "before" / "shop.yaml")
    told = described_records([tmp_path / "new.csv"], kind, description)
    additions = NewEntities.of(before.graph, kind, told.records, scale=(1, 5), lines=told.lines)
    assert not told.notes
    assert told.lines == [2, 3]
    unknown = [note for note in additions.notes if "not known" in note]
    extended = additions.extended(before.graph)
    assert {int(line) for found in additions.edges.values() for line in found.lines} == {2, 3}
    assert list(additions.nodes.vocabulary) == ids
    for raw_id in ids:
        mine, wanted = said(extended, kind, raw_id), said(rebuilt, kind, raw_id)
        assert (mine["label"], mine["text"]) == (wanted["label"], wanted["text"])
        assert mine["edges"] == wanted["edges"]
    assert not unknown


def test_what_only_the_new_rows_name_is_a_note(tmp_path: Path) -> None:
    before = shop(tmp_path / "before", OLD_FILMS, OLD_PEOPLE)
    (tmp_path / "new.csv").write_text(FILMS + "d,Delta,198?,,Opera;War,Cy Doe,,\n", encoding="utf-8")
    description = Description.load(tmp_path / "before" / "shop.yaml")
    told = described_records([tmp_path / "new.csv"], ITEM, description)
    assert told.notes == ["new.csv: 1 values of decade without a match of the pattern"]
    found = NewEntities.of(before.graph, ITEM, told.records, scale=(1, 5))
    assert sorted(note.partition(" of ")[0] for note in found.notes) == ["director 'Cy Doe'", "genre 'Opera'"]
    assert {edge_type.relation for edge_type in found.edges} == {"genre"}


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("key,name,year,plot,genres,by\nd,Delta,1985,,War,Bo Ek\n", "expected a column 'link'"),
        (FILMS + ",Delta,1985,,War,Bo Ek,,\n", "expected an item id in the column 'key'"),
        (FILMS + "d,D,1985,,War,Bo Ek,,\nd,D,1985,,War,Bo Ek,,\n", "'d' stands here for the second time"),
    ],
)
def test_a_broken_table_is_a_sentence_with_its_file(tmp_path: Path, content: str, wanted: str) -> None:
    shop(tmp_path / "before", OLD_FILMS, OLD_PEOPLE)
    (tmp_path / "new.csv").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"new\.csv") as caught:
        described_records([tmp_path / "new.csv"], ITEM, Description.load(tmp_path / "before" / "shop.yaml"))
    assert wanted in str(caught.value)


def test_a_description_without_such_a_table_says_so(tmp_path: Path) -> None:
    (tmp_path / "bare.yaml").write_text("name: bare\nratings: {file: ratings.csv, scale: [1, 5]}\n", encoding="utf-8")
    (tmp_path / "new.csv").write_text(PEOPLE + NEW_PEOPLE, encoding="utf-8")
    with pytest.raises(InputError, match="no table of users is described here"):
        described_records([tmp_path / "new.csv"], USER, Description.load(tmp_path / "bare.yaml"))


SEVERAL = DESCRIPTION.replace(
    "users:\n",
    """  - file: plots.csv
    id: film
    text: "{story}"
    concepts: {theme: {column: themes, split: ";"}}
    relations: {remake: {column: of, unknown_ids: drop}}
users:
""",
)
PLOTS = "film,story,themes,of\n"
OLD_PLOTS, NEW_PLOTS = (
    "a,Men fight.,honour;loss,\nb,They kiss.,loss,a\n",
    "é,A ghost.,loss,b\nd 1,They marry.,honour,\n",
)


def of_two_tables(folder: Path, films: str, plots: str) -> Dataset:
    shop(folder, films, OLD_PEOPLE)
    (folder / "shop.yaml").write_text(SEVERAL, encoding="utf-8")
    (folder / "plots.csv").write_text(PLOTS + plots, encoding="utf-8")
    return build(Description.load(folder / "shop.yaml"))


def test_several_tables_say_together_what_a_rebuilt_graph_holds(tmp_path: Path) -> None:
    before = of_two_tables(tmp_path / "before", OLD_FILMS, OLD_PLOTS)
    rebuilt = of_two_tables(tmp_path / "rebuilt", OLD_FILMS + NEW_FILMS, OLD_PLOTS + NEW_PLOTS)
    (tmp_path / "new.csv").write_text(FILMS + NEW_FILMS, encoding="utf-8")
    (tmp_path / "more.csv").write_text(PLOTS + NEW_PLOTS + "nobody,Lost.,,\n", encoding="utf-8")
    description = Description.load(tmp_path / "before" / "shop.yaml")
    told = described_records([tmp_path / "new.csv", tmp_path / "more.csv"], ITEM, description)
    assert told.notes == ["more.csv: 1 rows left out: no item of this id"]
    assert told.lines == [2, 3]
    extended = NewEntities.of(before.graph, ITEM, told.records, scale=(1, 5), lines=told.lines).extended(before.graph)
    for raw_id in ("d 1", "é"):
        assert said(extended, ITEM, raw_id) == said(rebuilt, ITEM, raw_id)


def test_a_described_table_without_a_file_like_it_is_a_note_and_too_many_files_are_an_error(tmp_path: Path) -> None:
    of_two_tables(tmp_path / "before", OLD_FILMS, OLD_PLOTS)
    (tmp_path / "new.csv").write_text(FILMS + NEW_FILMS, encoding="utf-8")
    description = Description.load(tmp_path / "before" / "shop.yaml")
    (note,) = described_records([tmp_path / "new.csv"], ITEM, description).notes
    assert note.startswith("nothing was given like plots.csv")
    with pytest.raises(InputError, match=r"the description has 2 tables of items"):
        described_records([tmp_path / "new.csv"] * 3, ITEM, description)


def test_the_description_and_the_table_stay_as_they_are(tmp_path: Path) -> None:
    shop(tmp_path / "before", OLD_FILMS, OLD_PEOPLE)
    (tmp_path / "new.csv").write_text(FILMS + NEW_FILMS, encoding="utf-8")
    description = Description.load(tmp_path / "before" / "shop.yaml")
    described = description.model_dump()
    first, again = (described_records([tmp_path / "new.csv"], ITEM, description).records for _ in range(2))
    assert first == again
    assert description.model_dump() == described
    assert (tmp_path / "new.csv").read_text(encoding="utf-8") == FILMS + NEW_FILMS
    assert np.all([set(record) <= {"id", "label", "text", "concepts"} for record in first])


def test_a_new_item_with_the_link_of_a_known_one_is_told(tmp_path: Path) -> None:
    before = shop(tmp_path / "before", OLD_FILMS, OLD_PEOPLE)
    (tmp_path / "new.csv").write_text(
        FILMS + "d 1,Delta,1985,,War,Bo Ek,,http://x/a\nd 2,Eta,1985,,War,Bo Ek,,http://x/e\n"
    )
    told = described_records([tmp_path / "new.csv"], ITEM, Description.load(tmp_path / "before" / "shop.yaml"))
    assert told.known_links(before.graph.items) == [
        "item 'd 1' has the link of the known item 'a', http://x/a; if both are the same, leave the new one out"
    ]
