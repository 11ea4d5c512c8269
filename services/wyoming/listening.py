"""A Wyoming client's sound: brought to Solo's form, then written down, or searched for a wake word."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import Protocol

from wyoming.asr import Transcribe as WantsTranscript
from wyoming.asr import Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.event import Event
from wyoming.wake import Detect, Detection, NotDetected

from services.formats.wyoming.frames import BadEvent, read, text_of
from services.formats.wyoming.sounds import SOLO, Form
from services.messages.audio import SoundHeard, SourceClosed, WakeWordHeard
from services.messages.codec import ConvertSound
from services.messages.speech import Transcribe
from services.wyoming.link import Link
from solo.bus import Mailbox, Overflow
from solo.errors import SoloError
from solo.supervision import Context

MOST_S = 120
"""Seconds of one dictation, as the recogniser takes it."""
MOST_HINTS = 2000
"""Characters of the words to expect."""
_TRANSCRIBE_WITHIN_S = 60.0
_CONVERT_WITHIN_S = 10.0
_LATE_S = 1.0
"""For the wake engine to be done with the last piece of a sound."""
_PIECE = SOLO.bytes_a_second * 160 // 1000
"""The wake word is looked for in pieces of 160 ms, as everywhere."""
PACE_S = 0.01
"""Between two such pieces of all clients together: sixteen times real time, so that a file which a client sends at
once takes nothing from those who are speaking."""


class TooLong(SoloError):
    """The sound is longer than Solo takes at once."""

    code = "wyoming.too_long"


class Ear(Protocol):
    """What becomes of a sound."""

    async def hear(self, pcm: bytes) -> None:
        """s16le mono 16 kHz."""
        ...

    async def end(self) -> None: ...

    async def leave(self) -> None:
        """Nobody wants to know any more."""
        ...


class Incoming:
    """The sound of one client between `audio-start` and `audio-stop`, in Solo's form."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._form: Form | None = None
        self._session = ""

    async def start(self, form: Form) -> None:
        await self.stop()
        self._form = form

    async def convert(self, event: Event) -> bytes:
        """Of an `audio-chunk`. A client may change the form in the middle."""
        form = Form.of(event, self._form)
        if form != self._form:
            await self.start(form)
        return await self._converted(form, event.payload or b"", last=False)

    def seconds(self, event: Event) -> float:
        """How long the sound of the chunk just converted is."""
        return 0.0 if self._form is None else len(event.payload or b"") / self._form.bytes_a_second

    async def stop(self) -> bytes:
        """What was still held back."""
        if self._form is None:
            return b""
        form, self._form = self._form, None
        return await self._converted(form, b"", last=True) if self._session else b""

    async def _converted(self, form: Form, pcm: bytes, *, last: bool) -> bytes:
        if form == SOLO:
            return pcm[: len(pcm) // 2 * 2]
        if not self._session:
            self._session = f"wyoming-{uuid.uuid4().hex}"
        question = ConvertSound(
            session=self._session, rate=form.rate, width=form.width, channels=form.channels, pcm=pcm, last=last
        )
        if last:
            self._session = ""
        return await self._ctx.request(question, within=_CONVERT_WITHIN_S)


class Dictation:
    """Writes down what is said."""

    def __init__(self, ctx: Context, link: Link, event: Event | None = None) -> None:
        self._ctx = ctx
        self._link = link
        self._pcm = bytearray()
        self._language: str | None = None
        self._hints = ""
        if event is not None:
            asked = read(WantsTranscript, event)
            if asked.language:
                self._language = text_of(asked.language, "the language", 20).replace("_", "-").partition("-")[0].lower()
            self._hints = ", ".join([*_words(asked.transcript_names), *_words(asked.transcript_terms)])[:MOST_HINTS]

    async def hear(self, pcm: bytes) -> None:
        if len(self._pcm) + len(pcm) > MOST_S * SOLO.bytes_a_second:
            raise TooLong(f"the sound is longer than {MOST_S} s", hint="Send audio-stop earlier.")
        self._pcm += pcm

    async def end(self) -> None:
        question = Transcribe(pcm=bytes(self._pcm), language=self._language, prompt=self._hints)
        found = await self._ctx.request(question, within=_TRANSCRIBE_WITHIN_S)
        pieces = [TranscriptChunk(text=found.text).event()] if found.text else []
        await self._link.send(
            TranscriptStart(language=found.language).event(),
            *pieces,
            Transcript(text=found.text, language=found.language).event(),
            TranscriptStop().event(),
        )

    async def leave(self) -> None:
        self._pcm.clear()


class Watch:
    """Tells of wake words as they are said. Its sound goes to the wake service alone, under a name of its own."""

    def __init__(self, ctx: Context, link: Link, pace: asyncio.Lock, event: Event) -> None:
        asked = read(Detect, event)
        self._ctx = ctx
        self._link = link
        self._pace = pace
        self._names = frozenset(_words(asked.names))
        self._source = f"wyoming-{uuid.uuid4().hex[:8]}"
        self._unsent = bytearray()
        self._given = 0
        self._found = asyncio.Event()
        self._telling: asyncio.Task[None] | None = None

    async def hear(self, pcm: bytes) -> None:
        if self._telling is None:
            ready = asyncio.Event()
            self._telling = asyncio.create_task(self._tell(ready), name=f"wake words of {self._source}")
            await ready.wait()
        self._unsent += pcm
        while len(self._unsent) >= _PIECE:
            await self._give(bytes(self._unsent[:_PIECE]))
            del self._unsent[:_PIECE]

    async def end(self) -> None:
        """With a little silence behind it, since an engine may wait for its next step."""
        if self._telling is not None:
            await self._give(bytes(self._unsent) + bytes(_PIECE))
            if not self._found.is_set():
                try:
                    async with asyncio.timeout(_LATE_S):
                        await self._found.wait()
                except TimeoutError:
                    self._found.clear()
        found = self._found.is_set()
        await self.leave()
        if not found:
            await self._link.send(NotDetected().event())

    async def leave(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
            self._telling = None
            self._ctx.publish(SourceClosed(source=self._source))

    async def _give(self, pcm: bytes) -> None:
        async with self._pace:
            self._ctx.publish(SoundHeard(source=self._source, pcm=pcm, start=self._given))
            self._given += len(pcm) // 2
            await asyncio.sleep(PACE_S)

    async def _tell(self, ready: asyncio.Event) -> None:
        async with self._ctx.subscribe(
            WakeWordHeard, limit=64, overflow=Overflow.DROP_OLDEST, through_drain=True
        ) as words:
            ready.set()
            await self._tell_of(words)

    async def _tell_of(self, words: Mailbox[WakeWordHeard]) -> None:
        async for heard in words:
            if heard.source == self._source and (not self._names or heard.word in self._names):
                await self._link.send(Detection(name=heard.word, timestamp=heard.at * 1000 // SOLO.rate).event())
                self._found.set()


def _words(given: object) -> list[str]:
    if given is None:
        return []
    if not isinstance(given, Sequence) or isinstance(given, str | bytes) or len(given) > 1000:
        raise BadEvent("what should be a list of names is none")
    return [text_of(word, "a name", 200) for word in given]
