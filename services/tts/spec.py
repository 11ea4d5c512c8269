"""Text to speech: settings and how it is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.messages.speech import ListVoices, Synthesize
from services.tts.service import TTSService
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
    speed: float = Field(default=1.0, ge=0.5, le=2.0)
    """1 is the voice's own pace, 2 twice as fast."""
    threads: int | None = Field(default=None, ge=1, le=64)
    """CPU threads of the engine; unset: Solo's cores, at most 4."""
    memory_mb: int = Field(default=2048, ge=256)
    """Private memory after which the engine's process fails, alone."""


def specs(settings: TTSSettings, machine: MachineSettings, _: Database) -> Sequence[ServiceSpec]:
    threads = settings.threads or min(machine.cores, 4)
    options: dict[str, object] = {}
    if settings.engine != "fake":
        options = {
            "voice": str(settings.voice) if settings.voice else None,
            "speed": settings.speed,
            "threads": threads,
        }
    if settings.engine == "wyoming":
        options["server"] = settings.server or ""
    engine = EngineSpec(
        adapter=_ADAPTERS[settings.engine],
        options=options,
        threads=threads,
        memory_limit=settings.memory_mb * 1024**2,
        no_network=settings.engine != "wyoming",  # its own guard lets it reach its server alone
    )
    answers = (Synthesize, ListVoices)
    return [ServiceSpec(name="tts", make=lambda: TTSService(engine), ready_within=60, answers=answers)]


PART = Part(name="tts", settings=TTSSettings, specs=specs)
