"""One client of Solo's Wyoming server, from its first event to its last: one request after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from wyoming.event import Event
from wyoming.pipeline import RunPipeline

from services.formats.wyoming.frames import BadEvent, BadFrame, read, text_of
from services.formats.wyoming.sounds import Form
from services.wyoming.describing import describe
from services.wyoming.handling import handle
from services.wyoming.link import Link, PeerGone, pong
from services.wyoming.listening import Dictation, Ear, Incoming, Watch
from services.wyoming.satellites.session import Session
from services.wyoming.satellites.told import Told
from services.wyoming.speaking import MOST_TEXT, Speech, stopped, wanted, wanted_voice
from solo.errors import SoloError
from solo.supervision import Context

IDLE_S = 600.0
"""A client that says nothing for so long, and waits for nothing, is let go."""
_WAITING = 8
"""Events that may wait for the request before them; then the client waits."""
MOST_HELD = 64 * 1024 * 1024
"""Bytes of sound of all clients together that may wait to be dealt with."""


class TooMuch(SoloError):
    """Wyoming's clients together send more sound than Solo holds."""

    code = "wyoming.too_much"


@dataclass(slots=True)
class Hall:
    """What the visits of one service share."""

    languages: tuple[str, ...]
    profile: str
    pace: asyncio.Lock = field(default_factory=asyncio.Lock)
    held: int = 0
    satellites: dict[str, Session] = field(default_factory=dict)
    """Those connected now, by name."""


class Visit:
    def __init__(self, ctx: Context, link: Link, hall: Hall) -> None:
        self._ctx = ctx
        self._link = link
        self._hall = hall
        self._waiting: asyncio.Queue[Event] = asyncio.Queue(maxsize=_WAITING)
        self._busy = False
        self._incoming = Incoming(ctx)
        self._ear: Ear | None = None
        self._speech: Speech | None = None
        self._queued = 0
        self._kept = 0
        self._told = Told()
        self._satellite: Session | None = None
        self._does: dict[str, Callable[[Event], Awaitable[None]]] = {
            "describe": self._describe,
            "info": self._peer_told,
            "transcribe": self._transcribe,
            "detect": self._detect,
            "audio-start": self._start,
            "audio-chunk": self._chunk,
            "audio-stop": self._stop,
            "synthesize": self._synthesize,
            "synthesize-start": self._begin_speech,
            "synthesize-chunk": self._more_speech,
            "synthesize-stop": self._end_speech,
            "recognize": self._handle,
            "transcript": self._handle,
            "run-pipeline": self._run_pipeline,
        }

    async def run(self) -> None:
        """Until the client leaves, or sends what is no event, or Solo stops. What was begun for it ends then."""
        work = [
            asyncio.create_task(self._read(), name=f"wyoming reads {self._link.address}"),
            asyncio.create_task(self._work(), name=f"wyoming serves {self._link.address}"),
            asyncio.create_task(self._leave_at_drain()),
        ]
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except BadFrame as error:
            await self._link.refuse(error)
            raise
        finally:
            for task in work:
                task.cancel()
            await asyncio.wait(work)
            self._hall.held -= self._queued + self._kept
            if self._ear is not None:
                await self._ear.leave()

    async def _read(self) -> None:
        while True:
            try:
                event = await self._link.receive(IDLE_S)
            except TimeoutError:
                if self._busy or self._satellite is not None:
                    continue
                return
            if event is None:
                return
            if event.type == "ping":
                await self._link.send(pong(event))
            elif self._satellite is not None:
                try:
                    await self._satellite.take(event)
                except BadEvent as error:
                    await self._link.refuse(error)
            elif event.type in self._does:  # others may come from newer clients
                self._queued += self._hold(len(event.payload or b""))
                await self._waiting.put(event)

    async def _work(self) -> None:
        while True:
            event = await self._waiting.get()
            self._busy = True
            try:
                await self._does[event.type](event)
            except (PeerGone, BadFrame):
                raise
            except SoloError as error:
                await self._give_up()
                await self._link.refuse(error)
            self._hall.held -= len(event.payload or b"")
            self._queued -= len(event.payload or b"")
            self._busy = False

    async def _leave_at_drain(self) -> None:
        """What has been asked is answered first."""
        await self._ctx.stopping.wait()
        while self._busy or not self._waiting.empty():
            await asyncio.sleep(0.05)

    async def _give_up(self) -> None:
        """What had been begun is not gone on with."""
        ear, self._ear, self._speech = self._ear, None, None
        self._incoming = Incoming(self._ctx)
        self._let_go()
        if ear is not None:
            await ear.leave()

    def _hold(self, size: int) -> int:
        if self._hall.held + size > MOST_HELD:
            raise TooMuch(hint="Send audio-stop earlier, or less at a time.")
        self._hall.held += size
        return size

    def _let_go(self) -> None:
        self._hall.held -= self._kept
        self._kept = 0

    # -- requests --------------------------------------------------------------------------------

    async def _describe(self, _: Event) -> None:
        await self._link.send((await describe(self._ctx, self._hall.languages)).event())

    async def _peer_told(self, event: Event) -> None:
        self._told = Told.of(event)

    async def _transcribe(self, event: Event) -> None:
        await self._give_up()
        self._ear = Dictation(self._ctx, self._link, event)

    async def _detect(self, event: Event) -> None:
        await self._give_up()
        self._ear = Watch(self._ctx, self._link, self._hall.pace, event)

    async def _start(self, event: Event) -> None:
        """Sound without a word of what it is for is to be written down."""
        await self._incoming.start(Form.of(event))
        self._ear = self._ear or Dictation(self._ctx, self._link)

    async def _chunk(self, event: Event) -> None:
        if self._ear is None:
            return  # the rest of what was refused
        pcm = await self._incoming.convert(event)
        if isinstance(self._ear, Dictation):
            self._kept += self._hold(len(pcm))
        await self._ear.hear(pcm)

    async def _stop(self, _: Event) -> None:
        ear = self._ear
        if ear is None:
            return
        rest = await self._incoming.stop()
        if rest:
            await ear.hear(rest)
        await ear.end()
        self._ear = None
        self._let_go()

    async def _synthesize(self, event: Event) -> None:
        text, voice = wanted(event)
        if self._speech is not None:
            return  # the whole of what comes in pieces, for servers that know no pieces
        speech = Speech(self._ctx, self._link, voice)
        await speech.say(text)
        await speech.finish()

    async def _begin_speech(self, event: Event) -> None:
        self._speech = Speech(self._ctx, self._link, wanted_voice(event))

    async def _more_speech(self, event: Event) -> None:
        if self._speech is None:
            raise BadEvent("a piece of text came before synthesize-start")
        await self._speech.say(text_of(event.data.get("text"), "a piece of text", MOST_TEXT))

    async def _end_speech(self, _: Event) -> None:
        if self._speech is None:
            raise BadEvent("synthesize-stop came before synthesize-start")
        speech, self._speech = self._speech, None
        await speech.finish()
        await self._link.send(stopped())

    async def _handle(self, event: Event) -> None:
        await handle(self._ctx, self._link, event, self._hall.profile)

    async def _run_pipeline(self, event: Event) -> None:
        """The client is a satellite: its connection is a sound source from now on."""
        read(RunPipeline, event)  # one that cannot be read makes nobody a satellite
        self._satellite = Session(self._ctx, self._link, self._told, self._hall.satellites, self._hall.profile)
        try:
            await self._satellite.run(event)
        finally:
            self._satellite = None
