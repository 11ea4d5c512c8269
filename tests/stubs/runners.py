"""Language models that are played: loaded, asked and killed by a test, under virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from services.llm.ledger import Need
from services.llm.making import Making
from services.llm.plan import Plan, Reference
from services.llm.pool import PoolPolicy
from services.llm.roles import Roles
from services.llm.service import ANSWERS, LLMPlan, LLMService
from services.messages.language import (
    ChatMessage,
    Complete,
    CompletionEnd,
    Counted,
    CountTokens,
    Embedded,
    EmbedTexts,
    Prefill,
    Receipt,
    Role,
    TextDelta,
)
from services.messages.models import FindModel, ModelFile
from services.messages.responses import CacheState
from services.models.errors import ModelRefused, ModelUnknown
from solo.errors import SoloError
from solo.isolation.engine import BadEngineInput, EngineDied
from solo.supervision import Context, EngineState, ServiceSpec
from tests.stubs.services import spec

WORDS = ("One", " two", " three", " four")
MIB = 1024**2


def ask(text: str = "What?", **options: Any) -> Complete:
    return Complete(messages=(ChatMessage(role="user", content=text),), **options)


@dataclass
class PlayedModel:
    """A `RunnerMaker`, and all that a test wants to know and say of the model behind it."""

    name: str = "played"
    load_s: float = 1.0
    token_s: float = 0.1
    within_s: float = 300.0
    need: Need = field(default_factory=lambda: Need(weights=100 * MIB))
    info: dict[str, Any] = field(default_factory=dict)
    loads: int = 0
    """How often it was begun to be loaded."""
    ends: int = 0
    """How often it was ended, by itself or by its keeper."""
    under_way: int = 0
    most_under_way: int = 0
    asked: list[Any] = field(default_factory=list)
    load_fails: list[SoloError] = field(default_factory=list)
    """What the next loads fail with, in order."""
    fails: list[tuple[int, SoloError]] = field(default_factory=list)
    """With what, and behind how many words, the next answers fail."""
    _death: asyncio.Future[None] | None = None

    async def plan(self) -> Plan:
        return Plan(self, self.need, self.within_s, content=f"content of {self.name}", context=2048)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[PlayedRunner]:
        self.loads += 1
        await asyncio.sleep(self.load_s)
        if self.load_fails:
            raise self.load_fails.pop(0)
        death = self._death = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.TaskGroup() as tasks:

                async def die() -> None:
                    await asyncio.shield(death)

                dying = tasks.create_task(die())
                yield PlayedRunner(self, death, self.loads)
                dying.cancel()
        finally:
            self.ends += 1
            death.cancel()

    def die(self) -> None:
        """As a process does: whoever asks it hears so, and its keeper."""
        assert self._death is not None
        self._death.set_exception(EngineDied(f"{self.name} (pid {self.loads}) was ended by SIGKILL"))
        self._death.exception()


class PlayedRunner:
    """A `Runner`."""

    def __init__(self, model: PlayedModel, death: asyncio.Future[None], pid: int) -> None:
        self.name = model.name
        self._model = model
        self._death = death
        self._pid = pid

    def state(self) -> EngineState:
        return EngineState(engine="played", model=self.name, pid=self._pid, info=self._model.info)

    @asynccontextmanager
    async def complete(self, question: Complete) -> AsyncIterator[AsyncIterator[TextDelta | CompletionEnd]]:
        async with aclosing(self._words(question)) as words:
            yield words

    async def prefill(self, question: Prefill) -> int:
        self._model.asked.append(question)
        return 7

    async def count(self, question: CountTokens) -> Counted:
        self._model.asked.append(question)
        return Counted(tokens=5, context=2048)

    async def embed(self, question: EmbedTexts) -> Embedded:
        self._model.asked.append(question)
        return Embedded(vectors=tuple((1.0,) for _ in question.texts), tokens=3, model=self.name)

    async def _words(self, question: Complete) -> AsyncGenerator[TextDelta | CompletionEnd, None]:
        model = self._model
        model.asked.append(question)
        behind, error = model.fails.pop(0) if model.fails else (-1, None)
        model.under_way += 1
        model.most_under_way = max(model.most_under_way, model.under_way)
        try:
            for count, word in enumerate((*WORDS, "")):
                await self._wait()
                if count == behind and error is not None:
                    raise error
                if word:
                    yield TextDelta(text=word)
            yield CompletionEnd(
                finish="stop",
                prompt_tokens=5,
                cached_tokens=0,
                completion_tokens=len(WORDS),
                prefill_s=0.1,
                decode_s=0.4,
                receipt=Receipt(system=0, history=0, question=5, template=0, dropped_messages=0, cached=0),
                engine=f"played {self.name}",
            )
        finally:
            model.under_way -= 1

    async def _wait(self) -> None:
        """A token's time, or until the death."""
        if self._death.done():
            self._death.result()
        await asyncio.wait({self._death}, timeout=self._model.token_s)
        if self._death.done():
            self._death.result()


@dataclass
class PlayedMaking:
    """In the place of `Making`: every model is a played one, by its name."""

    models: dict[str, PlayedModel] = field(default_factory=dict)
    slots: int = 2

    def model(self, name: str = "small", **options: Any) -> PlayedModel:
        """The model of this name; made, with these options, when it is named first."""
        return self.models.setdefault(name, PlayedModel(name, **options))

    def default_name(self) -> str:
        return "small"

    def default_path(self) -> Path | None:
        return Path("/packaged/small.gguf")

    def remote(self, reference: Reference) -> Plan:
        if "#" not in reference.text:
            raise BadEngineInput("that is no URL of a server")
        model = self.model(reference.text)
        return Plan(model, content=reference.text)

    async def local(self, name: str, path: Path | None, known: ModelFile | None = None) -> Plan:
        return await self.model(name).plan()


class NoCache:
    """In the place of `Responses`: every question is asked."""

    cleared: tuple[str, str] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        yield

    def through(self, question: Complete, model: str, ask: Callable[[], Any]) -> Any:
        return ask()

    async def state(self) -> CacheState:
        return CacheState(
            enabled=False, memory_entries=0, memory_bytes=0, memory_limit_bytes=0, stored_entries=None,
            stored_bytes=None, stored_limit_bytes=0, ttl_s=1, hits_memory=0, hits_stored=0, misses=0, shared=0,
        )  # fmt: skip

    async def clear(self, model: str, profile: str) -> int:
        self.cleared = (model, profile)
        return 3


@dataclass
class PlayedPool:
    """The service of the language models over played ones, with a catalogue of `listed` names."""

    state_dir: Path
    making: PlayedMaking = field(default_factory=PlayedMaking)
    cache: NoCache = field(default_factory=NoCache)
    listed: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    bound: dict[Role, str | None] = field(default_factory=dict)
    default: str = ""
    fallbacks: dict[Role, tuple[Role, ...]] = field(
        default_factory=lambda: {"logic": ("dialog",), "fast": ("dialog",), "dialog": ("fast",)}
    )
    policy: dict[str, Any] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)

    def plan(self) -> LLMPlan:
        policy: dict[str, Any] = {
            "keep_alive_s": 60.0, "load_wait_s": 15.0, "queue": 3, "queue_s": 30.0, "remote_streams": 8,
            "budget_bytes": 1000 * MIB, "beside": {"stt": 100 * MIB},
        }  # fmt: skip
        return LLMPlan(
            policy=PoolPolicy(default=self.default, **(policy | self.policy)),
            making=cast("Making", self.making),
            roles=lambda: Roles(self.bound, self.default, self.fallbacks, self.state_dir),
            cache=self.cache,
        )

    def specs(self) -> list[ServiceSpec]:
        async def find(question: FindModel) -> ModelFile:
            self.found.append(question.name)
            await asyncio.sleep(0.1)
            name = question.name.lower().removesuffix(".gguf")
            if name in self.refused:
                raise ModelRefused(f"{name} is in quarantine")
            if name not in self.listed:
                raise ModelUnknown(f"there is no model {question.name}")
            path = f"/models/{name}.gguf"
            return ModelFile(name=name, path=path, origin="models", size_bytes=1, modified=1, verdict="usable")

        async def catalogue(ctx: Context) -> None:
            ctx.ready()
            await ctx.answer(FindModel, find)

        plan = self.plan()
        return [
            spec("models", catalogue, answers=(FindModel,)),
            ServiceSpec(name="llm", make=lambda: LLMService(plan), ready_within=1000, answers=ANSWERS),
        ]
