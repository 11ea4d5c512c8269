"""A transcript in the forms that OpenAI's API has: JSON, plain text, SubRip and WebVTT. Pure."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any, Literal

from services.api.sound.languages import NAMES, between
from services.messages.speech import SpokenSegment, SpokenWord, Transcript

TextFormat = Literal["json", "text", "verbose_json", "srt", "vtt"]
_SEEK_HZ = 100
"""Whisper counts its place in the sound in frames of 10 ms."""


@dataclass(slots=True)
class Heard:
    """A whole sound's transcript, put together from those of its pieces."""

    seconds: float = 0.0
    language: str = ""
    """Of the first piece in which somebody spoke."""
    texts: list[str] = field(default_factory=list)
    segments: list[tuple[float, SpokenSegment]] = field(default_factory=list)
    """With the beginning of their piece, seconds; they themselves count from the beginning of the whole."""

    def add(self, start: float, found: Transcript) -> str:
        """`start`: where the piece begins, seconds. What it adds to the text."""
        if not found.text:
            return ""
        self.language = self.language or found.language
        added = (between(self.language) if self.texts else "") + found.text
        self.texts.append(added)
        self.segments.extend((start, _later(segment, start)) for segment in found.segments)
        return added

    @property
    def text(self) -> str:
        return "".join(self.texts)

    @property
    def words(self) -> list[SpokenWord]:
        return [word for _, segment in self.segments for word in segment.words]


def _later(segment: SpokenSegment, by: float) -> SpokenSegment:
    def moved(moment: float) -> float:
        return round(moment + by, 3)

    words = tuple(
        word.model_copy(update={"start": moved(word.start), "end": moved(word.end)}) for word in segment.words
    )
    return segment.model_copy(update={"start": moved(segment.start), "end": moved(segment.end), "words": words})


def written(heard: Heard, form: TextFormat, *, task: str, granularities: frozenset[str]) -> tuple[str, str]:
    """The body and its media type. `task`: transcribe or translate; `granularities`: of verbose_json."""
    match form:
        case "text":
            return heard.text + "\n", "text/plain; charset=utf-8"
        case "srt":
            return _srt(heard), "application/x-subrip; charset=utf-8"
        case "vtt":
            return _vtt(heard), "text/vtt; charset=utf-8"
        case "json":
            said: dict[str, Any] = {"text": heard.text}
            if task == "transcribe":
                said["usage"] = _usage(heard)
        case "verbose_json":
            said = _verbose(heard, task, granularities)
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")), "application/json"


def _verbose(heard: Heard, task: str, granularities: frozenset[str]) -> dict[str, Any]:
    language = "en" if task == "translate" else heard.language or "en"
    said: dict[str, Any] = {
        "task": task,
        "language": NAMES.get(language, language),
        "duration": round(heard.seconds, 3),
        "text": heard.text,
    }
    if "segment" in granularities:
        said["segments"] = [
            {"id": number, "seek": round(start * _SEEK_HZ)} | segment.model_dump(exclude={"words"})
            for number, (start, segment) in enumerate(heard.segments)
        ]
    if "word" in granularities:
        said["words"] = [word.model_dump() for word in heard.words]
    if task == "transcribe":
        said["usage"] = _usage(heard)
    return said


def _usage(heard: Heard) -> dict[str, Any]:
    return {"type": "duration", "seconds": math.ceil(heard.seconds)}


def _srt(heard: Heard) -> str:
    blocks = (
        f"{number}\n{_time(segment.start, ',')} --> {_time(segment.end, ',')}\n{_line(segment.text)}\n\n"
        for number, (_, segment) in enumerate(heard.segments, 1)
    )
    return "".join(blocks)


def _vtt(heard: Heard) -> str:
    blocks = (
        f"{_time(segment.start, '.')} --> {_time(segment.end, '.')}\n{_escaped(segment.text)}\n\n"
        for _, segment in heard.segments
    )
    return "WEBVTT\n\n" + "".join(blocks)


def _time(seconds: float, point: str) -> str:
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def _line(text: str) -> str:
    """On one line and without the arrow, which would look like the time of another."""
    return " ".join(text.split()).replace("-->", "->")


def _escaped(text: str) -> str:
    """WebVTT reads tags and entities."""
    return _line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
