"""A supervised service of the language models over played ones, and how a test asks it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.messages.language import ChatMessage, Complete, CompletionEnd, TextDelta
from services.messages.pool import DescribePool, LoadedModel, PoolChanged, PoolState, RoleState
from solo.bus import Bus, Overflow
from solo.supervision import ServiceState, State
from tests.stubs.runners import PlayedModel, PlayedPool, ask
from tests.stubs.services import House, supervised

LONG_S = 200.0
SAID = "One two three four"
PICTURE = Complete(messages=(ChatMessage(role="user", content="What is it?", images=(b"jpeg",)),))


@dataclass
class Answer:
    text: str
    end: CompletionEnd


@dataclass
class Pooled:
    bus: Bus
    house: House
    played: PlayedPool
    changes: list[tuple[str, str]]
    """Models and their states, as published."""

    def model(self, name: str = "small", **options: Any) -> PlayedModel:
        return self.played.making.model(name, **options)

    @property
    def service(self) -> ServiceState:
        return self.house.state("llm")

    async def complete(self, question: Complete | None = None, **options: Any) -> Answer:
        text: list[str] = []
        async with self.bus.stream(question or ask(**options), within=LONG_S) as parts:
            async for part in parts:
                if isinstance(part, TextDelta):
                    text.append(part.text)
                else:
                    return Answer("".join(text), part)
        raise AssertionError("an answer without an end")

    async def pool(self) -> PoolState:
        return await self.bus.request(DescribePool(), within=1)

    async def role(self, name: str) -> RoleState:
        return next(role for role in (await self.pool()).roles if role.role == name)

    async def loaded(self, name: str) -> LoadedModel:
        return next(model for model in (await self.pool()).models if model.name == name)


@asynccontextmanager
async def pooled(bus: Bus, state_dir: Path, *, ready: bool = True, **options: Any) -> AsyncIterator[Pooled]:
    """`options`: of `PlayedPool`. Ready inside, unless that is not wanted."""
    played = PlayedPool(state_dir, **options)
    changes: list[tuple[str, str]] = []

    async def write_down() -> None:
        async with bus.subscribe(PoolChanged, limit=10_000, overflow=Overflow.FAIL) as facts:
            async for fact in facts:
                changes.append((fact.model, fact.state))  # noqa: PERF401  # it is cancelled in the middle

    writing = asyncio.create_task(write_down())
    async with supervised(bus, *played.specs()) as house:
        if ready:
            await house.reaches("llm", State.READY)
        yield Pooled(bus, house, played, changes)
    writing.cancel()
    await asyncio.wait([writing])
