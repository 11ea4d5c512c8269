"""English, put together: how each gap of a sentence is understood."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from zoneinfo import available_timezones

from services.skills.languages.en.durations import read_duration
from services.skills.languages.en.moments import read_moment
from services.skills.languages.en.sums import read_sum
from services.skills.languages.en.tidying import tidy, tidy_template
from services.skills.languages.en.units import convert, read_unit
from services.skills.languages.en.wording import EnglishWording
from services.skills.languages.language import Tidied, words

Read = dict[str, str] | None

_SENTENCES = Path(__file__).with_name("sentences")
_MOST_NAME_WORDS = 4
_MOST_TEXT_WORDS = 60
_NO_NAME = frozenset(
    words(
        """for timer timers alarm alarms minute minutes hour hours second seconds what how why when who where is
        are was were of and then if that which do does did can could would should will not it me you i am pm at
        in on all every each both any some more about without repeating recurring daily weekly sand egg-timer
        bomb"""
    )
)
"""Words that no timer is called by: what they stand in is another sentence."""
_BARE = frozenset(words("the a an my our your this that another other new 1 please now"))
_ENDS_IN_DAY = re.compile(r" (?:today|tomorrow|tonight|on \w+day)$")
_ARTICLE = re.compile(r"(?:the|my|a|an|our|your|this|that) ")
_OFTEN = frozenset(
    words(
        """day days morning mornings evening evenings night nights week weeks weekday weekdays weekend weekends
        monday mondays tuesday tuesdays wednesday wednesdays thursday thursdays friday fridays saturday
        saturdays sunday sundays hour hours month and"""
    )
)
_LEVEL = re.compile(r"(\d{1,3})(?:\.0)?( percent)?")
_QUANTITY = re.compile(r"(minus )?(\d+(?:\.\d+)?|an?|half an?) (.+)")
_NO_STATEMENT = re.compile(
    r"(?:what|who|whom|when|where|why|how|which|whether|if|about|old|(?:\w+ )?"
    r"(?:time|day|night|year|summer|winter|song|movie|film|show|guy|girl|one|man|woman|episode|book|game|place|trip|"
    r"scene|thing|joke)(?: (?:when|where|we|you|i|he|she|they|in|with|from|who|that|about|on)\b|$))"
)
"""'Remember that summer in Rome' asks for company, not for memory."""
_OWN = re.compile(r"(?:my|our|i|i'm|i've|we|we're|me)\b")


class English:
    code = "en"
    free = frozenset({"fact", "own_fact", "what", "task", "errand"})

    def __init__(self) -> None:
        self.wording = EnglishWording()
        self._places: dict[str, str] = {}
        self._readers: Mapping[str, Callable[[str, Mapping[str, str]], Read]] = {
            "duration": _duration,
            "moment": lambda text, _: read_moment(text),
            "tomorrow": lambda text, _: read_moment(f"tomorrow {text}"),
            "name": _name,
            "which": _which,
            "errand": _errand,
            "often": lambda text, _: {"often": text} if set(text.split()) <= _OFTEN else None,
            "level": _level,
            "place": self._place,
            "sum": lambda text, _: _sum(read_sum(text)),
            "sure_sum": lambda text, _: _sum(read_sum(text, surely=True)),
            "left": lambda text, _: _number("left", text),
            "right": lambda text, _: _number("right", text),
            "quantity": _quantity,
            "to": _unit,
            "fact": _fact,
            "own_fact": lambda text, slots: _fact(text, slots) if _OWN.match(text) else None,
            "what": _words("what"),
            "task": _words("task"),
        }

    def load(self) -> None:
        self.wording.load()
        self._places = {
            zone.rpartition("/")[2].replace("_", " ").lower(): zone
            for zone in sorted(available_timezones())
            if zone.partition("/")[0] in {"Africa", "America", "Asia", "Atlantic", "Australia", "Europe", "Pacific"}
        }

    def sentences(self) -> Mapping[str, str]:
        return {file.name: file.read_text(encoding="utf-8") for file in sorted(_SENTENCES.glob("*.yaml"))}

    def tidy(self, text: str) -> Tidied:
        return tidy(text)

    def tidy_template(self, sentence: str) -> str:
        return tidy_template(sentence)

    def read(self, slot: str, text: str, slots: Mapping[str, str]) -> Read:
        reader = self._readers.get(slot)
        return {slot: text} if reader is None else reader(text, slots)

    def convert(self, amount: Decimal, source: str, target: str) -> Decimal | None:
        return convert(amount, source, target)

    def _place(self, text: str, _: Mapping[str, str]) -> Read:
        zone = self._places.get(text)
        return None if zone is None else {"zone": zone, "place": text.title()}


def _duration(text: str, _: Mapping[str, str]) -> Read:
    seconds = read_duration(text)
    return None if seconds is None else {"seconds": f"{seconds:g}"}


def _name(text: str, _: Mapping[str, str]) -> Read:
    name = _ARTICLE.sub("", text, count=1) if _ARTICLE.match(text) else text
    words = name.split()
    if not words or len(words) > _MOST_NAME_WORDS or _NO_NAME & set(words) or name in _BARE:
        return None
    if read_duration(name) is not None or read_moment(name) is not None:
        return None
    return {"name": name}


def _which(text: str, slots: Mapping[str, str]) -> Read:
    """A timer by its name, its length or its time."""
    if (seconds := read_duration(text)) is not None:
        return {"length": f"{seconds:g}"}
    if (moment := read_moment(text)) is not None:
        return {"hour": moment["hour"], "minute": moment["minute"], "half": moment["half"]}
    return _name(text, slots)


def _errand(text: str, _: Mapping[str, str]) -> Read:
    if not 0 < len(text.split()) <= _MOST_TEXT_WORDS or _ENDS_IN_DAY.search(text):
        return None
    return {"name": text}


def _level(text: str, _: Mapping[str, str]) -> Read:
    if text in {"half", "50", "halfway"}:
        return {"percent": "50"}
    found = _LEVEL.fullmatch(text)
    if found is None or int(found[1]) > 100:
        return None
    level = int(found[1])
    return {"percent": str(level if found[2] or level > 10 else level * 10)}


def _sum(read: str | None) -> Read:
    return None if read is None else {"sum": read}


def _number(slot: str, text: str) -> Read:
    return {slot: text} if re.fullmatch(r"\d+(?:\.\d+)?", text) else None


def _quantity(text: str, slots: Mapping[str, str]) -> Read:
    found = _QUANTITY.fullmatch(text)
    if found is None:
        return None
    unit = read_unit(found[3].removeprefix("of "), slots.get("to", ""))
    if unit is None:
        return None
    number = {"a": "1", "an": "1", "half a": "0.5", "half an": "0.5"}.get(found[2], found[2])
    return {"amount": f"-{number}" if found[1] else number, "source_unit": unit}


def _unit(text: str, slots: Mapping[str, str]) -> Read:
    quantity = _QUANTITY.fullmatch(slots.get("quantity", ""))
    unit = read_unit(text, quantity[3] if quantity else "")
    return None if unit is None else {"target_unit": unit}


def _fact(text: str, _: Mapping[str, str]) -> Read:
    words = text.split()
    if len(words) < 2 or len(words) > _MOST_TEXT_WORDS or _NO_STATEMENT.match(text.lower()):
        return None
    return {"fact": text}


def _words(slot: str) -> Callable[[str, Mapping[str, str]], Read]:
    return lambda text, _: {slot: text} if 0 < len(text.split()) <= _MOST_TEXT_WORDS else None
