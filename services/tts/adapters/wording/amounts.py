"""Amounts in words: money, units, percentages, fractions, and every number that is left."""

from __future__ import annotations

import re

from services.tts.adapters.wording.numerals import MOST_DIGITS, Numerals
from services.tts.adapters.wording.tongues import Tongue

_FRACTIONS = {
    2: ("half", "halves"), 3: ("third", "thirds"), 4: ("quarter", "quarters"), 5: ("fifth", "fifths"),
    6: ("sixth", "sixths"), 8: ("eighth", "eighths"), 10: ("tenth", "tenths"), 16: ("sixteenth", "sixteenths"),
}  # fmt: skip
_GLYPHS = {
    "½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5", "⅗": "3/5", "⅘": "4/5",
    "⅙": "1/6", "⅚": "5/6", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8",
}  # fmt: skip
_MINUS = r"(?<![\w.,)\]])[-−–](?=\d)"
_ORDINAL = re.compile(r"(?<![\w.])(\d{1,3}(?:,\d{3}){1,4}|\d{1,15})(st|nd|rd|th)\b")
_FRACTION = re.compile(r"(?<![\w.,/])(?:(\d{1,4})(?: |-| and ))?(\d{1,2})/(\d{1,2})(?![\w/]|[.,]\d)")
_VERSION = re.compile(r"(?<![\w.])\d{1,6}(?:\.\d{1,6}){2,5}(?![\w]|\.\d)")
_NUMBER_SIGN = re.compile(r"(?:#|\bNo\. ?|\bNr\. ?)(?=\d)")
_ENDLESS = re.compile(rf"\d{{{MOST_DIGITS + 1},}}")
_RATIO = re.compile(r"(?<=\d):(?=\d)")
_SUMS = {
    "+": "plus",
    "=": "equals",
    "*": "times",
    "/": "over",
    "^": "to the power of",
    "<": "less than",
    ">": "more than",
}
_SUM = re.compile(r"(?<=[\d)])\s?([+=*/^<>])\s?(?=[\d(-])|(?<=\w)\s([+=<>])\s(?=\w)")


class Amounts:
    """Of one language."""

    def __init__(self, language: str, tongue: Tongue, numerals: Numerals) -> None:
        self._english = language == "en"
        self._tongue = tongue
        self._numerals = numerals
        group = f"[{re.escape(tongue.thousands)}]"
        decimal = re.escape(tongue.decimal)
        number = rf"\d{{1,3}}(?:{group}\d{{3}})+(?!\d)(?:{decimal}\d+)?|\d+(?:{decimal}\d+)?"
        space = "[ \u00a0\u202f]?"
        money = _alternatives(tongue.money)
        scale = rf"(?:{space}({tongue.scales}|[kKM]|bn)\b)?"
        self._money_first = re.compile(
            rf"(?<![\w$€£¥₹])({_MINUS}|[-−](?=[$€£¥₹]))?({money}){space}({number}){scale}(?![\d])"
        )
        self._money_last = re.compile(rf"(?<![\w.,])({_MINUS})?({number}){scale}{space}({money})(?!\w)")
        self._unit = re.compile(rf"(?<![\w.,])({number}){space}({_alternatives(tongue.units)})(?![\w²³])")
        self._percent = re.compile(rf"(?<!\d)({number}){space}%")
        self._range = re.compile(rf"(?<![\w.,/-])({number})\s?[-–—]\s?(?=(?:{number})(?![\w-]*-\d))")
        self._minus = re.compile(_MINUS)
        self._number = re.compile(rf"(?<![\d])(?:{number})")

    def worded(self, text: str) -> str:
        for glyph, written in _GLYPHS.items():
            text = re.sub(rf"(\d) ?{glyph}", rf"\1 {written}", text).replace(glyph, written)
        text = _ENDLESS.sub(lambda found: f" {self._numerals.digits(found[0])} ", text)
        if self._english:
            text = _NUMBER_SIGN.sub("number ", text)
            text = _ORDINAL.sub(lambda found: self._numerals.ordinal(found[1].replace(",", "")), text)
            text = text.replace("24/7", "twenty-four seven")
            text = _FRACTION.sub(self._fraction, text)
        text = _VERSION.sub(lambda found: f" {self._tongue.point} ".join(map(self._whole, found[0].split("."))), text)
        text = self._money_first.sub(lambda found: self._money(found[1], found[2], found[3], found[4]), text)
        text = self._money_last.sub(lambda found: self._money(found[1], found[4], found[2], found[3]), text)
        text = self._range.sub(lambda found: f"{found[1]} {self._tongue.to} ", text)
        text = self._minus.sub(f"{self._tongue.minus} ", text)
        if self._english:
            text = _RATIO.sub(" to ", text)
            text = _SUM.sub(lambda found: f" {_SUMS[found[1] or found[2]]} ", text)
        text = self._unit.sub(self._measure, text)
        text = self._percent.sub(lambda found: f"{self.said(found[1])} {self._tongue.percent}", text)
        for sign, word in self._tongue.signs.items():
            text = text.replace(sign, f" {word} ")
        return self._number.sub(self._left, text)

    def said(self, number: str) -> str:
        """One number as it is written."""
        for mark in self._tongue.thousands:
            number = number.replace(mark, "")
        whole, _, part = number.partition(self._tongue.decimal)
        if not part:
            return self._whole(whole)
        return f"{self._whole(whole)} {self._tongue.point} {self._numerals.digits(part)}"

    def _whole(self, digits: str) -> str:
        return self._numerals.cardinal(digits)

    def _left(self, found: re.Match[str]) -> str:
        """A number on its own, or among letters: then with space around its words."""
        before = found.string[found.start() - 1 : found.start()] if found.start() else ""
        after = found.string[found.end() : found.end() + 1]
        said = self.said(found[0])
        return (" " if before.isalnum() else "") + said + (" " if after.isalnum() else "")

    def _money(self, minus: str | None, name: str, number: str, scale: str | None) -> str:
        one, several, cent, cents = self._tongue.money[name]
        sign = f"{self._tongue.minus} " if minus else ""
        if scale:
            word = {"k": "thousand", "K": "thousand", "M": "million", "bn": "billion"}.get(scale, scale)
            return f"{sign}{self.said(number)} {word} {several}"
        whole, _, part = number.partition(self._tongue.decimal)
        if len(part) != 2 or not cent:
            return f"{sign}{self.said(number)} {one if number == '1' else several}"
        small = f"{self._whole(str(int(part)))} {cent if int(part) == 1 else cents}"
        if not int(part):
            small = ""
        if not whole.strip("0") and small:
            return sign + small
        large = f"{self.said(whole)} {one if whole == '1' else several}"
        joined = " and " if self._english else " "
        return sign + (f"{large}{joined}{small}" if small else large)

    def _measure(self, found: re.Match[str]) -> str:
        one, several = self._tongue.units[found[2]]
        return f"{self.said(found[1])} {one if found[1] == '1' else several}"

    def _fraction(self, found: re.Match[str]) -> str:
        above, below = int(found[2]), int(found[3])
        if below not in _FRACTIONS or not 0 < above < below:
            return found[0]
        name = _FRACTIONS[below][above > 1]
        counted = f"{self._numerals.cardinal(str(above))} {name}"
        if found[1] is None:
            return counted
        article = "a" if above == 1 else ""
        return f"{self._whole(found[1])} and {f'{article} {name}' if article else counted}"


def _alternatives(words: dict[str, object] | dict[str, tuple[str, str]] | dict[str, tuple[str, str, str, str]]) -> str:
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True))) or r"(?!)"
