"""Ten thousand random events and some garbage: nobody else notices, and nothing is kept."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from wyoming.event import Event
from wyoming.info import Describe
from wyoming.pipeline import PipelineStage, RunPipeline

from services.formats.wyoming.frames import packed
from solo.bus import Bus
from tests.stubs.satellite_house import living
from tests.stubs.wyoming_house import say, settles, until

TYPES = [
    "describe", "info", "ping", "pong", "transcribe", "detect", "audio-start", "audio-chunk", "audio-stop",
    "synthesize", "synthesize-start", "synthesize-chunk", "synthesize-stop", "recognize", "transcript",
    "run-pipeline", "played", "detection", "streaming-stopped", "select-program", "error", "x",
]  # fmt: skip
FIELDS = ["rate", "width", "channels", "text", "voice", "name", "names", "language", "context", "start_stage",
          "end_stage", "wake_word_name", "announce_text", "satellite", "timestamp", "transcript_names"]  # fmt: skip


def anything(rng: random.Random) -> Any:
    return rng.choice(
        [None, True, -1, 0, 1, 2, 16_000, 2**40, 1.5, "", "x", "é" * 50, [], [1], {}, {"a": 1}, "asr", "tts", "wake"]
    )


async def test_ten_thousand_random_events_change_nothing_for_others(bus: Bus) -> None:
    async with living(bus) as solo:
        rng = random.Random(10)
        good = {"rate": 16_000, "width": 2, "channels": 1}
        sent = 0
        while sent < 10_000:
            reader, writer = await asyncio.open_connection("127.0.0.1", solo.port)
            draining = asyncio.create_task(_swallow(reader))
            try:
                for _ in range(rng.randrange(1, 400)):
                    data = {name: anything(rng) for name in rng.sample(FIELDS, rng.randrange(5))}
                    if rng.random() < 0.5:
                        data = good | data
                    data.pop("announce_text", None) if rng.random() < 0.9 else None
                    writer.write(packed(Event(rng.choice(TYPES), data, rng.randbytes(rng.choice([0, 1, 2, 64, 2048])))))
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
        async with solo.client() as client:
            await say(client, Describe(), RunPipeline(PipelineStage.ASR, PipelineStage.TTS))
            await until(client, "transcribe")
        await settles(lambda: solo.figures()["connections"] == 0)
        assert solo.service._hall.held == 0
        assert {name: solo.house.state(name).restarts for name in ("wyoming", "audio", "conversation")} == {
            "wyoming": 0,
            "audio": 0,
            "conversation": 0,
        }


async def _swallow(reader: asyncio.StreamReader) -> None:
    try:
        while await reader.read(65_536):
            pass
    except ConnectionError:
        return
