"""Which index of vectors is asked, and how it comes to be of the embedder in use."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence

from services.memory.asking import embed, embed_in_background, rows
from services.memory.former import FormerEmbedder
from services.memory.store import DocumentStore, Index, IndexIncomplete
from services.messages.memory import IndexState, MemoryIndexed
from services.messages.passages import Vectors
from solo.errors import SoloError
from solo.supervision import Context

BATCH = 128
"""Passages embedded between two commits: what a kill costs to do again."""
_PAUSE_S = (0.5, 30.0)

Met = Callable[[str], Awaitable[None]]
"""Called with the name of the embedder in use, each time it is known afresh."""


class NoIndex(SoloError):
    """Documents cannot be taken in yet: the index of vectors is being made."""

    code = "memory.no_index"
    retryable = True


class Indexing:
    """One index is asked. When its embedder is not the one in use, another one is filled in the background, from where
    a kill left it, and takes its place when it is complete. Until then the old one serves, through the former embedder
    where that can be made; where it cannot, it is asked by words only and no documents are taken in."""

    def __init__(self, ctx: Context, store: DocumentStore, former: FormerEmbedder) -> None:
        self._ctx = ctx
        self._store = store
        self._former = former
        self._active: Index | None = None
        self._known = False
        self._again = False
        self._wanted = asyncio.Event()
        self.embedder = ""
        """Name of the embedder in use; empty until it has answered once."""
        self.dimensions = 0
        self._trouble = ""

    async def active(self) -> Index | None:
        """None: there is nothing to ask. Raises a DatabaseError when it is not known yet and cannot be found out."""
        if not self._known:
            await self.look()
        return self._active

    async def look(self) -> Sequence[Index]:
        """At the store, and not at what was known of it."""
        found = await self._store.indexes()
        self._active = next((index for index in found if index.state == "active"), None)
        self._known = True
        return found

    async def vector(self, index: Index, text: str, vectors: Vectors) -> bytes:
        """Of a query to this index; empty: ask by words only. `vectors`: the query's by the embedder in use."""
        self._meet(vectors)
        if (vectors.model, vectors.dimensions) == (index.embedder, index.dimensions):
            return vectors.data
        return await self._former.embed(index.embedder, [text])

    async def vectors(self, index: Index, texts: Sequence[str]) -> bytes:
        """Of passages for this index. Raises NoIndex when its embedder cannot be had."""
        if not self.embedder or self._is_current(index):
            vectors = await embed_in_background(self._ctx, texts)
            self._meet(vectors)
            if self._is_current(index):
                return vectors.data
        data = await self._former.embed(index.embedder, texts)
        if not data:
            raise NoIndex(
                f"the documents there are being embedded afresh with {self.embedder}",
                hint="Try again when `solo memory status` shows the new index as active.",
            )
        return data

    def rebuild(self) -> None:
        """Everything afresh, also with the same embedder."""
        self._again = True
        self._wanted.set()

    def look_after(self) -> None:
        """There may be something to do."""
        self._wanted.set()

    async def states(self) -> tuple[IndexState, ...]:
        shown = []
        for index in await self.look():
            done, total = await self._store.progress(index)
            shown.append(
                IndexState(
                    embedder=index.embedder, dimensions=index.dimensions, state=index.state, done=done, total=total
                )
            )
        return tuple(shown)

    def note(self) -> str:
        """What is not as it should be."""
        index = self._active
        if index is not None and self.embedder and not self._is_current(index):
            how = "as before" if self._former.can_ask(index.embedder) else "by words only"
            return f"documents are being embedded afresh with {self.embedder}; until then they are searched {how}"
        return self._trouble

    async def run(self, met: Met) -> None:
        """Looks after the index; until cancelled."""
        pause = _PAUSE_S[0]
        while True:
            try:
                self._meet(await embed(self._ctx, ["What is this?"]))
                self._wanted.clear()
                await met(self.embedder)
                await self._settle()
            except SoloError as error:
                self._trouble = error.line()
                self._ctx.log.warning("the index waits", error=self._trouble)
                await asyncio.sleep(pause * random.uniform(0.8, 1.2))
                pause = min(pause * 2, _PAUSE_S[1])
                continue
            self._trouble = ""
            pause = _PAUSE_S[0]
            self._ctx.ready()
            await self._wanted.wait()

    async def _settle(self) -> None:
        target = await self._target()
        active = self._active
        if target.state == "active" and not self._again:
            await self._fill(target)
        elif active is None or self._is_current(active):
            await self._replace(target)
        else:
            async with self._former.of(active.embedder):
                self._ctx.degraded(self.note())
                await self._replace(target)

    async def _target(self) -> Index:
        """The index to fill: the active one when it is of the embedder in use, otherwise one that is being built."""
        building = next((index for index in await self.look() if index.state == "building"), None)
        if building is not None and self._is_current(building):
            return building  # goes on where it was left
        if self._active is not None and self._is_current(self._active) and not self._again:
            return self._active
        made = await self._store.create_index(self.embedder, self.dimensions)
        await self.look()
        return made

    async def _replace(self, target: Index) -> None:
        self._again = False
        began = time.monotonic()
        while True:
            await self._fill(target)
            try:
                await self._store.activate(target)
                break
            except IndexIncomplete:
                continue  # documents came in meanwhile
        await self.look()
        done, _ = await self._store.progress(target)
        seconds = round(time.monotonic() - began, 3)
        self._ctx.log.info("index complete", embedder=target.embedder, chunks=done, seconds=seconds)
        self._ctx.publish(MemoryIndexed(embedder=target.embedder, chunks=done, seconds=seconds))

    async def _fill(self, index: Index) -> None:
        while batch := await self._store.missing(index, BATCH):
            vectors = await embed_in_background(self._ctx, [text for _, text in batch])
            self._meet(vectors)
            if not self._is_current(index):
                raise NoIndex(f"the embedder is {vectors.model} by now")
            passages = [passage for passage, _ in batch]
            await self._store.add_vectors(index, list(zip(passages, rows(vectors), strict=True)))

    def _is_current(self, index: Index) -> bool:
        return (index.embedder, index.dimensions) == (self.embedder, self.dimensions)

    def _meet(self, vectors: Vectors) -> None:
        """An embedder that answers with another name than before is a change of embedder."""
        if (vectors.model, vectors.dimensions) != (self.embedder, self.dimensions):
            self.embedder, self.dimensions = vectors.model, vectors.dimensions
            self._wanted.set()
