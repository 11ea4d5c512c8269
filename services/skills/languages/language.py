"""What a language has to bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol


def words(text: str) -> tuple[str, ...]:
    """A list of them, written in one piece."""
    return tuple(text.split())


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    start: int
    """In the original."""
    end: int


@dataclass(frozen=True, slots=True)
class Tidied:
    """An utterance in the one form that the templates are written for."""

    original: str
    words: tuple[Word, ...]
    end: int
    """In the original: where what was meant ends, before courtesies."""

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    def piece(self, at: int, length: int) -> str:
        """Characters of `text` as they were written, the last ones with what was taken off behind them."""
        passed, first, last = 0, None, None
        for word in self.words:
            if passed + len(word.text) > at and first is None:
                first = word
            if passed >= at + length:
                break
            last = word
            passed += len(word.text) + 1
        if first is None or last is None:
            return ""
        end = self.end if last is self.words[-1] else last.end
        return self.original[first.start : end].strip(" .,;:!?")


class Wording(Protocol):
    """How things are said aloud."""

    def say(self, sentence: str, **values: str) -> str:
        """One of the fixed sentences, filled in."""
        ...

    def number(self, value: Decimal) -> str: ...
    def duration(self, seconds: float) -> str: ...
    def clock(self, at: datetime) -> str: ...
    def full_date(self, day: date) -> str: ...
    def weekday(self, day: date) -> str: ...
    def month(self, day: date) -> str: ...
    def when(self, at: datetime, now: datetime) -> str:
        """A moment to come: its time, and its day when that is not today."""
        ...

    def amount(self, value: Decimal, unit: str) -> str: ...
    def joined(self, things: Sequence[str]) -> str: ...
    def listed(self, told: Sequence[str], count: int) -> str:
        """`count` timers, some of which are told."""
        ...

    def named(self, kind: str, name: str, length: float) -> str:
        """A timer by its name, or else by its length."""
        ...


class Language(Protocol):
    @property
    def code(self) -> str: ...
    @property
    def wording(self) -> Wording: ...
    @property
    def free(self) -> frozenset[str]:
        """Gaps whose words are kept as they were written."""
        ...

    def sentences(self) -> Mapping[str, str]:
        """Documents of templates by file name."""
        ...

    def tidy(self, text: str) -> Tidied: ...
    def tidy_template(self, sentence: str) -> str:
        """The words of a template as `tidy` would have them."""
        ...

    def read(self, slot: str, text: str, slots: Mapping[str, str]) -> dict[str, str] | None:
        """What was said in a gap, understood; None: it does not fit there. `slots`: the other gaps."""
        ...

    def convert(self, amount: Decimal, source: str, target: str) -> Decimal | None:
        """Between two units; None: they measure different things."""
        ...

    def load(self) -> None:
        """What takes time. Not called on the loop."""
        ...
