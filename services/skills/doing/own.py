"""What somebody's own files say: one of a few things, with what was said in the gaps put in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from services.messages.announcing import Announce
from services.messages.language import ChatMessage, Complete, TextDelta
from services.messages.skills import RunSkill, SkillReply
from services.skills.doing.hands import Hands
from services.skills.doing.setting import counting
from services.skills.own.form import GAP
from solo.errors import SoloError

_ASK_WITHIN_S = 4.5
"""The conversation waits a little longer than that for a skill; what the model has said by then is the answer."""
_MOST_TOKENS = 160
_ANNOUNCE_WITHIN_S = 120.0


async def do(hands: Hands, question: RunSkill) -> SkillReply:
    skill = hands.own.skills.get(question.match.skill)
    if skill is None:  # the file went between match and answer
        return hands.say("skill_gone")
    slots = question.match.slots
    said = _filled(skill.say or "", slots)
    if skill.set_timer is not None:
        duration = hands.language.tidy(_filled(skill.set_timer.duration, slots)).text
        read = hands.language.read("duration", duration, {})
        if read is None:
            return hands.say("no_duration", said=duration)
        seconds = float(read["seconds"])
        name = _filled(skill.set_timer.name, slots)[:100]
        await hands.keeper.add(counting(hands, question, "timer", name, seconds))
        if not said and skill.announce is None:
            return hands.say(
                "named_timer_set" if name else "timer_set", name=name, duration=hands.words.duration(seconds)
            )
    if skill.announce is not None:
        announcement = Announce(text=_filled(skill.announce, slots)[:4000], profile=question.profile)
        hands.later(_announce(hands, announcement))
    if skill.ask is not None:
        return await _ask(hands, question, _filled(skill.ask, slots))
    return SkillReply(say=said)


def _filled(text: str, slots: Mapping[str, str]) -> str:
    """Not `format`: what was said is put in as it is, and nothing of it is looked at again."""
    return GAP.sub(lambda gap: slots.get(gap[1], ""), text)


async def _announce(hands: Hands, announcement: Announce) -> None:
    """Not waited for: it is said behind the answer that is being given."""
    try:
        await hands.ctx.request(announcement, within=_ANNOUNCE_WITHIN_S)
    except SoloError as error:
        hands.ctx.log.warning("could not announce", error=error.line())


async def _ask(hands: Hands, question: RunSkill, text: str) -> SkillReply:
    asked = Complete(
        messages=(ChatMessage(role="user", content=text),),
        max_tokens=_MOST_TOKENS,
        lane="chat" if question.source == "text" else "voice",
        profile=question.profile,
    )
    said = ""
    try:
        async with asyncio.timeout(_ASK_WITHIN_S):
            async with hands.ctx.stream(asked, within=_ASK_WITHIN_S) as parts:
                async for part in parts:
                    said += part.text if isinstance(part, TextDelta) else ""
    except TimeoutError:
        said = said[: max(said.rfind(end) for end in ".!?") + 1]  # whole sentences
    except SoloError as error:
        hands.ctx.log.warning("the model was asked by a skill", error=error.line())
    return SkillReply(say=said.strip()) if said.strip() else hands.say("no_answer")
