"""Which voices the settings name, and what can be known of one before it is loaded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.messages.speech import Voice
from solo.errors import SoloError
from solo.isolation.spec import EngineSpec

PACKAGED = Voice(name="en_US-joe-medium", engine="piper", sample_rate=22_050, language="en")


class UnknownVoice(SoloError):
    """There is no voice of that name."""

    code = "tts.unknown_voice"


@dataclass(frozen=True, slots=True)
class OtherVoice:
    """A voice beside the usual one, loaded when it is wanted."""

    voice: Voice
    engine: EngineSpec


def described(path: Path, engine: str, language: str = "") -> Voice:
    """A voice by its file; what its settings do not say, or cannot be read, loading will complain about by name."""
    try:
        known: dict[str, Any] = json.loads(Path(f"{path}.json").read_text("utf-8"))
        rate, tag = known["audio"]["sample_rate"], known["espeak"]["voice"]
    except (OSError, ValueError, KeyError, TypeError):
        rate, tag = 0, ""
    return Voice(
        name=path.stem,
        engine=engine,
        sample_rate=rate if isinstance(rate, int) else 0,
        language=language_of(language or str(tag)),
    )


def language_of(tag: str | None) -> str:
    """`de-AT` and `DE` are `de`."""
    return (tag or "").replace("_", "-").partition("-")[0].lower()


def chosen(usual: Voice, others: Sequence[OtherVoice], voice: str | None, language: str | None) -> OtherVoice | None:
    """Who speaks; None: the usual voice, which does when no other is of that language. Raises `UnknownVoice`."""
    if voice is not None:
        found = next((other for other in others if other.voice.name == voice), None)
        if found is None and voice != usual.name:
            names = ", ".join([usual.name, *(other.voice.name for other in others)])
            raise UnknownVoice(f"There is no voice {voice!r}", hint=f"There are {names}.")
        return found
    wanted = language_of(language)
    if wanted in {"", usual.language}:
        return None
    return next((other for other in others if other.voice.language == wanted), None)
