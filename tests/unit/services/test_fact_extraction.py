"""Facts by rules: what is stated is found, what is asked, supposed, quoted or reported is not."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.memory.facts.extraction import MOST_FACTS, extract
from services.memory.facts.model_extraction import grounded
from services.memory.facts.rules import Found, has_one_value
from services.memory.facts.wording import about_user

FOUND = [
    ("My name is Anna.", [("name", "The user's name is Anna.")]),
    (
        "my name is anna and i live in berlin",
        [("name", "The user's name is Anna."), ("home", "The user lives in Berlin.")],
    ),
    (
        "hi my name's anna and i live in berlin i work at siemens",
        [
            ("name", "The user's name is Anna."),
            ("home", "The user lives in Berlin."),
            ("employer", "The user works at Siemens."),
        ],
    ),
    ("My name is Dr. Anna Smith.", [("name", "The user's name is Dr. Anna Smith.")]),
    ("um so yeah my name is Anna", [("name", "The user's name is Anna.")]),
    ("My name is Anna, what's yours?", [("name", "The user's name is Anna.")]),
    ("My name is Anna, could you help me?", [("name", "The user's name is Anna.")]),
    ("Can I call you Bob? My name is Anna.", [("name", "The user's name is Anna.")]),
    ("Call me Bob, please.", [("nickname", "The user wants to be called Bob.")]),
    ("I live in Berlin, tell me if it rains.", [("home", "The user lives in Berlin.")]),
    ("I just moved to Lisbon", [("home", "The user lives in Lisbon.")]),
    ("I'm from Munich", [("origin", "The user comes from Munich.")]),
    ("I was born in Hamburg", [("origin", "The user was born in Hamburg.")]),
    ("I was born on March 3 1990", [("birthday", "The user was born on March 3 1990.")]),
    ("My birthday is the 3rd of May.", [("birthday", "The user's birthday is the 3rd of May.")]),
    ("I am 34 years old", [("age", "The user is 34 years old.")]),
    ("i'm thirty-four years old", [("age", "The user is thirty-four years old.")]),
    (
        "I am 34 years old and I'm allergic to peanuts and shellfish.",
        [("age", "The user is 34 years old."), ("allergy", "The user is allergic to peanuts and shellfish.")],
    ),
    ("I work for Siemens", [("employer", "The user works at Siemens.")]),
    ("I work as a nurse at the city hospital", [("job", "The user works as a nurse at the city hospital.")]),
    ("I'm a software engineer.", [("job", "The user is a software engineer.")]),
    ("I'm vegetarian", [("diet", "The user is vegetarian.")]),
    ("my dog is called biscuit", [("pet", "The user has a dog called Biscuit.")]),
    ('My dog is called "Biscuit".', [("pet", "The user has a dog called Biscuit.")]),
    ("I have a cat named Whiskers", [("pet", "The user has a cat called Whiskers.")]),
    (
        "My sister’s name is Maria, and my brother is called Tom.",
        [("sister", "The user's sister is called Maria."), ("brother", "The user's brother is called Tom.")],
    ),
    ("My wife is Anna", [("wife", "The user's wife is called Anna.")]),
    ("I am married to Peter", [("marriage", "The user is married to Peter.")]),
    ("I have two kids", [("family", "The user has two kids.")]),
    ("I love Italian food.", [("likes", "The user loves Italian food.")]),
    ("Okay, so, I really love hiking in the Alps.", [("likes", "The user loves hiking in the Alps.")]),
    (
        "I like the Beatles but I hate the Stones",
        [("likes", "The user likes the Beatles."), ("dislikes", "The user hates the Stones.")],
    ),
    ("I prefer tea to coffee", [("preference", "The user prefers tea to coffee.")]),
    ("I don't like olives.", [("dislikes", "The user does not like olives.")]),
    ("I love my job", [("likes", "The user loves their job.")]),
    ("My favorite colour is green.", [("favourite colour", "The user's favourite colour is green.")]),
    ("My phone number is 555 1234.", [("phone number", "The user's phone number is 555 1234.")]),
    ("I speak German and a little French", [("languages", "The user speaks German and French.")]),
    ("Remember that my locker code is 42.", [("note", "The user's locker code is 42.")]),
    ("remember that my name is Anna", [("name", "The user's name is Anna.")]),
    ("remember that i parked on level 3", [("note", "The user parked on level 3.")]),
    ("Remember that the bins go out on Tuesday.", [("note", "The bins go out on Tuesday.")]),
    ("please remember that I need my pills at eight", [("note", "The user needs their pills at eight.")]),
]

NOTHING = [
    "",
    "?",
    "What is my name?",
    "what is my name",
    "do I live in Berlin",
    "I live in Berlin?",
    "I live in Berlin, right?",
    "Do you remember that I like tea?",
    "How do you say I live in Berlin in German?",
    "who says my name is anna",
    # Negations of knowing, and of the thing.
    "I don't know my name.",
    "My name is not Bob",
    "I do not live in Berlin",
    "I'm not allergic to anything",
    # Suppositions and doubts.
    "If my name were Bob, what would you say?",
    "if my name is Bob and I live in Rome",
    "What if I live in Rome and my name is Bob",
    "I wish my name was Bob",
    "Pretend my name is Bob. I live in Rome.",
    "Maybe I live in Berlin",
    "I think I like jazz",
    "I used to live in Rome",
    # Words of others.
    'She said "my name is Bob".',
    '"My name is Bob" is a line.',
    "He told me and I like pizza.",
    "Translate to French: my name is Anna",
    "Translate this. I live in Berlin.",
    "Tell me a story. My name is Bob.",
    "Write a poem that begins with I live in Berlin",
    # What only looks like it.
    "call me back later",
    "call me a taxi",
    "My wife is tired",
    "My birthday is tomorrow",
    "I am a bit tired",
    "I like it",
    "I love you",
    "I'd like a coffee",
    "I like what you said",
    "I live in fear",
    "the place I live in sucks",
    "all I like is cheese",
    "what I love about Berlin is the parks",
    "remember to call mum",
    "Remember when we talked?",
    "What is the capital of France?",
    "Turn on the lights in my bedroom",
    "Set a timer for ten minutes",
]


@pytest.mark.parametrize(("heard", "facts"), FOUND, ids=[heard for heard, _ in FOUND])
def test_found(heard: str, facts: list[tuple[str, str]]) -> None:
    assert [(fact.subject, fact.text) for fact in extract(heard)] == facts


@pytest.mark.parametrize("heard", NOTHING)
def test_nothing(heard: str) -> None:
    assert extract(heard) == ()


@pytest.mark.parametrize("heard", [heard for heard, _ in FOUND if "?" not in heard])
class TestTurnedAway:
    def test_as_a_question(self, heard: str) -> None:
        assert extract(f"Did you know that {heard.rstrip('.')}?") == ()

    def test_as_a_supposition(self, heard: str) -> None:
        assert extract(f"Imagine this. {heard}") == ()

    def test_in_quotation_marks(self, heard: str) -> None:
        assert all(fact.subject == "pet" for fact in extract('He said "' + heard.replace('"', "") + '"'))


COMMON = (
    "my name is|i am|i'm|live in|work at|like|love the|and|or|but|if|what|remember that|call me|dog called|favourite|"
    "colour|not|don't|years old|34|,|.|?|!|\"|born"
)
words = st.lists(
    st.text(string.ascii_letters + "äöß'", min_size=1, max_size=8) | st.sampled_from(COMMON.split("|")), max_size=30
).map(" ".join)


@settings(max_examples=400, deadline=None)
@given(words | st.text(max_size=300))
def test_whatever_is_said(heard: str) -> None:
    """It never fails, never gives more than it may, speaks of the user, and says nothing that was not said."""
    facts = extract(heard)
    assert len(facts) <= MOST_FACTS
    assert len({fact.text.lower() for fact in facts}) == len(facts)
    for fact in facts:
        assert fact.text.endswith(".") and fact.text[0] == fact.text[0].upper()
        assert fact.subject and not fact.subject[0].isspace()
        if fact.subject != "note":
            assert "user" in fact.text.lower()
    assert facts == extract(heard)


@settings(max_examples=200, deadline=None)
@given(words)
def test_a_question_or_a_supposition_gives_nothing(heard: str) -> None:
    bare = heard.translate(str.maketrans("", "", ',.?!;":'))
    assert extract(f"what {bare}?") == ()
    assert extract(f"if {bare}") == ()


def test_long_and_strange_texts_take_no_time() -> None:
    """The patterns do not go back and forth: ten thousand words are looked at as far as 2000 characters."""
    for text in (
        "my name is " * 2000,
        "i like " + "and " * 5000,
        "remember that i " * 900,
        "really " * 3000,
        ", " * 5000,
    ):
        assert len(extract("i " + text)) <= MOST_FACTS


def test_subjects_of_one_value() -> None:
    assert has_one_value("name") and has_one_value("favourite colour")
    assert not has_one_value("likes") and not has_one_value("pet") and not has_one_value("note")


@pytest.mark.parametrize(
    ("said", "third"),
    [
        ("What is my name?", "What is the user's name?."),
        ("I'm at my desk", "The user is at their desk."),
        ("I go to my office", "The user goes to their office."),
    ],
)
def test_in_the_third_person(said: str, third: str) -> None:
    assert about_user(said) == third


class TestGrounded:
    """What a language model writes counts only as far as it was said."""

    def test_lines_of_json(self) -> None:
        said = (
            '{"subject": "home", "text": "The user lives in Oslo."}\n{"subject": "Pet", "text": "The user has a cat"}'
        )
        assert grounded(said, "I live in Oslo with my cat") == (
            Found("home", "The user lives in Oslo."),
            Found("pet", "The user has a cat."),
        )

    @pytest.mark.parametrize(
        "said",
        [
            "The user lives in Oslo.",
            "{}",
            "[1]",
            '{"subject": "home", "text": "The user lives in Oslo.", "sure": true}',
            '{"subject": "home", "text": "The user lives in Bergen."}',
            '{"subject": "", "text": "The user lives in Oslo."}',
            '{"subject": "home", "text": "The user is."}',
            '{"subject": "home", "text": 3}',
            "null",
        ],
    )
    def test_the_rest_is_dropped(self, said: str) -> None:
        assert grounded(said, "I live in Oslo") == ()

    def test_not_too_many(self) -> None:
        lines = "\n".join(f'{{"subject": "likes", "text": "The user likes {word}."}}' for word in "abcdef")
        assert len(grounded(lines, "I like a b c d e f")) == 3
