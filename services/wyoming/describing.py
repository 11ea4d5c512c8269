"""What Solo can do for a Wyoming client, as an `info` event: true to the engines that run."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import Any, TypeVar

from wyoming.info import (
    AsrModel,
    AsrProgram,
    Attribution,
    HandleModel,
    HandleProgram,
    Info,
    TtsProgram,
    TtsVoice,
    WakeModel,
    WakeProgram,
)

from services.messages.speech import DescribeTranscriber, ListVoices, Transcriber, Voice
from solo.bus import Request
from solo.errors import SoloError
from solo.supervision import Context, Describe, SystemState

R = TypeVar("R")

_WITHIN_S = 2.0
"""For each part to say what it is; one that does not is left out."""
_LOCALE = re.compile(r"([a-z]{2,3})(?:[_-]([A-Z]{2}))?(?=[_-]|$)")
_WHISPER = (
    "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy id "
    "is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd "
    "si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo yue zh"
)
"""What a multilingual Whisper has learnt."""
_SOLO = Attribution(name="Solo", url="")


async def describe(ctx: Context, languages: tuple[str, ...]) -> Info:
    """`languages`: those that questions may be asked in."""
    transcriber = await _ask(ctx, DescribeTranscriber())
    voices = await _ask(ctx, ListVoices())
    system = await _ask(ctx, Describe())
    info = Info(handle=[_handler(languages)])
    if transcriber is not None:
        info.asr = [_recogniser(transcriber)]
    if voices:
        info.tts = [_speaker(voices)]
    if words := _wake_words(system):
        info.wake = [_listener(words)]
    return info


def locale_of(voice: str) -> str:
    """The language that a voice's name begins with, such as `en_US`; English when it names none."""
    found = _LOCALE.match(voice)
    return "en" if found is None else found.group(0).replace("-", "_")


async def _ask(ctx: Context, question: Request[R]) -> R | None:
    try:
        return await ctx.request(question, within=_WITHIN_S)
    except SoloError:
        return None


def _recogniser(model: Transcriber) -> AsrProgram:
    languages = _WHISPER.split() if model.multilingual else ["en"]
    return AsrProgram(
        **_program("Speech to text"),
        models=[AsrModel(**_part(model.name, model.engine), languages=languages)],
        supports_transcript_streaming=True,
        requires_external_vad=True,
    )


def _speaker(voices: tuple[Voice, ...]) -> TtsProgram:
    return TtsProgram(
        **_program("Text to speech"),
        voices=[TtsVoice(**_part(voice.name, voice.engine), languages=[locale_of(voice.name)]) for voice in voices],
        supports_synthesize_streaming=True,
    )


def _handler(languages: tuple[str, ...]) -> HandleProgram:
    return HandleProgram(
        **_program("Answers questions, remembers, sets timers"),
        models=[HandleModel(**_part("solo", "Solo"), languages=list(languages))],
        supports_handled_streaming=True,
        supports_home_control=False,
    )


def _listener(words: tuple[str, str]) -> WakeProgram:
    engine, names = words
    return WakeProgram(
        **_program("Wake words"),
        models=[
            WakeModel(**_part(word, engine), languages=["en"], phrase=word.replace("_", " ")) for word in names.split()
        ],
    )


def _wake_words(system: SystemState | None) -> tuple[str, str] | None:
    """Engine, and ids of its words between spaces."""
    for service in system.services if system is not None else ():
        if service.name == "wake" and service.engine is not None:
            words = [word for word in service.engine.info.get("words", ()) if isinstance(word, str)]
            return (service.engine.engine, " ".join(words)) if words else None
    return None


def _program(description: str) -> dict[str, Any]:
    return {
        "name": "solo",
        "attribution": _SOLO,
        "installed": True,
        "description": f"{description}, by Solo",
        "version": version("solo"),
    }


def _part(name: str, engine: str) -> dict[str, Any]:
    return {
        "name": name,
        "attribution": Attribution(name=engine, url=""),
        "installed": True,
        "description": f"{name} on {engine}",
        "version": None,
    }
