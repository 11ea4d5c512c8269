"""Sound to text, text to sound, and whether sound is speech."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from solo.bus import Request, StreamRequest

Details = Literal["", "segments", "words"]
"""How much an asker wants to know of when something was said; words come with their segments."""


class SpokenWord(BaseModel):
    """One word and when it was said."""

    model_config = ConfigDict(frozen=True)

    word: str
    """As it is written, without spaces around it."""
    start: float
    """Seconds from the beginning of the sound."""
    end: float
    """The same, of its end."""


class SpokenSegment(BaseModel):
    """A stretch of what was said, about a sentence, and when."""

    model_config = ConfigDict(frozen=True)

    start: float
    """Seconds from the beginning of the sound."""
    end: float
    """The same, of its end."""
    text: str
    """Trimmed, never empty."""
    tokens: tuple[int, ...] = ()
    """The model's own numbers for the text."""
    temperature: float = 0.0
    """That it was decoded with."""
    avg_logprob: float = 0.0
    """Natural logarithm of the probability of its tokens, on average."""
    compression_ratio: float = 1.0
    """How well its text packs; above 2.4 it probably repeats itself."""
    no_speech_prob: float = 0.0
    """0 to 1: that nobody spoke."""
    words: tuple[SpokenWord, ...] = ()
    """Empty unless they were asked for."""


class Transcript(BaseModel):
    """What was said, as text."""

    model_config = ConfigDict(frozen=True)

    text: str
    """Trimmed; empty when nothing was said."""
    language: str
    """ISO 639-1."""
    engine: str
    """Engine and model, for people."""
    segments: tuple[SpokenSegment, ...] = ()
    """Empty unless they were asked for."""


class Transcribe(Request[Transcript]):
    """What was said?"""

    idempotent = True

    pcm: bytes
    """s16le mono 16 kHz, at most 120 s."""
    language: str | None = None
    """ISO 639-1 of what is spoken; None: as the settings say, or detected."""
    prompt: str = ""
    """Words that are likely to come, names above all."""
    translate: bool = False
    """Into English. Only models of several languages can."""
    temperature: float = Field(default=0.0, ge=0, le=1)
    """0: the likeliest text; above, the dice have a say."""
    details: Details = ""
    """Whether to say when it was said, which takes longer."""
    partial: bool = False
    """The speaker has not finished: a quick look, which nothing depends on and which may be refused (`bus.busy`)."""


class Transcriber(BaseModel):
    """The model that transcribes."""

    model_config = ConfigDict(frozen=True)

    name: str
    """Of the model, such as `tiny.en int8`."""
    engine: str
    """That runs it."""
    multilingual: bool
    """It, or one of the others, knows more languages than English, and can translate into English."""
    others: tuple[str, ...] = ()
    """Models that are asked for what it cannot do, such as `tiny.en`."""


class DescribeTranscriber(Request[Transcriber]):
    """Which model transcribes?"""

    idempotent = True


class SoundChunk(BaseModel):
    """The next piece of spoken text."""

    model_config = ConfigDict(frozen=True)

    pcm: bytes
    """s16le mono."""
    sample_rate: int
    """Hz."""
    engine: str
    """Engine and model, for people."""


class Synthesize(StreamRequest[SoundChunk]):
    """Say this."""

    text: str
    """A clause or a sentence."""
    speed: float = Field(default=1.0, ge=0.25, le=4)
    """Times the pace of the settings."""
    language: str | None = None
    """ISO 639-1 of the text: a voice of that language speaks, where there is one; None: the usual voice."""
    voice: str | None = None
    """Name of a voice; None: the one for the language."""


class Voice(BaseModel):
    """A voice that can be asked to speak."""

    model_config = ConfigDict(frozen=True)

    name: str
    """Such as `en_US-joe-medium`."""
    engine: str
    """That runs it."""
    sample_rate: int
    """Hz; 0: not known before it has spoken."""
    language: str = ""
    """ISO 639-1 of what it speaks; empty: not known."""


class ListVoices(Request[tuple[Voice, ...]]):
    """Which voices are there? The first one speaks."""

    idempotent = True


class ScoreSpeech(Request[tuple[float, ...]]):
    """How likely is each 32 ms of this sound speech (0..1)?"""

    idempotent = True
    block_bytes = 1024

    source: str
    """Whose sound; the detector keeps a state for each."""
    pcm: bytes
    """s16le mono 16 kHz; what does not fill 32 ms waits for the next question."""
    afresh: bool = False
    """Forget what was heard of this source before."""
