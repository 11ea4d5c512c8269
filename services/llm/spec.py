"""The language models: settings and how they are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import psutil
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from services.llm.making import MOST_LOAD_S, Making
from services.llm.pool import PoolPolicy
from services.llm.responses import Responses
from services.llm.roles import Roles
from services.llm.runner import RunnerMaker
from services.llm.service import ANSWERS, LLMPlan, LLMService
from services.messages.language import Role
from solo.parts import Part
from solo.settings import MachineSettings
from solo.storage import Database, Schema
from solo.supervision import ServiceSpec

_ADAPTERS = {
    "llama-cpp": "services.llm.adapters.llama_cpp:LlamaCpp",
    "fake": "services.llm.adapters.fake:FakeLLM",
}
_SHARE = 0.7
"""Of the machine's memory for models, where nothing is set: the rest is for the database, files and other programs."""
_LEAST = 768 * 1024**2
"""For models alone, where nothing is set: the packaged one with its caches fits, however small the machine is."""
_CGROUP = Path("/sys/fs/cgroup/memory.max")
_MIB = 1024**2


class LLMSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Literal["llama-cpp", "fake"] = "llama-cpp"
    """Which engine runs the models of this machine."""
    model: str | None = None
    """The default model: a GGUF file, a name of the catalogue, or a server as http://host:port/v1#model.

    Unset: the packaged SmolLM2-135M-Instruct, small enough for any machine."""
    dialog: str | None = None
    """The model that answers who speaks or types; unset: the default model."""
    logic: str | None = None
    """The model that thinks something through (drafts); unset: the default model."""
    fast: str | None = None
    """The model for small things (summaries, titles, vectors); unset: the default model."""
    vision: str | None = None
    """The model that takes pictures; unset: none, and questions with pictures are refused."""
    fallbacks: dict[Role, tuple[Role, ...]] = {"logic": ("dialog",), "fast": ("dialog",), "dialog": ("fast",)}
    """For each role those whose models take its place while its own does not answer, in order."""
    context: int = Field(default=2048, ge=256)
    """Tokens of prompt and answer together, of one question."""
    slots: int = Field(default=4, ge=1, le=64)
    """Questions that a model of this machine answers at once; a spoken one has a slot of its own besides."""
    gpu_layers: int = Field(default=0, ge=-1)
    """Layers on the GPU, where llama.cpp was built for one; -1: all."""
    threads: int | None = Field(default=None, ge=1, le=64)
    """CPU threads of a model, fewer while the cores are busy; unset: all of Solo's cores, at most 8."""
    host_cache_mb: int = Field(default=256, ge=0)
    """Memory in which a model keeps what it evaluated of conversations that have lost their slot; 0: none."""
    draft: str = "none"
    """Guessing tokens ahead: none, ngram (from the prompt itself), or the GGUF file of a small model of the family."""
    memory_mb: int = Field(default=16384, ge=256)
    """Private memory after which a model's process fails, alone (mapped model files do not count)."""
    budget_mb: int | None = Field(default=None, ge=64)
    """Memory for all models, speech and embedder included; unset: 70 % of what the machine, or the container, has."""
    stt_mb: int = Field(default=256, ge=0)
    """Of that, kept for speech recognition (the packaged model takes 172 MiB)."""
    tts_mb: int = Field(default=256, ge=0)
    """Of that, kept for the voice (the packaged one takes 196 MiB)."""
    embedder_mb: int = Field(default=512, ge=0)
    """Of that, kept for the embedder (228 MiB, twice while documents are taken in)."""
    keep_alive_s: float = 300.0
    """Seconds without a question after which a model is unloaded; 0: at once; below 0: never. That of dialog stays."""
    load_wait_s: float = Field(default=15.0, gt=0)
    """Seconds that a question waits for its model to load; then another one answers, or it is told to come back."""
    queue: int = Field(default=64, ge=1, le=128)
    """Questions that may wait for a model, for chat and for batch each; spoken ones do not wait."""
    queue_s: float = Field(default=60.0, gt=0)
    """Longest wait in it, in seconds."""
    connect_s: float = Field(default=3.0, gt=0)
    """Seconds to connect to a server of models."""
    first_token_s: float = Field(default=120.0, gt=0)
    """Longest wait for the first token of an answer, in seconds; in a process of this machine for any of them."""
    between_tokens_s: float = Field(default=30.0, gt=0)
    """Longest wait between two tokens of a server, in seconds."""
    remote_streams: int = Field(default=32, ge=1, le=512)
    """Questions that a server is asked at once."""
    remote_keys: dict[str, SecretStr] = {}
    """Keys of servers, by their URL without what is behind `#`."""
    cache: bool = True
    """Answers are kept and given again to the same question, where its temperature is 0 and nobody speaks."""
    cache_ttl_s: float = Field(default=86_400.0, gt=0)
    """Seconds that a kept answer is used."""
    cache_memory_mb: int = Field(default=16, ge=0)
    """Memory for kept answers; 0: none are kept in memory."""
    cache_stored_mb: int = Field(default=256, ge=0)
    """What kept answers may take in the database; 0: none are kept there."""


def specs(settings: LLMSettings, machine: MachineSettings, database: Database) -> Sequence[ServiceSpec]:
    making = _making(settings, machine)
    kept = {"stt": settings.stt_mb, "tts": settings.tts_mb, "embedder": settings.embedder_mb}
    beside = {name: size * _MIB for name, size in kept.items() if size}
    policy = PoolPolicy(
        default=settings.model or "",
        keep_alive_s=settings.keep_alive_s,
        load_wait_s=settings.load_wait_s,
        queue=settings.queue,
        queue_s=settings.queue_s,
        remote_streams=settings.remote_streams,
        budget_bytes=settings.budget_mb * _MIB
        if settings.budget_mb
        else max(int(machine_bytes() * _SHARE), sum(beside.values()) + _LEAST),
        beside=beside,
    )
    chosen: Mapping[Role, str | None] = {
        "dialog": settings.dialog, "logic": settings.logic, "fast": settings.fast, "vision": settings.vision,
    }  # fmt: skip
    plan = LLMPlan(
        policy=policy,
        making=making,
        roles=lambda: Roles(chosen, policy.default, settings.fallbacks, machine.state_dir),
        cache=Responses(
            database,
            settings.cache,
            settings.cache_ttl_s,
            settings.cache_memory_mb * _MIB,
            settings.cache_stored_mb * _MIB,
        ),
    )
    # Every wait inside has a limit of its own, that of loading by the model's size.
    return [
        ServiceSpec(name="llm", make=lambda: LLMService(plan), ready_within=MOST_LOAD_S + 60, answers=ANSWERS),
    ]


def machine_bytes() -> int:
    """The memory that this machine, or the container around Solo, has."""
    total: int = psutil.virtual_memory().total
    with suppress(OSError, ValueError):
        total = min(total, int(_CGROUP.read_text(encoding="ascii")))
    return total


def _making(settings: LLMSettings, machine: MachineSettings) -> Making:
    threads = settings.threads or max(1, min(machine.cores, 8))

    def server(url: str, model: str) -> RunnerMaker:
        # Not at the top: a Solo that asks no server does not load what speaks to one.
        from services.llm.adapters.openai_server import OpenAIServerMaker

        key = settings.remote_keys.get(url)
        return OpenAIServerMaker(
            url,
            model,
            None if key is None else key.get_secret_value(),
            settings.connect_s,
            settings.first_token_s,
            settings.between_tokens_s,
        )

    drafting = settings.draft not in {"none", "ngram"}
    draft = str(Path(settings.draft).expanduser()) if drafting else settings.draft
    options: dict[str, Any] = {
        "slots": settings.slots,
        "threads": threads,
        "batch_threads": threads,
        "gpu_layers": settings.gpu_layers,
        "host_cache_mb": settings.host_cache_mb,
        "draft": draft,
    }
    return Making(
        adapter=_ADAPTERS[settings.engine],
        options=options,
        server=server,
        context=settings.context,
        slots=settings.slots,
        host_cache_bytes=settings.host_cache_mb * _MIB,
        draft=Path(draft) if drafting else None,
        threads=threads,
        memory_limit=settings.memory_mb * _MIB,
        token_s=settings.first_token_s,
        fake=settings.engine == "fake",
    )


def tables(_: LLMSettings) -> Sequence[Schema]:
    return (Schema("cache", Path(__file__).parent / "migrations" / "cache"),)


PART = Part(name="llm", settings=LLMSettings, specs=specs, tables=tables)
