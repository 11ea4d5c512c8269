"""Foreign sound files as Solo reads them: each in a process of its own, with limits; what goes wrong ends there."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from services.codec import service
from services.codec.engine import SessionLost, SoundTooLong, SoundUnreadable
from services.codec.service import DecoderService, EncoderService
from services.messages.codec import DecodedSound, DecodeSound, EncodeSound
from solo.bus import Bus
from solo.errors import SoloError
from solo.isolation.process import EngineProcess, EngineSpec
from solo.supervision import Context
from tests.contract.sounds import RATE, encoded, hostile, tone, wav

pytestmark = [
    pytest.mark.daemon_loop,
    pytest.mark.skipif(sys.platform != "linux", reason="the confinement tested here is Linux's"),
]

ROOT = Path(__file__).resolve().parents[2]
MB = 1024**2
PYAV = "services.codec.adapters.pyav:PyAV"
BAD = "tests.stubs.sound_engines:Misbehaving"
Ask = Callable[..., Any]


def spec(adapter: str = PYAV, memory: int = 512 * MB, **options: Any) -> EngineSpec:
    return EngineSpec(adapter, options, memory_limit=memory, python_path=(str(ROOT),))


@asynccontextmanager
async def serving(bus: Bus, made: Any) -> AsyncIterator[Ask]:
    """The service under nobody's supervision: its crash would end the test."""
    ready = asyncio.Event()
    ctx = Context(bus, made.name, on_state=lambda _state, _note: ready.set())
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(made.run(ctx))
        await ready.wait()
        await asyncio.sleep(0)

        async def ask(question: Any, within: float = 60) -> Any:
            return await bus.request(question, within=within)

        yield ask
        ctx.stopping.set()
        await running


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


async def test_a_process_for_each_file(bus: Bus) -> None:
    before = children()
    async with serving(bus, DecoderService(spec())) as ask:
        found: DecodedSound = await ask(DecodeSound(content=encoded("mp3", "libmp3lame", 44_100)))
        assert found.seconds == pytest.approx(1.0, abs=0.12)
        assert children() == before, "it ended with its file"
        for case in [case for case in hostile() if case.never][::9]:
            with pytest.raises(SoundUnreadable):
                await ask(DecodeSound(content=case.content))
        assert (await ask(DecodeSound(content=wav(tone(1))))).seconds == 1.0


async def test_all_hostile_files_in_one_process() -> None:
    """Which nothing of them ends, slows down or swells."""
    async with EngineProcess(spec(memory=256 * MB)).running() as engine:
        pid = engine.pid
        for case in hostile():
            try:
                async with engine.stream("decode", within=10, content=case.content, piece_s=28.0) as pieces:
                    assert [piece async for piece in pieces], case.name
            except SoloError as error:
                assert isinstance(error, SoundUnreadable), case.name
        assert engine.pid == pid
        async with engine.stream("decode", within=10, content=wav(tone(1)), piece_s=28.0) as pieces:
            assert len([piece async for piece in pieces]) == 1


async def test_hours_in_a_small_file(bus: Bus) -> None:
    """Silence packs well: two hours in less than 2 MB."""
    content = encoded_silence(2 * 3600)
    assert len(content) < 2 * MB
    async with serving(bus, DecoderService(spec(memory=256 * MB, most_s=1800.0))) as ask:
        with pytest.raises(SoundTooLong):
            await ask(DecodeSound(content=content))


async def test_a_file_that_ends_its_process_is_refused_and_the_next_one_read(bus: Bus) -> None:
    async with serving(bus, DecoderService(spec(BAD))) as ask:
        for _ in range(3):  # the third time it is known
            with pytest.raises(SoundUnreadable):
                await ask(DecodeSound(content=b"crash"))
        assert (await ask(DecodeSound(content=wav(tone(1))))).seconds == 1.0


async def test_a_file_that_takes_too_long_is_refused(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "PIECE_WITHIN_S", 0.3)
    before = children()
    async with serving(bus, DecoderService(spec(BAD))) as ask:
        with pytest.raises(SoundUnreadable):
            await ask(DecodeSound(content=b"hang"))
        assert children() == before


async def test_who_leaves_takes_the_process_along(bus: Bus) -> None:
    before = children()
    async with serving(bus, DecoderService(spec(BAD))) as ask:
        asking = asyncio.create_task(ask(DecodeSound(content=b"hang")))
        async with asyncio.timeout(20):
            while children() == before:
                await asyncio.sleep(0.01)
            asking.cancel()
            while children() != before:
                await asyncio.sleep(0.01)
        assert (await ask(DecodeSound(content=wav(tone(1))))).seconds == 1.0


async def test_a_file_is_made_there(bus: Bus) -> None:
    async with serving(bus, EncoderService(spec())) as ask:
        known = {"session": "a", "format": "opus", "sample_rate": RATE}
        made = await ask(EncodeSound(**known, pcm=tone(1), first=True))
        made += await ask(EncodeSound(**known, pcm=b"", last=True))
        assert made.startswith(b"OggS")
        with pytest.raises(SessionLost):
            await ask(EncodeSound(**known, pcm=tone(1)))


def encoded_silence(seconds: int) -> bytes:
    from io import BytesIO

    import av
    import numpy as np

    sink = BytesIO()
    with av.open(sink, "w", format="flac") as file:
        stream: Any = file.add_stream("flac", rate=8_000, layout="mono")
        for second in range(0, seconds, 60):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 60 * 8_000), np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 8_000, second * 8_000
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return sink.getvalue()
