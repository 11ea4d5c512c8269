"""What the sound routes take and answer, for the document: forms, sound files, subtitles, voices."""

from __future__ import annotations

from typing import Any, Literal, get_args

from services.api.documented import EVENT, EVENTS
from services.api.openai.answers import Answer
from services.api.openai.shapes import array, text
from services.api.sound.languages import NAMES
from services.api.sound.speaking import MEDIA_TYPES
from services.api.sound.subtitles import TextFormat

SOUND = "audio/*"
_STREAM = 'data: {"type":"transcript.text.delta","delta":"Hello"}\n\n'
_FORM: dict[str, Any] = {
    "file": {
        "type": "string",
        "format": "binary",
        "description": "The sound, in any of the usual kinds of file; at most 25 MiB.",
    },
    "model": {**text(0, 200), "description": "Taken as the one in use, by its name or one of OpenAI's."},
    "prompt": {**text(0, 4096), "description": "Words that are likely to come."},
    "response_format": {"enum": list(get_args(TextFormat)), "description": "How the transcript is written."},
    "temperature": {"type": "number", "minimum": 0, "maximum": 1, "description": "0: the likeliest words."},
}
_GRANULARITIES = {**array({"enum": ["segment", "word"]}), "description": "Of verbose_json: which times it tells."}
_TRANSCRIBED = {
    "language": {
        "anyOf": [
            {"type": "string", "pattern": r"^([A-Za-z]{2,3}([-_].*)?)?$"},
            {"enum": sorted(NAMES.values())},
        ],
        "examples": ["en"],
        "description": "What is spoken: a code of two or three letters, or the English name.",
    },
    "stream": {"type": "boolean", "description": "As server-sent events; with json and text."},
    "timestamp_granularities[]": _GRANULARITIES,
}


def form(*, translate: bool = False) -> dict[str, Any]:
    """`openapi_extra` of a route that takes a sound."""
    properties = _FORM if translate else {**_FORM, **_TRANSCRIBED}
    schema = {"type": "object", "properties": properties, "required": ["file"]}
    content = {
        "schema": schema,
        "encoding": {"file": {"contentType": SOUND}},
        "examples": {"usual": {"value": {"file": "@hello.wav", "model": "whisper-1", "response_format": "json"}}},
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": content}}}


class Transcription(Answer):
    text: str


class VerboseTranscription(Answer):
    task: Literal["transcribe", "translate"]
    language: str
    duration: float
    """Seconds."""
    text: str
    segments: list[dict[str, Any]] | None = None
    words: list[dict[str, Any]] | None = None


def transcripts(*, stream: bool) -> dict[int | str, dict[str, Any]]:
    """`responses`: JSON, text, subtitles."""
    written: dict[str, Any] = {
        kind: {"schema": {"type": "string"}} for kind in ("text/plain", "application/x-subrip", "text/vtt")
    }
    if stream:
        written[EVENTS] = {"schema": EVENT, "example": _STREAM}
    return {200: {"model": VerboseTranscription | Transcription, "content": written}}


def sounds() -> dict[int | str, dict[str, Any]]:
    """`responses`: a sound file, or server-sent events with its bytes."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    content: dict[str, Any] = {kind.partition(";")[0]: binary for kind in MEDIA_TYPES.values()}
    content[EVENTS] = {"schema": EVENT, "example": 'data: {"type":"speech.audio.done"}\n\n'}
    return {200: {"description": "The sound", "content": content}}


class OneVoice(Answer):
    id: str
    object: Literal["voice"]
    name: str


class Voices(Answer):
    object: Literal["list"]
    data: list[OneVoice]
    aliases: list[str]
    """Names that stand for the first one."""
