"""From a sound file to its transcript: decoded, transcribed piece by piece, put together."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from typing import Annotated, Any, Literal

from fastapi import Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from services.api.openai.errors import InvalidParameter, NoSuchModel
from services.api.openai.reading import invalid
from services.api.sound.form import Form
from services.api.sound.languages import code_of
from services.api.sound.subtitles import Heard, TextFormat, written
from services.messages.codec import DecodeSound, SoundPiece
from services.messages.speech import DescribeTranscriber, Details, Transcribe
from solo.bus import Busy
from solo.supervision import Context

MOST_AT_ONCE = 4
"""Sounds under way before more are told to come back: half an hour of sound is 58 MB here."""
DECODE_WITHIN_S = 300.0
PIECE_WITHIN_S = 120.0
"""Seconds for the next piece, of at most 28 s of sound; turns of the conversation come between."""
_DESCRIBE_WITHIN_S = 5.0
MODELS = frozenset(
    {"", "solo", "whisper-1", "gpt-transcribe", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "default"}
)
"""Names that stand for the model in use; clients of OpenAI's have theirs built in."""


class TranscriptionRequest(BaseModel):
    """`POST /v1/audio/transcriptions` and `/v1/audio/translations`."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    model: str = Field(default="", max_length=200)
    language: Annotated[str | None, BeforeValidator(lambda name: name and code_of(str(name)))] = Field(
        default=None, pattern="^[a-z]{2,3}$"
    )
    prompt: str = Field(default="", max_length=4096)
    response_format: TextFormat = "json"
    temperature: float = Field(default=0.0, ge=0, le=1)
    timestamp_granularities: frozenset[Literal["segment", "word"]] = frozenset()
    stream: bool = False
    include: frozenset[str] = frozenset()
    translate: bool = False

    @model_validator(mode="after")
    def _fits(self) -> TranscriptionRequest:
        if self.timestamp_granularities and self.response_format != "verbose_json":
            raise ValueError("timestamp_granularities needs response_format verbose_json")
        if self.stream and self.response_format not in {"json", "text"}:
            raise ValueError("stream needs response_format json or text")
        if self.include:
            raise ValueError("include is not offered: verbose_json has avg_logprob of every segment")
        return self

    @property
    def granularities(self) -> frozenset[str]:
        return self.timestamp_granularities or frozenset({"segment"})

    def question(self, piece: SoundPiece, language: str) -> Transcribe:
        """`language`: what an earlier piece was found to be in."""
        details: Details = ""
        if self.response_format in {"verbose_json", "srt", "vtt"}:
            details = "words" if "word" in self.timestamp_granularities else "segments"
        return Transcribe(
            pcm=piece.pcm,
            language=self.language or language or None,
            prompt=self.prompt,
            translate=self.translate,
            temperature=self.temperature,
            details=details,
        )


def wanted(form: Form, *, translate: bool = False) -> tuple[TranscriptionRequest, bytes]:
    """What the form asks, and its sound. Raises `InvalidParameter`."""
    if form.file is None:
        raise InvalidParameter("There is no file", hint="Send the sound as `file`.", param="file")
    said: dict[str, Any] = {"translate": translate}
    for name in ("model", "prompt", "response_format", "temperature", *(() if translate else ("language", "stream"))):
        if (value := form.one(name)) is not None:
            said[name] = value
    if not translate:
        for name in ("timestamp_granularities", "include"):
            said[name] = [value for key in (name, f"{name}[]") for value in form.fields.get(key, []) if value]
    try:
        return TranscriptionRequest.model_validate(said), form.file
    except ValidationError as error:
        raise invalid(error) from error


class Hearing:
    """All transcriptions under way at this door."""

    def __init__(self) -> None:
        self._under_way = 0

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._under_way >= MOST_AT_ONCE:
            raise Busy(f"{MOST_AT_ONCE} sounds are being transcribed already")
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    async def whole(self, ctx: Context, asked: TranscriptionRequest, content: bytes) -> Response:
        heard = Heard()
        async with aclosing(self._parts(ctx, asked, content, heard)) as parts:
            async for _ in parts:
                pass
        task = "translate" if asked.translate else "transcribe"
        body, kind = written(heard, asked.response_format, task=task, granularities=asked.granularities)
        return Response(body, headers={"content-type": kind})

    async def events(self, ctx: Context, asked: TranscriptionRequest, content: bytes) -> AsyncGenerator[bytes, None]:
        """Server-sent events, as OpenAI's newer models send them."""
        heard = Heard()
        async with aclosing(self._parts(ctx, asked, content, heard)) as parts:
            async for added in parts:
                yield event({"type": "transcript.text.delta", "delta": added})
        yield event({"type": "transcript.text.done", "text": heard.text})

    async def _parts(
        self, ctx: Context, asked: TranscriptionRequest, content: bytes, heard: Heard
    ) -> AsyncGenerator[str, None]:
        with self._place():
            await _check_model(ctx, asked.model)
            sound = await ctx.request(DecodeSound(content=content), within=DECODE_WITHIN_S)
            heard.seconds = sound.seconds
            left = list(reversed(sound.pieces))
            del sound, content
            while left:
                piece = left.pop()  # what has been transcribed is not kept
                found = await ctx.request(asked.question(piece, heard.language), within=PIECE_WITHIN_S)
                if added := heard.add(piece.start, found):
                    yield added


async def _check_model(ctx: Context, name: str) -> None:
    if name in MODELS:
        return
    model = await ctx.request(DescribeTranscriber(), within=_DESCRIBE_WITHIN_S)
    if name not in {model.name, model.name.partition(" ")[0], f"{model.engine} {model.name}", *model.others}:
        raise NoSuchModel(f"There is no model {name!r} for sound", hint=f"There is {model.name!r}, also as whisper-1.")


def event(said: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
