"""The whole way from what is written to what is said. Pure, and never worse than what was written."""

from __future__ import annotations

import functools
import re

from services.tts.adapters.wording.addresses import addresses, dialled
from services.tts.adapters.wording.amounts import Amounts
from services.tts.adapters.wording.moments import Moments
from services.tts.adapters.wording.numerals import ascii_digits, numerals
from services.tts.adapters.wording.plain import plain
from services.tts.adapters.wording.tongues import TONGUES

_SHORT = {
    "e.g.": "for example,", "i.e.": "that is,", "etc.": "et cetera", "vs.": "versus", "approx.": "approximately",
    "Dr.": "Doctor", "Prof.": "Professor", "Mr.": "Mister", "Mrs.": "Missis", "Ms.": "Miz", "a.k.a.": "also known as",
    "w/o": "without", "w/": "with ", "dept.": "department", "min.": "minutes", "max.": "at most", "ca.": "about",
}  # fmt: skip
_ABBREVIATION = re.compile(r"(?<![\w.])(?:" + "|".join(map(re.escape, _SHORT)) + r")(?=(.{0,2}))")
_SAINT = re.compile(r"\bSt\.(?= [A-Z])")
_STREET = re.compile(r"(?<=[a-z]) St\.")
_AND_OR = re.compile(r"\band/or\b", re.IGNORECASE)
_UNIT_RAISED = re.compile(r"(?<=\dm|[\d ]m|km)[²³]")
_RAISED = re.compile(r"(?<=\w)[²³]")
_PER = re.compile(r"(?<=[a-z])/(?=(?:hour|day|week|month|year|person|night|second|minute)\b)")
_OR = re.compile(r"(?<=[^\W\d_])/(?=[^\W\d_])")
_BEFORE_MARK = re.compile(r" +([,.;:!?])(?=\s|$)")


_MOST_ROUNDS = 8


def worded(text: str, language: str) -> str:
    """`text` as it should be said in `language` (`en-us`, `de`, ...); what its language has no rules for stays."""
    for _ in range(_MOST_ROUNDS):  # taking marks away may bring others together
        said = _once(text, language)
        if said == text:
            break
        text = said
    return text


def _once(text: str, language: str) -> str:
    text = plain(text)
    short, _, region = language.lower().replace("_", "-").partition("-")
    tongue, rules = TONGUES.get(short), _rules(short, region)
    if tongue is None or rules is None:
        return text
    moments, amounts = rules
    number_words = numerals(short)
    assert number_words is not None
    text = addresses(text, tongue)
    if any(map(str.isdigit, text)):
        text = moments.worded(_asciied(text, short))
        text = dialled(text, tongue, number_words)
    text = amounts.worded(text)
    if short == "en":
        text = _english(text)
    return _BEFORE_MARK.sub(r"\1", " ".join(text.split()))


def _asciied(text: str, language: str) -> str:
    """Raised digits behind a unit belong to it."""
    text = _UNIT_RAISED.sub(lambda found: "\x02" if found[0] == "²" else "\x03", text)
    if language == "en":
        text = _RAISED.sub(lambda found: " squared" if found[0] == "²" else " cubed", text)
    return ascii_digits(text).replace("\x02", "²").replace("\x03", "³")


def _english(text: str) -> str:
    text = text.replace("²", " squared").replace("³", " cubed")
    text = _AND_OR.sub("and or", _ABBREVIATION.sub(_expanded, text))
    text = _STREET.sub(" Street", _SAINT.sub("Saint", text))
    return _OR.sub(" or ", _PER.sub(" per ", text))


def _expanded(found: re.Match[str]) -> str:
    """A full stop that also ends the sentence is kept."""
    word = _SHORT[found[0]]
    after = found[1]
    ends = (
        found[0].endswith(".")
        and word[-1].isalpha()
        and (not after.strip() or (after[0] == " " and after[1:].isupper()))
    )
    titled = word in {"Doctor", "Professor", "Mister", "Missis", "Miz"}
    return word + ("." if ends and not titled else "")


@functools.cache
def _rules(language: str, region: str) -> tuple[Moments, Amounts] | None:
    tongue, number_words = TONGUES.get(language), numerals(language) if language in TONGUES else None
    if tongue is None or number_words is None:
        return None
    return Moments(language, region, tongue, number_words), Amounts(language, tongue, number_words)
