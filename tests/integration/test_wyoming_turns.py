"""Spoken turns of satellites over real connections, in one process: the engines are played, everything else is real."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from wyoming.event import Event
from wyoming.info import Attribution, Info
from wyoming.info import Satellite as About
from wyoming.pipeline import PipelineStage, RunPipeline

from services.formats.wyoming.place import Place
from services.messages.playback import SetVolume
from services.messages.timers import Timer, TimerCancelled, TimerChanged, TimerFinished, TimerSet
from services.messages.waking import WakeWordRejected
from services.wyoming.satellites import keeping
from services.wyoming.satellites.keeping import Known
from solo.bus import Bus
from tests.stubs.satellite import FakeSatellite
from tests.stubs.satellite_house import living, spoken
from tests.stubs.wyoming_house import Open, say, settles, until

TOLD = ["voice-started", "voice-stopped", "transcript", "synthesize", "audio-start", "audio-chunk", "audio-stop"]
WITHIN_S = 30.0


def known(satellite: FakeSatellite, name: str = "kitchen", room: str | None = None) -> Known:
    return Known(name, Place("127.0.0.1", satellite.port), room)


async def turn(satellite: FakeSatellite, pcm: bytes) -> list[str]:
    """What it is told until the end of the answer, in a row once."""
    before = len(satellite.got)
    streaming = asyncio.create_task(satellite.stream(pcm, pace=2.0))
    try:
        await satellite.until_type("audio-stop", "error", within=WITHIN_S, after=before)
    except TimeoutError:
        raise AssertionError(f"no end of the turn behind {satellite.types()[before:]}") from None
    await streaming
    found: list[str] = []
    for event in satellite.got[before:]:
        if event.type not in {"describe", "run-satellite", *found[-1:]}:
            found.append(event.type)
    return found


def does(solo: Open, name: str) -> dict[str, Any]:
    shown: dict[str, Any] = solo.figures()["satellites"].get(name, {})
    return shown


async def test_after_solos_wake_word_again_and_again(bus: Bus) -> None:
    async with FakeSatellite().serving() as satellite, living(bus, known(satellite)) as solo:
        await satellite.until_type("run-satellite")
        await satellite.run_pipeline()
        assert await turn(satellite, spoken(wake=True)) == ["detect", "detection", *TOLD]
        pcm, rate = satellite.sound()
        assert (rate, len(pcm)) == (22_050, len(solo.engines.spoken) * 2 * 2 * 22_050 // 10)
        assert await turn(satellite, spoken(wake=True)) == ["detection", *TOLD]
        assert (does(solo, "kitchen")["turns"], does(solo, "kitchen")["connections"]) == (2, 1)


async def test_after_its_own_wake_word_nothing_of_before_is_heard(bus: Bus) -> None:
    async with FakeSatellite().serving() as satellite, living(bus, known(satellite)) as solo:
        await satellite.until_type("run-satellite")
        for count in (1, 2):
            await satellite.run_pipeline(PipelineStage.ASR, word="hey_jarvis")
            assert await turn(satellite, spoken(wake=False)) == ["transcribe", *TOLD]
            heard = solo.engines.transcribed[-1].pcm
            assert 1.2 <= len(heard) / 32_000 < 2.2, f"turn {count}"


async def test_a_button(bus: Bus) -> None:
    async with FakeSatellite().serving() as satellite, living(bus, known(satellite)):
        await satellite.until_type("run-satellite")
        await satellite.run_pipeline(PipelineStage.ASR)
        assert await turn(satellite, spoken(wake=False)) == ["transcribe", *TOLD]


async def test_one_without_a_loudspeaker_is_answered_in_words(bus: Bus) -> None:
    async with FakeSatellite().serving() as satellite, living(bus, known(satellite)):
        await satellite.until_type("run-satellite")
        await satellite.run_pipeline(PipelineStage.ASR, PipelineStage.HANDLE, word="hey_jarvis")
        await satellite.stream(spoken(wake=False), pace=2.0)
        assert (await satellite.until_type("handled")).data["text"] == "Paris, I think."
        assert "audio-start" not in satellite.types()


async def test_the_microphone_closes_in_mid_question_and_the_turn_ends_all_the_same(bus: Bus) -> None:
    async with FakeSatellite().serving() as satellite, living(bus, known(satellite)):
        await satellite.until_type("run-satellite")
        await satellite.run_pipeline(PipelineStage.ASR, word="hey_jarvis")
        await satellite.stream(spoken(wake=False)[:40_000])
        await satellite.send(Event("audio-stop"))
        await satellite.until_type("audio-start")


async def test_nothing_said_is_told(bus: Bus) -> None:
    async with FakeSatellite().serving() as satellite, living(bus, known(satellite)) as solo:
        await satellite.until_type("run-satellite")
        await satellite.run_pipeline(PipelineStage.ASR, word="hey_jarvis")
        await satellite.send(Event("audio-stop"))
        assert (await satellite.until_type("error")).data["code"] == "no_speech"
        assert does(solo, "kitchen")["does"] == "waiting"


async def test_an_announcement_and_a_softer_voice(bus: Bus) -> None:
    async with FakeSatellite().serving() as satellite, living(bus, known(satellite)):
        await satellite.until_type("run-satellite")
        assert await bus.request(SetVolume(source="satellite-kitchen", volume=0.5), within=5) == 0.5
        await satellite.run_pipeline(PipelineStage.TTS, announce="Dinner is ready.")
        await satellite.until_type("audio-stop")


async def test_timers_are_shown(bus: Bus) -> None:
    timer = Timer(id="t1", kind="timer", name="eggs", state="running", set_at="", due_at=None, left_s=300, length_s=300)
    async with FakeSatellite().serving() as satellite, living(bus, known(satellite)):
        await satellite.until_type("run-satellite")
        bus.publish(TimerSet(profile="owner", timer=timer))
        bus.publish(TimerSet(profile="somebody else", timer=timer))
        bus.publish(TimerChanged(profile="owner", timer=timer.model_copy(update={"state": "paused", "left_s": 60.4})))
        bus.publish(TimerCancelled(profile="owner", timer=timer))
        bus.publish(TimerFinished(profile="owner", timer=timer))
        await satellite.until_type("timer-finished")
        shown = [(event.type, event.data) for event in satellite.got if event.type.startswith("timer-")]
        assert shown == [
            ("timer-started", {"id": "t1", "total_seconds": 300, "name": "eggs"}),
            ("timer-updated", {"id": "t1", "is_active": False, "total_seconds": 60}),
            ("timer-cancelled", {"id": "t1"}),
            ("timer-finished", {"id": "t1"}),
        ]


async def test_a_wake_word_that_was_none_is_told(bus: Bus) -> None:
    async with FakeSatellite().serving() as satellite, living(bus, known(satellite)):
        await satellite.until_type("run-satellite")
        await satellite.run_pipeline(PipelineStage.ASR, word="hey_jarvis")
        await satellite.until_type("transcribe")
        bus.publish(
            WakeWordRejected(source="satellite-kitchen", word="hey_jarvis", at=0, text="hey Charles", after_ms=300)
        )
        assert (await satellite.until_type("error")).data["code"] == "rejected"


async def test_two_rooms_at_once_each_get_their_own_answer(bus: Bus) -> None:
    async with FakeSatellite().serving() as one, FakeSatellite().serving() as two:
        async with living(bus, known(one, "kitchen", "down"), known(two, "attic", "up")):
            await asyncio.gather(one.until_type("run-satellite"), two.until_type("run-satellite"))
            await one.run_pipeline()
            await two.run_pipeline()
            told = await asyncio.gather(turn(one, spoken(wake=True)), turn(two, spoken(wake=True)))
            assert told == [["detect", "detection", *TOLD]] * 2


async def test_two_of_one_room_hear_the_same_and_one_answers(bus: Bus) -> None:
    async with FakeSatellite().serving() as one, FakeSatellite().serving() as two:
        async with living(bus, known(one, "kitchen", "down"), known(two, "hall", "down")):
            await asyncio.gather(one.until_type("run-satellite"), two.until_type("run-satellite"))
            await one.run_pipeline()
            await two.run_pipeline()
            told = await asyncio.gather(turn(one, spoken(wake=True)), turn(two, spoken(wake=True)))
            assert sorted("audio-start" in types for types in told) == [False, True]
            assert [types[-1] for types in told if "audio-start" not in types] == ["error"]


async def test_one_that_comes_by_itself(bus: Bus) -> None:
    async with living(bus) as solo:
        async with solo.client() as client:
            about = About("Bed Room", Attribution("", ""), True, None, None, area="up")
            await say(client, Info(satellite=about), RunPipeline(PipelineStage.ASR, PipelineStage.TTS))
            await until(client, "transcribe")
            assert does(solo, "bed-room")["does"] == "listening"
            pcm = spoken(wake=False)
            for start in range(0, len(pcm), 2048):
                form = {"rate": 16000, "width": 2, "channels": 1}
                await client.write_event(Event("audio-chunk", form, pcm[start : start + 2048]))
            await until(client, "audio-stop")
        await settles(lambda: not does(solo, "bed-room"))


async def test_a_reset_in_the_middle_is_mended(bus: Bus) -> None:
    async with FakeSatellite().serving() as satellite, living(bus, known(satellite)) as solo:
        before = 0
        for _ in range(3):
            await satellite.until_type("run-satellite", after=before)
            before = len(satellite.got)
            await satellite.run_pipeline()
            streaming = asyncio.create_task(satellite.stream(spoken(wake=True), pace=2.0))
            await satellite.until_type("voice-started", after=before)
            before = len(satellite.got)
            satellite.drop()
            await asyncio.gather(streaming, return_exceptions=True)
        await satellite.until_type("run-satellite", after=before)
        await satellite.run_pipeline()
        assert (await turn(satellite, spoken(wake=True)))[-7:] == TOLD
        assert does(solo, "kitchen")["connections"] >= 4
        assert solo.house.state("wyoming").restarts == 0


async def test_one_that_restarts_is_found_again(bus: Bus) -> None:
    satellite = FakeSatellite()
    async with satellite.serving(), living(bus, known(satellite)) as solo:
        await satellite.until_type("run-satellite")
        await satellite.stop()
        await settles(lambda: does(solo, "kitchen")["state"].startswith("away"))
        await satellite.start()
        await satellite.connected.wait()
        await settles(lambda: does(solo, "kitchen")["state"] == "connected")


async def test_one_that_stands_still_is_let_go_and_tried_again(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half-open: its connection stands, and nothing comes any more."""
    monkeypatch.setattr(keeping, "PONG_WITHIN_S", 0.2)
    satellite = FakeSatellite(pongs=False)
    async with satellite.serving(), living(bus, known(satellite)) as solo:
        await settles(lambda: "ping" in does(solo, "kitchen")["state"])
        satellite.pongs = True
        await settles(lambda: does(solo, "kitchen")["state"] == "connected" and satellite.connections > 1)


NONSENSE = {
    "another protocol": b"GET / HTTP/1.1\r\n\r\n",
    "a line without end": b"\xff" * 100_000,
    "a huge length": b'{"type": "audio-chunk", "payload_length": 99999999999}\n',
    "deep": b"[" * 60_000 + b"\n",
}


@pytest.mark.parametrize("said", NONSENSE.values(), ids=NONSENSE)
async def test_one_that_talks_nonsense_is_let_go_and_tried_again(bus: Bus, said: bytes) -> None:
    satellite = FakeSatellite()
    async with satellite.serving(), living(bus, known(satellite)) as solo:
        await satellite.connected.wait()
        await satellite.raw(said)
        await settles(lambda: satellite.connections > 1)
        assert solo.house.state("wyoming").restarts == 0


async def test_they_are_told_when_solo_stops(bus: Bus) -> None:
    async with FakeSatellite().serving() as satellite:
        async with living(bus, known(satellite)):
            await satellite.until_type("run-satellite")
        await satellite.until_type("pause-satellite")
