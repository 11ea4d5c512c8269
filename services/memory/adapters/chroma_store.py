"""The memory's documents in Chroma, which runs in a process of its own and keeps its files in the state directory."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import Any, Literal

from services.memory.adapters.wording import tidy, tidy_document, tidy_query
from services.memory.store import Index, NewDocument, Query, StoreUnavailable
from services.messages.memory import Collection, Document, Hit, Place
from solo.isolation.engine import EngineDied
from solo.isolation.process import EngineProcess, EngineSpec
from solo.supervision import Context

_ADAPTER = "services.memory.adapters.chroma_engine:ChromaEngine"
_WITHIN_S = 4.0
_WRITE_WITHIN_S = 30.0
_CHANGE_WITHIN_S = 120.0
_AT_ONCE = 500
"""Passages in one call: others are answered between two, and no frame grows too large."""


class ChromaStore:
    """`run` keeps the child; calls wait for it for some seconds, then say StoreUnavailable."""

    name = "chroma"

    def __init__(self, folder: Path, *, memory_limit: int = 4 * 1024**3) -> None:
        """`folder`: of its files. `memory_limit`: bytes of private memory after which the child fails, alone."""
        self._spec = EngineSpec(adapter=_ADAPTER, options={"folder": str(folder)}, memory_limit=memory_limit)
        self._engine: EngineProcess | None = None
        self._started = asyncio.Event()
        self._adding = asyncio.Lock()
        self._calls = itertools.count()

    async def run(self, ctx: Context) -> None:
        """Until cancelled. Raises EngineDied with the child (in a group), and EngineNotStarted."""
        async with EngineProcess(self._spec).running() as engine:
            self._engine = engine
            ctx.engine = engine.state
            self._started.set()
            try:
                await asyncio.Event().wait()
            finally:
                self._started.clear()
                self._engine = None

    async def indexes(self) -> Sequence[Index]:
        return [_index(found) for found in await self._ask("indexes")]

    async def create_index(self, embedder: str, dimensions: int) -> Index:
        return _index(
            await self._ask("create_index", within=_CHANGE_WITHIN_S, embedder=embedder, dimensions=dimensions)
        )

    async def activate(self, index: Index) -> None:
        await self._ask("activate", within=_CHANGE_WITHIN_S, index=index.key)

    async def missing(self, index: Index, limit: int) -> Sequence[tuple[str, str]]:
        found = await self._ask("missing", within=_WRITE_WITHIN_S, index=index.key, limit=limit)
        return [(id_, text) for id_, text in found]

    async def add_vectors(self, index: Index, vectors: Sequence[tuple[str, bytes]]) -> None:
        for start in range(0, len(vectors), _AT_ONCE):
            part = vectors[start : start + _AT_ONCE]
            await self._ask(
                "add_vectors",
                within=_WRITE_WITHIN_S,
                index=index.key,
                ids=[id_ for id_, _ in part],
                vectors=b"".join(_whole(index, vector, 1) for _, vector in part),
            )

    async def progress(self, index: Index) -> tuple[int, int]:
        done, total = await self._ask("progress", index=index.key)
        return done, total

    async def known(self, profile: str, collection: str, name: str, sha256: str) -> Literal["no", "same", "other"]:
        verdict: Literal["no", "same", "other"] = await self._ask(
            "known", profile=profile, collection=tidy(collection), name=tidy(name), sha256=sha256
        )
        return verdict

    async def add(self, document: NewDocument, index: Index, vectors: bytes) -> bool:
        document = tidy_document(document)
        _whole(index, vectors, len(document.chunks))
        own = {"id": document.id, "index": index.key}
        async with self._adding:  # what the last asker left unfinished is taken back by `begin`
            goes_on = await self._ask("begin", within=_WRITE_WITHIN_S, meta=_meta(document), **own)
            if not goes_on:
                return goes_on is None
            for start in range(0, len(document.chunks), _AT_ONCE):
                part = document.chunks[start : start + _AT_ONCE]
                row = 4 * index.dimensions
                await self._ask(
                    "extend",
                    within=_WRITE_WITHIN_S,
                    start=start,
                    chunks=[[chunk.text, chunk.page, chunk.offset] for chunk in part],
                    vectors=vectors[start * row : (start + len(part)) * row],
                    **own,
                )
            await self._ask("finish", within=_WRITE_WITHIN_S, **own)
        return True

    async def search(self, query: Query) -> Sequence[Hit]:
        query = tidy_query(query)
        found = await self._ask(
            "search",
            profile=query.profile,
            text=query.text,
            vector=query.vector,
            collection=query.collection,
            document=query.document,
            top=query.top,
        )
        return [
            Hit(
                text=each["text"],
                score=min(max(each["likeness"], 0.0), 1.0),
                collection=each["meta"]["collection"],
                source=Place(
                    document=each["meta"]["name"], page=each["meta"]["page"] or None, offset=each["meta"]["offset"]
                ),
            )
            for each in found
        ]

    async def collections(self, profile: str) -> Sequence[Collection]:
        there: dict[str, list[int]] = {}
        for meta in await self._documents(profile, None, None):
            there.setdefault(meta["collection"], []).append(meta["chunks"])
        return [
            Collection(name=name, documents=len(chunks), chunks=sum(chunks)) for name, chunks in sorted(there.items())
        ]

    async def documents(self, profile: str, collection: str | None, limit: int) -> Sequence[Document]:
        found = await self._documents(profile, None if collection is None else tidy(collection), limit)
        return [
            Document(
                id=meta["id"],
                collection=meta["collection"],
                name=meta["name"],
                media_type=meta["media_type"],
                sha256=meta["sha256"],
                bytes=meta["bytes"],
                pages=None if meta["pages"] < 0 else meta["pages"],
                chunks=meta["chunks"],
                added_at=meta["added_at"],
            )
            for meta in found
        ]

    async def forget(self, profile: str, collection: str | None, document: str | None) -> int:
        count: int = await self._ask(
            "forget",
            within=_CHANGE_WITHIN_S,
            profile=profile,
            collection=None if collection is None else tidy(collection),
            document=None if document is None else tidy(document),
        )
        return count

    async def count(self) -> int:
        count: int = await self._ask("count")
        return count

    async def _documents(self, profile: str, collection: str | None, limit: int | None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self._ask("documents", profile=profile, collection=collection, limit=limit)
        return found

    async def _ask(self, method: str, *, within: float = _WITHIN_S, **params: Any) -> Any:
        try:
            async with asyncio.timeout(_WITHIN_S):
                await self._started.wait()
        except TimeoutError as error:
            raise StoreUnavailable(
                "Chroma is not running", hint="It is started again; `solo status` tells why."
            ) from error
        assert self._engine is not None
        try:
            # No call is like another: two that were under way when the child was killed say nothing against the third.
            return await self._engine.call(method, within=within, key=f"{method} {next(self._calls)}", **params)
        except EngineDied as error:
            raise StoreUnavailable(f"Chroma ended: {error}", hint="It is started again by itself.") from error


def _index(found: dict[str, Any]) -> Index:
    return Index(found["key"], found["embedder"], found["dimensions"], found["state"])


def _meta(document: NewDocument) -> dict[str, Any]:
    """Chroma keeps no None."""
    return {
        "profile": document.profile,
        "collection": document.collection,
        "name": document.name,
        "media_type": document.media_type,
        "sha256": document.sha256,
        "bytes": document.bytes,
        "pages": -1 if document.pages is None else document.pages,
        "chunks": len(document.chunks),
        "added_at": document.added_at.astimezone(UTC).isoformat(timespec="microseconds"),
    }


def _whole(index: Index, vectors: bytes, rows: int) -> bytes:
    if len(vectors) != 4 * index.dimensions * rows:
        raise ValueError(f"{len(vectors)} bytes are not {rows} rows of {index.dimensions} float32")
    return vectors
