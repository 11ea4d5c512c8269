"""What a client of `/ws/voice` says, besides its sound. docs/voice-page.md has an example of each."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from services.api.documented import TalkName, fault
from solo.errors import SoloError

MOST_FRAME_BYTES = 64 * 1024
"""Of sound; usual are 640, which is 20 ms."""
_MOST_TEXT = 16_000


class BadVoiceMessage(SoloError):
    """The message is not one of this door's."""

    code = "api.bad_voice_message"


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Start(_Said):
    """The first message: what this line is for."""

    type: Literal["start"]
    mode: Literal["question", "conversation"] = "question"
    """`question`: one turn, then the line is closed; `conversation`: turn after turn, until the client leaves."""
    wake: bool = False
    """Wait for the wake word first."""
    talk: TalkName = "default"
    """Which history its questions belong to."""
    text: str | None = Field(default=None, min_length=1, max_length=_MOST_TEXT)
    """A typed question, to be answered aloud; no sound is listened to then. Only for one question."""
    manual: bool = False
    """In a conversation: the speaker says when they speak, by `press` and `release`; pauses decide nothing."""
    barge_in: bool = True
    """In a conversation that is not `manual`: speech while Solo speaks holds the answer, and may end it."""
    room: str | None = Field(default=None, min_length=1, max_length=100)
    """In a conversation with `wake`: of the sources in one room the first that hears the wake word answers."""

    @model_validator(mode="after")
    def _fits(self) -> Start:
        if self.mode == "conversation" and self.text is not None:
            raise ValueError("in a conversation questions are typed with `text` messages")
        if self.mode == "question" and (self.manual or self.room is not None):
            raise ValueError("`manual` and `room` are for conversations")
        if self.manual and self.wake:
            raise ValueError("`manual` needs no wake word")
        return self


class End(_Said):
    """There is no more sound."""

    type: Literal["end"]


class Press(_Said):
    """The button is held: listen until `release`, whatever pauses there are. An answer under way is ended."""

    type: Literal["press"]


class Release(_Said):
    """The button is released: that was all."""

    type: Literal["release"]


class Interrupt(_Said):
    """Enough: the answer ends, and its sound stops."""

    type: Literal["interrupt"]


class Played(_Said):
    """How much of a turn's sound has really been heard; a few times a second while it plays, and when it stops."""

    type: Literal["played"]
    turn: str = Field(min_length=1, max_length=64)
    """Id of the turn, as `sound` named it."""
    played_ms: float = Field(ge=0, le=86_400_000, allow_inf_nan=False)
    """Milliseconds of its sound, from the first."""


class Typed(_Said):
    """A typed question, answered aloud and in writing. An answer under way is ended."""

    type: Literal["text"]
    text: str = Field(min_length=1, max_length=_MOST_TEXT)
    """The question."""


class Loudness(_Said):
    """Louder or softer from now on."""

    type: Literal["volume"]
    volume: float = Field(ge=0, le=1, allow_inf_nan=False)
    """0 (silent) to 1."""


Later = End | Press | Release | Interrupt | Played | Typed | Loudness
"""What may follow `start` in a conversation; a single question knows `end` alone."""
_LATER: TypeAdapter[Later] = TypeAdapter(Annotated[Later, Field(discriminator="type")])


def start_of(message: Any) -> Start:
    """Raises BadVoiceMessage."""
    try:
        return Start.model_validate_json(message.get("text") or "")
    except ValidationError as error:
        raise BadVoiceMessage(f"the first message has to be a `start`: {fault(error.errors())}") from None


def later_of(text: str) -> Later:
    """Raises BadVoiceMessage."""
    try:
        return _LATER.validate_json(text)
    except ValidationError as error:
        raise BadVoiceMessage(fault(error.errors())) from None


def sound_of(pcm: bytes) -> bytes:
    """Raises BadVoiceMessage for what cannot be s16le."""
    if len(pcm) % 2 or len(pcm) > MOST_FRAME_BYTES:
        raise BadVoiceMessage(f"{len(pcm)} bytes are not s16le sound of at most {MOST_FRAME_BYTES} bytes")
    return pcm
