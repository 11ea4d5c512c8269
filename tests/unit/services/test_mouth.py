"""What one source plays: its clock, pauses, and what was heard when it is silenced."""

from __future__ import annotations

import asyncio

import pytest

from services.audio.mouth import Mouth
from services.messages.audio import SoundOut

pytestmark = pytest.mark.virtual_time

RATE = 16_000


def piece(seconds: float, turn: str = "one", *, last: bool = False) -> SoundOut:
    return SoundOut(pcm=bytes(int(seconds * RATE) * 2), sample_rate=RATE, turn_id=turn, last=last)


async def playing(*seconds: float) -> Mouth:
    mouth = Mouth("kitchen")
    for each in seconds:
        await mouth.put(piece(each))
        await mouth.next()
    return mouth


async def test_time_is_what_is_heard() -> None:
    mouth = await playing(2.0, 1.0)
    await asyncio.sleep(1.25)
    state = mouth.state()
    assert (state.state, state.turn_id) == ("playing", "one")
    assert (state.played_s, state.queued_s) == (pytest.approx(1.25), pytest.approx(1.75))
    await asyncio.sleep(5)
    assert (mouth.state().state, mouth.state().played_s) == ("silent", pytest.approx(3.0))


async def test_a_pause_between_pieces_is_not_heard() -> None:
    mouth = await playing(1.0)
    await asyncio.sleep(3)
    await mouth.put(piece(1.0))
    await mouth.next()
    await asyncio.sleep(0.5)
    assert mouth.state().played_s == pytest.approx(1.5)


async def test_held_and_resumed_at_the_same_sample() -> None:
    mouth = await playing(2.0)
    await asyncio.sleep(0.5)
    mouth.pause()
    await mouth.put(piece(1.0))
    waiting = asyncio.create_task(mouth.next())
    await asyncio.sleep(4)
    assert not waiting.done()
    assert (mouth.state().state, mouth.state().played_s) == ("paused", pytest.approx(0.5))
    mouth.resume()
    await waiting
    await asyncio.sleep(0.25)
    assert mouth.state().played_s == pytest.approx(0.75)


async def test_silenced_what_was_heard_is_known() -> None:
    mouth = await playing(2.0)
    await mouth.put(piece(5.0))
    await asyncio.sleep(0.75)
    heard = mouth.forget()
    assert (heard.turn_id, heard.played_s) == ("one", pytest.approx(0.75))
    assert mouth.silent
    await asyncio.sleep(2)
    assert mouth.state().played_s == pytest.approx(0.75)


async def test_silenced_while_held_it_is_not_held_for_ever() -> None:
    mouth = await playing(2.0)
    mouth.pause()
    mouth.forget()
    await mouth.put(piece(1.0, "two"))
    assert (await mouth.next()) is not None
    assert mouth.clock.turn == "two"


async def test_a_source_that_knows_better() -> None:
    mouth = await playing(2.0)
    await asyncio.sleep(1.0)
    mouth.clock.told("one", 0.8)
    assert mouth.state().played_s == pytest.approx(0.8)
    mouth.clock.told("another", 0.1)
    mouth.clock.told("one", 9.0)
    assert mouth.state().played_s == pytest.approx(2.0)


@pytest.mark.parametrize("held_s", [0.0, 30.0])
async def test_heard_out(held_s: float) -> None:
    mouth = await playing(2.0)
    began = asyncio.get_running_loop().time()
    waiting = asyncio.create_task(mouth.heard_out())
    await asyncio.sleep(0.5)
    mouth.pause()
    await asyncio.sleep(held_s)
    mouth.resume()
    await waiting
    assert asyncio.get_running_loop().time() - began == pytest.approx(2.0 + held_s, abs=0.3)


async def test_heard_out_whatever_the_clock_says() -> None:
    """Far from zero, adding and taking away a time does not come out even."""
    mouth = Mouth("kitchen")
    await mouth.put(SoundOut(pcm=bytes(5292 * 2), sample_rate=22_050, turn_id="one", last=False))
    await mouth.next()
    async with asyncio.timeout(5):
        await mouth.heard_out()
    assert mouth.silent


async def test_a_source_that_plays_nothing_is_not_waited_for_ever() -> None:
    mouth = await playing(2.0)

    async def says_nothing_was_played() -> None:
        while True:
            await asyncio.sleep(0.01)
            mouth.clock.told("one", 0.0)

    saying = asyncio.create_task(says_nothing_was_played())
    async with asyncio.timeout(60):
        await mouth.heard_out()
    saying.cancel()
