"""What happens in each recording."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.stubs.black_box import Recorder
from tests.stubs.voice_house import SPEECH, ask, sound


async def _answered(recorder: Recorder) -> None:
    """A question behind the wake word."""
    async with recorder.satellite() as satellite:
        await recorder.turn(satellite)


async def _interrupted(recorder: Recorder) -> None:
    """The wake word over an answer, and another question."""
    async with recorder.satellite() as satellite:
        satellite.say(ask())
        await asyncio.sleep(5.5)
        await recorder.turn(satellite)


async def _talked_over(recorder: Recorder) -> None:
    """Somebody agrees with an answer, which goes on, and then speaks over it, which ends it."""
    async with recorder.satellite(barge_in=True) as satellite:
        satellite.say(ask())
        await asyncio.sleep(4.8)
        recorder.engines.transcript = "mhm"
        satellite.say(sound(0.25, SPEECH) + sound(0.8, 0))
        await asyncio.sleep(1.2)
        recorder.engines.transcript = "No, wait, what about Spain?"
        await recorder.turn(satellite, sound(1.5, SPEECH) + sound(2.0, 0))


PLAYS: dict[str, Callable[[Recorder], Awaitable[None]]] = {
    "answered": _answered,
    "interrupted": _interrupted,
    "talked_over": _talked_over,
}
