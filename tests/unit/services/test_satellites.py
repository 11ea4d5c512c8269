"""Satellites in virtual time: how soon one is found again, and the pace at which it is spoken to."""

from __future__ import annotations

import asyncio
import random
from array import array
from typing import Any

import pytest
from wyoming.event import Event

from services.formats.wyoming.place import Place
from services.messages.audio import SoundOut
from services.messages.playback import SoundPlayed
from services.wyoming.link import Link
from services.wyoming.satellites.keeping import CONNECT_WITHIN_S, MOST_PAUSE_S, Keeper, Known, pause
from services.wyoming.satellites.playing import LEAD_S, PLAYED_WITHIN_S, Loudspeaker
from services.wyoming.satellites.told import free_name
from solo.bus import Bus, Overflow
from solo.supervision import Context

pytestmark = pytest.mark.virtual_time

RATE = 16_000
KNOWN = Known("kitchen", Place("kitchen", 10700), None)


class Line:
    """The other end of a link, in virtual time."""

    def __init__(self) -> None:
        self.sent: list[tuple[float, Event]] = []

    async def send(self, *events: Event) -> None:
        self.sent += [(now(), event) for event in events]

    async def receive(self, within: float) -> Event | None:
        await asyncio.sleep(0.01)
        return None

    async def close(self) -> None:
        return

    def types(self) -> list[str]:
        return [event.type for _, event in self.sent]

    def seconds_sent(self, until: float) -> float:
        return sum(len(event.payload or b"") for at, event in self.sent if at <= until) / 2 / RATE


def now() -> float:
    return asyncio.get_running_loop().time()


def test_pauses_grow_and_differ_and_stay_below_what_is_promised() -> None:
    rng = random.Random(1)
    pauses = [pause(failures, rng) for failures in range(1, 2000)]
    assert pauses[0] < 0.25
    assert len(set(pauses)) == len(pauses)
    assert max(pauses) <= MOST_PAUSE_S * 1.2 < 3.0


@pytest.mark.parametrize("away_s", [0.1, 1.0, 30.0, 3600.0])
@pytest.mark.parametrize("silent", [False, True], ids=["refused", "no answer"])
async def test_one_that_comes_back_is_found_within_three_seconds(
    ctx: Context, monkeypatch: pytest.MonkeyPatch, away_s: float, silent: bool
) -> None:
    """However long it was away. A host that is off does not answer; a connection under way gets through to one that
    is back when its first packet is sent again, a second later."""
    back = now() + away_s
    found: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def to(place: Place, within: float) -> Any:
        assert within == CONNECT_WITHIN_S
        if now() < back:
            if silent:
                await asyncio.sleep(within)
                raise TimeoutError
            raise ConnectionRefusedError(111, "Connection refused")
        if not found.done():
            found.set_result(now())
        return Line()

    monkeypatch.setattr(Link, "to", to)
    keeper = Keeper(KNOWN, random.Random(1))
    running = asyncio.create_task(keeper.run(ctx, {}, "owner"))
    found_at = await found
    most = 3.0 if not silent else CONNECT_WITHIN_S + MOST_PAUSE_S * 1.2
    assert found_at - back < most
    ctx.stopping.set()
    await running


async def test_it_never_gives_up_and_says_why_once(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = 0

    async def to(place: Place, within: float) -> Any:
        nonlocal attempts
        attempts += 1
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(Link, "to", to)
    keeper = Keeper(KNOWN, random.Random(1))
    running = asyncio.create_task(keeper.run(ctx, {}, "owner"))
    await asyncio.sleep(3600)
    assert 3600 / 2.4 < attempts < 3600 / 1.6 + 10
    assert keeper.state() == "away: Connection refused"
    ctx.stopping.set()
    await running


class Played:
    def __init__(self, bus: Bus, ctx: Context) -> None:
        self.line = Line()
        self.loudspeaker = Loudspeaker(ctx, self.line, "satellite-kitchen")  # type: ignore[arg-type]  # a line is enough
        self.began = now()

    async def say(self, seconds: float, turn: str = "t1", *, last: bool = True) -> None:
        pcm = array("h", [1000] * int(seconds * RATE)).tobytes()
        await self.loudspeaker.take(SoundOut(pcm=pcm, sample_rate=RATE, turn_id=turn, last=False))
        if last:
            await self.loudspeaker.take(SoundOut(pcm=b"", sample_rate=RATE, turn_id=turn, last=True))


@pytest.fixture
async def played(bus: Bus, ctx: Context) -> Played:
    return Played(bus, ctx)


async def test_sound_goes_out_as_it_is_heard(played: Played) -> None:
    await played.say(5.0)
    line = played.line
    assert line.types()[0] == "audio-start"
    assert line.types()[-1] == "audio-stop"
    assert line.seconds_sent(float("inf")) == pytest.approx(5.0)
    for tenth in range(50):
        ahead = line.seconds_sent(played.began + tenth / 10) - tenth / 10
        assert ahead <= LEAD_S + 0.1 + 1e-6
    # It waits for `played` a while, since some satellites never say so.
    assert now() - played.began == pytest.approx(5.0 + PLAYED_WITHIN_S, abs=0.01)


async def test_played_ends_the_wait(played: Played) -> None:
    saying = asyncio.create_task(played.say(1.0))
    while "audio-stop" not in played.line.types():
        await asyncio.sleep(0.01)
    assert not played.loudspeaker.over.is_set()
    played.loudspeaker.played()
    await saying
    assert played.loudspeaker.over.is_set()
    assert now() - played.began < 1.1


async def test_a_stopped_turn_is_silent_at_once_and_the_next_is_heard(played: Played) -> None:
    saying = asyncio.create_task(played.say(5.0))
    await asyncio.sleep(1.0)
    played.loudspeaker.stop("t1")
    await asyncio.sleep(0)
    await saying
    assert played.line.types()[-1] == "audio-stop"
    assert played.line.types().count("audio-stop") == 1
    heard = played.line.seconds_sent(float("inf"))
    assert heard <= 1.0 + LEAD_S + 0.1
    await played.say(1.0, "t1")  # what was still on its way
    assert played.line.seconds_sent(float("inf")) == heard
    await played.say(1.0, "t2")
    assert played.line.types().count("audio-start") == 2


async def test_held_sound_goes_on_where_it_was(played: Played) -> None:
    saying = asyncio.create_task(played.say(3.0))
    await asyncio.sleep(1.0)
    played.loudspeaker.hold(True)
    await asyncio.sleep(10.0)
    assert played.line.seconds_sent(now()) <= 1.0 + LEAD_S + 0.2
    played.loudspeaker.hold(False)
    await saying
    assert played.line.seconds_sent(float("inf")) == pytest.approx(3.0)


async def test_the_position_is_told(bus: Bus, ctx: Context, played: Played) -> None:
    async with bus.subscribe(SoundPlayed, limit=1000, overflow=Overflow.FAIL) as box:
        await played.say(2.0)
        box.close()
        told = [event.played_s async for event in box]
    assert told == sorted(told)
    assert told[-1] == pytest.approx(2.0)


async def test_volume_and_no_loudspeaker(played: Played) -> None:
    played.loudspeaker.volume = 0.5
    await played.say(0.1)
    assert set(array("h", played.line.sent[1][1].payload or b"")) == {500}
    played.loudspeaker.mute = True
    before = len(played.line.sent)
    await played.say(1.0, "t2")
    assert len(played.line.sent) == before


def test_names_are_plain_and_differ() -> None:
    taken: dict[str, Any] = {}
    for wished, given in (
        ("Living Room!", "living-room"),
        ("living room", "living-room-2"),
        ("", "guest"),
        ("Ωmega", "mega"),
        ("ÄÖ", "guest-2"),
    ):
        assert free_name(wished, taken) == given
        taken[given] = None
