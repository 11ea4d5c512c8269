"""What happens in each recording."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.stubs.black_box import Recorder
from tests.stubs.voice_house import ask


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


PLAYS: dict[str, Callable[[Recorder], Awaitable[None]]] = {"answered": _answered, "interrupted": _interrupted}
