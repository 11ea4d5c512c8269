"""The local sound device in a real process, with misfortunes written into a file: lost, stalled, silent, mad, back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from services.audio.local.health import HealthPolicy
from services.audio.local.service import DeviceService
from services.messages.audio import Attach, PlaybackStopped, SoundCaptured, SoundOut
from services.messages.device import DescribeDevice, DeviceChanged, DeviceState
from services.messages.playback import PlaybackPaused, PlaybackResumed, SoundPlayed, VolumeChanged
from solo.bus import Bus, Event, Overflow
from solo.isolation.process import EngineSpec
from solo.supervision import Context, State

pytestmark = pytest.mark.daemon_loop

MICROPHONE = "microphone"
RATE = 16_000
SECOND = b"\x10\x10" * RATE
E = TypeVar("E", bound=Event)


@dataclass
class House:
    """Stands in for the audio service, and keeps everything that was published."""

    bus: Bus
    ctx: Context
    script: Path
    facts: list[Event] = field(default_factory=list)
    attached: list[Attach] = field(default_factory=list)
    left: int = 0
    states: list[tuple[State, str]] = field(default_factory=list)
    out: asyncio.Queue[SoundOut] = field(default_factory=asyncio.Queue)
    _happened: asyncio.Event = field(default_factory=asyncio.Event)

    def write(self, **found: Any) -> None:
        rest = self.script.with_suffix(".new")
        rest.write_text(json.dumps(found))
        rest.replace(self.script)

    async def attach(self, question: Attach) -> Any:
        self.attached.append(question)
        try:
            while True:
                yield await self.out.get()
        finally:
            self.left += 1

    def say(self, pcm: bytes, turn: str | None = "t1", *, last: bool = False) -> None:
        self.out.put_nowait(SoundOut(pcm=pcm, sample_rate=RATE, turn_id=turn, last=last))

    def take(self, fact: Event) -> None:
        self.facts.append(fact)
        happened, self._happened = self._happened, asyncio.Event()
        happened.set()

    async def until(self, condition: Callable[[], Any]) -> Any:
        async with asyncio.timeout(30):
            while not (found := condition()):
                await self._happened.wait()
            return found

    def of(self, kind: type[E]) -> list[E]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def device(self) -> DeviceState | None:
        changes = self.of(DeviceChanged)
        return changes[-1].device if changes else None

    async def healthy(self, name: str = "desk") -> DeviceChanged:
        def found() -> DeviceChanged | None:
            changes = self.of(DeviceChanged)
            last = changes[-1] if changes else None
            return last if last and last.device.input == name and last.device.input_state == "healthy" else None

        change: DeviceChanged = await self.until(found)
        return change

    async def heard(self, pieces: int) -> None:
        count = len(self.of(SoundCaptured)) + pieces
        await self.until(lambda: len(self.of(SoundCaptured)) >= count)

    def played_s(self) -> float:
        return max((fact.played_s for fact in self.of(SoundPlayed)), default=0.0)


@asynccontextmanager
async def living(bus: Bus, script: Path, **options: Any) -> AsyncIterator[House]:
    states: list[tuple[State, str]] = []
    ctx = Context(bus, "device", on_state=lambda state, note: states.append((state, note)))
    house = House(bus, ctx, script, states=states)
    if not script.exists():
        house.write()
    known = {"microphone": "desk", "loudspeaker": None, "script": str(script)} | options
    service = DeviceService(
        EngineSpec("services.audio.adapters.fake:FakeDevice", known),
        EngineSpec("services.audio.adapters.fake:FakeLook", known),
        policy=HealthPolicy(first_within_s=1.0, silent_after_s=1.0),
    )

    async def watch() -> None:
        async with bus.subscribe(Event, limit=100_000, overflow=Overflow.FAIL, owner="test") as facts:
            async for fact in facts:
                house.take(fact)

    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch())
        answering = tasks.create_task(ctx.answer(Attach, house.attach))
        await asyncio.sleep(0)
        running = tasks.create_task(service.run(ctx))
        yield house
        house.out.put_nowait(SoundOut(pcm=b"", sample_rate=RATE, turn_id=None, last=True))
        ctx.stopping.set()
        await running
        answering.cancel()
        watching.cancel()


@pytest.fixture
async def house(bus: Bus, tmp_path: Path) -> AsyncIterator[House]:
    async with living(bus, tmp_path / "script.json") as house:
        yield house


class TestPlaying:
    async def test_it_attaches_once_it_hears_and_says_what_is_heard(self, house: House) -> None:
        await house.healthy()
        await house.until(lambda: house.attached)
        assert house.attached[0].wake
        assert house.attached[0].barge_in, "nothing that a fake plays can be heard by it"
        house.say(SECOND)
        house.say(b"", last=True)
        await house.until(lambda: house.played_s() == 1.0)
        assert {fact.played_turn for fact in house.of(SoundPlayed)} == {"t1"}
        assert len(house.of(SoundPlayed)) >= 3

    async def test_it_is_held_and_goes_on(self, house: House) -> None:
        await house.until(lambda: house.attached)
        house.say(SECOND * 2)
        house.say(b"", last=True)
        await house.until(lambda: house.played_s() > 0.3)
        house.bus.publish(PlaybackPaused(source=MICROPHONE))
        count = len(house.of(SoundPlayed))
        await house.until(lambda: len(house.of(SoundPlayed)) >= count + 4)
        where = {fact.played_s for fact in house.of(SoundPlayed)[-3:]}
        assert len(where) == 1
        assert house.of(SoundPlayed)[-1].played_s < 1.9
        house.bus.publish(PlaybackResumed(source=MICROPHONE))
        await house.until(lambda: house.played_s() == 2.0)

    async def test_stopped_sound_is_not_heard_and_the_next_is(self, house: House) -> None:
        await house.until(lambda: house.attached)
        for _ in range(5):
            house.say(SECOND)
        await house.until(lambda: house.played_s() > 0.3)
        house.bus.publish(PlaybackStopped(source=MICROPHONE, stopped_turn="t1"))
        house.say(SECOND, "t1")  # was on its way already
        house.say(SECOND, "t2")
        house.say(b"", "t2", last=True)
        await house.until(lambda: [f for f in house.of(SoundPlayed) if f.played_turn == "t2" and f.played_s == 1.0])
        assert max(fact.played_s for fact in house.of(SoundPlayed) if fact.played_turn == "t1") < 4.0

    async def test_others_sound_is_others(self, house: House) -> None:
        await house.until(lambda: house.attached)
        house.say(SECOND)
        house.say(b"", last=True)
        house.bus.publish(PlaybackPaused(source="kitchen"))
        house.bus.publish(VolumeChanged(source="kitchen", volume=0.0))
        house.bus.publish(PlaybackStopped(source="kitchen", stopped_turn="t1"))
        await house.until(lambda: house.played_s() == 1.0)


class TestLoss:
    async def test_a_device_that_dies_in_mid_answer_goes_on_where_it_was(self, house: House) -> None:
        await house.healthy()
        house.say(SECOND * 3)
        house.say(b"", last=True)
        await house.until(lambda: house.played_s() > 0.5)
        house.write(fault={"desk": "die"})
        await house.until(lambda: house.device() and house.device().input_state == "missing")
        at = house.played_s()
        assert at < 2.9
        house.write()
        change = await house.healthy()
        assert change.recovered_s is not None
        await house.until(lambda: house.played_s() == 3.0)
        times = [fact.played_s for fact in house.of(SoundPlayed)]
        assert times == sorted(times)
        assert len(house.attached) == 1, "the source never went away"

    async def test_a_stall_is_seen_and_the_spare_stands_in_until_the_first_is_back(self, house: House) -> None:
        house.write(inputs=["desk", "spare"])
        await house.healthy()
        house.write(inputs=["spare"])
        await house.healthy("spare")
        assert house.states[-1][0] is State.DEGRADED
        assert "stands in" in house.states[-1][1]
        await house.heard(10)
        house.write(inputs=["desk", "spare"])
        await house.healthy("desk")
        await house.until(lambda: house.states[-1] == (State.READY, ""))
        state = await house.bus.request(DescribeDevice(), within=5)
        assert (state.input, state.input_fallback) == ("desk", False)
        assert state.reopened >= 2

    async def test_what_is_missing_is_silence_so_that_waits_end(self, house: House) -> None:
        await house.healthy()
        await house.until(lambda: house.attached)
        house.write(inputs=[], outputs=[])
        await house.until(lambda: house.device().input_state == "missing")
        before = len(house.of(SoundCaptured))
        await house.until(lambda: sum(len(f.pcm) for f in house.of(SoundCaptured)[before:]) > RATE * 2)
        assert not any(b"".join(fact.pcm for fact in house.of(SoundCaptured)[before:]))
        house.write()
        assert (await house.healthy()).recovered_s is not None

    async def test_zeros_are_opened_once_not_for_ever(self, house: House) -> None:
        await house.healthy()
        await house.heard(40)
        house.write(fault={"desk": "zeros"})
        await house.until(lambda: house.device().input_state == "silent" and house.device().reopened == 1)
        await house.heard(60)
        assert house.device().reopened == 1
        assert "switched off" in house.states[-1][1]
        house.write()
        await house.healthy()

    async def test_one_that_opens_but_never_delivers_gives_way_to_another(self, house: House) -> None:
        house.write(inputs=["desk", "spare"], fault={"desk": "stall"})
        await house.healthy("spare")
        assert house.device().input_fallback
        assert house.device().reopened <= 4

    async def test_without_a_loudspeaker_answers_go_by_and_it_is_looked_for(self, house: House) -> None:
        await house.healthy()
        house.write(outputs=[])
        house.say(SECOND)
        house.say(b"", last=True)
        await house.until(lambda: house.device().output_state == "missing")
        assert "not heard" in house.states[-1][1]
        house.write()
        await house.until(lambda: house.device().output_state == "ready")
        house.say(SECOND, "t2")
        house.say(b"", "t2", last=True)
        await house.until(lambda: [f for f in house.of(SoundPlayed) if f.played_turn == "t2" and f.played_s == 1.0])

    async def test_what_is_no_sound_is_dropped_counted_and_ends_in_a_new_process(self, house: House) -> None:
        await house.healthy()
        house.write(fault={"desk": "junk"})
        await house.until(lambda: house.device().bad >= 25)
        house.write()
        await house.healthy()
        assert all(isinstance(fact.pcm, bytes) for fact in house.of(SoundCaptured))


async def test_without_any_device_it_says_so_and_finds_one_that_comes(bus: Bus, tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"inputs": [], "outputs": []}))
    async with living(bus, script) as house:
        while not house.states:
            await asyncio.sleep(0.01)
        assert house.states[0][0] is State.READY
        assert "audio.no_device" in house.states[0][1] or house.states[0][1]
        assert not house.attached
        house.write()
        await house.healthy()
        await house.until(lambda: house.attached)
