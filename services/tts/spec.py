"""Text to speech: settings and how it is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.messages.speech import ListVoices, Synthesize, Voice
from services.messages.voices import KeepReady, SpeakUsual
from services.tts.cache import ClauseCache
from services.tts.service import TTSService
from services.tts.shelf import PACKAGED, OtherVoice, described
from services.tts.voices import VoicesService
from solo.isolation.process import EngineSpec
from solo.parts import Part
from solo.settings import MachineSettings
from solo.storage import Database
from solo.supervision import ServiceSpec

_ADAPTERS = {
    "piper": "services.tts.adapters.piper:Piper",
    "wyoming": "services.tts.adapters.wyoming:WyomingTTS",
    "fake": "services.tts.adapters.fake:FakeTTS",
}


class TTSSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Literal["piper", "wyoming", "fake"] = "piper"
    """Which engine speaks."""
    voice: Path | None = None
    """A Piper voice (`.onnx`, with its `.onnx.json` beside it); unset: the packaged en_US-joe-medium."""
    server: str | None = None
    """For the engine wyoming: where its server is, as tcp://host:port; `voice` is then a name there."""
    voices: dict[str, Path] = {}
    """Voices for other languages: ISO 639-1 to a Piper voice, as JSON. Each is loaded when it is first wanted."""
    most_voices: int = Field(default=2, ge=1, le=16)
    """Voices beside the usual one that are in memory at once, about 200 MB each; the longest unused makes room."""
    cache_mb: int = Field(default=16, ge=0, le=1024)
    """Memory for the sound of clauses that were said before; 0 keeps none."""
    speed: float = Field(default=1.0, ge=0.5, le=2.0)
    """1 is the voice's own pace, 2 twice as fast."""
    threads: int | None = Field(default=None, ge=1, le=64)
    """CPU threads of the engine; unset: Solo's cores, at most 4."""
    memory_mb: int = Field(default=2048, ge=256)
    """Private memory after which the engine's process fails, alone."""


def specs(settings: TTSSettings, machine: MachineSettings, _: Database) -> Sequence[ServiceSpec]:
    threads = settings.threads or min(machine.cores, 4)

    def engine(path: Path | None) -> EngineSpec:
        options: dict[str, object] = {"voice": str(path) if path else None}
        if settings.engine != "fake":
            options |= {"speed": settings.speed, "threads": threads}
        if settings.engine == "wyoming":
            options["server"] = settings.server or ""
        return EngineSpec(
            adapter=_ADAPTERS[settings.engine],
            options=options,
            threads=threads,
            memory_limit=settings.memory_mb * 1024**2,
            no_network=settings.engine != "wyoming",  # its own guard lets it reach its server alone
        )

    usual = engine(settings.voice)
    known = described(settings.voice, settings.engine) if settings.voice else _packaged(settings.engine)
    others = [
        OtherVoice(described(path, settings.engine, language), engine(path))
        for language, path in settings.voices.items()
    ]
    cache = ClauseCache(settings.cache_mb * 1024**2)
    return [
        ServiceSpec(
            name="voices",
            make=lambda: VoicesService(known, others, cache, settings.most_voices),
            answers=(Synthesize, ListVoices, KeepReady),
        ),
        ServiceSpec(name="tts", make=lambda: TTSService(usual), ready_within=60, answers=(SpeakUsual,)),
    ]


def _packaged(engine: str) -> Voice:
    """Without a voice of the settings."""
    if engine == "piper":
        return PACKAGED
    return Voice(name="tone" if engine == "fake" else "default", engine=engine, sample_rate=0)


PART = Part(name="tts", settings=TTSSettings, specs=specs)
