"""Says what nobody asked for, behind an answer that is being spoken, to every source that can hear it."""

from __future__ import annotations

import asyncio

from services.conversation.turn import Turn
from services.messages.announcing import Announce
from services.messages.audio import DescribeSources, SourceState
from services.messages.voices import KeepReady
from solo.errors import SoloError
from solo.supervision import Context

_DESCRIBE_WITHIN_S = 2.0
_READY_WITHIN_S = 120.0
WAIT_S = 60.0
"""For an answer under way; what is still being said then is interrupted."""


async def listeners(ctx: Context, question: Announce) -> tuple[str, ...]:
    """Whom to say it to: the source that was named, or all that go on listening."""
    try:
        sources: tuple[SourceState, ...] = await ctx.request(DescribeSources(), within=_DESCRIBE_WITHIN_S)
    except SoloError as error:
        ctx.log.warning("nobody to announce to", error=error.line())
        return ()
    if question.source is not None:
        return tuple(state.source for state in sources if state.source == question.source)
    return tuple(state.source for state in sources if state.wake or state.again)


async def until_silent(running: asyncio.Task[None] | None) -> None:
    """Whatever is being answered there is finished first."""
    if running is not None:
        await asyncio.wait([running], timeout=WAIT_S)


async def say(turn: Turn, question: Announce) -> None:
    """A turn that nobody asked for."""
    with turn.under_way():
        turn.said = question.text
        turn.speaker.voice, turn.speaker.language = question.voice, question.language
        try:
            await turn.speaker.say_all(question.text)
            turn.outcome = "announced"
        except SoloError as error:
            turn.failed(error)
        except asyncio.CancelledError:
            await turn.fall_silent()
            raise


async def have_ready(ctx: Context, texts: tuple[str, ...]) -> None:
    """What has to be said when an engine has failed is made before one does."""
    try:
        await ctx.request(KeepReady(texts=texts), within=_READY_WITHIN_S)
    except SoloError as error:
        ctx.log.debug("sentences are not ready", code=error.code)
