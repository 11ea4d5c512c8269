"""Taking in documents, and the index that they come into."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from services.memory.adapters.memory_store import FakeStore
from services.memory.engines import DocumentProtected
from services.memory.former import FormerEmbedder
from services.memory.indexing import Indexing
from services.memory.ingest import Ingesting
from services.memory.store import Index, IndexGone, NewDocument, Query
from services.messages.memory import Ingest, IngestProgress, MemoryIndexed
from services.messages.passages import DocumentRead, Embed, ReadDocument
from solo.bus import Bus, Overflow
from solo.errors import SoloError
from solo.isolation.engine import EngineDied, InputQuarantined
from solo.storage import DatabaseUnavailable
from solo.supervision import Context
from tests.stubs.memory import Embedder, answering, ingest, read

TEXT = "\n\n".join(f"Paragraph {number} is about the number {number}." for number in range(150))


class Rig:
    def __init__(self, ctx: Context) -> None:
        self.store = FakeStore()
        self.embedder = Embedder()
        self.read: Any = read

        async def no_recipe(_: str) -> None:
            return None

        self.indexing = Indexing(ctx, self.store, FormerEmbedder(no_recipe, lambda _: None))
        self.ingesting = Ingesting(ctx, self.store, self.indexing, most_bytes=100_000)
        self.met: list[str] = []

    async def take_in(self, asked: Ingest) -> AsyncGenerator[IngestProgress, None]:
        async for step in self.ingesting.take_in(asked):
            yield step

    async def know(self, embedder: str) -> None:
        self.met.append(embedder)

    @asynccontextmanager
    async def looked_after(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.indexing.run(self.know))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def settled(self, embedder: str) -> Index:
        """Wait until its index is asked."""
        while True:
            index = await self.indexing.active()
            if index is not None and index.embedder == embedder:
                return index
            await asyncio.sleep(0)


@asynccontextmanager
async def rig(ctx: Context) -> AsyncIterator[Rig]:
    made = Rig(ctx)
    handlers: dict[str, Any] = {
        "embed": (Embed, made.embedder),
        "read": (ReadDocument, lambda question: made.read(question)),
        "ingest": (Ingest, made.take_in),
    }
    async with answering(ctx, **handlers), made.looked_after():
        await made.settled("one")
        yield made


class TestIngest:
    async def test_stored_with_progress(self, ctx: Context) -> None:
        async with rig(ctx) as made:
            result, steps = await ingest(ctx, "a.txt", TEXT)
            assert (result.verdict, result.chunks) == ("stored", 150)
            assert [(step.done, step.total) for step in steps] == [
                (0, 0),
                (64, 150),
                (128, 150),
                (150, 150),
                (150, 150),
            ]
            hits = await made.store.search(Query("owner", "number 77", b"", None, None, 1))
            assert hits[0].text == "Paragraph 77 is about the number 77."

    async def test_the_same_bytes_again_change_nothing(self, ctx: Context) -> None:
        async with rig(ctx) as made:
            await ingest(ctx, "a.txt", TEXT)
            embedded = made.embedder.texts
            for name in ("a.txt", "b.txt"):
                result, _ = await ingest(ctx, name, TEXT)
                assert result.verdict == "known"
            assert made.embedder.texts == embedded
            assert await made.store.count() == 1

    async def test_other_bytes_replace(self, ctx: Context) -> None:
        async with rig(ctx) as made:
            await ingest(ctx, "a.txt", "one")
            result, _ = await ingest(ctx, "a.txt", "two")
            assert result.verdict == "replaced"
            assert await made.store.count() == 1

    async def test_without_text(self, ctx: Context) -> None:
        async with rig(ctx) as made:
            result, _ = await ingest(ctx, "a.txt", "  \n ")
            assert (result.verdict, result.reason) == ("empty", "It holds no text.")
            assert await made.store.count() == 0

    async def test_two_questions_are_under_way(self, ctx: Context) -> None:
        """So that the embedder never waits for the next."""
        async with rig(ctx) as made:
            both = asyncio.Event()

            async def hold() -> None:
                if made.embedder.texts > 64:
                    both.set()
                await asyncio.wait_for(both.wait(), 5)

            made.embedder.hold = hold
            result, _ = await ingest(ctx, "a.txt", TEXT)
            assert result.verdict == "stored"

    @pytest.mark.parametrize(
        "error",
        [
            DocumentProtected("it has a password", hint="Take it off."),
            EngineDied("killed"),
            InputQuarantined("twice"),
        ],
    )
    async def test_a_broken_document_is_a_result(self, ctx: Context, error: SoloError) -> None:
        async def fail(_: ReadDocument) -> DocumentRead:
            raise error

        async with rig(ctx) as made:
            made.read = fail
            result, _ = await ingest(ctx, "a.txt", TEXT)
            assert (result.verdict, result.code) == ("failed", error.code)
            assert result.reason is not None and error.message in result.reason and error.hint in result.reason

    async def test_too_large(self, ctx: Context) -> None:
        async with rig(ctx) as made:
            made.read = None  # never asked
            result, _ = await ingest(ctx, "a.txt", b"x" * 100_001)
            assert (result.verdict, result.code) == ("failed", "memory.too_large")

    async def test_a_database_that_is_away_is_an_error(self, ctx: Context) -> None:
        """Not the document's: the client sends it again."""
        async with rig(ctx) as made:

            async def add(*_: object) -> bool:
                raise DatabaseUnavailable

            made.store.add = add  # type: ignore[method-assign]
            with pytest.raises(DatabaseUnavailable):
                await ingest(ctx, "a.txt", "text")

    async def test_an_index_that_goes_in_the_middle(self, ctx: Context) -> None:
        async with rig(ctx) as made:
            add = made.store.add
            tries: list[Index] = []

            async def gone_once(document: NewDocument, index: Index, vectors: bytes) -> bool:
                tries.append(index)
                if len(tries) == 1:
                    raise IndexGone
                return await add(document, index, vectors)

            made.store.add = gone_once  # type: ignore[method-assign]
            result, _ = await ingest(ctx, "a.txt", "text")
            assert (result.verdict, len(tries)) == ("stored", 2)

    async def test_an_asker_that_leaves(self, ctx: Context) -> None:
        async with rig(ctx) as made:
            begun = asyncio.Event()

            async def hold() -> None:
                begun.set()
                await asyncio.Event().wait()

            made.embedder.hold = hold
            task = asyncio.create_task(ingest(ctx, "a.txt", TEXT))
            await begun.wait()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            made.embedder.hold = None
            assert await made.store.count() == 0
            assert (await ingest(ctx, "a.txt", TEXT))[0].verdict == "stored"


class TestChangeOfEmbedder:
    async def test_all_is_embedded_afresh_while_the_old_index_serves(self, ctx: Context, bus: Bus) -> None:
        async with rig(ctx) as made:
            await ingest(ctx, "a.txt", TEXT)
            go_on = asyncio.Event()
            made.embedder.hold = go_on.wait
            made.embedder.name, made.embedder.dimensions = "two", 32
            async with bus.subscribe(MemoryIndexed, limit=9, overflow=Overflow.FAIL) as indexed:
                old = await made.indexing.active()
                assert old is not None and old.embedder == "one"
                vectors = await made.embedder(Embed(texts=("number 77",)))
                # The one in use has changed; its vector does not fit the index, and the former cannot be made.
                assert await made.indexing.vector(old, "number 77", vectors) == b""
                assert "by words only" in made.indexing.note()
                with pytest.raises(SoloError, match="afresh") as refused:
                    await ingest(ctx, "b.txt", "more")
                assert refused.value.code == "memory.no_index"
                go_on.set()
                event = await anext(indexed)
                assert (event.embedder, event.chunks) == ("two", 150)
            new = await made.settled("two")
            assert await made.indexing.vector(new, "number 77", vectors) == vectors.data
            assert made.indexing.note() == ""
            assert made.met == ["one", "two"]
            assert (await ingest(ctx, "b.txt", "more"))[0].verdict == "stored"

    async def test_goes_on_where_it_was_left(self, ctx: Context) -> None:
        async with rig(ctx) as made:
            await ingest(ctx, "a.txt", TEXT)
            made.embedder.name = "two"
            building = await made.store.create_index("two", 64)
            half = await made.store.missing(building, 100)
            rows = (await made.embedder(Embed(texts=tuple(text for _, text in half)))).data
            await made.store.add_vectors(
                building, [(half[at][0], rows[at * 256 : at * 256 + 256]) for at in range(len(half))]
            )
            made.embedder.asked.clear()
            made.indexing.look_after()
            await made.settled("two")
            assert made.embedder.texts == 50

    async def test_once_more_with_the_same(self, ctx: Context, bus: Bus) -> None:
        async with rig(ctx) as made, bus.subscribe(MemoryIndexed, limit=9, overflow=Overflow.FAIL) as indexed:
            await ingest(ctx, "a.txt", TEXT)
            before = await made.indexing.active()
            made.indexing.rebuild()
            assert (await anext(indexed)).chunks == 150
            after = await made.indexing.active()
            assert before is not None and after is not None and before.key != after.key

    @pytest.mark.virtual_time
    async def test_tries_again_when_the_database_was_away(self, ctx: Context) -> None:
        made = Rig(ctx)
        indexes = made.store.indexes
        calls = 0

        async def away() -> Any:
            nonlocal calls
            calls += 1
            if calls < 5:
                raise DatabaseUnavailable("away")
            return await indexes()

        made.store.indexes = away  # type: ignore[method-assign]
        async with answering(ctx, embed=(Embed, made.embedder)), made.looked_after():
            with pytest.raises(DatabaseUnavailable):
                await made.indexing.active()
            await asyncio.sleep(60)
            assert (await made.settled("one")).state == "active"
            assert made.indexing.note() == ""
