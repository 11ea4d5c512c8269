"""Speech to text: settings and how it is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.messages.speech import DescribeTranscriber, Transcribe
from services.stt.service import STTService
from solo.isolation.process import EngineSpec
from solo.parts import Part
from solo.settings import MachineSettings
from solo.storage import Database
from solo.supervision import ServiceSpec

_ADAPTERS = {
    "moonshine": "services.stt.adapters.moonshine.adapter:Moonshine",
    "faster-whisper": "services.stt.adapters.faster_whisper:FasterWhisper",
    "wyoming": "services.stt.adapters.wyoming:WyomingSTT",
    "fake": "services.stt.adapters.fake:FakeSTT",
}


class STTSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Literal["faster-whisper", "moonshine", "wyoming", "fake"] = "faster-whisper"
    """Which engine transcribes."""
    model: Path | None = None
    """Directory of its model, for CTranslate2 or Moonshine; unset: the packaged one."""
    server: str | None = None
    """For the engine wyoming: where its server is, as tcp://host:port."""
    language: str | None = None
    """ISO 639-1, such as `de`; unset: detected, where the model knows several."""
    threads: int | None = Field(default=None, ge=1, le=64)
    """CPU threads of the engine; unset: Solo's cores, at most 4."""
    memory_mb: int = Field(default=3072, ge=256)
    """Private memory after which the engine's process fails, alone."""


def specs(settings: STTSettings, machine: MachineSettings, _: Database) -> Sequence[ServiceSpec]:
    threads = settings.threads or min(machine.cores, 4)
    options: dict[str, object] = {}
    if settings.engine != "fake":
        options = {
            "model": str(settings.model) if settings.model else None,
            "language": settings.language,
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
    answers = (Transcribe, DescribeTranscriber)
    return [ServiceSpec(name="stt", make=lambda: STTService(engine), ready_within=60, answers=answers)]


PART = Part(name="stt", settings=STTSettings, specs=specs)
