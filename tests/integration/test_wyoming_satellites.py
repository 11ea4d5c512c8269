"""Satellites of a whole daemon with fake engines: spoken turns, several at once, and everything that goes wrong."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from wyoming.client import AsyncTcpClient
from wyoming.event import Event
from wyoming.info import Attribution, Info
from wyoming.info import Satellite as About
from wyoming.pipeline import PipelineStage, RunPipeline

from services.formats.wyoming.frames import packed
from services.wake.adapters.fake import marker
from tests.contract.speech import say, silence
from tests.daemon import Daemon, daemon
from tests.stubs.satellite import FakeSatellite
from tests.stubs.wyoming_house import say as send
from tests.stubs.wyoming_house import until

FAKES = {f"{part}__ENGINE": "fake" for part in ("WAKE", "STT", "LLM", "TTS", "VAD", "CODEC")} | {
    "MEMORY__EMBEDDER": "fake"
}
NAMES = ("kitchen", "hall", "attic")
WITHIN_S = 60.0


@dataclass
class House:
    daemon: Daemon
    ports: dict[str, int]

    @property
    def port(self) -> int:
        return int(self.daemon.service("wyoming")["engine"]["model"].rpartition(":")[2])

    def satellite(self, name: str) -> dict[str, Any]:
        shown: dict[str, Any] = self.daemon.service("wyoming")["engine"]["info"]["satellites"].get(name, {})
        return shown


def free_ports(count: int) -> list[int]:
    doors = [socket.socket() for _ in range(count)]
    for door in doors:
        door.bind(("127.0.0.1", 0))
    ports = [door.getsockname()[1] for door in doors]
    for door in doors:
        door.close()
    return ports


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    question()  # made now: a satellite whose loop speaks answers no pings
    ports = dict(zip(NAMES, free_ports(3), strict=True))
    satellites = [
        {"name": name, "address": f"tcp://127.0.0.1:{port}", "room": "down" if name != "attic" else None}
        for name, port in ports.items()
    ]
    settings = {"WYOMING__SATELLITES": json.dumps(satellites), "WYOMING__LISTEN": "127.0.0.1:0"}
    with daemon(tmp_path_factory.mktemp("house") / "state", **FAKES, **settings) as running:
        yield House(running, ports)


def question(word: str | None = None) -> bytes:
    """With a wake word in front, where one is needed, and the silence behind it."""
    wake = silence(0.5) + marker(word) + silence(0.2) if word else silence(0.2)
    return wake + say("What is the capital of France?") + silence(2)


async def settles(condition: Any, within: float = WITHIN_S) -> None:
    async with asyncio.timeout(within):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.05)


async def turn(satellite: FakeSatellite, pcm: bytes) -> list[str]:
    """Events from its beginning to the end of its answer, those in a row once."""
    before = len(satellite.got)
    streaming = asyncio.create_task(satellite.stream(pcm))
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


TOLD = ["voice-started", "voice-stopped", "transcript", "synthesize", "audio-start", "audio-chunk", "audio-stop"]


async def test_a_whole_spoken_turn_after_solos_wake_word(house: House) -> None:
    async with FakeSatellite().serving(house.ports["kitchen"]) as satellite:
        await satellite.until_type("run-satellite")
        await satellite.run_pipeline()
        assert await turn(satellite, question("okay_nabu")) == ["detect", "detection", *TOLD]
        pcm, rate = satellite.sound()
        assert len(pcm) / 2 / rate > 1
        assert (await satellite.until_type("transcript")).data["text"].startswith("I heard")
        assert house.satellite("kitchen")["turns"] >= 1
        # It goes on streaming, and is listened to again.
        assert await turn(satellite, question("alexa")) == ["detection", *TOLD]


async def test_a_satellite_that_has_heard_the_wake_word_itself(house: House) -> None:
    async with FakeSatellite().serving(house.ports["attic"]) as satellite:
        await satellite.connected.wait()
        await satellite.until_type("run-satellite")
        for _ in range(2):
            await satellite.run_pipeline(PipelineStage.ASR, word="hey_jarvis")
            assert await turn(satellite, question()) == ["transcribe", *TOLD]


async def test_a_button(house: House) -> None:
    async with FakeSatellite().serving(house.ports["attic"]) as satellite:
        await satellite.until_type("run-satellite")
        await satellite.run_pipeline(PipelineStage.ASR)
        assert await turn(satellite, question()) == ["transcribe", *TOLD]


async def test_one_without_a_loudspeaker_is_answered_in_words(house: House) -> None:
    async with FakeSatellite().serving(house.ports["attic"]) as satellite:
        await satellite.until_type("run-satellite")
        await satellite.run_pipeline(PipelineStage.ASR, PipelineStage.HANDLE, word="hey_jarvis")
        await satellite.stream(question())
        handled = await satellite.until_type("handled", within=WITHIN_S)
        assert "Paris" in handled.data["text"]
        assert "audio-start" not in satellite.types()


async def test_the_microphone_is_closed_in_the_middle_and_the_turn_ends_all_the_same(house: House) -> None:
    async with FakeSatellite().serving(house.ports["attic"]) as satellite:
        await satellite.until_type("run-satellite")
        await satellite.run_pipeline(PipelineStage.ASR, word="hey_jarvis")
        await satellite.stream(silence(0.2) + say("What is the capital of France?"))
        await satellite.send(Event("audio-stop"))
        await satellite.until_type("audio-start", within=WITHIN_S)


async def test_nothing_said_is_told(house: House) -> None:
    async with FakeSatellite().serving(house.ports["attic"]) as satellite:
        await satellite.until_type("run-satellite")
        await satellite.run_pipeline(PipelineStage.ASR, word="hey_jarvis")
        await satellite.send(Event("audio-stop"))
        error = await satellite.until_type("error", within=WITHIN_S)
        assert error.data["code"] == "no_speech"


async def test_an_announcement(house: House) -> None:
    async with FakeSatellite().serving(house.ports["attic"]) as satellite:
        await satellite.until_type("run-satellite")
        await satellite.run_pipeline(PipelineStage.TTS, announce="Dinner is ready.")
        await satellite.until_type("audio-stop", within=WITHIN_S)
        assert len(satellite.sound()[0]) > 16_000


async def test_two_rooms_at_once_each_get_their_own_answer(house: House) -> None:
    async with (
        FakeSatellite().serving(house.ports["kitchen"]) as one,
        FakeSatellite().serving(house.ports["attic"]) as two,
    ):
        await asyncio.gather(one.until_type("run-satellite"), two.until_type("run-satellite"))
        await one.run_pipeline()
        await two.run_pipeline()
        told = await asyncio.gather(turn(one, question("okay_nabu")), turn(two, question("okay_nabu")))
        assert told == [["detect", "detection", *TOLD]] * 2


async def test_two_of_one_room_hear_the_same_and_one_answers(house: House) -> None:
    async with (
        FakeSatellite().serving(house.ports["kitchen"]) as one,
        FakeSatellite().serving(house.ports["hall"]) as two,
    ):
        await asyncio.gather(one.until_type("run-satellite"), two.until_type("run-satellite"))
        await one.run_pipeline()
        await two.run_pipeline()
        told = await asyncio.gather(turn(one, question("okay_nabu")), turn(two, question("okay_nabu")))
        assert sorted("audio-start" in types for types in told) == [False, True]
        assert [types[-1] for types in told if "audio-start" not in types] == ["error"]


async def test_a_satellite_that_comes_to_solo_by_itself(house: House) -> None:
    async with AsyncTcpClient("127.0.0.1", house.port, read_timeout=WITHIN_S) as client:
        about = About("Bed Room", Attribution("", ""), True, None, None, area="up")
        await send(client, Info(satellite=about), RunPipeline(PipelineStage.ASR, PipelineStage.TTS))
        await until(client, "transcribe")
        assert house.satellite("bed-room")["state"] == "connected"
        for start in range(0, len(pcm := question()), 2048):
            await client.write_event(
                Event("audio-chunk", {"rate": 16000, "width": 2, "channels": 1}, pcm[start : start + 2048])
            )
        told = await until(client, "audio-stop")
        assert "transcript" in [event.type for event in told]
    await settles(lambda: not house.satellite("bed-room"))


async def test_a_reset_in_the_middle_of_a_turn_is_mended(house: House) -> None:
    satellite = FakeSatellite()
    async with satellite.serving(house.ports["kitchen"]):
        for _ in range(3):
            await satellite.connected.wait()
            await satellite.run_pipeline()
            streaming = asyncio.create_task(satellite.stream(question("okay_nabu")))
            await satellite.until_type("voice-started", within=WITHIN_S, after=len(satellite.got))
            satellite.drop()
            await asyncio.gather(streaming, return_exceptions=True)
        await satellite.until_type("run-satellite")
        await satellite.run_pipeline()
        assert (await turn(satellite, question("okay_nabu")))[-7:] == TOLD
        assert satellite.connections >= 4


async def test_one_that_restarts_is_found_again(house: House) -> None:
    satellite = FakeSatellite()
    async with satellite.serving(house.ports["hall"]):
        await satellite.connected.wait()
        await satellite.stop()
        await settles(lambda: house.satellite("hall")["state"].startswith("away"))
        await satellite.start()
        await satellite.connected.wait()
        await settles(lambda: house.satellite("hall")["state"] == "connected")


async def test_one_that_stands_still_is_let_go_and_tried_again(house: House) -> None:
    """Half-open: its connection stands, and nothing comes any more."""
    satellite = FakeSatellite(pongs=False)
    async with satellite.serving(house.ports["hall"]):
        await satellite.connected.wait()
        await settles(lambda: "ping" in house.satellite("hall")["state"])
        satellite.pongs = True
        await settles(lambda: house.satellite("hall")["state"] == "connected")


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 100_000,
        b'{"type": "audio-chunk", "payload_length": 99999999999}\n',
        b"[" * 60_000 + b"\n",
    ],
    ids=["another protocol", "a line without end", "a huge length", "deep"],
)
async def test_a_satellite_that_talks_nonsense_is_let_go_and_tried_again(house: House, said: bytes) -> None:
    satellite = FakeSatellite()
    async with satellite.serving(house.ports["hall"]):
        await satellite.connected.wait()
        before = satellite.connections
        await satellite.raw(said)
        async with asyncio.timeout(WITHIN_S):
            while satellite.connections == before:
                await asyncio.sleep(0.02)
    assert house.daemon.service("wyoming")["restarts"] == 0


def anything(rng: random.Random) -> Any:
    return rng.choice(
        [None, True, -1, 0, 1, 2, 16_000, 2**40, 1.5, "", "x", "é" * 50, [], [1], {}, {"a": 1}, "asr", "tts", "wake"]
    )


async def test_ten_thousand_random_events_change_nothing_for_others(house: House) -> None:
    rng = random.Random(10)
    types = [
        "describe", "info", "ping", "pong", "transcribe", "detect", "audio-start", "audio-chunk", "audio-stop",
        "synthesize", "synthesize-start", "synthesize-chunk", "synthesize-stop", "recognize", "transcript",
        "run-pipeline", "played", "detection", "streaming-stopped", "select-program", "error", "x",
    ]  # fmt: skip
    fields = ["rate", "width", "channels", "text", "voice", "name", "names", "language", "context", "start_stage",
              "end_stage", "wake_word_name", "announce_text", "satellite", "timestamp", "transcript_names"]  # fmt: skip
    good = {"rate": 16_000, "width": 2, "channels": 1}
    sent = 0
    while sent < 10_000:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        draining = asyncio.create_task(_swallow(reader))
        try:
            for _ in range(rng.randrange(1, 400)):
                data = {name: anything(rng) for name in rng.sample(fields, rng.randrange(5))}
                if rng.random() < 0.5:
                    data = good | data
                data.pop("announce_text", None) if rng.random() < 0.9 else None
                writer.write(packed(Event(rng.choice(types), data, rng.randbytes(rng.choice([0, 1, 2, 64, 2048])))))
                sent += 1
                if rng.random() < 0.002:
                    writer.write(rng.randbytes(100))
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()
            draining.cancel()
            await asyncio.wait([draining])
    async with AsyncTcpClient("127.0.0.1", house.port, read_timeout=WITHIN_S) as client:
        await send(client, RunPipeline(PipelineStage.ASR, PipelineStage.TTS))
        await until(client, "transcribe")
    service = house.daemon.service("wyoming")
    assert (service["state"], service["restarts"]) == ("ready", 0)
    await settles(lambda: house.daemon.service("wyoming")["engine"]["info"]["connections"] == 0)
    assert {each["name"]: each["restarts"] for each in house.daemon.status()["services"] if each["restarts"]} == {}


async def _swallow(reader: asyncio.StreamReader) -> None:
    try:
        while await reader.read(65_536):
            pass
    except ConnectionError:
        return


async def test_satellites_are_told_when_solo_stops(tmp_path: Path) -> None:
    [port] = free_ports(1)
    settings = {"WYOMING__SATELLITES": json.dumps([{"name": "attic", "address": f"127.0.0.1:{port}"}])}
    satellite = FakeSatellite()

    def live(connected: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
        with daemon(tmp_path / "state", **FAKES, **settings):
            asyncio.run_coroutine_threadsafe(connected.wait(), loop).result(WITHIN_S)

    async with satellite.serving(port):
        await asyncio.to_thread(live, satellite.connected, asyncio.get_running_loop())
        await satellite.until_type("pause-satellite")
