"""The memory as a whole: real database, real processes, engines without a model."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest

from services.memory import spec
from services.memory.facts.fact_store import FactStore
from services.messages.chats import EXCHANGE_STORED, Exchange
from services.messages.facts import EditFact, Fact, FactLearnt, ListFacts, Remember
from services.messages.memory import (
    DescribeMemory,
    Forget,
    ListCollections,
    ListDocuments,
    MemoryIndexed,
    Recall,
    Reindex,
    Search,
)
from solo.bus import Bus, Overflow
from solo.errors import SoloError
from solo.storage import Database
from solo.storage.outbox import put
from solo.supervision import Context, State
from tests.stubs.memory import ingest, memory_database, remembering

WITHIN = 20.0


async def facts(ctx: Context, profile: str = "owner") -> list[str]:
    return [fact.text for fact in await ctx.request(ListFacts(profile=profile), within=WITHIN)]


async def remember(ctx: Context, text: str, **more: Any) -> Fact:
    return await ctx.request(Remember(text=text, **more), within=WITHIN)


async def say(database: Database, turn_id: str, heard: str, profile: str = "owner") -> None:
    exchange = Exchange(
        turn_id=turn_id, profile=profile, talk="t", heard=heard, said="Fine.", at="2026-01-01T00:00:00Z"
    )
    async with database.transaction() as connection:
        await put(connection, EXCHANGE_STORED, exchange.model_dump(mode="json"))


async def settled(ctx: Context, embedder: str) -> None:
    """Wait until the index of this embedder is asked and no other is being built."""
    async with asyncio.timeout(WITHIN):
        while True:
            state = await ctx.request(DescribeMemory(), within=WITHIN)
            if [(index.embedder, index.state) for index in state.indexes] == [(embedder, "active")]:
                return
            await asyncio.sleep(0.05)


class TestFacts:
    async def test_kept_once_dated_superseded_edited_forgotten(self, bus: Bus, ctx: Context, tmp_path: Path) -> None:
        async with memory_database(tmp_path) as opened, remembering(opened, bus, tmp_path):
            which = str(uuid.uuid4())
            first = await remember(ctx, "The user likes tea.", subject="likes", fact_id=which)
            assert first.id == which
            # The same id, and the same words with other marks, change nothing.
            assert (await remember(ctx, "Something else.", fact_id=which)).text == "The user likes tea."
            again = await remember(ctx, "the user LIKES tea", subject="likes")
            assert (again.id, again.text, again.created_at) == (which, first.text, first.created_at)
            assert again.updated_at > first.updated_at
            # A subject of one value keeps the newest; others add up.
            anna = await remember(ctx, "My name is Anna.")
            assert anna.subject == "name"
            await remember(ctx, "The user's name is Hannah.", subject="name")
            await remember(ctx, "The user likes cake.", subject="likes")
            assert await facts(ctx) == ["The user likes cake.", "The user's name is Hannah.", "The user likes tea."]
            edited = await ctx.request(EditFact(fact_id=which, text="The user likes green tea."), within=WITHIN)
            assert (edited.id, edited.subject) == (which, "likes")
            with pytest.raises(SoloError) as refused:
                await ctx.request(EditFact(fact_id=which, text="The user likes cake"), within=WITHIN)
            assert refused.value.code == "memory.fact_exists"
            # Forgetting the newer name does not bring back the older.
            hannah = next(fact for fact in await ctx.request(ListFacts(), within=WITHIN) if fact.subject == "name")
            assert (await ctx.request(Forget(fact_id=hannah.id), within=WITHIN)).facts == 1
            assert await facts(ctx) == ["The user likes green tea.", "The user likes cake."]
            assert await opened.fetchval("SELECT count(*) FROM rag.facts WHERE text LIKE '%Anna%'") == 0

    async def test_alike_is_the_same_unless_a_word_differs(self, bus: Bus, ctx: Context, tmp_path: Path) -> None:
        async with memory_database(tmp_path) as opened, remembering(opened, bus, tmp_path):
            await settled(ctx, "bag of words 384")
            one = "The user likes walking along the river in the morning with a friend and a flask of hot tea."
            await remember(ctx, one, subject="likes")
            await remember(ctx, one.replace("likes", "really likes"), subject="likes")
            assert await facts(ctx) == [one]
            other = one.replace("tea", "milk")
            await remember(ctx, other, subject="likes")
            assert await facts(ctx) == [other, one]

    async def test_everybody_has_their_own(self, bus: Bus, ctx: Context, tmp_path: Path) -> None:
        async with memory_database(tmp_path) as opened, remembering(opened, bus, tmp_path):
            mine = await remember(ctx, "The user likes tea.")
            await remember(ctx, "The user likes tea.", profile="guest")
            for question in (
                EditFact(profile="guest", fact_id=mine.id, text="Changed."),
                Remember(profile="guest", text="Another.", fact_id=mine.id),
            ):
                with pytest.raises(SoloError) as refused:
                    await ctx.request(question, within=WITHIN)
                assert refused.value.code in {"memory.no_fact", "memory.fact_exists"}
            assert (await ctx.request(Forget(profile="guest", fact_id=mine.id), within=WITHIN)).facts == 0
            assert (await ctx.request(Forget(profile="guest", fact_id="*"), within=WITHIN)).facts == 1
            assert await facts(ctx) == ["The user likes tea."]
            assert await facts(ctx, "guest") == []

    async def test_many_at_once_say_the_same(self, bus: Bus, ctx: Context, tmp_path: Path) -> None:
        async with memory_database(tmp_path) as opened, remembering(opened, bus, tmp_path):
            said = [remember(ctx, f"The user's name is {name}.", subject="name") for name in ("Anna", "Bea", "Anna")]
            await asyncio.gather(*said, *(remember(ctx, "The bins go out on Tuesday.") for _ in range(6)))
            found = await ctx.request(ListFacts(), within=WITHIN)
            assert sorted(fact.subject for fact in found) == ["name", "note"]

    async def test_learnt_from_what_was_said_once(self, bus: Bus, ctx: Context, tmp_path: Path) -> None:
        async with (
            memory_database(tmp_path) as opened,
            bus.subscribe(FactLearnt, limit=99, overflow=Overflow.FAIL) as learnt,
            remembering(opened, bus, tmp_path),
        ):
            for _ in range(2):  # delivered twice, as the outbox may
                await say(opened, "t1", "my name is anna and i live in berlin")
            await say(opened, "t2", "What is my name?")
            await say(opened, "t3", "I have moved to Lisbon.", profile="guest")
            async with asyncio.timeout(WITHIN):
                events = [await anext(learnt) for _ in range(3)]
                while await opened.fetchval("SELECT count(*) FROM solo.outbox"):
                    await asyncio.sleep(0.05)
            assert [(event.profile, event.fact.text) for event in events] == [
                ("owner", "The user's name is Anna."),
                ("owner", "The user lives in Berlin."),
                ("guest", "The user lives in Lisbon."),
            ]
            assert events[0].fact.turn_id == "t1"
            assert sorted(await facts(ctx)) == ["The user lives in Berlin.", "The user's name is Anna."]
            recalled = await ctx.request(Recall(question="what is my name"), within=WITHIN)
            assert [fact.text for fact in recalled.facts] == ["The user's name is Anna."]
            everything = await ctx.request(Recall(question="What do you know about me?"), within=WITHIN)
            assert len(everything.facts) == 2

    async def test_embedded_afresh_for_another_embedder(self, bus: Bus, ctx: Context, tmp_path: Path) -> None:
        async with memory_database(tmp_path) as opened:
            async with remembering(opened, bus, tmp_path):
                await settled(ctx, "bag of words 384")
                fact = await remember(ctx, "The user likes tea.")
            await FactStore(opened).embed("old", [(uuid.UUID(fact.id), fact.text, b"\0" * 16)])
            async with remembering(opened, bus, tmp_path), asyncio.timeout(WITHIN):
                while True:
                    known = await FactStore(opened).living("owner")
                    if known[0].embedder == "bag of words 384":
                        break
                    await asyncio.sleep(0.05)
            assert len(known[0].embedding or b"") == 4 * 384


class TestDocuments:
    async def test_from_the_bytes_to_the_citation(self, bus: Bus, ctx: Context, tmp_path: Path) -> None:
        async with memory_database(tmp_path) as opened, remembering(opened, bus, tmp_path) as house:
            await house.reaches("memory", State.READY)
            assert (await ctx.request(Recall(question="Where is the key?"), within=WITHIN)).hits == ()
            await settled(ctx, "bag of words 384")
            first, _ = await ingest(ctx, "house.txt", "The key lies under the blue pot.\n\nThe cellar is damp.")
            assert (first.verdict, first.chunks) == ("stored", 2)
            assert (await ingest(ctx, "copy.txt", "The key lies under the blue pot.\n\nThe cellar is damp."))[
                0
            ].verdict == "known"
            await ingest(ctx, "notes.txt", "Bread and butter.", collection="shopping")
            found = await ctx.request(Search(query="where lies the key", top=1), within=WITHIN)
            assert (found[0].source.document, found[0].source.offset, found[0].collection) == (
                "house.txt",
                0,
                "documents",
            )
            assert await ctx.request(Search(query="key", collection="nowhere"), within=WITHIN) == ()
            recalled = await ctx.request(Recall(question="where lies the key under the pot"), within=WITHIN)
            assert recalled.hits[0].text == "The key lies under the blue pot."
            assert (await ctx.request(Recall(question="Hello, how are you?"), within=WITHIN)).hits == ()
            names = [(each.name, each.documents) for each in await ctx.request(ListCollections(), within=WITHIN)]
            assert names == [("documents", 1), ("shopping", 1)]
            assert len(await ctx.request(ListDocuments(), within=WITHIN)) == 2
            assert await ctx.request(ListDocuments(profile="guest"), within=WITHIN) == ()
            assert (await ctx.request(Forget(document="house.txt"), within=WITHIN)).documents == 1
            assert (await ctx.request(Forget(collection="shopping"), within=WITHIN)).documents == 1
            assert (await ctx.request(Recall(question="where lies the key"), within=WITHIN)).hits == ()
            with pytest.raises(SoloError) as refused:
                await ctx.request(Forget(), within=WITHIN)
            assert refused.value.code == "memory.nothing_named"

    async def test_a_broken_one_stops_nobody(self, bus: Bus, ctx: Context, tmp_path: Path) -> None:
        async with memory_database(tmp_path) as opened, remembering(opened, bus, tmp_path):
            await settled(ctx, "bag of words 384")
            files = {"a.txt": "Good.", "b.pdf": "%PDF-1.7", "c.txt": "", "d.txt": "Good too."}
            results = await asyncio.gather(*(ingest(ctx, name, text) for name, text in files.items()))
            assert [result.verdict for result, _ in results] == ["stored", "failed", "empty", "stored"]
            assert results[1][0].code == "memory.unsupported"

    async def test_reindexed_on_request(self, bus: Bus, ctx: Context, tmp_path: Path) -> None:
        async with memory_database(tmp_path) as opened, remembering(opened, bus, tmp_path):
            await settled(ctx, "bag of words 384")
            async with bus.subscribe(MemoryIndexed, limit=9, overflow=Overflow.FAIL) as indexed:
                for chunks in (0, 300):  # that there is nothing to embed is told too
                    await ctx.request(Reindex(), within=WITHIN)
                    async with asyncio.timeout(WITHIN):
                        assert (await anext(indexed)).chunks == chunks
                    await ingest(ctx, "a.txt", "\n\n".join(f"Paragraph {number}." for number in range(300)))
            assert len(await ctx.request(Search(query="Paragraph 7"), within=WITHIN)) == 5

    async def test_a_changed_embedder_while_the_former_still_answers(
        self, bus: Bus, ctx: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with memory_database(tmp_path) as opened:
            async with remembering(opened, bus, tmp_path):
                await settled(ctx, "bag of words 384")
                await ingest(ctx, "a.txt", "The key lies under the blue pot.")
            monkeypatch.setitem(spec._EMBEDDERS, "minilm", "tests.stubs.memory_engines:GatedEmbedder")
            async with (
                bus.subscribe(MemoryIndexed, limit=9, overflow=Overflow.FAIL) as indexed,
                remembering(opened, bus, tmp_path, embedder="minilm", embedder_model=tmp_path / "gate") as house,
            ):
                await house.reaches("memory", State.DEGRADED)
                state = await ctx.request(DescribeMemory(), within=WITHIN)
                assert [(index.embedder, index.state) for index in state.indexes] == [
                    ("bag of words 384", "active"),
                    ("gated", "building"),
                ]
                assert "as before" in state.note
                hits = await ctx.request(Search(query="the key is under the blue pot"), within=WITHIN)
                assert hits[0].score > 0.8  # by meaning, through the former embedder
                assert (await ingest(ctx, "b.txt", "Bread and butter."))[0].verdict == "stored"
                (tmp_path / "gate").touch()
                async with asyncio.timeout(WITHIN):
                    assert (await anext(indexed)).chunks == 2
                await house.reaches("memory", State.READY)


async def test_ready_without_a_database(bus: Bus, ctx: Context, tmp_path: Path) -> None:
    closed = Database()
    async with remembering(closed, bus, tmp_path) as house:
        await house.reaches("memory", State.READY)
        for question in (Recall(question="Where do I live?"), ListFacts(), Search(query="x"), Remember(text="A fact.")):
            with pytest.raises(SoloError) as refused:
                await ctx.request(question, within=0.5 if isinstance(question, Recall) else WITHIN)
            assert refused.value.code in {"db.unavailable", "bus.deadline"}
        assert house.state("memory").state is State.READY
        assert house.state("memory").restarts == 0
