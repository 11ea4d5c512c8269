"""Which facts a question asks for: by likeness of the question turned to the third person, and by subject."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from services.memory.facts.facts import Entry
from services.memory.facts.likeness import cosine
from services.memory.facts.wording import about_user, any_of
from services.messages.facts import Fact

MIN_PERSONAL = 0.42
"""Likeness from which a fact fits a question about oneself, turned to the third person (`What is my dog called?` asks
`What is the user's dog called?`, which lifts the likeness of the right fact from 0.2-0.6 to 0.5-0.8). Calibrated with
all-MiniLM-L6-v2 int8 in tests/integration/test_memory_calibration.py."""
MIN_GENERAL = 0.5
"""The same for all other questions: general knowledge stays below 0.4 against facts on other matters."""
_BY_SUBJECT = 0.9
"""Given to a fact whose subject the question names: before likeness, and never left out."""

_PERSONAL = re.compile(r"\b(?:i|i'm|i've|i'd|me|my|mine|myself|we|our)\b", re.IGNORECASE)
_POLITE = re.compile(
    any_of(
        r"""\b(?:can|could|would|will) you (?:please )?|\bfor me\b|
        \b(?:i want|i'd like|i would like|i need) (?:you )?to\b|
        \b(?:please )?(?:tell|give|show|help|remind|teach|send|get|let|read|play|sing|make|find|explain to) (?:me|us)\b|
        \bi (?:wonder|was wondering)\b"""
    ),
    re.IGNORECASE,
)
_ABOUT_SELF = re.compile(
    r"\bwhat (?:do|can) you (?:know|remember|tell me) about me\b|\bwhat have i told you\b|\btell me about myself\b|"
    r"\bwhat do you know of me\b|\bdo you know (?:anything|something) about me\b",
    re.IGNORECASE,
)
_STATEMENT = re.compile(r"(?:i|i'm|i've|i'll|my|we|our)\b[^?]*$", re.IGNORECASE)
_SUBJECTS = {
    "name": r"\bmy (?:full |first |last )?name\b|\bwho am i\b|\bwhat am i called\b",
    "nickname": r"\bmy (?:nick)?name\b|\bwho am i\b|\bcall me\b|\bwhat am i called\b",
    "age": r"\bhow old (?:am i|i am)\b|\bmy age\b",
    "birthday": r"\bmy birthday\b|\b(?:was i|i was) born\b|\bhow old am i\b",
    "home": r"\bwhere (?:do )?i live\b|\bi live in\b|\bmy (?:home|city|town|address)\b|\bdo i live\b",
    "origin": r"\bi (?:come )?from\b|\bwas i born\b|\bmy (?:home|origin|country)",
    "employer": r"\bi work\b|\bmy (?:employer|company|work|job)\b",
    "job": r"\bi work\b|\bi do for a living\b|\bmy (?:job|work|profession|occupation)\b",
    "allergy": r"\ballerg\w+\b|\bcan(?:'t| not|not)? i (?:not )?eat\b|\bi can(?:'t|not)? (?:not )?eat\b",
    "diet": r"\bi (?:can(?:'t|not)? |should |may )?eat\b|\bmy diet\b|\bcook for me\b",
    "languages": r"\blanguages?\b.*\bi speak\b|\bi speak\b",
    "pet": r"\bmy (?:dog|cat|pet|puppy|kitten|parrot|rabbit|hamster|horse|turtle|bird|fish)s?\b|\bi have any pets\b",
    "family": r"\bmy (?:kids|children|family|siblings|brothers|sisters|sons|daughters)\b|\bi have (?:any )?(?:kid|chi)",
    "marriage": r"\bmy (?:wife|husband|spouse|marriage)\b|\bi married\b|\bam i married\b",
    "likes": r"\bdo i (?:like|love|enjoy)\b",
    "dislikes": r"\bdo i (?:hate|dislike|not like)\b|\bi (?:hate|dislike|don't like|can't stand)\b",
    "car": r"\bmy car\b|\bi drive\b",
}  # fmt: skip
_BY_PATTERN = {subject: re.compile(pattern, re.IGNORECASE) for subject, pattern in _SUBJECTS.items()}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and what is embedded of it to find facts."""

    text: str
    about: str
    """In the third person when it is about the asker."""
    personal: bool


def understood(question: str) -> Asked:
    bare = _POLITE.sub(" ", question).strip()
    personal = bool(_PERSONAL.search(bare)) and not _STATEMENT.match(bare)
    return Asked(question, about_user(bare).rstrip(".") if personal else question, personal)


def fitting(asked: Asked, entries: Sequence[Entry], vector: Sequence[float], embedder: str, most: int) -> list[Fact]:
    """The best first. `vector`: of `asked.about` by `embedder`; empty: by subject only."""
    if _ABOUT_SELF.search(asked.text):
        return [entry.fact for entry in entries[:most]]
    least = MIN_PERSONAL if asked.personal else MIN_GENERAL
    scored = []
    for age, entry in enumerate(entries):
        likeness = cosine(vector, entry.vector) if entry.embedder == embedder else 0.0
        score = likeness + _BY_SUBJECT if _names(asked.text, entry.fact.subject) else likeness
        if score >= least:
            scored.append((-score, age, entry.fact))
    return [fact for _, _, fact in sorted(scored, key=lambda each: each[:2])[:most]]


def _names(question: str, subject: str) -> bool:
    pattern = _BY_PATTERN.get(subject)
    if pattern is not None:
        return pattern.search(question) is not None
    if subject == "note":
        return False
    return (
        re.search(rf"\bmy {re.escape(subject)}\b", question.replace("favorite", "favourite"), re.IGNORECASE) is not None
    )
