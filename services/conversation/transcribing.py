"""What was said, asked for before anybody knows whether it will be wanted."""

from __future__ import annotations

import asyncio

from services.conversation.wake_phrase import strip_wake_phrase
from services.messages.speech import Transcribe, Transcript
from solo.errors import SoloError
from solo.supervision import Context

_WITHIN_S = 30.0


def transcribe(ctx: Context, tasks: asyncio.TaskGroup, pcm: bytes) -> asyncio.Future[Transcript]:
    """Begun at once; cancelling the future ends it. Its failure is told to whoever awaits it, and to nobody else."""
    asking = tasks.create_task(_attempt(ctx, pcm), name="transcription")
    found: asyncio.Future[Transcript] = asyncio.get_running_loop().create_future()
    asking.add_done_callback(lambda done: _hand_over(done, found))
    found.add_done_callback(lambda _: asking.cancel())
    return found


async def is_wake_word_alone(transcript: asyncio.Future[Transcript], wake_word: str) -> bool:
    """People pause after the wake word. A transcription that fails is the turn's to tell."""
    try:
        return not strip_wake_phrase((await transcript).text, wake_word)
    except SoloError:
        return False


async def _attempt(ctx: Context, pcm: bytes) -> Transcript | SoloError:
    """A failure belongs to the turn that may never ask for it, not to the service."""
    try:
        return await ctx.request(Transcribe(pcm=pcm), within=_WITHIN_S)
    except SoloError as error:
        return error


def _hand_over(done: asyncio.Task[Transcript | SoloError], found: asyncio.Future[Transcript]) -> None:
    if found.done():
        return
    if done.cancelled():
        found.cancel()
    elif isinstance(result := done.result(), SoloError):
        found.set_exception(result)
        found.exception()  # a turn cancelled early never asks what became of it
    else:
        found.set_result(result)
