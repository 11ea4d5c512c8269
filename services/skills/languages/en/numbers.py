"""English numbers: words into digits."""

from __future__ import annotations

import re
from collections.abc import Sequence

from services.skills.languages.language import words

_ONES = {
    name: value
    for value, name in enumerate(
        words(
            """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
        seventeen eighteen nineteen"""
        )
    )
}
_TENS = {
    name: value * 10
    for value, name in enumerate(words("twenty thirty forty fifty sixty seventy eighty ninety"), start=2)
}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SCALED = {"dozen": 12, "hundred": 100, **_SCALES}
_DIGITS = re.compile(r"\d+(?:\.\d+)?")
_MOST = 10**15


def read_number(words: Sequence[str]) -> tuple[str, int]:
    """The number that `words` begin with, as digits, and how many words it takes; ("", 0): none.

    "seven thirty" are two numbers: 7 and 30.
    """
    if not words:
        return "", 0
    if _DIGITS.fullmatch(words[0]):
        return _scaled(words)
    start = 1 if words[0] in {"a", "an"} and len(words) > 1 and words[1] in _SCALED else 0
    total, at, scale_before = 0, 0, _MOST
    while at < len(words):
        joined = at + 1 if at and words[at] == "and" else at
        value, end = (1, start) if start and not at else _below_hundred(words, joined)
        if end == joined and not (start and not at):
            break
        value, end = _hundreds(value, words, end)
        scale = _SCALES.get(words[end], 1) if end < len(words) else 1
        if scale >= scale_before or (joined > at and (scale > 1 or value >= 100)):
            break
        total, at, scale_before = total + value * scale, end + (scale > 1), scale
        if scale == 1:
            break
    if not at:
        return "", 0
    if words[at : at + 1] == ["dozen"]:
        return str(total * 12), at + 1
    return _with_point(str(total), words, at)


def _below_hundred(words: Sequence[str], at: int) -> tuple[int, int]:
    word = words[at] if at < len(words) else ""
    if word in _ONES:
        return _ONES[word], at + 1
    if word not in _TENS:
        return 0, at
    more = _ONES.get(words[at + 1], 0) if at + 1 < len(words) else 0
    return (_TENS[word] + more, at + 2) if 0 < more < 10 else (_TENS[word], at + 1)


def _hundreds(value: int, words: Sequence[str], at: int) -> tuple[int, int]:
    """'two hundred and five'; at is behind 'two'."""
    if not 0 < value < 100 or at >= len(words) or words[at] != "hundred":
        return value, at
    at += 1
    behind = at + 1 if at < len(words) and words[at] == "and" else at
    more, end = _below_hundred(words, behind)
    return (value * 100 + more, end) if end > behind else (value * 100, at)


def _with_point(whole: str, words: Sequence[str], at: int) -> tuple[str, int]:
    """'three point one four'."""
    if words[at : at + 1] != ["point"]:
        return whole, at
    digits, end = "", at + 1
    while end < len(words) and len(digits) < 12:
        word = words[end]
        if _ONES.get(word, 10) < 10:
            digits += str(_ONES[word])
        elif word.isdigit() and len(word) < 9:
            digits += word
        else:
            break
        end += 1
    return (f"{whole}.{digits}", end) if digits else (whole, at)


def _scaled(words: Sequence[str]) -> tuple[str, int]:
    """'2 hundred', '1.5 million', '3 point 5'."""
    number = words[0]
    if len(words) > 1 and words[1] in _SCALED and len(number) < 10:
        value = float(number) * _SCALED[words[1]]
        if value == round(value) and value < _MOST:
            return str(round(value)), 2
    return _with_point(number, words, 1)
