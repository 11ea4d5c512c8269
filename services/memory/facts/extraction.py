"""Facts about a person in what that person said, by rules: English, precise rather than complete."""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.memory.facts.rules import RULES, Found
from services.memory.facts.statements import statements
from services.memory.facts.wording import about_user

MOST_FACTS = 8
"""Facts taken from one utterance."""
_TOLD = re.compile(
    r"(?:please )?(?:remember|don't forget|keep in mind|note|make a note)(?: for me| this| please)?"
    r"(?:(?: that|:)\s+|,\s*|\s+(?=(?:i|i'm|my|our|we|the)\b))(?P<what>.+)",
    re.IGNORECASE,
)
_NO_NOTE = re.compile(
    r"(?:to|when|how|what|why|where|who|me|you|the time|the day|the last time|our (?:talk|chat))\b", re.IGNORECASE
)


def extract(heard: str) -> tuple[Found, ...]:
    """In the order in which they were said, none twice."""
    found: dict[str, Found] = {}
    for statement in statements(heard):
        for fact in _of(statement):
            found.setdefault(fact.text.lower(), fact)
    return tuple(found.values())[:MOST_FACTS]


def _of(statement: str) -> Iterator[Found]:
    told = _TOLD.fullmatch(statement)
    if told is not None:
        yield from _told(told["what"])
        return
    for pattern, build in RULES:
        if (match := pattern.fullmatch(statement)) is not None and (fact := build(match)) is not None:
            yield fact
            return


def _told(what: str) -> Iterator[Found]:
    """`Remember that ...`: what no rule knows is kept as it was said."""
    known = [] if _TOLD.fullmatch(what) else list(_of(what))
    if known:
        yield from known
    elif len(what.split()) >= 3 and not _NO_NOTE.match(what):
        yield Found("note", about_user(what))
