"""Taking in a document: read, embedded, kept, with word of how far it is."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime

from services.memory.engines import DocumentTooLarge
from services.memory.indexing import Indexing, NoIndex
from services.memory.store import DocumentStore, Index, IndexGone, NewDocument
from services.messages.memory import Ingest, Ingested, IngestProgress, Verdict
from services.messages.passages import Chunk, DocumentRead, ReadDocument
from solo.errors import SoloError
from solo.supervision import Context

BATCH = 64
"""Passages in one question to the embedder: two calls to its engine."""
_AHEAD = 2
"""Questions under way, so that the embedder has the next one when it has done one."""
_READ_WITHIN_S = 300.0
"""Others may be before it: one document is read at a time, each for at most a minute."""
_TRIES = 3
_HASH_ASIDE = 1024 * 1024
"""Bytes from which hashing would be felt by everybody else on the loop."""
_OF_THE_DOCUMENT = ("memory.unreadable", "memory.unsupported", "memory.too_large", "memory.protected", "engine.died",
                    "engine.hung", "engine.quarantined", "engine.failed", "engine.bad_input", "bus.deadline",
                    "isolation.")  # fmt: skip
"""Codes that say something of this document; with others the asker may well try again."""


class Ingesting:
    def __init__(self, ctx: Context, store: DocumentStore, indexing: Indexing, *, most_bytes: int) -> None:
        self._ctx = ctx
        self._store = store
        self._indexing = indexing
        self._most_bytes = most_bytes

    async def take_in(self, asked: Ingest) -> AsyncGenerator[IngestProgress, None]:
        """The last item has the result. A document that cannot be taken in is a result; a database that is away is an
        error, after which asking again is safe."""
        try:
            if len(asked.content) > self._most_bytes:
                most = self._most_bytes // 1024**2
                raise DocumentTooLarge(
                    f"the document has more than {most} MB", hint="Split it, or raise SOLO_MEMORY__MAX_DOCUMENT_MB."
                )
            sha256 = await _sha256(asked.content)
            known = await self._store.known(asked.profile, asked.collection, asked.name, sha256)
            if known == "same":
                yield _result(Ingested(name=asked.name, verdict="known"))
                return
            yield IngestProgress(done=0, total=0)
            read = await self._ctx.request(ReadDocument(name=asked.name, content=asked.content), within=_READ_WITHIN_S)
            if not read.chunks:
                empty = Ingested(name=asked.name, verdict="empty", reason="It holds no text.")
                yield _result(empty)
                return
            document = _document(asked, read, sha256)
            for left in reversed(range(_TRIES)):
                try:
                    async with aclosing(self._add(document, replaces=known == "other")) as steps:
                        async for step in steps:
                            yield step
                    return
                except IndexGone:  # another one took its place meanwhile: embedded once more, for that
                    await self._indexing.look()
                    if not left:
                        raise
        except SoloError as error:
            if not error.code.startswith(_OF_THE_DOCUMENT):
                raise
            reason = f"{error.message} {error.hint}".strip()
            yield _result(Ingested(name=asked.name, verdict="failed", code=error.code, reason=reason))

    async def _add(self, document: NewDocument, *, replaces: bool) -> AsyncGenerator[IngestProgress, None]:
        index = await self._indexing.active()
        if index is None:
            raise NoIndex(hint="Try again in a moment.")
        total = len(document.chunks)
        parts: list[bytes] = []
        async with aclosing(self._vectors(index, document.chunks)) as found:
            async for part, done in found:
                parts.append(part)
                yield IngestProgress(done=done, total=total)
        is_new = await self._store.add(document, index, b"".join(parts))
        verdict: Verdict = "known" if not is_new else "replaced" if replaces else "stored"
        result = Ingested(name=document.name, verdict=verdict, chunks=total if is_new else 0)
        yield IngestProgress(done=total, total=total, result=result)

    async def _vectors(self, index: Index, chunks: Sequence[Chunk]) -> AsyncGenerator[tuple[bytes, int], None]:
        """In order, with how many are done."""
        batches = deque(chunks[at : at + BATCH] for at in range(0, len(chunks), BATCH))
        waiting: deque[tuple[asyncio.Task[bytes], int]] = deque()
        done = 0
        try:
            while batches or waiting:
                while batches and len(waiting) < _AHEAD:
                    batch = batches.popleft()
                    texts = [chunk.text for chunk in batch]
                    waiting.append((asyncio.create_task(self._indexing.vectors(index, texts)), len(batch)))
                task, size = waiting[0]
                part = await task
                waiting.popleft()
                done += size
                yield part, done
        finally:
            for task, _ in waiting:
                task.cancel()
            await asyncio.gather(*(task for task, _ in waiting), return_exceptions=True)


def _document(asked: Ingest, read: DocumentRead, sha256: str) -> NewDocument:
    return NewDocument(
        id=str(uuid.uuid4()),
        profile=asked.profile,
        collection=asked.collection,
        name=asked.name,
        media_type=read.media_type,
        sha256=sha256,
        bytes=len(asked.content),
        pages=read.pages,
        chunks=read.chunks,
        added_at=datetime.now(UTC),
    )


def _result(result: Ingested) -> IngestProgress:
    return IngestProgress(done=0, total=0, result=result)


async def _sha256(content: bytes) -> str:
    if len(content) < _HASH_ASIDE:
        return hashlib.sha256(content).hexdigest()
    return await asyncio.to_thread(lambda: hashlib.sha256(content).hexdigest())
