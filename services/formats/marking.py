"""Marks that stand for what people and tools have said, so that a chat template never sees it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

# Private-use characters between rare blanks; a template that strips contents strips the blanks too. Where a template
# writes a mark into JSON, the second pair of characters tells that the text behind it must be escaped.
BLANK = "\u205f"
OPEN, CLOSE = "\ue000", "\ue001"
OPEN_JSON, CLOSE_JSON = "\ue002", "\ue003"
MARK = re.compile(f"({BLANK}?)([{OPEN}{OPEN_JSON}])([0-9]{{1,9}})[{CLOSE}{CLOSE_JSON}]({BLANK}?)")

Zone = Literal["frozen", "session", "volatile"]
"""How long a part of a prompt stays as it is: `frozen`: system prompt and tools; `session`: the history, which only
grows; `volatile`: what is remembered for the question, the question and what follows it."""
ZONES: tuple[Zone, ...] = ("frozen", "session", "volatile")


class Slot(NamedTuple):
    """Something that was said, at its place in a prompt: never to be read as special tokens."""

    message: int
    """Which message it is of; -1: it describes the tools."""
    text: str
    """What is to be tokenised: stripped or escaped where the template does so."""
    zone: Zone


Part = str | Slot
"""A prompt is the template's own text, which may name special tokens, and what was said."""


class Said(NamedTuple):
    message: int
    text: str
    zone: Zone


class Marks:
    """Texts and the marks that stand for them."""

    def __init__(self) -> None:
        self._said: list[Said] = []
        self._known: dict[Said, str] = {}
        self._needed: set[int] = set()

    def put(self, message: int, text: str, zone: Zone, needed: bool = True) -> str:
        """A mark for what a message says. Every one is another, equal texts too. `needed`: a prompt without it is
        wrong."""
        if needed:
            self._needed.add(len(self._said))
        self._said.append(Said(message, text, zone))
        return f"{BLANK}{OPEN}{len(self._said) - 1}{CLOSE}{BLANK}"

    def word(self, message: int, text: str, zone: Zone) -> str:
        """A mark for a word that a template may compare, and leave out; equal words have equal marks."""
        said = Said(message, text, zone)
        if said not in self._known:
            self._known[said] = self.put(*said, needed=False)
        return self._known[said]

    def parts(self, rendered: str) -> list[Part]:
        """A rendered prompt, taken apart. Raises LookupError where a mark was never put, or is missing."""
        parts: list[Part] = []
        missing = set(self._needed)
        end = 0
        for mark in MARK.finditer(rendered):
            if mark.start() > end:
                parts.append(rendered[end : mark.start()])
            missing.discard(int(mark[3]))
            message, text, zone = self._said[int(mark[3])]
            text = text if mark[1] else text.lstrip()
            text = text if mark[4] else text.rstrip()
            if mark[2] == OPEN_JSON:
                text = json.dumps(text, ensure_ascii=False)[1:-1]
            parts.append(Slot(message, text, zone))
            end = mark.end()
        if end < len(rendered):
            parts.append(rendered[end:])
        if missing:
            raise LookupError(f"the template leaves out message {self._said[min(missing)].message}")
        return parts


def within_json(text: str) -> str:
    """JSON with marks in it, the marks told apart from those outside JSON."""
    return text.replace(OPEN, OPEN_JSON).replace(CLOSE, CLOSE_JSON)


def zones_of(parts: Sequence[Part]) -> list[Zone]:
    """The zone of every part: nothing in a later zone can change a character of an earlier one.

    The template's text belongs to what follows it: markers change with what they introduce.
    """
    zones: list[Zone] = []
    latest, waiting = 0, 0
    for part in parts:
        waiting += 1
        if isinstance(part, Slot):
            latest = max(latest, ZONES.index(part.zone))
            zones += [ZONES[latest]] * waiting
            waiting = 0
    return zones + [ZONES[-1]] * waiting


def text_of(parts: Sequence[Part]) -> str:
    """The prompt as people would read it."""
    return "".join(part.text if isinstance(part, Slot) else part for part in parts)
