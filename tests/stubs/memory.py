"""Stand-ins of the memory's engines on the bus, and the memory as it is put together, with a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from services.memory.adapters.fake import FakeEmbedder, FakeReader
from services.memory.spec import MemorySettings, specs, tables
from services.messages.memory import Ingest, Ingested, IngestProgress
from services.messages.passages import Chunk, DocumentRead, Embed, ReadDocument, Vectors
from solo.bus import Bus
from solo.isolation.call import Call
from solo.settings import MachineSettings
from solo.storage import Database
from solo.supervision import Context
from tests.postgres import database
from tests.stubs.services import House, supervised


class Embedder:
    """Answers `Embed` in this process; `name` and `dimensions` may change, `error` is raised when it is set."""

    def __init__(self, name: str = "one", dimensions: int = 64) -> None:
        self.name = name
        self.dimensions = dimensions
        self.error: Exception | None = None
        self.asked: list[Embed] = []
        self.hold: Callable[[], Awaitable[Any]] | None = None

    async def __call__(self, question: Embed) -> Vectors:
        self.asked.append(question)
        if self.hold is not None and question.background:
            await self.hold()
        if self.error is not None:
            raise self.error
        data = FakeEmbedder(dimensions=self.dimensions).embed(Call(), list(question.texts))
        return Vectors(model=self.name, dimensions=self.dimensions, data=data)

    @property
    def texts(self) -> int:
        return sum(len(question.texts) for question in self.asked if question.background)


async def read(question: ReadDocument) -> DocumentRead:
    found = FakeReader().read(Call(), question.name, question.content)
    chunks = tuple(Chunk.model_validate(chunk) for chunk in found["chunks"])
    return DocumentRead(media_type=found["media_type"], pages=found["pages"], chunks=chunks)


@asynccontextmanager
async def answering(ctx: Context, **handlers: tuple[type[Any], Any]) -> AsyncIterator[None]:
    """Each `(kind of question, answer)` is served inside the block."""
    async with asyncio.TaskGroup() as tasks:
        serving = [tasks.create_task(ctx.answer(kind, answer)) for kind, answer in handlers.values()]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        yield
        for task in serving:
            task.cancel()


async def ingest(ctx: Context, name: str, content: bytes | str, **more: Any) -> tuple[Ingested, list[IngestProgress]]:
    """Its result, and every step."""
    asked = Ingest(name=name, content=content.encode() if isinstance(content, str) else content, **more)
    async with ctx.stream(asked, within=60) as steps:
        seen = [step async for step in steps]
    assert seen[-1].result is not None and all(step.result is None for step in seen[:-1])
    return seen[-1].result, seen


def memory_specs(opened: Database, folder: Path, **chosen: Any) -> list[Any]:
    known: dict[str, Any] = {"embedder": "fake", "reader": "fake"}
    settings = MemorySettings(**{**known, **chosen})
    return list(specs(settings, MachineSettings(state_dir=folder, _env_file=None), opened))


@asynccontextmanager
async def remembering(opened: Database, bus: Bus, folder: Path, **chosen: Any) -> AsyncIterator[House]:
    """The memory's own services, supervised."""
    async with supervised(bus, *memory_specs(opened, folder, **chosen)) as house:
        yield house


@asynccontextmanager
async def memory_database(folder: Path, **chosen: Any) -> AsyncIterator[Database]:
    """With the memory's tables."""
    async with database(folder, tuple(tables(MemorySettings(**chosen)))) as opened:
        yield opened
