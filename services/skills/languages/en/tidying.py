"""English as recognisers and people write it, brought to one form: lower case, digits, no courtesies."""

from __future__ import annotations

import re
from dataclasses import replace

from services.skills.languages.en.numbers import read_number
from services.skills.languages.language import Tidied, Word

MOST_CHARACTERS = 600
"""A longer utterance is no command."""

_TOKEN = re.compile(
    r"\d+(?:[x/-]\d+)+(?![\w])"  # 9/11, 4x4, 555-1234: may be sums, and mostly are not
    r"|\d+(?:st|nd|rd|th)\b"
    r"|\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)"
    r"|\d+(?:[.,:]\d+)?"
    r"|[ap]\.m\b\.?"
    r"|[a-zà-ÿ]+(?:'[a-z]+)*'?"
    r"|[+*×÷/=^√%°−–-]"
)
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_CONTRACTED = {
    "what's": "what is",
    "whats": "what is",
    "what're": "what are",
    "it's": "it is",
    "that's": "that is",
    "how's": "how is",
    "when's": "when is",
    "where's": "where is",
    "who's": "who is",
    "today's": "today is",
    "i'd": "i would",
    "let's": "let us",
    "you're": "you are",
    "there's": "there is",
    "i'm": "i am",
    "don't": "do not",
    "dont": "do not",
    "cannot": "can not",
    "can't": "can not",
    "o'clock": "oclock",
    "%": "percent",
    "per": "per",
    "+": "plus",
    "*": "times",
    "×": "times",
    "÷": "divided by",
    "/": "divided by",
    "=": "equals",
    "^": "to the power of",
    "√": "square root of",
    "−": "minus",
    "–": "minus",
    "-": "minus",
    "°": "degrees",
    "a.m": "am",
    "a.m.": "am",
    "p.m": "pm",
    "p.m.": "pm",
}
_GLUED_UNIT = re.compile(r"(\d)(?=(?:am|pm|a\.m|p\.m|mins?|minutes?|secs?|hrs?|h|s|m|km|cm|mm|kg|g|lbs?|ml|l|c|f)\b)")
_BEFORE = tuple(
    phrase.split()
    for phrase in (
        "hey",
        "hi",
        "hello",
        "ok",
        "okay",
        "so",
        "well",
        "um",
        "uh",
        "erm",
        "alright",
        "all right",
        "yo",
        "solo",
        "please",
        "kindly",
        "just",
        "now",
        "go ahead and",
        "can you",
        "could you",
        "would you",
        "will you",
        "can you please",
        "i want you to",
        "i would like you to",
        "i need you to",
    )
)
_COURTESIES = tuple(phrase.split() for phrase in ("please", "thanks", "thank you", "solo", "okay", "ok"))
_AFTER = tuple(phrase.split() for phrase in ("right now", "now", "for me", "will you", "would you", "then"))


_IMPERATIVES = {
    "added": "add",
    "canceled": "cancel",
    "cancelled": "cancel",
    "paused": "pause",
    "resumed": "resume",
    "started": "start",
    "stopped": "stop",
    "turned": "turn",
}
"""Recognisers hear some commands as if they were told of: nobody tells Solo that he cancelled a timer."""


def tidy(text: str) -> Tidied:
    original = text[: MOST_CHARACTERS + 1]
    words = _numbers(_words(original))
    while (count := _leading(words)) and count < len(words):
        words = words[count:]
    words = _without(words, _COURTESIES)
    if words and len(words) > 1 and words[0].text in _IMPERATIVES:
        words = [replace(words[0], text=_IMPERATIVES[words[0].text]), *words[1:]]
    end = words[-1].end if words else 0
    return Tidied(original, tuple(_without(words, _AFTER)), end)


_PLAIN = re.compile(r"\{[^{}]*\}|[^\[\](){}|;\\]+")


def tidy_template(sentence: str) -> str:
    """Courtesies stay: they are taken off what is heard, so a sentence of nothing else is for nobody."""

    def piece(match: re.Match[str]) -> str:
        text = match[0]
        if text.startswith("{") or not text.strip():
            return text
        before = " " if text[0].isspace() else ""
        behind = " " if text[-1].isspace() else ""
        return before + " ".join(word.text for word in _numbers(_words(text))) + behind

    return _PLAIN.sub(piece, sentence)


def _words(text: str) -> list[Word]:
    lowered = text.replace("’", "'").replace("‘", "'").lower()
    if len(lowered) != len(text):  # a few letters change their length: positions would be wrong
        text = lowered
    words: list[Word] = []
    spread = _GLUED_UNIT.sub("\\1\x00", lowered)
    shift = 0
    for match in _TOKEN.finditer(spread):
        shift = spread.count("\x00", 0, match.start())
        start, end = match.start() - shift, match.end() - shift
        token = match[0]
        if token in {"-", "–"} and _joins_words(spread, match.start()):
            continue  # twenty-five
        if _THOUSANDS.fullmatch(token):
            token = token.replace(",", "")
        elif token[0].isdigit() and "," in token:
            token = token.replace(",", ".")
        words.extend(Word(part, start, end) for part in _CONTRACTED.get(token, token).split())
    return words


def _joins_words(text: str, at: int) -> bool:
    """A hyphen in a word or a dash in a sentence; a minus stands between or before numbers."""
    after = text[at + 1 :].lstrip()[:1]
    return not after.isdigit() or text[max(0, at - 1) : at].isalpha()


def _numbers(words: list[Word]) -> list[Word]:
    texts = [word.text for word in words]
    found: list[Word] = []
    at = 0
    while at < len(words):
        number, taken = read_number(texts[at : at + 16])
        if taken:
            found.append(Word(number, words[at].start, words[at + taken - 1].end))
            at += taken
        else:
            found.append(words[at])
            at += 1
    return found


def _leading(words: list[Word]) -> int:
    texts = [word.text for word in words[:5]]
    return max((len(phrase) for phrase in _BEFORE if texts[: len(phrase)] == phrase), default=0)


def _without(words: list[Word], phrases: tuple[list[str], ...]) -> list[Word]:
    texts = [word.text for word in words]
    while True:
        for phrase in phrases:
            if len(texts) > len(phrase) and texts[-len(phrase) :] == phrase:
                del texts[-len(phrase) :], words[-len(phrase) :]
                break
        else:
            return words
