"""Facts about a person found by the language model: for models better than the packaged one, which invents."""

from __future__ import annotations

import json
import re

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.memory.facts.rules import Found
from services.memory.facts.statements import statements
from services.memory.facts.wording import any_of, sentence
from services.messages.language import ChatMessage, Complete, CompletionEnd
from solo.supervision import Context

MOST_FACTS = 3
_WITHIN_S = 30.0
_MOST_TOKENS = 160
_PROMPT = (
    "You note lasting facts about the user from one message of theirs. Answer with one JSON object a line, at most "
    f'{MOST_FACTS}, such as {{"subject": "home", "text": "The user lives in Oslo."}}. Use only what the user states '
    "about themselves; nothing from questions, guesses or other people's words. Answer with an empty line when there "
    "is nothing."
)
_WORD = re.compile(r"[^\W_]+")
_OWN_WORDS = re.compile(
    any_of(
        """the|users?|s|is|are|an?|in|at|of|to|has|have|called|named?|lives?|works?|likes?|their|and|as|for|with|on|does|
        not|wants|be|from|was|born|owns|loves|hates|prefers|speaks|plays|drives|years|old"""
    )
)
"""What a sentence in the third person needs although nobody said it."""


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid")

    subject: str = Field(min_length=1, max_length=40)
    text: str = Field(min_length=8, max_length=300)


async def ask_model(ctx: Context, heard: str) -> tuple[Found, ...]:
    """Raises what the language model raises. Nothing is asked about an utterance that states nothing."""
    if not statements(heard):
        return ()
    question = Complete(
        messages=(ChatMessage(role="system", content=_PROMPT), ChatMessage(role="user", content=heard)),
        max_tokens=_MOST_TOKENS,
    )
    async with ctx.stream(question, within=_WITHIN_S) as parts:
        said = [part.text async for part in parts if not isinstance(part, CompletionEnd)]
    return grounded("".join(said), heard)


def grounded(said: str, heard: str) -> tuple[Found, ...]:
    """What of the model's lines is well formed and made of words that were said."""
    found: dict[str, Found] = {}
    known = {word.lower() for word in _WORD.findall(heard)}
    for line in said.splitlines():
        try:
            fact = _Line.model_validate(json.loads(line.strip().strip(",`")))
        except (ValueError, ValidationError):
            continue
        words = {word for word in map(str.lower, _WORD.findall(fact.text)) if not _OWN_WORDS.fullmatch(word)}
        if words and words <= known:
            text = sentence(fact.text.strip().rstrip("."))
            found.setdefault(text.lower(), Found(fact.subject.strip().lower(), text))
    return tuple(found.values())[:MOST_FACTS]
