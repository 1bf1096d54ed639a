"""What users say of themselves: true of their training ratings, without a title of what they rated, the same each time."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.ratings import Ratings
from training.synthetic_texts import Facts, Profiler
from training.synthetic_users import synthetic_users
from training.text_templates import OTHER, PLAIN, Templates, self_description, short_request

DESCRIPTION = """name: portraits
ratings: {file: ratings.csv, scale: [1, 5]}
items:
  - file: items.csv
    id: id
    label: title
    text: "{title}. {plot}"
    concepts:
      genre: {column: genre}
      tag: {column: tag}
      director: {column: director, kind: person}
      decade: {column: decade}
users:
  - {file: users.csv, id: id}
"""
# Dramas d0 .. d19, then war films w0 .. w19; "Harbour" is the title of d0, and a tag of every drama.
NUM_USERS, NUM_ITEMS = 30, 40
NOUNS = {"d": ("violin", "flute", "piano", "organ", "cello"), "w": ("soldier", "general", "sailor", "medic", "pilot")}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Even users love drama and odd ones war; all rate all but ten items."""
    folder = tmp_path_factory.mktemp("portraits")
    rng = np.random.default_rng(0)
    rows, items = ["user,item,rating"], ["id,title,genre,tag,director,decade,plot"]
    for user in range(NUM_USERS):
        for item in sorted(rng.permutation(NUM_ITEMS)[10:]):
            loved = (item < 20) == (user % 2 == 0)
            rows.append(f"{user},{'dw'[item // 20]}{item % 20},{(4 if loved else 1) + rng.integers(2)}")
    for item in range(20):
        title = "Harbour (1999)" if item == 0 else f"Drama number {item} (1999)"
        items.append(f"d{item},{title},Drama,harbour,Ann Lee,1990s,A {NOUNS['d'][item % 5]} waits.")
        items.append(f"w{item},Battle number {item} (1971),War,trench,Bo Ek,1970s,The {NOUNS['w'][item % 5]} waits.")
    (folder / "ratings.csv").write_text("\n".join(rows) + "\n")
    (folder / "items.csv").write_text("\n".join([items[0], *sorted(items[1:])]) + "\n")
    (folder / "users.csv").write_text("id\n" + "".join(f"{user}\n" for user in range(NUM_USERS)))
    (folder / "portraits.yaml").write_text(DESCRIPTION)
    return build(Description.load(folder / "portraits.yaml"))


def history(dataset: Dataset, user: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    mine = dataset.ratings.user == dataset.graph.users.vocabulary.index_of(str(user))
    return dataset.ratings.item[mine], dataset.ratings.value[mine]


def without(dataset: Dataset, *users: int) -> Ratings:
    index = dataset.graph.users.vocabulary.indices([str(user) for user in users])
    return dataset.ratings.select(~np.isin(dataset.ratings.user, index))


@pytest.mark.parametrize(
    ("user", "liked", "other"),
    [(2, ("Drama", "Ann Lee", "1990s", "d"), "War"), (3, ("War", "Bo Ek", "1970s", "w"), "Drama")],
)
def test_the_facts_are_those_of_the_liked_items(
    dataset: Dataset, user: int, liked: tuple[str, ...], other: str
) -> None:
    facts = Profiler(dataset.graph, dataset.ratings).facts(*history(dataset, user))
    genre, director, decade, kind = liked
    assert genre in facts.topic
    assert (facts.maker, facts.time) == ((director,), (decade,))
    assert facts.word
    assert set(facts.word) <= set(NOUNS[kind])
    assert other in facts.dislike
    assert other not in facts.topic


def test_a_title_of_what_was_rated_is_never_told(dataset: Dataset) -> None:
    """`harbour` is a telling tag of dramas; who rated the film of that name may not say it, others may."""
    profiler = Profiler(dataset.graph, dataset.ratings)
    harbour = dataset.graph.items.vocabulary.index_of("d0")
    told = {}
    for user in range(0, NUM_USERS, 2):
        item, value = history(dataset, user)
        told[user] = (harbour in item, "harbour" in [label.casefold() for label in profiler.facts(item, value).topic])
    assert {rated for rated, _ in told.values()} == {True, False}
    assert all(said_so != rated for rated, said_so in told.values())


def test_words_of_a_title_do_not_count_as_words_of_its_text(dataset: Dataset) -> None:
    _, table, words = Profiler(dataset.graph, dataset.ratings).tables[-1]
    assert set(words) == {*NOUNS["d"], *NOUNS["w"]}  # not `number`, nor what stands in every text
    assert table.shape == (NUM_ITEMS, len(words))


def test_only_training_users_speak_and_only_their_training_ratings_decide_what_they_say(dataset: Dataset) -> None:
    train = without(dataset, 4, 5)
    texts, users = synthetic_users(dataset.graph, train, most=1000, rng=0)
    assert set(users) == set(np.unique(train.user))
    # What the held-out users think changes nothing, since nobody is told of it; what a training user thinks does.
    opposite = Ratings(
        user=train.user,
        item=train.item,
        value=np.where(train.user == users[0], 6 - train.value, train.value),
        num_users=train.num_users,
        num_items=train.num_items,
    )
    changed, speakers = synthetic_users(dataset.graph, opposite, most=1, rng=0)
    assert speakers.tolist() == [users[0]]
    assert ("Ann Lee" in texts[0]) != ("Ann Lee" in changed[0])
    assert ("Bo Ek" in texts[0]) != ("Bo Ek" in changed[0])


def test_the_same_seed_says_the_same_and_another_something_else(dataset: Dataset) -> None:
    first, users = synthetic_users(dataset.graph, dataset.ratings, most=50, rng=0)
    again, same = synthetic_users(dataset.graph, dataset.ratings, most=50, rng=0)
    other, _ = synthetic_users(dataset.graph, dataset.ratings, most=50, rng=1)
    assert (first, users.tolist()) == (again, same.tolist())
    assert first != other


def test_few_texts_are_the_first_of_many_and_hold_descriptions_and_requests(dataset: Dataset) -> None:
    many, _ = synthetic_users(dataset.graph, dataset.ratings, most=1000, rng=0)
    few, users = synthetic_users(dataset.graph, dataset.ratings, most=10, rng=0)
    assert many[:10] == few
    assert len(set(users)) == 10
    assert 3 <= sum(text.endswith(".") for text in few) <= 7  # a request is no sentence
    assert NUM_USERS < len(many) <= 2 * NUM_USERS


def test_who_rated_nothing_has_nothing_to_say(dataset: Dataset) -> None:
    nothing = Profiler(dataset.graph, dataset.ratings).facts(np.zeros(0, np.int64), np.zeros(0, np.float32))
    assert nothing == Facts()
    assert not nothing.any
    assert self_description(nothing, np.random.default_rng(0)) == ""
    assert short_request(nothing, np.random.default_rng(0)) == ""


@pytest.mark.parametrize("templates", [PLAIN, OTHER])
def test_a_description_tells_every_fact_and_dislikes_last(templates: Templates) -> None:
    facts = Facts(topic=("Comedy", "Space"), maker=("Ann Lee",), word=("robot",), place=("Chile",), dislike=("War",))
    for seed in range(20):
        text = self_description(facts, np.random.default_rng(seed), templates)
        assert "comedy and space" in text.lower()
        for name in ("Ann Lee", "robot", "Chile", "war"):
            assert name.lower() in text.lower()
            assert text.lower().index(name.lower()) <= text.lower().rindex("war")
        assert "{" not in text


def test_the_wording_to_be_tested_with_shares_no_template_with_the_one_to_learn_from() -> None:
    for role, templates in PLAIN.items():
        assert not set(templates) & set(OTHER[role])
