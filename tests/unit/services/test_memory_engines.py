"""The memory's engines as services: the one always there for questions, those that come when they are needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from services.memory.embedding import Batches, EmbedderService
from services.memory.reading import ReaderService
from services.messages.passages import Embed, ReadDocument
from solo.bus import Bus
from solo.errors import SoloError
from solo.isolation.on_demand import OnDemandEngine
from solo.isolation.process import EngineSpec
from solo.supervision import Context, ServiceSpec, State
from tests.stubs.services import supervised

FAKE = EngineSpec("services.memory.adapters.fake:FakeEmbedder", {"dimensions": 8})
READER = EngineSpec("services.memory.adapters.fake:FakeReader")


def fragile() -> EngineSpec:
    """With a quarantine of its own."""
    return EngineSpec("tests.stubs.memory_engines:FragileEmbedder", python_path=(".",))


@asynccontextmanager
async def running(engine: OnDemandEngine) -> AsyncIterator[None]:
    task = asyncio.create_task(engine.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class TestOnDemand:
    async def test_comes_and_goes(self) -> None:
        engine = OnDemandEngine(FAKE, idle_s=0.05)
        async with running(engine):
            assert engine.state() is None
            async with engine.using() as process:
                first = process.pid
                assert engine.state() is not None
                assert len(await process.call("embed", within=5, texts=["a"])) == 32
            async with asyncio.timeout(10):
                while engine.state() is not None:
                    await asyncio.sleep(0.01)
            async with engine.using() as process:
                assert process.pid != first

    async def test_one_process_for_all_who_use_it(self) -> None:
        engine = OnDemandEngine(FAKE, idle_s=60)

        async def pid() -> int | None:
            async with engine.using() as process:
                return process.pid

        async with running(engine):
            assert len(set(await asyncio.gather(*(pid() for _ in range(5))))) == 1

    async def test_its_death_ends_the_calls_and_nothing_else(self) -> None:
        engine = OnDemandEngine(fragile(), idle_s=60)
        async with running(engine):
            for _ in range(2):
                with pytest.raises(SoloError) as died:
                    async with engine.using() as process:
                        await process.call("embed", within=10, texts=["poison"])
                assert died.value.code == "engine.died"
            async with engine.using() as process:
                assert await process.call("embed", within=10, texts=["bread"])

    async def test_what_keeps_it_from_starting_is_told_each_time(self) -> None:
        engine = OnDemandEngine(EngineSpec("tests.stubs.engines:Echo", {"fail": True}, python_path=(".",)), idle_s=60)
        async with running(engine):
            for _ in range(2):
                with pytest.raises(SoloError, match="cannot load"):
                    async with engine.using():
                        pass


class TestBatches:
    async def test_texts_of_several_askers_in_one_call(self) -> None:
        engine = OnDemandEngine(FAKE, idle_s=60)
        batches = Batches(engine)
        async with running(engine):
            worker = asyncio.create_task(batches.run())
            sizes = [1, 40, 3, 100, 1]
            found = await asyncio.gather(*(batches.embed([f"w{at} x{size}" for at in range(size)]) for size in sizes))
            alone = await batches.embed(["w7 x40"])
            worker.cancel()
        assert [len(vectors.data) // 32 for vectors in found] == sizes
        assert found[1].data[7 * 32 : 8 * 32] == alone.data
        assert (alone.model, alone.dimensions) == ("bag of words 8", 8)

    async def test_a_poisonous_text_harms_only_its_own_asker(self) -> None:
        engine = OnDemandEngine(fragile(), idle_s=60)
        batches = Batches(engine)
        async with running(engine):
            jobs = [asyncio.create_task(batches.embed([text])) for text in ("bread", "poison", "butter")]
            await asyncio.sleep(0)
            worker = asyncio.create_task(batches.run())
            found = await asyncio.gather(*jobs, return_exceptions=True)
            worker.cancel()
        assert [getattr(each, "code", "fine") for each in found] == ["fine", "engine.died", "fine"]

    async def test_an_asker_that_left_is_not_worked_for(self) -> None:
        engine = OnDemandEngine(FAKE, idle_s=60)
        batches = Batches(engine)
        async with running(engine):
            gone = asyncio.create_task(batches.embed(["a"] * 100))
            await asyncio.sleep(0)
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone
            worker = asyncio.create_task(batches.run())
            assert (await batches.embed(["b"])).dimensions == 8
            worker.cancel()


async def test_the_embedder_answers_both_ways_alike(bus: Bus, ctx: Context) -> None:
    spec = ServiceSpec(name="embedder", make=lambda: EmbedderService(FAKE), answers=(Embed,))
    async with supervised(bus, spec) as house:
        texts = tuple(f"number {number}" for number in range(100))
        now = await ctx.request(Embed(texts=texts), within=20)
        later = await ctx.request(Embed(texts=texts, background=True), within=20)
        assert now == later
        assert len(now.data) == 100 * 8 * 4
        assert house.state("embedder").engine is not None


async def test_the_reader_is_started_by_the_first_document(bus: Bus, ctx: Context) -> None:
    spec = ServiceSpec(name="documents", make=lambda: ReaderService(READER), answers=(ReadDocument,))
    async with supervised(bus, spec) as house:
        await house.reaches("documents", State.READY)
        assert house.state("documents").engine is None
        asked = [ReadDocument(name=f"{number}.txt", content=b"one\n\ntwo") for number in range(4)]
        found = await asyncio.gather(*(ctx.request(each, within=20) for each in asked))
        assert [[chunk.text for chunk in each.chunks] for each in found] == [["one", "two"]] * 4
        assert house.state("documents").engine is not None
        with pytest.raises(SoloError) as refused:
            await ctx.request(ReadDocument(name="a.pdf", content=b"%PDF-1.4"), within=20)
        assert refused.value.code == "memory.unsupported"
        assert house.state("documents").restarts == 0
