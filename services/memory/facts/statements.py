"""What somebody states about themselves, cut out of what they said: no questions, suppositions or words of others."""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.memory.facts.wording import any_of

_MOST_CHARS = 2000
"""A longer utterance is dictation or pasted text, of which only the beginning is looked at."""

_NOT_THEIR_OWN = re.compile(
    r"\b"
    + any_of(
        r"""translat\w+|paraphras\w+|rewrite|rephrase|proofread|repeat after me|lyrics|role ?-?play\w*|pretend\w*|
        imagin\w+|suppos(?:e|ing)|hypothetic\w*|what if|let's (?:say|assume|pretend)|assum(?:e|ing)|act as|
        (?:a|this|the) (?:story|poem|song|letter|e-?mail|joke|quote|quotation|sentence|phrase|character|script|
        dialogue|riddle)|you are (?:now )?(?:a|an|the)"""
    )
    + r"\b",
    re.IGNORECASE,
)
"""Words after which an utterance may speak in somebody else's name; all of it is left alone then."""
_ABBREVIATION = re.compile(r"(?:\b(?:Dr|Mr|Mrs|Ms|St|Prof|Jr|Sr|Mt|vs)|\b[A-Z])\.$")
_QUOTED = re.compile(r'"([^"]*)"')
_FIRST_PERSON = (
    any_of("i|i'm|im|i've|ive|my|we|our|call me|(?:please )?remember|(?:please )?don't forget|note that|keep in mind")
    + r"\b"
)
_ASKING = (
    any_of(
        """what|what's|who|who's|whose|whom|where|where's|when|when's|why|which|how|how's|do|does|did|is|isn't|are|aren't|
        am|was|were|can|could|would|will|won't|shall|should|may|have you|has|had|don't you|any idea"""
    )
    + r"\b"
)
_BETWEEN = r"(?:\s*[,:;]\s*|\s+[-–—]+\s+)"
_JOINT = re.compile(
    rf"(?:{_BETWEEN}|\s+)(?:(?:and|but|so|also|plus|oh|then|because|since|by the way)\s+)+(?={_FIRST_PERSON})"
    rf"|{_BETWEEN}(?:(?:and|but|so|also|plus|oh)\s+)?(?={_FIRST_PERSON}|{_ASKING}|tell\b|if\b)",
    re.IGNORECASE,
)
_RUN_ON = re.compile(
    r"\s+(?="
    + any_of(
        r"""i (?:live|work|like|love|hate|prefer|enjoy|was born|speak|am allergic|have (?:a|two|three))|
        i'm (?:allergic|from|originally from|\d+)|my (?:name|birthday|favou?rite|wife|husband|dog|cat|job)"""
    )
    + " )",
    re.IGNORECASE,
)
"""Where a new statement begins in speech without punctuation; looked for only behind another statement."""
_STARTS_AS_STATEMENT = re.compile(_FIRST_PERSON, re.IGNORECASE)
_STARTS_AS_QUESTION = re.compile(_ASKING, re.IGNORECASE)
_TOLD = re.compile(r"(?:please )?(?:remember|don't forget|note|keep in mind)\b", re.IGNORECASE)
_CONDITION = re.compile(r"\b(?:if|unless|whether|wish|in case)\b", re.IGNORECASE)
_UNSURE = re.compile(
    r"\b(?:would|could|might|maybe|perhaps|probably|possibly|used to|not sure|no longer|guess|i think)\b", re.IGNORECASE
)
_REPORTS = re.compile(
    r"\b"
    + any_of(
        """said|says|saying|say|told|tells|tell|ask|asks|asked|wrote|write|writes|read|reads|sing|sings|sang|spell|type|
        search|google|play|means?|quotes?|repeat|claims?|thinks?"""
    )
    + r"\b",
    re.IGNORECASE,
)
_OPENER = re.compile(
    any_of(
        """hi|hello|hey|good (?:morning|afternoon|evening)|okay|ok|well|so|yes|yeah|yep|no|oh|ah|um+|uh+|er+|hmm|right|
        actually|honestly|basically|by the way|just so you know|for your information|fyi|and|but|also|plus|because|
        since|listen|look|you know(?: what)?|solo|there|thanks|thank you|sorry|anyway|
        i (?:just )?(?:want|wanted|need) you to know(?: that)?|you should know(?: that)?|let me tell you(?: that)?|
        i (?:must|should|can) (?:say|tell you)(?: that)?|did you know(?: that)?"""
    )
    + r"\b[\s,:.!-]*",
    re.IGNORECASE,
)


def statements(heard: str) -> list[str]:
    """Pieces of `heard`, each beginning where its statement begins, without end mark."""
    text = heard[:_MOST_CHARS].translate(str.maketrans("’‘“”„", '\'\'"""'))
    if _NOT_THEIR_OWN.search(text):
        return []
    found: list[str] = []
    for sentence in _sentences(" ".join(_unquoted(text).split())):
        found.extend(_of_one(sentence))
    return found


def _unquoted(text: str) -> str:
    """A quoted name is kept, what somebody is quoted with is not."""

    def keep(match: re.Match[str]) -> str:
        words = match[1].split()
        return match[1] if 0 < len(words) <= 3 and not _STARTS_AS_STATEMENT.match(match[1]) else " . "

    return _QUOTED.sub(keep, text)


def _sentences(text: str) -> Iterator[str]:
    begin = 0
    for mark in re.finditer(r"[.!?;]+(?=\s|$)", text):
        if mark[0] == "." and _ABBREVIATION.search(text[begin : mark.end()]):
            continue
        yield text[begin : mark.end()].strip()
        begin = mark.end()
    if rest := text[begin:].strip():
        yield rest


def _of_one(sentence: str) -> Iterator[str]:
    pieces = [piece for piece in _JOINT.split(sentence) if piece.strip()]
    asking = [bool(_STARTS_AS_QUESTION.match(_opened(piece))) for piece in pieces]
    if sentence.endswith("?") and not any(asking[1:]):
        return  # the whole is a question, or a statement that they want confirmed
    for piece, asks in zip(pieces, asking, strict=True):
        opened = _opened(piece)
        states = _STARTS_AS_STATEMENT.match(opened) is not None
        if asks or _CONDITION.search(piece) or (not states and _REPORTS.search(piece)):
            return  # which holds for what follows as well
        if states and not _UNSURE.search(piece):
            for one in [opened] if _TOLD.match(opened) else _RUN_ON.split(opened):
                yield one.strip(" .,!?;:-")


def _opened(piece: str) -> str:
    """Without the words that only open a sentence."""
    rest = piece.strip(" ,.-")
    while match := _OPENER.match(rest):
        rest = rest[match.end() :]
    return rest
