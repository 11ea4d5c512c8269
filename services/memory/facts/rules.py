"""The rules of the extractor: what a statement looks like, and the fact that it gives."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from services.memory.facts.wording import any_of, name, place, sentence, value


@dataclass(frozen=True, slots=True)
class Found:
    subject: str
    text: str
    """One sentence in the third person."""


Build: TypeAlias = Callable[[re.Match[str]], Found | None]

_PEOPLE = any_of(
    """best friend|girlfriend|boyfriend|grandmother|grandfather|grandma|grandpa|granny|granddaughter|grandson|
    mother-in-law|father-in-law|sister-in-law|brother-in-law|stepmother|stepfather|stepson|stepdaughter|neighbou?r|
    daughter|husband|colleague|flatmate|roommate|fianc[eé]e?|teacher|partner|brother|dentist|manager|doctor|mother|
    father|sister|cousin|nephew|friend|niece|uncle|aunt|wife|boss|baby|son|mum|mom|dad"""
)
_PETS = any_of(
    """puppy|kitten|parrot|rabbit|hamster|guinea pig|horse|pony|turtle|tortoise|goldfish|budgie|bird|fish|snake|dog|
    cat|pet"""
)
_AGES = any_of(
    """(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:[ -](?:one|two|three|four|five|six|seven|eight|
    nine))?|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|five|six|seven|eight|nine|
    \\d{1,3}"""
)
_JOBS = any_of(
    """teacher|engineer|nurse|doctor|developer|programmer|student|lawyer|designer|musician|writer|journalist|carpenter|
    electrician|plumber|chef|cook|baker|farmer|gardener|pilot|driver|architect|accountant|scientist|researcher|
    physicist|chemist|biologist|mathematician|librarian|pharmacist|dentist|firefighter|photographer|painter|actor|
    actress|translator|mechanic|policeman|policewoman|pensioner|psychologist"""
)
_DIETS = any_of("vegetarian|vegan|pescatarian|diabetic|coeliac|celiac|lactose intolerant|gluten intolerant")
_FAMILY = any_of(
    """children|kids|child|kid|sons?|daughters?|brothers?|sisters?|siblings?|grandchildren|dogs?|cats?|pets?|horses?|
    chickens"""
)
_DETAILS = any_of(
    """phone number|telephone number|mobile number|e-?mail(?: address)?|address|home address|blood type|blood group|
    shoe size|native language|mother tongue|nationality|hometown|wedding anniversary|anniversary|star sign|car|bike|
    time ?zone|hobby|dream|religion|licence plate|license plate"""
)
_GAMES = any_of(
    """guitar|piano|violin|drums|flute|cello|saxophone|trumpet|bass|chess|tennis|football|basketball|volleyball|golf|
    hockey|badminton"""
)
_LANGUAGES = re.compile(
    r"\b"
    + any_of(
        """english|german|french|spanish|italian|portuguese|dutch|polish|russian|ukrainian|turkish|arabic|hebrew|greek|
        hindi|urdu|bengali|chinese|mandarin|cantonese|japanese|korean|vietnamese|thai|swedish|norwegian|danish|finnish|
        czech|slovak|hungarian|romanian|bulgarian|croatian|serbian|catalan|welsh|irish|swahili|persian|farsi|latin|
        esperanto"""
    )
    + r"\b",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\d|\b"
    + any_of(
        """january|february|march|april|may|june|july|august|september|october|november|december|jan|feb|mar|apr|jun|
        jul|aug|sept?|oct|nov|dec|christmas|new year's|halloween|valentine's"""
    )
    + r"\b",
    re.IGNORECASE,
)
_LIKINGS = {
    "like": ("likes", "likes"),
    "love": ("loves", "likes"),
    "enjoy": ("enjoys", "likes"),
    "adore": ("adores", "likes"),
    "prefer": ("prefers", "preference"),
    "hate": ("hates", "dislikes"),
    "dislike": ("dislikes", "dislikes"),
    "can't stand": ("cannot stand", "dislikes"),
    "cannot stand": ("cannot stand", "dislikes"),
    "don't like": ("does not like", "dislikes"),
    "do not like": ("does not like", "dislikes"),
    "don't eat": ("does not eat", "diet"),
    "do not eat": ("does not eat", "diet"),
    "don't drink": ("does not drink", "diet"),
    "do not drink": ("does not drink", "diet"),
}
_ONE_VALUE = frozenset(
    {
        "name", "nickname", "age", "birthday", "home", "origin", "employer", "job", "address", "phone number", "email",
        "hometown", "nationality", "blood type", "shoe size", "native language", "anniversary", "wife", "husband",
        "partner", "marriage",
    }
)  # fmt: skip
_SAME = {
    "mother tongue": "native language",
    "wedding anniversary": "anniversary",
    "home address": "address",
    "email address": "email",
    "blood group": "blood type",
    "telephone number": "phone number",
    "mobile number": "phone number",
}


def has_one_value(subject: str) -> bool:
    """A newer fact about it takes the place of the older one."""
    return subject in _ONE_VALUE or subject.startswith("favourite ")


def _fact(subject: str, found: str | None, text: str) -> Found | None:
    """`text` with `{}` for the value; None without one."""
    return None if found is None else Found(subject, text.format(found))


def _plain(subject: str, text: str, words: int = 8) -> Build:
    return lambda match: _fact(subject, value(match["what"], words), text)


def _placed(subject: str, text: str) -> Build:
    return lambda match: _fact(subject, place(match["what"], 6), text)


def _named(subject: str, text: str) -> Build:
    return lambda match: _fact(subject, name(match["what"]), text)


def _as_said(subject: str, text: str) -> Build:
    return lambda match: Found(subject, text.format(match["what"].lower()))


def _home(match: re.Match[str]) -> Found | None:
    return _fact("home", place(match["what"]), f"The user lives {match['where'].lower()} {{}}.")


def _liking(match: re.Match[str]) -> Found | None:
    said, subject = _LIKINGS[match["verb"].lower()]
    return _fact(subject, value(match["what"]), f"The user {said} {{}}.")


def _relation(match: re.Match[str]) -> Found | None:
    called, relation = name(match["what"]), match["who"].lower()
    if called is None:
        return None
    if re.fullmatch(_PETS, relation):
        return Found("pet", f"The user has a {relation} called {called}.")
    return Found(relation, f"The user's {relation} is called {called}.")


def _written_as_name(match: re.Match[str]) -> Found | None:
    """`My wife is Anna`: only what is written as a name, for `my wife is tired` is none."""
    return _relation(match) if all(word[:1].isupper() for word in match["what"].split()) else None


def _birthday(match: re.Match[str]) -> Found | None:
    when = value(match["what"], 6) if _DATE.search(match["what"]) else None
    return _fact("birthday", when, "The user's birthday is {}.")


def _born(match: re.Match[str]) -> Found | None:
    where = match["where"].lower()
    if _DATE.search(match["what"]):
        return _fact("birthday", value(match["what"], 6), f"The user was born {where} {{}}.")
    return _fact("origin", place(match["what"]), "The user was born in {}.") if where == "in" else None


def _favourite(match: re.Match[str]) -> Found | None:
    thing = value(match["thing"], 4)
    if thing is None:
        return None
    text = f"The user's favourite {thing} {match['verb'].lower()} {{}}."
    return _fact(f"favourite {thing.lower()}", value(match["what"]), text)


def _detail(match: re.Match[str]) -> Found | None:
    thing = match["thing"].lower().replace("e-mail", "email")
    return _fact(_SAME.get(thing, thing), value(match["what"], 12), f"The user's {thing} is {{}}.")


def _language(match: re.Match[str]) -> Found | None:
    known = [word.capitalize() for word in _LANGUAGES.findall(match["what"])]
    if not known or len(match["what"].split()) > 8 or re.search(r"\bnot?\b", match["what"], re.IGNORECASE):
        return None
    listed = known[0] if len(known) == 1 else f"{', '.join(known[:-1])} and {known[-1]}"
    return Found("languages", sentence(f"the user speaks {listed}"))


_IM = r"i(?:'m|m| am)"
_OFTEN = r"(?:(?:really|absolutely|just|also|always|truly|actually|do|currently|still|now|usually|mostly|only)\s+)*"
_HAVE = r"(?:i|we)(?:'ve got|'ve| have got| have)"
_COUNT = r"(?:an?|two|three|four|five|six|no|\d+)"
_VERBS = any_of("|".join(sorted(_LIKINGS, key=len, reverse=True)))
_CALLED = r"(?:'s name is|s name is| is (?:called|named)|'s (?:called|named))"

_PATTERNS: tuple[tuple[str, Build], ...] = (
    (r"my (?:full |first |last |real )?name(?:'s| is)(?: actually)? WHAT", _named("name", "The user's name is {}.")),
    (r"(?:please |just )?call me WHAT", _named("nickname", "The user wants to be called {}.")),
    (r"(?:everyone|everybody) calls me WHAT", _named("nickname", "Everybody calls the user {}.")),
    (rf"{_IM} (?P<what>{_AGES}) years? old", _as_said("age", "The user is {} years old.")),
    (r"my birthday(?:'s| is)(?: on)? WHAT", _birthday),
    (r"i was born (?P<where>on|in) WHAT", _born),
    (rf"i {_OFTEN}live (?P<where>in|near|at|on|outside) WHAT", _home),
    (rf"{_IM} {_OFTEN}living (?P<where>in|near|at|on) WHAT", _home),
    (r"(?:i|we)(?:'ve| have)?(?: just| recently)? moved to WHAT", _placed("home", "The user lives in {}.")),
    (rf"{_IM} (?:originally )?from WHAT", _placed("origin", "The user comes from {}.")),
    (r"i (?:originally )?come from WHAT", _placed("origin", "The user comes from {}.")),
    (rf"i {_OFTEN}work (?:at|for) WHAT", _placed("employer", "The user works at {}.")),
    (rf"{_IM} {_OFTEN}working (?:at|for) WHAT", _placed("employer", "The user works at {}.")),
    (rf"i {_OFTEN}work as (?P<what>(?:an?|the) .+)", _plain("job", "The user works as {}.", 7)),
    (r"my (?:job|profession|occupation) is WHAT", _plain("job", "The user's job is {}.", 7)),
    (rf"{_IM} (?P<what>an? (?:[\w-]+ ){{0,2}}{_JOBS})", _as_said("job", "The user is {}.")),
    (rf"{_IM} (?:an? )?(?P<what>{_DIETS})", _as_said("diet", "The user is {}.")),
    (rf"{_IM} {_OFTEN}(?:severely |very )?allergic to WHAT", _plain("allergy", "The user is allergic to {}.")),
    (rf"{_HAVE} an? (?P<what>(?:[\w-]+ ){{1,3}})allergy", _plain("allergy", "The user has an allergy to {}.", 3)),
    (rf"my (?P<who>{_PEOPLE}|{_PETS}){_CALLED} WHAT", _relation),
    (rf"the name of my (?P<who>{_PEOPLE}|{_PETS}) is WHAT", _relation),
    (rf"{_HAVE} an? (?:[\w-]+ )?(?P<who>{_PEOPLE}|{_PETS}) (?:called|named|whose name is) WHAT", _relation),
    (rf"my (?P<who>{_PEOPLE}|{_PETS}) is (?P<what>\S+(?: \S+)?)", _written_as_name),
    (
        rf"{_HAVE} (?P<what>{_COUNT} (?:twin |little |older |younger |big |small )?{_FAMILY})",
        _as_said("family", "The user has {}."),
    ),
    (rf"{_IM} (?P<what>married|divorced|engaged|widowed)", _as_said("marriage", "The user is {}.")),
    (rf"{_IM} married to WHAT", _named("marriage", "The user is married to {}.")),
    (r"my favou?rite (?P<thing>[\w' -]+?) (?P<verb>is|are) WHAT", _favourite),
    (rf"my (?P<thing>{_DETAILS})(?: is|'s) WHAT", _detail),
    (r"i (?:can )?speak WHAT", _language),
    (rf"i (?:can )?play (?P<what>(?:the )?(?:\w+ )?{_GAMES})", _as_said("hobby", "The user plays {}.")),
    (r"i drive (?P<what>an? .+)", _plain("car", "The user drives {}.")),
    (rf"{_IM} not a (?:big )?fan of WHAT", _plain("dislikes", "The user does not like {}.")),
    (rf"{_IM} (?:a (?:big )?fan of|into) WHAT", _plain("likes", "The user likes {}.")),
    (rf"i {_OFTEN}(?P<verb>{_VERBS}) WHAT", _liking),
)
RULES = tuple(
    (re.compile(pattern.replace("WHAT", "(?P<what>.+)"), re.IGNORECASE), build) for pattern, build in _PATTERNS
)
"""Tried in this order on the whole of a statement; the first that gives a fact counts."""
