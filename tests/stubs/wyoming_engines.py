"""Solo's fake engines behind Wyoming servers of the wyoming package, and Solo's adapters that ask them."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.info import (
    AsrModel,
    AsrProgram,
    Attribution,
    Describe,
    Info,
    TtsProgram,
    TtsVoice,
    WakeModel,
    WakeProgram,
)
from wyoming.ping import Ping, Pong
from wyoming.server import AsyncEventHandler, AsyncTcpServer
from wyoming.tts import Synthesize
from wyoming.wake import Detect, Detection

from services.stt.adapters.fake import FakeSTT
from services.stt.adapters.wyoming import WyomingSTT
from services.tts.adapters.fake import FakeTTS
from services.tts.adapters.wyoming import WyomingTTS
from services.wake.adapters.fake import WORDS, FakeWake
from solo.isolation.call import Call

_NOBODY = Attribution(name="", url="")
_RATE = 16_000


def _about(name: str) -> dict[str, Any]:
    return {"name": name, "attribution": _NOBODY, "installed": True, "description": None, "version": None}


class Recogniser(AsyncEventHandler):
    """One connection to a fake recogniser."""

    def __init__(self, engine: FakeSTT, *streams: Any) -> None:
        super().__init__(*streams)
        self._engine = engine
        self._pcm = b""
        self._language: str | None = None

    async def handle_event(self, event: Event) -> bool:
        if Describe.is_type(event.type):
            models = [AsrModel(**_about("fake"), languages=["en"])]
            await self.write_event(Info(asr=[AsrProgram(**_about("fake-stt"), models=models)]).event())
        elif Transcribe.is_type(event.type):
            self._language = Transcribe.from_event(event).language
        elif AudioChunk.is_type(event.type):
            self._pcm += AudioChunk.from_event(event).audio
        elif AudioStop.is_type(event.type):
            found = self._engine.transcribe(Call(), self._pcm, language=self._language)
            await self.write_event(Transcript(text=found["text"], language=found["language"]).event())
        return True


class Speaker(AsyncEventHandler):
    """One connection to a fake voice."""

    def __init__(self, engine: FakeTTS, *streams: Any) -> None:
        super().__init__(*streams)
        self._engine = engine

    async def handle_event(self, event: Event) -> bool:
        if Describe.is_type(event.type):
            voices = [TtsVoice(**_about("tone"), languages=["en"])]
            await self.write_event(Info(tts=[TtsProgram(**_about("fake-tts"), voices=voices)]).event())
        elif Synthesize.is_type(event.type):
            await self.write_event(AudioStart(_RATE, 2, 1).event())
            for pcm in self._engine.synthesize(Call(), Synthesize.from_event(event).text):
                for at in range(0, len(pcm), 2048):
                    await self.write_event(AudioChunk(_RATE, 2, 1, pcm[at : at + 2048]).event())
            await self.write_event(AudioStop().event())
        return True


class Listener(AsyncEventHandler):
    """One connection to a fake ear for wake words."""

    def __init__(self, pings: bool, *streams: Any) -> None:
        super().__init__(*streams)
        self._pings = pings
        self._ear = FakeWake()
        self._ear.load()
        self._names: list[str] | None = None

    async def handle_event(self, event: Event) -> bool:
        if Describe.is_type(event.type):
            models = [WakeModel(**_about(word), languages=["en"], phrase=word) for word in WORDS]
            await self.write_event(Info(wake=[WakeProgram(**_about("fake-wake"), models=models)]).event())
        elif Ping.is_type(event.type):
            if self._pings:
                await self.write_event(Pong().event())
        elif Detect.is_type(event.type):
            self._names = Detect.from_event(event).names
        elif AudioChunk.is_type(event.type):
            for found in self._ear.feed(Call(), "it", AudioChunk.from_event(event).audio):
                if self._names is None or found["word"] in self._names:
                    at_ms = found["at"] * 1000 // _RATE
                    await self.write_event(Detection(name=found["word"], timestamp=at_ms).event())
        return True


def serve(handler: Callable[..., AsyncEventHandler]) -> str:
    """In a thread of its own until the tests end; where it is."""
    started = threading.Event()
    place: list[int] = []

    async def run() -> None:
        server = AsyncTcpServer("127.0.0.1", 0)
        await server.start(handler)
        assert isinstance(server._server, asyncio.Server)
        place.append(server._server.sockets[0].getsockname()[1])
        started.set()
        await asyncio.Event().wait()

    threading.Thread(target=asyncio.run, args=(run(),), daemon=True, name="wyoming server").start()
    assert started.wait(10)
    return f"tcp://127.0.0.1:{place[0]}"


def stt_by_wyoming(engine: FakeSTT) -> WyomingSTT:
    engine.load()
    return _free(WyomingSTT(serve(partial(Recogniser, engine)), threads=1))


def tts_by_wyoming(**options: Any) -> WyomingTTS:
    return _free(WyomingTTS(_voice(), **options))


@functools.cache
def _voice() -> str:
    engine = FakeTTS(sample_rate=_RATE)
    engine.load()
    return serve(partial(Speaker, engine))


@functools.cache
def wake_server(pings: bool = True) -> str:
    return serve(partial(Listener, pings))


def _free(adapter: Any) -> Any:
    """The tests' own process is to reach others too; that a child is confined is tested with a child."""
    adapter._server.confine = lambda: None
    return adapter
