"""The language model: settings and how it is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.llm.service import LLMService
from services.messages.language import Complete, Prefill
from solo.isolation.process import EngineSpec
from solo.parts import Part
from solo.settings import MachineSettings
from solo.storage import Database, Schema
from solo.supervision import ServiceSpec

_ADAPTERS = {
    "llama-cpp": "services.llm.adapters.llama_cpp:LlamaCpp",
    "fake": "services.llm.adapters.fake:FakeLLM",
}


class LLMSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Literal["llama-cpp", "fake"] = "llama-cpp"
    """Which engine answers."""
    model: Path | None = None
    """A GGUF file; unset: the packaged SmolLM2-135M-Instruct, small enough for any machine."""
    context: int = Field(default=2048, ge=256)
    """Tokens of prompt and answer together."""
    gpu_layers: int = Field(default=0, ge=-1)
    """Layers on the GPU, where llama.cpp was built for one; -1: all."""
    threads: int | None = Field(default=None, ge=1, le=64)
    """CPU threads that decode; unset: all of Solo's cores but one, at most 8 (see `decoding_threads`)."""
    memory_mb: int = Field(default=16384, ge=256)
    """Private memory after which the engine's process fails, alone (mapped model files do not count)."""


def decoding_threads(cores: int) -> int:
    """One core is left to everybody else: decoding threads wait for each other at every layer of every token, so a
    core that somebody else uses for a moment stops them all (2 threads on 2 cores: 35 tokens/s in a turn, 1: 67)."""
    return max(1, min(cores - 1, 8))


def specs(settings: LLMSettings, machine: MachineSettings, _: Database) -> Sequence[ServiceSpec]:
    threads = settings.threads or decoding_threads(machine.cores)
    options: dict[str, object] = {}
    if settings.engine != "fake":
        options = {
            "model": str(settings.model) if settings.model else None,
            "context": settings.context,
            "gpu_layers": settings.gpu_layers,
            "threads": threads,
            "batch_threads": max(threads, min(machine.cores, 8)),
        }
    engine = EngineSpec(
        adapter=_ADAPTERS[settings.engine],
        options=options,
        threads=max(threads, min(machine.cores, 8)),
        memory_limit=settings.memory_mb * 1024**2,
        load_within=120,
    )
    return [ServiceSpec(name="llm", make=lambda: LLMService(engine), ready_within=130, answers=(Complete, Prefill))]


def tables(_: LLMSettings) -> Sequence[Schema]:
    return (Schema("cache", Path(__file__).parent / "migrations" / "cache"),)


PART = Part(name="llm", settings=LLMSettings, specs=specs, tables=tables)
