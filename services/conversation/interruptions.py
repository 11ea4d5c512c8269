"""Somebody spoke while Solo did: did they want something? Decided by what they said."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from services.conversation.skills import match
from services.messages.speech import Transcribe
from services.messages.turntaking import Interruption, JudgeInterruption, Verdict
from solo.errors import SoloError
from solo.supervision import Context

ECHO = 0.75
"""Share of the letters heard that stand in a row of what is being said, from which they are taken for its echo."""
_TRANSCRIBE_WITHIN_S = 2.0
"""Longer than the ear waits: see `ConversationService`."""
_BACKCHANNEL_WORDS = """
ah aha cool correct exactly fine good got great hm hmm huh i interesting it mhm mm mmm nice oh ok okay right see sure uh
uhuh um wow yeah yep yes yup
"""
_BACKCHANNEL = frozenset(_BACKCHANNEL_WORDS.split())
"""English words that listeners say without wanting to speak."""
_STOP = re.compile(r"\b(stop|quiet|silence|enough|cancel|shut up|never ?mind|wait|no)\b")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


async def judge(ctx: Context, question: JudgeInterruption, saying: str) -> Interruption:
    """`saying`: what was given to the voice. Who cannot be understood, and speaks on, is listened to."""
    try:
        found = await ctx.request(Transcribe(pcm=question.pcm), within=_TRANSCRIBE_WITHIN_S)
    except SoloError as error:
        ctx.log.debug("an interruption is not understood", source=question.source, code=error.code)
        verdict = Verdict.INTERRUPT if question.speaking else Verdict.RESUME
        return Interruption(verdict=verdict, why="timeout")
    verdict, why = decide(found.text, question.speaking, saying)
    if why == "speech" and (skill := await match(ctx, found.text, question.profile)) is not None:
        why = "stop" if skill.control == "stop" else why
    return Interruption(verdict=verdict, why=why, text=found.text)


def decide(text: str, speaking: bool, saying: str) -> tuple[Verdict, str]:
    """By the words alone. Pure."""
    words = _WORD.findall(text.lower())
    if not words:
        return Verdict.RESUME, "no words" if speaking else "silence"
    if _is_echo(words, saying):
        return Verdict.RESUME, "echo"
    if _STOP.search(" ".join(words)):
        return Verdict.INTERRUPT, "stop"
    if all(word in _BACKCHANNEL for word in words):
        return Verdict.RESUME, "backchannel"
    return Verdict.INTERRUPT, "speech"


def _is_echo(words: list[str], saying: str) -> bool:
    """Recognisers hear an echo with mistakes, so letters are compared, not words."""
    heard, said = "".join(words), "".join(_WORD.findall(saying.lower()))
    if len(heard) < 4 or not said:
        return False
    matching = SequenceMatcher(None, said, heard, autojunk=False).get_matching_blocks()
    long_enough = sum(block.size for block in matching if block.size >= min(4, len(heard)))
    return long_enough / len(heard) >= ECHO
