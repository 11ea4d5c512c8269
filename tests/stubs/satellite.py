"""A Wyoming satellite without a device: streams what it is given in real time, and keeps what it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from wyoming.audio import AudioChunk
from wyoming.event import Event, async_read_event, async_write_event
from wyoming.info import Attribution, Info
from wyoming.info import Satellite as About
from wyoming.ping import Ping, Pong
from wyoming.pipeline import PipelineStage, RunPipeline
from wyoming.snd import Played
from wyoming.wake import Detection

RATE = 16_000
PIECE = 2048
"""Bytes: 64 ms, as wyoming-satellite sends them."""


@dataclass
class FakeSatellite:
    """Serves one connection at a time, as real ones do. `pongs` False: half-open, as after a cable was pulled."""

    pongs: bool = True
    plays: bool = True
    """It says `played` as soon as an answer has come."""
    got: list[Event] = field(default_factory=list)
    connections: int = 0
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _writer: asyncio.StreamWriter | None = None
    _server: asyncio.Server | None = None
    port: int = 0

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[FakeSatellite]:
        await self.start(port)
        try:
            yield self
        finally:
            await self.stop()

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port or self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Gone, with its connection."""
        assert self._server is not None
        self._server.close()
        self.drop()
        await self._server.wait_closed()

    def drop(self) -> None:
        """Reset the connection in the middle of whatever it is doing."""
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None
        self.connected.clear()

    async def send(self, *events: Event) -> None:
        assert self._writer is not None
        for event in events:
            await async_write_event(event, self._writer)

    async def raw(self, data: bytes) -> None:
        assert self._writer is not None
        self._writer.write(data)
        await self._writer.drain()

    async def run_pipeline(
        self,
        start: PipelineStage = PipelineStage.WAKE,
        end: PipelineStage = PipelineStage.TTS,
        *,
        word: str | None = None,
        announce: str | None = None,
    ) -> None:
        if word is not None:
            await self.send(Detection(name=word).event())
        await self.send(
            RunPipeline(start, end, restart_on_end=start is PipelineStage.WAKE, announce_text=announce).event()
        )

    async def stream(self, pcm: bytes, *, pace: float = 1.0) -> None:
        """s16le mono 16 kHz, `pace` times as fast as it is spoken."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for start in range(0, len(pcm), PIECE):
            await self.send(AudioChunk(RATE, 2, 1, pcm[start : start + PIECE], timestamp=start // 32).event())
            await asyncio.sleep(began + (start + PIECE) / 2 / RATE / pace - loop.time())

    async def until(self, enough: Callable[[list[Event]], bool], within: float = 30.0) -> None:
        async with asyncio.timeout(within):
            while not enough(self.got):
                self._changed.clear()
                await self._changed.wait()

    async def until_type(self, *types: str, within: float = 30.0, after: int = 0) -> Event:
        """The first event of one of these types."""

        def found(got: list[Event]) -> list[Event]:
            return [event for event in got[after:] if event.type in types]

        await self.until(lambda got: bool(found(got)), within)
        return found(self.got)[0]

    def types(self) -> list[str]:
        return [event.type for event in self.got]

    def sound(self) -> tuple[bytes, int]:
        """All that was to be played, and its rate."""
        chunks = [event for event in self.got if event.type == "audio-chunk"]
        return b"".join(chunk.payload or b"" for chunk in chunks), chunks[0].data["rate"] if chunks else 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.connections += 1
        self.connected.set()
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while (event := await async_read_event(reader)) is not None:
                await self._take(event, writer)
        writer.close()

    async def _take(self, event: Event, writer: asyncio.StreamWriter) -> None:
        if Ping.is_type(event.type):
            if self.pongs:
                await async_write_event(Pong(text=Ping.from_event(event).text).event(), writer)
            return
        self.got.append(event)
        self._changed.set()
        if event.type == "describe":
            nobody = Attribution(name="", url="")
            about = About("fake", nobody, True, None, None, area="lab")
            await async_write_event(Info(satellite=about).event(), writer)
        elif event.type == "audio-stop" and self.plays:
            await async_write_event(Played().event(), writer)
