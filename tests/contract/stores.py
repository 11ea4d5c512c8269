"""The stores of the memory, opened for a test, and documents to put into them."""

from __future__ import annotations

import asyncio
import hashlib
import math
import random
import struct
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.memory.adapters.chroma_store import ChromaStore
from services.memory.adapters.memory_store import FakeStore
from services.memory.adapters.pgvector_store import PgvectorStore
from services.memory.store import DocumentStore, Index, NewDocument, Query
from services.messages.memory import Hit
from services.messages.passages import Chunk
from solo.bus import Bus
from solo.storage import Schema
from solo.supervision import Context
from tests.postgres import database

KINDS = ("fake", "pgvector", "chroma")
DIMENSIONS = 8
MIGRATIONS = Path(__file__).parents[2] / "services/memory/migrations"
SCHEMAS = (Schema("rag", MIGRATIONS / "rag"), Schema("rag_vector", MIGRATIONS / "rag_vector"))
_BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def context() -> Context:
    return Context(Bus(), "test", on_state=lambda _state, _note: None)


@asynccontextmanager
async def opened(kind: str, folder: Path) -> AsyncIterator[DocumentStore]:
    """As its service would have it. The same folder again: what was written is there."""
    if kind == "fake":
        yield FakeStore()
    elif kind == "pgvector":
        async with database(folder, SCHEMAS) as db:
            yield PgvectorStore(db)
    else:
        store = ChromaStore(folder)
        running = asyncio.create_task(store.run(context()))
        try:
            await asyncio.wait_for(store._started.wait(), 60)
            yield store
        finally:
            running.cancel()
            await asyncio.wait([running])


class Keeper:
    """Holds a store open in a task of its own: fixtures begin and end in different ones."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._opened: asyncio.Future[DocumentStore] = asyncio.get_running_loop().create_future()
        self._done = asyncio.Event()
        self._task = asyncio.create_task(self._hold(kind, folder))

    async def _hold(self, kind: str, folder: Path) -> None:
        async with opened(kind, folder) as store:
            self._opened.set_result(store)
            await self._done.wait()

    async def store(self) -> DocumentStore:
        await asyncio.wait([self._task, self._opened], return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            await self._task
        return self._opened.result()

    async def end(self) -> None:
        self._done.set()
        await self._task


def vector(seed: str, dimensions: int = DIMENSIONS) -> bytes:
    """Of length 1; the same for the same seed."""
    source = random.Random(ascii(seed))
    values = [source.gauss(0, 1) for _ in range(dimensions)]
    length = math.sqrt(sum(value * value for value in values))
    return struct.pack(f"<{dimensions}f", *(value / length for value in values))


def document(
    profile: str,
    name: str,
    texts: Sequence[str],
    *,
    collection: str = "documents",
    content: str | None = None,
    page: int | None = None,
    minutes: int = 0,
) -> NewDocument:
    content = "\n".join(texts) if content is None else content
    return NewDocument(
        id=str(uuid.uuid4()),
        profile=profile,
        collection=collection,
        name=name,
        media_type="text/plain",
        sha256=hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest(),
        bytes=len(content),
        pages=None if page is None else page,
        chunks=tuple(Chunk(text=text, page=page, offset=10 * number) for number, text in enumerate(texts)),
        added_at=_BEGAN + timedelta(minutes=minutes),
    )


async def put(store: DocumentStore, index: Index, new: NewDocument) -> bool:
    """Each passage with the vector of its text."""
    return await store.add(new, index, b"".join(vector(chunk.text, index.dimensions) for chunk in new.chunks))


async def ask(
    store: DocumentStore,
    profile: str,
    text: str,
    *,
    like: str | None = None,
    collection: str | None = None,
    name: str | None = None,
    top: int = 5,
    dimensions: int = DIMENSIONS,
) -> Sequence[Hit]:
    """`like`: the vector is that of this text; None: of the query."""
    meant = vector(text if like is None else like, dimensions)
    return await store.search(Query(profile, text, meant, collection, name, top))
