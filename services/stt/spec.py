"""Speech to text: settings and how it is made."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
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

Kind = Literal["moonshine", "faster-whisper", "wyoming", "fake"]

_ADAPTERS: dict[Kind, str] = {
    "moonshine": "services.stt.adapters.moonshine.adapter:Moonshine",
    "faster-whisper": "services.stt.adapters.faster_whisper:FasterWhisper",
    "wyoming": "services.stt.adapters.wyoming:WyomingSTT",
    "fake": "services.stt.adapters.fake:FakeSTT",
}
_USUAL_MODEL: dict[Kind, str] = {
    "moonshine": "base-en",
    "faster-whisper": "tiny.en",
    "wyoming": "wyoming",
    "fake": "fake",
}


class STTSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Literal["auto", "moonshine", "faster-whisper", "wyoming", "fake"] = "auto"
    """Which engine transcribes; auto: moonshine for English where its model is there, otherwise faster-whisper."""
    model: Path | None = None
    """Directory of its model, for CTranslate2 or Moonshine; unset: the packaged one."""
    server: str | None = None
    """For the engine wyoming: where its server is, as tcp://host:port."""
    language: str | None = None
    """ISO 639-1, such as `de`; unset: detected, where the model knows several."""
    fallback: tuple[Kind, ...] | None = None
    """Engines behind it, in order, for what it cannot do or fails at; unset: faster-whisper behind moonshine."""
    fallback_model: Path | None = None
    """Directory of the Whisper model of the engine behind; unset: the packaged tiny.en."""
    threads: int | None = Field(default=None, ge=1, le=64)
    """CPU threads of the engine; unset: Solo's cores, at most 4."""
    memory_mb: int = Field(default=3072, ge=256)
    """Private memory after which the engine's process fails, alone."""


def specs(settings: STTSettings, machine: MachineSettings, _: Database) -> Sequence[ServiceSpec]:
    threads = settings.threads or min(machine.cores, 4)
    first = _first(settings)
    usual: tuple[Kind, ...] = ("faster-whisper",) if first == "moonshine" else ()
    behind = usual if settings.fallback is None else settings.fallback

    def engine(kind: Kind, model: Path | None) -> EngineSpec:
        options: dict[str, object] = {}
        if kind != "fake":
            options = {"model": str(model) if model else None, "language": settings.language, "threads": threads}
        if kind == "wyoming":
            options["server"] = settings.server or ""
        return EngineSpec(
            adapter=_ADAPTERS[kind],
            options=options,
            threads=threads,
            memory_limit=settings.memory_mb * 1024**2,
            no_network=kind != "wyoming",  # its own guard lets it reach its server alone
        )

    whisper = settings.fallback_model
    made = engine(first, settings.model)
    others = tuple(engine(kind, whisper if kind == "faster-whisper" else None) for kind in behind)
    multilingual = "faster-whisper" in behind and whisper is not None and not whisper.name.endswith(".en")
    answers = (Transcribe, DescribeTranscriber)
    names = tuple(whisper.name if whisper and kind == "faster-whisper" else _USUAL_MODEL[kind] for kind in behind)
    service = STTService(made, others, names, multilingual)
    return [ServiceSpec(name="stt", make=lambda: service, ready_within=60, answers=answers)]


def _first(settings: STTSettings) -> Kind:
    """Moonshine made fewer errors than tiny.en on every set of clips, in less time: docs/speech.md."""
    if settings.engine != "auto":
        return settings.engine
    if settings.language not in {None, "en"}:
        return "faster-whisper"
    if settings.model is not None:
        return "moonshine" if (settings.model / "encoder_model.ort").is_file() else "faster-whisper"
    return "moonshine" if find_spec("moonshine_cpp") else "faster-whisper"


PART = Part(name="stt", settings=STTSettings, specs=specs)
