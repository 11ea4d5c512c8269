"""What needs no model: asks the skills, and does for them what only the conversation can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.messages.skills import MatchSkill, RunSkill, SkillMatch, SkillReply
from solo.errors import SoloError
from solo.supervision import Context

if TYPE_CHECKING:
    from services.conversation.turn import Turn

_MATCH_WITHIN_S = 0.1
"""An answer is not delayed for longer by asking whether it needs a model."""
_RUN_WITHIN_S = 5.0
_NOTHING_TO_REPEAT = "I have not said anything yet."


async def match(ctx: Context, text: str, profile: str) -> SkillMatch | None:
    """Skills that are away or late understand nothing: the model answers."""
    try:
        return await ctx.request(MatchSkill(text=text, profile=profile), within=_MATCH_WITHIN_S)
    except SoloError as error:
        if error.code != "bus.no_handler":  # a Solo without the skills part
            ctx.log.warning("skills not asked", error=error.line())
        return None


async def act(ctx: Context, turn: Turn, found: SkillMatch) -> SkillReply:
    """Do it."""
    question = RunSkill(match=found, text=turn.heard, source=turn.source, talk=turn.talk, profile=turn.profile)
    try:
        reply = await ctx.request(question, within=_RUN_WITHIN_S)
    except SoloError as error:
        if found.control != "stop":  # which works although the skills have just died
            raise
        ctx.log.warning("stopped without the skills", error=error.line())
        reply = SkillReply(say="", control="stop")
    if reply.control == "repeat":
        last = turn.talks.last_answer(turn.profile, turn.talk)
        return reply.model_copy(update={"say": last or _NOTHING_TO_REPEAT})
    if reply.control == "afresh":
        turn.talks.begin_afresh(turn.profile, turn.talk)
    return reply
