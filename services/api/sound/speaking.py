"""From a text to a sound file, sent while it is still being spoken."""

from __future__ import annotations

import base64
import struct
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from services.api.openai.asking import Asking
from services.api.openai.errors import InvalidParameter, NoSuchModel
from services.api.openai.shapes import one_of, text, thing
from services.api.sound.hearing import event
from services.api.sound.sentences import sentences
from services.messages.codec import EncodeSound
from services.messages.speech import ListVoices, SoundChunk, Synthesize, Voice
from solo.supervision import Context

FileFormat = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
MEDIA_TYPES: dict[FileFormat, str] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg; codecs=opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm;rate=24000;channels=1",
}
MODELS = frozenset({"", "solo", "tts-1", "tts-1-hd", "gpt-4o-mini-tts", "default"})
ALIASES = frozenset(
    {
        "", "default", "solo", "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx",
        "sage", "shimmer", "verse",
    }
)  # fmt: skip
"""Voices of OpenAI's, which clients have built in: all are the voice of the settings."""
_SENTENCE_WITHIN_S = 60.0
"""Seconds for the next piece of a sentence; turns of the conversation come between."""
_ENCODE_WITHIN_S = 15.0
_LIST_WITHIN_S = 5.0
_ENDLESS = 0xFFFFFFFF
"""A length in a WAV header that is not known yet: readers then read to the end."""


def _named(voice: object) -> object:
    """A voice may be an object with an id."""
    return voice["id"] if isinstance(voice, dict) and set(voice) == {"id"} else voice


class SpeechRequest(Asking):
    """`POST /v1/audio/speech`."""

    input: str = Field(min_length=1, max_length=4096)
    model: str = Field(default="", max_length=200)
    voice: Annotated[
        str,
        BeforeValidator(_named),
        Field(max_length=200),
        WithJsonSchema(one_of(text(0, 200), thing({"id": text(0, 200)}, closed=True))),
    ] = ""
    """One of GET /v1/audio/voices, or a name of OpenAI's, which stands for the first of them."""
    response_format: FileFormat = "mp3"
    speed: float = Field(default=1.0, ge=0.25, le=4)
    stream_format: Literal["audio", "sse"] = "audio"
    instructions: str = Field(default="", max_length=4096)
    """Taken and not followed: the voices here have one manner."""


async def voices(ctx: Context) -> tuple[Voice, ...]:
    """Those that there are; the first is the one that speaks."""
    return await ctx.request(ListVoices(), within=_LIST_WITHIN_S)


async def check(ctx: Context, asked: SpeechRequest) -> None:
    """Raises `InvalidParameter` for a voice, and `NoSuchModel` for a model, that there is not."""
    if asked.voice.lower() in ALIASES and asked.model in MODELS:
        return
    known = await voices(ctx)
    names = {voice.name for voice in known}
    if asked.voice.lower() not in ALIASES and asked.voice not in names:
        listed = ", ".join(sorted(names) + sorted(ALIASES - {""}))
        raise InvalidParameter(f"There is no voice {asked.voice!r}", hint=f"There are {listed}.", param="voice")
    if asked.model not in MODELS and asked.model not in names | {voice.engine for voice in known}:
        raise NoSuchModel(f"There is no model {asked.model!r} for speech", hint=f"There is {known[0].name!r}.")


async def file(ctx: Context, asked: SpeechRequest) -> AsyncGenerator[bytes, None]:
    """The file's bytes."""
    async with aclosing(_file(ctx, asked)) as parts:
        async for part in parts:
            if part:
                yield part


async def events(ctx: Context, asked: SpeechRequest) -> AsyncGenerator[bytes, None]:
    """The same in server-sent events, base64."""
    async with aclosing(file(ctx, asked)) as parts:
        async for part in parts:
            yield event({"type": "speech.audio.delta", "audio": base64.b64encode(part).decode()})
    yield event({"type": "speech.audio.done"})


async def _file(ctx: Context, asked: SpeechRequest) -> AsyncGenerator[bytes, None]:
    session = uuid.uuid4().hex
    rate = 0
    async with aclosing(_chunks(ctx, asked)) as chunks:
        async for chunk in chunks:
            first, rate = not rate, chunk.sample_rate
            if asked.response_format != "wav":
                yield await _encoded(ctx, asked, session, rate, chunk.pcm, first=first)
            else:
                yield (wav_header(rate) if first else b"") + chunk.pcm
    if not rate:
        raise InvalidParameter("There is nothing to say in it", hint="Send words.", param="input")
    if asked.response_format != "wav":
        yield await _encoded(ctx, asked, session, rate, b"", last=True)


async def _chunks(ctx: Context, asked: SpeechRequest) -> AsyncGenerator[SoundChunk, None]:
    voice = None if asked.voice.lower() in ALIASES else asked.voice
    for sentence in sentences(asked.input):
        question = Synthesize(text=sentence, speed=asked.speed, voice=voice)
        async with ctx.stream(question, within=_SENTENCE_WITHIN_S) as chunks:
            async for chunk in chunks:
                yield chunk


async def _encoded(ctx: Context, asked: SpeechRequest, session: str, rate: int, pcm: bytes, **at: Any) -> bytes:
    assert asked.response_format != "wav"
    question = EncodeSound(session=session, format=asked.response_format, sample_rate=rate, pcm=pcm, **at)
    return await ctx.request(question, within=_ENCODE_WITHIN_S)


def wav_header(rate: int) -> bytes:
    """Of s16le mono sound at `rate` Hz whose length is not known yet."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", _ENDLESS, b"WAVE") + form + struct.pack("<4sI", b"data", _ENDLESS)
