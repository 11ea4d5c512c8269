"""Words of the first person turned into words about the user."""

from __future__ import annotations

import re


def any_of(alternatives: str) -> str:
    """A group of alternatives written over several lines."""
    return f"(?:{re.sub(r'[|]?' + chr(10) + ' *', lambda match: '|' if match[0][0] == '|' else '', alternatives)})"


_END = re.compile(
    r"\s+(?:and "
    + any_of("he|she|it|they|you|that|then|what|how|can|could|tell|please|so|also|want|need")
    + "|"
    + any_of("but|so|because|though|although|which|who|while|since|i|i'm|i've|by the way|you know|isn't it")
    + r")\b.*$",
    re.IGNORECASE,
)
_FILLERS = re.compile(
    r"(?:[\s,]+"
    + any_of(
        """please|thanks|thank you|now|okay|ok|too|as well|actually|right now|these days|at the moment|currently|
        nowadays|solo|though|alright|very much|a lot|so much|the most|in fact"""
    )
    + ")+$",
    re.IGNORECASE,
)
_EMPTY = re.compile(
    any_of(
        """not?|n't|is|are|was|were|am|be|been|what|how|where|when|who|why|that|this|these|those|it|its|it's|them|they|
        him|her|he|she|you|your|yours|you're|unknown|nothing|something|anything|everything|none|nobody|someone|
        somebody|secret|a secret|important|the same|about|sometimes|still|also|never|only|just|in|at|on|of|for|with|as|
        like|love|to (?:know|hear|ask|see (?:you|if)|think|say|tell)|the (?:way|idea|fact|sound|look) (?:of|you|that)"""
    )
    + r"\b",
    re.IGNORECASE,
)
_NO_PLACE = re.compile(
    any_of(
        """fear|hope|peace|denial|bed|home|night|nights|weekends|myself|
        (?:the|a) (?:moment|past|future|dream|fantasy|lie)"""
    )
    + r"\b",
    re.IGNORECASE,
)
_COMMON = re.compile(r"(?:an?|the|my|our|their|this|that|some|\d)\b", re.IGNORECASE)
_NAME_WORD = re.compile(r"[^\W\d_][^\W\d_'.-]*(?:['.-][^\W\d_]+)*\.?")
_NO_NAME = re.compile(
    any_of(
        """a|an|the|back|later|tomorrow|tonight|today|when|if|at|on|in|up|off|out|maybe|mum|mom|dad|doctor|police|
        ambulance|crazy|whatever|anything|something|names|name|very|quite|really|hard|difficult|easy|long|short|common|
        rare|pronounced|spelled|spelt|misspelled|unusual|good|bad|great|nice|fine|beautiful|awesome|coming|going|
        getting|being|my|your|his|her|their|our|for|from|to|with|about|because|mud|toast|not|no|yes|here|there|taxi|
        cab|someone|somebody|one|first|again|soon|asap|please|sick|ill|dead|missing|driving|me|you|it|well|always|
        never|angry|happy|sad|tired|hungry|busy|late|away|sleeping|visiting|annoying|worried"""
    ),
    re.IGNORECASE,
)
_THIRD = {
    "my": "their",
    "mine": "theirs",
    "me": "them",
    "myself": "themselves",
    "our": "their",
    "ours": "theirs",
    "us": "them",
    "we": "they",
}
_TO_USER = {
    "do i": "does the user",
    "am i": "is the user",
    "have i": "has the user",
    "i'm": "the user is",
    "i am": "the user is",
    "i've": "the user has",
    "i have": "the user has",
    "i'll": "the user will",
    "i'd": "the user would",
    "i don't": "the user does not",
    "i do": "the user does",
    "i": "the user",
    "my": "the user's",
    "mine": "the user's",
    "me": "the user",
    "myself": "the user",
    "our": "the user's",
}
_SELF = re.compile(
    r"\b" + any_of("do i|am i|have i|i'm|i am|i've|i have|i'll|i'd|i don't|i do|i|my|mine|me|myself|our") + r"\b",
    re.IGNORECASE,
)
_AGREES = re.compile(
    r"(?<!does )\bthe user ((?:always |usually |often |never |really |only )?)("
    + any_of(
        """need|want|like|love|hate|prefer|take|drink|eat|keep|leave|go|work|live|play|drive|sleep|wake|get|use|own|
        speak|know|pay|park|meet|start|finish|run"""
    )
    + r")\b",
    re.IGNORECASE,
)


def value(raw: str, most_words: int = 10) -> str | None:
    """What comes behind `I like`, `I live in` and so on; None when that is not something to keep."""
    text = _FILLERS.sub("", _END.sub("", f" {raw.strip()}").strip(" ,.!?;:-")).strip(" ,.!?;:-").replace('"', "")
    words = text.split()
    if not words or len(words) > most_words or _EMPTY.match(text) or not any(map(str.isalnum, text)):
        return None
    return " ".join(_THIRD.get(word.lower(), word) for word in words)


def name(raw: str, most_words: int = 3) -> str | None:
    """A person's or an animal's name; written large when it came in small letters."""
    text = value(raw, most_words + 3)
    if text is None:
        return None
    words = re.split(r"\s+(?:and|or)\s+", text)[0].split()
    if len(words) > most_words or not all(_NAME_WORD.fullmatch(word) for word in words):
        return None
    if any(_NO_NAME.fullmatch(word) for word in words):
        return None
    return _large(" ".join(words)).removesuffix(".")


def place(raw: str, most_words: int = 8) -> str | None:
    """A town or a company; one or two words in small letters are written large."""
    text = value(raw, most_words)
    if text is None or _NO_PLACE.match(text):
        return None
    return text if len(text.split()) > 2 or _COMMON.match(text) else _large(text)


def about_user(text: str) -> str:
    """A sentence said by the user, in the third person, with a capital and a full stop."""
    named = False

    def turned(match: re.Match[str]) -> str:
        nonlocal named
        word = match[0].lower()
        again = named and word in _THIRD
        named = True
        return _THIRD[word] if again else _TO_USER[word]

    said = _SELF.sub(turned, text.strip(" ,.!;:-"))
    said = _AGREES.sub(lambda match: f"the user {match[1]}{_with_s(match[2])}", said)
    return sentence(said)


def sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _large(text: str) -> str:
    if text != text.lower():
        return text
    return " ".join(word[:1].upper() + word[1:] for word in text.split())


def _with_s(verb: str) -> str:
    return f"{verb}es" if verb.endswith(("o", "s", "x", "ch", "sh")) else f"{verb}s"
