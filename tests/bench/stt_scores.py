"""How well something was heard: errors by word, slots found again, first and last words lost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any


@cache
def _numbers() -> Any:
    from unicode_rbnf import RbnfEngine

    return RbnfEngine.for_language("en")


def _spelt(number: re.Match[str]) -> str:
    return f" {_numbers().format_number(int(number[0])).text} "


def words(text: str) -> list[str]:
    """Lower case, without punctuation, numbers spelt out, since recognisers differ in what they make of them."""
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text.lower())
    text = re.sub(r"\d{1,9}", _spelt, text)
    text = text.replace("'", "").replace("’", "").replace("%", " percent ")
    return re.findall(r"[^\W_]+", text)


def errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Words that were put in, left out or taken for others."""
    before = list(range(len(heard) + 1))
    for row, word in enumerate(said, 1):
        now = [row]
        for column, other in enumerate(heard, 1):
            now.append(min(before[column] + 1, now[-1] + 1, before[column - 1] + (word != other)))
        before = now
    return before[-1]


def lost_ends(said: Sequence[str], heard: Sequence[str]) -> int:
    """How many of the first and the last word were not heard at all, instead of being taken for others."""
    if not heard:
        return min(2, len(said))
    whole = errors(said, heard)
    first = whole == 1 + errors(said[1:], heard) and whole < errors(said[1:], heard[1:]) + (said[:1] != heard[:1])
    last = whole == 1 + errors(said[:-1], heard) and whole < errors(said[:-1], heard[:-1]) + (said[-1:] != heard[-1:])
    return first + last


def found(slot: str, heard: Sequence[str]) -> bool:
    """Whether the words of `slot` were heard, one behind the other."""
    wanted = words(slot)
    return any(heard[at : at + len(wanted)] == wanted for at in range(len(heard) - len(wanted) + 1))
