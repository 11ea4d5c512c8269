"""Numbers in words, by the rules of Unicode's CLDR."""

from __future__ import annotations

import functools
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unicode_rbnf import FormatPurpose

MOST_DIGITS = 15
"""Of a number that is said as such; longer ones are said digit by digit."""


class Numerals:
    """The number words of one language. Everything takes text of ASCII digits, and leaves what it cannot say."""

    def __init__(self, language: str) -> None:
        from unicode_rbnf import FormatPurpose, RbnfEngine

        self._engine = RbnfEngine.for_language(language)
        self._purposes = FormatPurpose
        self._ten = [self._said(digit, FormatPurpose.CARDINAL, "spellout-numbering") for digit in range(10)]

    def cardinal(self, digits: str) -> str:
        """`21` is twenty-one; with zeros before it, or very long, digit by digit."""
        if len(digits) > MOST_DIGITS or (len(digits) > 1 and digits[0] == "0"):
            return self.digits(digits)
        return self._said(int(digits), self._purposes.CARDINAL, "spellout-numbering")

    def digits(self, digits: str) -> str:
        return " ".join(self._ten[int(digit)] for digit in digits)

    def ordinal(self, digits: str, ruleset: str = "spellout-ordinal") -> str:
        if len(digits) > MOST_DIGITS:
            return self.digits(digits)
        return self._said(int(digits), self._purposes.ORDINAL, ruleset)

    def year(self, digits: str) -> str:
        return self._said(int(digits), self._purposes.YEAR, "spellout-numbering-year")

    def _said(self, number: int, purpose: FormatPurpose, ruleset: str) -> str:
        found = self._engine.format_number(number, purpose)
        return str(found.text_by_ruleset.get(ruleset, found.text))


@functools.cache
def numerals(language: str) -> Numerals | None:
    """None for languages without rules."""
    try:
        return Numerals(language)
    except ValueError:
        return None


def ascii_digits(text: str) -> str:
    """`text` with the digits of every script, and those that are raised or circled, as 0 to 9."""
    return "".join(char if char.isascii() or not char.isdigit() else str(unicodedata.digit(char)) for char in text)
