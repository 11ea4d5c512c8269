"""A house whose engines of sound say what they are told to, with OpenAI's routes of sound before it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI

from services.api.house import House
from services.api.http import application
from services.api.recent import RecentTurns
from services.messages.codec import DecodedSound, DecodeSound, EncodeSound, SoundPiece
from services.messages.speech import (
    DescribeTranscriber,
    ListVoices,
    SoundChunk,
    SpokenSegment,
    SpokenWord,
    Synthesize,
    Transcribe,
    Transcriber,
    Transcript,
    Voice,
)
from solo.errors import SoloError
from solo.supervision import Context
from tests.stubs.callers import as_owner

RATE = 22_050
PCM = bytes(range(256)) * 4
MODEL = Transcriber(name="tiny.en int8", engine="stub", multilingual=False)
VOICE = Voice(name="en_US-joe-medium", engine="stub", sample_rate=RATE)


@dataclass
class Engines:
    """`texts`: what each piece of sound says; a number waits so many seconds first, an error is raised."""

    texts: list[Any] = field(default_factory=lambda: ["What is it?", "", "It is <late> --> now."])
    piece_s: float = 10.0
    language: str = "en"
    file: SoloError | None = None
    """Why no file can be read."""
    chunks: list[Any] = field(default_factory=lambda: [PCM, PCM])
    """What each sentence sounds like, in the same way."""
    asked: list[Any] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """A question was left before its answer."""

    def of(self, kind: type[Any]) -> list[Any]:
        return [question for question in self.asked if isinstance(question, kind)]

    async def decode(self, question: DecodeSound) -> DecodedSound:
        self.asked.append(question)
        if self.file is not None:
            raise self.file
        self._left_over = list(self.texts)
        pieces = tuple(SoundPiece(start=n * self.piece_s, pcm=b"\0\0") for n in range(len(self.texts)))
        return DecodedSound(seconds=len(self.texts) * self.piece_s, pieces=pieces)

    async def transcribe(self, question: Transcribe) -> Transcript:
        self.asked.append(question)
        text = await self._played(self._left_over[0], lambda: "")
        self._left_over.pop(0)  # not before: what failed is asked again
        segments: tuple[SpokenSegment, ...] = ()
        if text and question.details:
            words = (SpokenWord(word=text.split()[0], start=0.5, end=0.8),) if question.details == "words" else ()
            segments = (SpokenSegment(start=0.5, end=1.5, text=text, tokens=(7,), avg_logprob=-0.2, words=words),)
        return Transcript(text=text, language=self.language if text else "xx", engine="stub", segments=segments)

    async def synthesize(self, question: Synthesize) -> AsyncGenerator[SoundChunk, None]:
        self.asked.append(question)
        for chunk in self.chunks:
            pcm = await self._played(chunk, bytes)
            if pcm:
                yield SoundChunk(pcm=pcm, sample_rate=RATE, engine="stub")

    async def encode(self, question: EncodeSound) -> bytes:
        self.asked.append(question)
        mark = b"<" if question.first else b">" if question.last else b"."
        return mark + str(len(question.pcm)).encode()

    async def describe(self, _: DescribeTranscriber) -> Transcriber:
        return MODEL

    async def voices(self, _: ListVoices) -> tuple[Voice, ...]:
        return (VOICE,)

    async def _played(self, part: Any, behind: Callable[[], Any]) -> Any:
        if isinstance(part, SoloError):
            raise part
        if isinstance(part, float):
            try:
                await asyncio.sleep(part)
            except asyncio.CancelledError:
                self.left.set()
                raise
            return behind()
        return part


@asynccontextmanager
async def sounds(ctx: Context, **known: Any) -> AsyncIterator[tuple[FastAPI, Engines]]:
    """The application, with the engines answering behind it."""
    played = Engines(**known)
    answers: dict[type[Any], Callable[[Any], Any]] = {
        DecodeSound: played.decode,
        Transcribe: played.transcribe,
        Synthesize: played.synthesize,
        EncodeSound: played.encode,
        DescribeTranscriber: played.describe,
        ListVoices: played.voices,
    }
    app = application(House(ctx, RecentTurns(), set()))
    async with asyncio.TaskGroup() as tasks:
        serving = [tasks.create_task(ctx.answer(kind, answer)) for kind, answer in answers.items()]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        yield app, played
        for task in serving:
            task.cancel()


@asynccontextmanager
async def door(ctx: Context, **known: Any) -> AsyncIterator[tuple[httpx.AsyncClient, Engines]]:
    """A client of it."""
    async with sounds(ctx, **known) as (app, played):
        transport = httpx.ASGITransport(as_owner(app), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
            yield client, played
