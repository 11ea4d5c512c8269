"""The thresholds of recall against the real embedder: direct questions find, everything else finds nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from services.memory.adapters.memory_store import FakeStore
from services.memory.facts.facts import Entry
from services.memory.facts.likeness import cosine, same_meaning, unpacked
from services.memory.facts.matching import fitting, understood
from services.memory.recalling import Recalling
from services.memory.spec import MemorySettings
from services.messages.facts import Fact
from services.messages.memory import Hit, Place
from tests.contract.child import Child

pytestmark = pytest.mark.engine

FACTS = {
    "name": "The user's name is Anna.",
    "home": "The user lives in Berlin.",
    "employer": "The user works at Siemens.",
    "job": "The user is a software engineer.",
    "pet": "The user has a dog called Biscuit.",
    "birthday": "The user's birthday is the 3rd of May.",
    "allergy": "The user is allergic to peanuts.",
    "likes": "The user loves Italian food.",
    "favourite colour": "The user's favourite colour is green.",
    "sister": "The user's sister is called Maria.",
    "languages": "The user speaks German and French.",
    "hobby": "The user plays the guitar.",
    "preference": "The user prefers tea to coffee.",
    "dislikes": "The user does not like olives.",
    "age": "The user is 34 years old.",
    "bins": "The bins go out on Tuesday.",
    "parking": "The user parked on level 3.",
    "locker": "The user's locker code is 42.",
}
PASSAGES = {
    "pump": (
        "Heat pump service manual. The heat pump must be serviced once a year by a qualified technician. "
        "Before opening the cover, switch off the main breaker and wait ten minutes. The filter of the indoor "
        "unit can be removed without tools and should be washed in lukewarm water every three months. If "
        "error code E7 is shown, the outdoor sensor is disconnected; check the grey cable at terminal 4. The "
        "refrigerant is R32 and the charge is 1.2 kg."
    ),
    "leave": (
        "Employee handbook, section 4: Leave. Every employee is entitled to thirty days of paid leave in a "
        "calendar year. Leave must be requested at least two weeks in advance through the personnel portal. "
        "Up to five days may be carried over to the next year. Sick leave is reported by telephone before "
        "nine in the morning on the first day; a doctor's certificate is needed from the third day."
    ),
    "rent": (
        "Tenancy agreement between Hartmann Immobilien and the tenant. The monthly rent is 940 euros, payable "
        "by the third working day of each month. A deposit of 2820 euros is held in a separate account. The "
        "notice period is three months to the end of a month. Pets other than small animals need the "
        "landlord's consent in writing. The tenant cleans the stairs every second week."
    ),
    "cake": (
        "Grandmother's apple cake. Cream 200 g of butter with 180 g of sugar, add four eggs one at a time, "
        "then 300 g of flour, a pinch of salt and two teaspoons of baking powder. Peel and slice five tart "
        "apples, lay them on the batter, sprinkle with cinnamon and bake for 50 minutes at 175 degrees. Let "
        "it cool in the tin before cutting it."
    ),
    "quarter": (
        "The second quarter closed with revenue of 14.2 million euros, eight per cent above the previous "
        "year. Operating costs rose by three per cent, mostly because of energy. The new plant in Porto "
        "started production in May and delivered its first 12 000 units. For the third quarter the board "
        "expects flat revenue and a margin of eleven per cent."
    ),
}
ABOUT_FACTS = {
    "What is my name?": "name",
    "what's my name": "name",
    "Who am I?": "name",
    "Where do I live?": "home",
    "Which city do I live in?": "home",
    "Where do I work?": "employer",
    "What do I do for a living?": "job",
    "What is my dog called?": "pet",
    "do i have any pets": "pet",
    "When is my birthday?": "birthday",
    "What am I allergic to?": "allergy",
    "Can I eat peanut butter?": "allergy",
    "Is there anything I can't eat?": "allergy",
    "What food do I like?": "likes",
    "What should I cook tonight?": "likes",
    "Recommend a restaurant I would enjoy.": "likes",
    "What is my favorite colour?": "favourite colour",
    "What's my sister's name?": "sister",
    "Which languages do I speak?": "languages",
    "Which instrument do I play?": "hobby",
    "Should I have tea or coffee?": "preference",
    "Do I like olives?": "dislikes",
    "How old am I?": "age",
    "When do the bins go out?": "bins",
    "Where did I park?": "parking",
    "where is my car parked": "parking",
    "What is my locker code?": "locker",
}
ABOUT_PASSAGES = {
    "What does error E7 mean?": "pump",
    "How often should the filter be washed?": "pump",
    "Which refrigerant does the heat pump use?": "pump",
    "how long do I have to wait before opening the cover": "pump",
    "How many days of leave do I get?": "leave",
    "When do I need a doctor's certificate?": "leave",
    "Can I carry over vacation days?": "leave",
    "How much is the rent?": "rent",
    "What is the notice period of my flat?": "rent",
    "how much was the deposit": "rent",
    "who cleans the stairs": "rent",
    "Am I allowed to have a dog in my apartment?": "rent",
    "How long does the apple cake bake?": "cake",
    "How many eggs go into the cake?": "cake",
    "What was the revenue in the second quarter?": "quarter",
    "Where is the new plant?": "quarter",
}
ABOUT_NOTHING = [
    "What is the capital of France?",
    "Hello, how are you?",
    "Good morning",
    "Tell me a joke.",
    "What time is it?",
    "Thank you very much.",
    "Set a timer for ten minutes.",
    "How does photosynthesis work?",
    "Who wrote Hamlet?",
    "What is two plus two?",
    "Turn on the lights.",
    "What's the weather like?",
    "How far is the moon?",
    "Play some music.",
    "Who are you?",
    "What is your name?",
    "Can you help me?",
    "What is the largest planet?",
    "stop",
    "I am tired",
    "How do airplanes fly?",
    "Explain quantum computing",
    "Who is the president of the United States?",
    "recommend a book",
]


@pytest.fixture(scope="module")
def embed() -> Iterator[Any]:
    with Child("services.memory.adapters.minilm:MiniLM", threads=1) as child:

        def vectors(*texts: str) -> list[Any]:
            data = child("embed", list(texts))
            size = len(data) // len(texts)
            return [unpacked(data[at : at + size]) for at in range(0, len(data), size)]

        yield vectors


@pytest.fixture(scope="module")
def entries(embed: Any) -> list[Entry]:
    notes = {"bins", "parking", "locker"}
    return [
        Entry(
            Fact(
                id=key,
                text=text,
                subject="note" if key in notes else key,
                created_at="2026-01-01",
                updated_at="2026-01-01",
            ),
            "minilm",
            vector,
        )
        for (key, text), vector in zip(FACTS.items(), embed(*FACTS.values()), strict=True)
    ]


@pytest.fixture(scope="module")
def passages(embed: Any) -> dict[str, list[float]]:
    return dict(zip(PASSAGES, embed(*PASSAGES.values()), strict=True))


def recalled(embed: Any, question: str, passages: dict[str, list[float]]) -> list[str]:
    """Passages that fit, the best first, by the rule and the setting of the product."""
    unused: Any = None
    product = Recalling(unused, FakeStore(), unused, unused, MemorySettings().recall_min_score)
    [vector] = embed(question)
    scored = sorted(((cosine(vector, passage), name) for name, passage in passages.items()), reverse=True)
    source = Place(document="d", page=None, offset=0)
    hits = [Hit(text=PASSAGES[name], score=max(score, 0), collection=name, source=source) for score, name in scored]
    return [hit.collection for hit in hits if product._fits(question, hit)]


def facts_for(embed: Any, question: str, entries: list[Entry]) -> list[str]:
    asked = understood(question)
    [vector] = embed(asked.about)
    return [fact.id for fact in fitting(asked, entries, vector, "minilm", 5)]


@pytest.mark.parametrize(("question", "fact"), ABOUT_FACTS.items())
def test_the_fact_that_was_asked_for(embed: Any, entries: list[Entry], question: str, fact: str) -> None:
    assert fact in facts_for(embed, question, entries)[:2]


@pytest.mark.parametrize(("question", "passage"), ABOUT_PASSAGES.items())
def test_the_passage_that_was_asked_for(
    embed: Any, passages: dict[str, list[float]], question: str, passage: str
) -> None:
    assert recalled(embed, question, passages)[:1] == [passage]


@pytest.mark.parametrize("question", ABOUT_NOTHING)
def test_nothing_of_unrelated_matters(
    embed: Any, entries: list[Entry], passages: dict[str, list[float]], question: str
) -> None:
    assert facts_for(embed, question, entries) == []
    assert recalled(embed, question, passages) == []


@pytest.mark.parametrize("question", [each for each in ABOUT_PASSAGES if " I " not in each and " my " not in each])
def test_no_fact_for_a_question_about_documents(embed: Any, entries: list[Entry], question: str) -> None:
    assert facts_for(embed, question, entries) == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("The user likes hiking.", "The user really likes hiking.", True),
        ("The user plays the guitar.", "The user plays guitar.", True),
        ("The user likes tea.", "The user likes teas.", True),
        ("The user likes cats.", "The user likes dogs.", False),
        ("The user has a meeting on 3 May.", "The user has a meeting on 4 May.", False),
        ("The user is allergic to nuts.", "The user is not allergic to nuts.", False),
        ("The bins go out on Tuesday.", "The bins go out on Wednesday.", False),
        ("The user has a dog called Rex.", "The user has a dog called Max.", False),
    ],
)
def test_when_two_facts_are_one(embed: Any, one: str, other: str, same: bool) -> None:
    first, second = embed(one, other)
    assert same_meaning(one, other, cosine(first, second)) is same
