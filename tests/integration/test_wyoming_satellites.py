"""A satellite of a whole daemon with fake engines: a spoken turn, and the end."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from services.wake.adapters.fake import marker
from tests.contract.speech import say, silence
from tests.daemon import Daemon, daemon
from tests.stubs.satellite import FakeSatellite

FAKES = {f"{part}__ENGINE": "fake" for part in ("WAKE", "STT", "LLM", "TTS", "VAD", "CODEC")} | {
    "MEMORY__EMBEDDER": "fake",
    "WAKE__VERIFY": "false",  # the fake recogniser understands no wake word
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
