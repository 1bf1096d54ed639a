"""Refusals and wishes: sixty sentences written by hand, and three hundred made of parts whose meaning is known."""

from __future__ import annotations

import random

import pytest

from models.language.statements import statements

# A sentence, what it asks for and what it refuses; the topics are words that occur in it once.
BY_HAND: list[tuple[str, str, str]] = [
    ("space adventures, no comedies", "adventures", "comedies"),
    ("space adventures without comedies", "adventures", "comedies"),
    ("space adventures and no comedies", "adventures", "comedies"),
    ("space adventures (no comedies)", "adventures", "comedies"),
    ("space adventures - no comedies", "adventures", "comedies"),
    ("space adventures. No comedies.", "adventures", "comedies"),
    ("space adventures but no comedies", "adventures", "comedies"),
    ("space adventures; no comedies", "adventures", "comedies"),
    ("slow drama, no romance please", "drama", "romance"),
    ("dark thrillers, no horror", "thrillers", "horror"),
    ("I love westerns, I hate horror", "westerns", "horror"),
    ("I love westerns. I hate horror.", "westerns", "horror"),
    ("no drama, just war films", "war", "drama"),
    ("no comedies, I want science fiction", "fiction", "comedies"),
    ("everything but horror", "", "horror"),
    ("anything but horror", "", "horror"),
    ("nothing but westerns", "westerns", ""),
    ("a thriller that is not too violent", "thriller", "violent"),
    ("comedies rather than horror", "comedies", "horror"),
    ("I'd rather watch comedies than horror", "comedies", "horror"),
    ("I prefer comedies over horror", "comedies", "horror"),
    ("I can't stand musicals but love jazz", "jazz", "musicals"),
    ("I don\N{RIGHT SINGLE QUOTATION MARK}t like horror but ghosts are fine", "ghosts", "horror"),
    ("I don't like horror and gore", "", "horror gore"),
    ("I hate horror, musicals and westerns, love comedies", "comedies", "horror musicals westerns"),
    ("no horror, gore or musicals, and lots of romance", "romance", "horror gore musicals"),
    ("no horror, comedies", "comedies", "horror"),
    ("films without violence and with good music", "music", "violence"),
    ("don't show me any romance", "", "romance"),
    ("I'm not a fan of romance, I prefer action", "action", "romance"),
    ("neither horror nor comedy", "", "horror comedy"),
    ("a war film with no romance in it", "war", "romance"),
    ("I am tired of superheroes. Give me a quiet drama", "drama", "superheroes"),
    ("I want a comedy but please no romance at all", "comedy", "romance"),
    ("Please recommend anything except musicals, I like spies", "spies", "musicals"),
    ("horror movies that aren't gory", "horror", "gory"),
    ("nothing too scary", "", "scary"),
    ("less romance, more action", "action", "romance"),
    ("a light film, nothing sad", "light", "sad"),
    ("I'd like a western with no singing and a good ending", "western ending", "singing"),
    ("Something like Alien, without the gore", "Alien", "gore"),
    ("without horror, a family film for Sunday", "family", "horror"),
    ("not horror, not drama, a comedy", "comedy", "horror drama"),
    ("avoid horror and drama; comedies are fine", "comedies", "horror drama"),
    ("I loved Alien and hated Titanic", "Alien", "Titanic"),
    ("I really don't enjoy war films, however I love history", "history", "war"),
    ("no kids' films or cartoons please", "", "kids cartoons"),
    ("none of that romance stuff", "", "romance"),
    ("steer clear of horror", "", "horror"),
    ("not in the mood for drama, something funny", "funny", "drama"),
    ("gore-free thrillers", "thrillers", "gore"),
    ("horror is not for me", "", "horror"),
    ("romance bores me", "", "romance"),
    ("too much violence puts me off", "", "violence"),
    ("no violence or nudity, for my children", "children", "violence nudity"),
    ("thrillers, horror excluded", "thrillers", "horror"),
    ("I have never seen Alien, any ideas?", "Alien", ""),
    ("not sure what I want, maybe a comedy", "comedy", ""),
    ("I can't get enough of westerns", "westerns", ""),
    ("No one writes like Tarantino; more of him", "Tarantino", ""),
    ("why not a western?", "western", ""),
    ("I don't mind horror", "horror", ""),
    ("No, I want a comedy", "comedy", ""),
]

TOPICS = ["horror", "romance", "westerns", "musicals", "comedies", "war films", "drama", "thrillers", "robots", "spies"]
WISHES = ["{a}", "I love {a}", "show me {a}", "something with {a}", "good {a} for tonight", "I am looking for {a}"]
AFTER = [
    "{w}, no {b}", "{w} without {b}", "{w}. I hate {b}", "{w}, but no {b}", "{w} (no {b})", "{w} - no {b}", "{w}, I can't stand {b}",
    "{w}, except {b}", "{w} and no {b}", "{w}, anything but {b}", "{w} rather than {b}", "{w}; please no {b}", "{w}, not {b}",
    "{w}. Spare me {b}", "{w}, nothing with {b}", "{w} instead of {b}", "{w}, I am sick of {b}", "{w}, excluding {b}",
]  # fmt: skip
BEFORE = [
    "no {b}, {w}", "without {b}, {w}", "I don't like {b}, {w}", "not {b} but {w}", "I hate {b}. {w}", "avoid {b}; {w}",
    "no {b} or {c}, {w}", "I never watch {b}, {w}",
]  # fmt: skip


def generated() -> list[tuple[str, str, str]]:
    """Return 300 sentences with what each asks for and refuses."""
    draw, made = random.Random(0), []
    while len(made) < 300:
        a, b, c = draw.sample(TOPICS, 3)
        wish = draw.choice(WISHES).format(a=a)
        form = draw.choice(AFTER + BEFORE)
        refused = f"{b} {c}" if "{c}" in form else b
        made.append((form.format(w=wish, b=b, c=c), a, refused))
    return made


def read(sentence: str) -> tuple[str, str]:
    said = statements(sentence)
    wanted, refused = (" ".join(part.text for part in said if part.refuses is refuses) for refuses in (False, True))
    return wanted, refused


@pytest.mark.parametrize(("sentence", "wanted", "refused"), BY_HAND)
def test_sentences_written_by_hand(sentence: str, wanted: str, refused: str) -> None:
    asked, left_out = read(sentence)
    for word in wanted.split():
        assert word in asked, (asked, left_out)
        assert word not in left_out, (asked, left_out)
    for word in refused.split():
        assert word in left_out, (asked, left_out)
        assert word not in asked, (asked, left_out)


@pytest.mark.parametrize(("sentence", "wanted", "refused"), generated())
def test_generated_sentences(sentence: str, wanted: str, refused: str) -> None:
    asked, left_out = read(sentence)
    for topic in TOPICS:
        assert (topic in asked) == (topic == wanted), (asked, left_out)
    for topic in refused.split(" films")[0].split():
        assert topic in left_out, (asked, left_out)


@pytest.mark.parametrize(
    "text", ["тихая драма, без ужасов", "\N{ROBOT FACE}", "no", "!!!", "please", "un film sans horreur"]
)
def test_what_is_no_english_refusal_stays_a_wish(text: str) -> None:
    said = statements(text)
    assert said
    assert not any(part.refuses for part in said)
