"""Regular expressions of JSON schema, as grammar for what stands between the quotes of a JSON string."""

from __future__ import annotations

import re
from typing import NamedTuple, Never

from services.llm.adapters.grammars.rules import LAST, Ranges, escaped, inverted, ordered

MOST_TIMES = 2_000
"""Counted repetitions, those within each other multiplied; llama.cpp's limit."""
OFTEN = 256
"""What "any number of times" means for a single character; groups are repeated without limit, since counting them would
multiply the ways to read a text."""
DEEPEST = 32
DIGIT: Ranges = ((0x30, 0x39),)
WORD: Ranges = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
BLANK: Ranges = ((0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x2028, 0x2029), (0x3000, 0x3000), (0xFEFF, 0xFEFF))
ANY = inverted([(0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029)])
"""What a point stands for."""
_KINDS = {"d": DIGIT, "w": WORD, "s": BLANK, "D": inverted(DIGIT), "W": inverted(WORD), "S": inverted(BLANK)}
_CONTROL = {"n": 10, "r": 13, "t": 9, "f": 12, "v": 11, "0": 0}
_TIMES = re.compile(r"\{(\d{1,9})(?:(,)(\d{1,9})?)?\}")
_ESCAPED = {0x22: '\\"', 0x5C: "\\\\", 0x08: "\\b", 0x09: "\\t", 0x0A: "\\n", 0x0C: "\\f", 0x0D: "\\r"}
"""How JSON writes the characters that it does not write as they are."""


class PatternTrouble(ValueError):
    """Says what in a pattern cannot be kept."""


class Piece(NamedTuple):
    """Part of a pattern as grammar."""

    text: str
    may_be_empty: bool = False
    times: int = 1
    """How often counted repetitions in it repeat something, at most."""
    single: Ranges = ()
    """It is one character of these, repeated `least` to `most` times."""
    least: int = 1
    most: int = 1


def string_like(pattern: str, least: int = 0, most: int | None = None) -> str:
    """Grammar for a JSON string, quotes included, that a pattern (of ECMA 262) is found in.

    `least`, `most`: characters; only patterns of one repeated character go together with them. Raises `PatternTrouble`.
    """
    reader = _Pattern(pattern)
    pieces = reader.read()
    if least or most is not None:
        if len(pieces) != 1 or not pieces[0].single or not reader.anchored:
            raise PatternTrouble("together with minLength or maxLength it is more than can be kept")
        piece = pieces[0]
        most = piece.most if most is None else min(most, piece.most)
        least = max(least, piece.least)
        if least > most:
            raise PatternTrouble("nothing fits it and minLength and maxLength at once")
        pieces = [Piece(f"{one_of(piece.single)}{{{least},{most}}}")]
    return '"\\"" ' + " ".join(piece.text for piece in pieces) + ' "\\""'


def one_of(ranges: Ranges) -> str:
    """Grammar for one of these characters as JSON writes it within quotes."""
    plain = [(max(low, 0x20), high) for low, high in ranges if high >= 0x20]
    usual = inverted([*inverted(ordered(plain)), (0x22, 0x22), (0x5C, 0x5C)])
    words = ["".join(["[", *(f"{escaped(low)}-{escaped(high)}" for low, high in usual), "]"])] if usual else []
    words += [
        '"' + "".join(escaped(ord(sign)) for sign in said) + '"'
        for code, said in _ESCAPED.items()
        if any(low <= code <= high for low, high in ranges)
    ]
    if not words:
        raise PatternTrouble("it asks for a character that cannot be written")
    return words[0] if len(words) == 1 else f"({' | '.join(words)})"


class _Pattern:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self.anchored = False
        """It begins with ^ and ends with $."""

    def read(self) -> list[Piece]:
        if "|" not in self._text:  # one alternative, whose anchors are the whole pattern's
            begins = self._take("^")
            pieces = self._sequence()
            ends = self._take("$")
            self.anchored = begins and ends
            around = Piece(f"{one_of(ANY)}*")
            pieces = [*([] if begins else [around]), *pieces, *([] if ends else [around])]
        else:
            pieces = self._whole()
        if self._at < len(self._text):
            self._fail("is not understood")
        return pieces

    def _whole(self) -> list[Piece]:
        """A pattern with alternatives: each with its own anchors, as "^a$|^b$", or all in a group, as "^(a|b)$"."""
        alternatives = []
        around = f"{one_of(ANY)}*"
        while True:
            begins = self._take("^")
            pieces = self._sequence()
            ends = self._take("$")
            said = " ".join(piece.text for piece in pieces) or '""'
            alternatives.append(f"{'' if begins else around} {said} {'' if ends else around}")
            if not self._take("|"):
                return [Piece(f"({' | '.join(alternatives)})")]

    def _alternatives(self) -> Piece:
        pieces = [self._sequence()]
        while self._take("|"):
            pieces.append(self._sequence())
        texts = [" ".join(piece.text for piece in sequence) or '""' for sequence in pieces]
        return Piece(
            f"({' | '.join(texts)})",
            any(all(piece.may_be_empty for piece in sequence) for sequence in pieces),
            max((piece.times for sequence in pieces for piece in sequence), default=1),
        )

    def _sequence(self) -> list[Piece]:
        pieces: list[Piece] = []
        while self._at < len(self._text) and self._text[self._at] not in "|)$":
            pieces.append(self._repeated(self._atom()))
        return pieces

    def _atom(self) -> Piece:
        sign = self._text[self._at]
        self._at += 1
        if sign == "(":
            return self._group()
        if sign == "[":
            ranges = self._class()
        elif sign == ".":
            ranges = ANY
        elif sign == "\\":
            ranges = self._escape()
        elif sign in "*+?{^":
            self._at -= 1
            self._fail("is not understood")
        else:
            ranges = ordered([(ord(sign), ord(sign))])
        return Piece(one_of(ranges), single=ranges)

    def _group(self) -> Piece:
        self._depth += 1
        if self._depth > DEEPEST:
            self._fail("is nested too deeply")
        if self._take("?") and not self._take(":"):
            self._fail("looks ahead or behind, or names a group, which cannot be kept")
        inner = self._alternatives()
        if not self._take(")"):
            self._fail("has an open bracket")
        self._depth -= 1
        return inner

    def _repeated(self, piece: Piece) -> Piece:
        sign = self._text[self._at : self._at + 1]
        if sign in ("*", "+", "?"):
            self._at += 1
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        elif times := _TIMES.match(self._text, self._at):
            self._at = times.end()
            least = int(times[1])
            most = least if times[2] is None else int(times[3]) if times[3] else None
        else:
            return piece
        if self._text[self._at : self._at + 1] == "+":
            self._fail("has a repetition that gives nothing back, which cannot be kept")
        self._take("?")  # lazy or not makes no difference to what fits
        if piece.single and most is None:
            most = max(OFTEN, least)
        if piece.may_be_empty and most != 1:
            self._fail("repeats what may be empty")
        counted = piece.times * (most or least or 1)
        if (most is not None and most < least) or counted > MOST_TIMES:
            self._fail(f"repeats less than it should, or more than {MOST_TIMES} times")
        ending = "" if most is None else str(most)
        text = f"{piece.text}{{{least},{ending}}}" if (least, most) != (0, 1) else f"{piece.text}?"
        return Piece(text, not least, counted, piece.single, least, most or least)

    def _class(self) -> Ranges:
        negative = self._take("^")
        ranges: list[tuple[int, int]] = []
        first = True
        while first or not self._text.startswith("]", self._at):
            if self._at >= len(self._text):
                self._fail("has an open bracket")
            if first and self._text.startswith("]", self._at):
                break
            first = False
            low = self._member()
            if self._text.startswith("-", self._at) and not self._text.startswith("-]", self._at):
                self._at += 1
                high = self._member()
                if len(low) != 1 or len(high) != 1 or low[0][0] > high[0][1]:
                    self._fail("has a range that is none")
                ranges.append((low[0][0], high[0][1]))
            else:
                ranges += low
        self._at += 1
        return inverted(ranges) if negative else ordered(ranges)

    def _member(self) -> Ranges:
        sign = self._text[self._at : self._at + 1]
        self._at += 1
        if sign == "\\":
            if self._take("b"):
                return ((8, 8),)
            return self._escape()
        if not sign:
            self._fail("has an open bracket")
        return ((ord(sign), ord(sign)),)

    def _escape(self) -> Ranges:
        sign = self._text[self._at : self._at + 1]
        self._at += 1
        if sign in _KINDS and sign:
            return _KINDS[sign]
        if sign in _CONTROL and sign:
            return ((_CONTROL[sign], _CONTROL[sign]),)
        for kind, digits in (("x", r"[0-9A-Fa-f]{2}"), ("u", r"[0-9A-Fa-f]{4}|\{[0-9A-Fa-f]{1,6}\}")):
            if sign == kind and (number := re.compile(digits).match(self._text, self._at)):
                self._at = number.end()
                code = int(number[0].strip("{}"), 16)
                return ordered([(code, code)]) if code <= LAST else ()
        if not sign or sign.isalnum():
            self._at -= 1
            self._fail("is not supported")
        return ((ord(sign), ord(sign)),)

    def _take(self, sign: str) -> bool:
        taken = self._text.startswith(sign, self._at)
        self._at += len(sign) if taken else 0
        return taken

    def _fail(self, why: str) -> Never:
        raise PatternTrouble(f"from character {self._at + 1} on it {why}")
