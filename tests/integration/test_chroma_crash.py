"""Chroma's process is killed between two steps: afterwards a document is there whole, or not at all."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.memory.adapters.chroma_store import ChromaStore, _meta
from services.memory.store import Index, NewDocument, StoreUnavailable
from solo.isolation.engine import EngineDied
from tests.contract.stores import DIMENSIONS, ask, context, document, opened, put, vector

HALF_WAY = """
import os, sys
from services.memory.adapters.chroma_engine import ChromaEngine
from solo.isolation.call import Call

class Dies(ChromaEngine):
    def _recover(self): pass
    def _remove(self, ids): os._exit(7)

engine = Dies(sys.argv[1])
engine.load()
engine._pending = sys.argv[2]
engine.finish(Call(), sys.argv[2], sys.argv[3])
"""
"""Decides for the new document, and dies before the old one is taken away."""


@asynccontextmanager
async def killed(folder: Path) -> AsyncIterator[ChromaStore]:
    """Behind the block its process is gone, without a word."""
    store = ChromaStore(folder)
    running = asyncio.create_task(store.run(context()))
    await asyncio.wait_for(store._started.wait(), 60)
    yield store
    assert store._engine is not None
    assert store._engine.pid is not None
    os.kill(store._engine.pid, signal.SIGKILL)
    with pytest.RaisesGroup(EngineDied):
        await running


async def begin(store: ChromaStore, index: Index, new: NewDocument) -> None:
    assert await store._ask("begin", id=new.id, index=index.key, meta=_meta(new))
    await store._ask(
        "extend",
        id=new.id,
        index=index.key,
        start=0,
        chunks=[[chunk.text, chunk.page, chunk.offset] for chunk in new.chunks],
        vectors=b"".join(vector(chunk.text) for chunk in new.chunks),
    )


async def test_what_was_acknowledged_stays_and_what_was_half_written_goes(tmp_path: Path) -> None:
    async with killed(tmp_path) as store:
        index = await store.create_index("only", DIMENSIONS)
        await put(store, index, document("p", "a", ["old words"]))
        await begin(store, index, document("p", "a", ["new words"]))
        await begin(store, index, document("p", "b", ["other words"]))  # the asker of the first one has left
        assert [hit.text for hit in await ask(store, "p", "words")] == ["old words"]
    async with killed(tmp_path) as store:
        assert [each.name for each in await store.documents("p", None, 10)] == ["a"]
        assert [hit.text for hit in await ask(store, "p", "words")] == ["old words"]
        assert await store.progress(index) == (1, 1)
        assert await put(store, index, document("p", "b", ["other words"]))


async def test_a_replacement_that_was_decided_is_finished(tmp_path: Path) -> None:
    async with opened("chroma", tmp_path) as store:
        assert isinstance(store, ChromaStore)
        index = await store.create_index("only", DIMENSIONS)
        old, new = document("p", "a", ["old words"]), document("p", "a", ["new words"])
        await put(store, index, old)
        await begin(store, index, new)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", HALF_WAY, str(tmp_path), new.id, index.key)
    assert await process.wait() == 7
    async with killed(tmp_path) as store:
        assert [each.id for each in await store.documents("p", None, 10)] == [new.id]
        assert [hit.text for hit in await ask(store, "p", "words")] == ["new words"]
        assert await store.progress(index) == (1, 1)


async def test_calls_say_that_it_is_gone_and_go_on_with_the_next_one(tmp_path: Path) -> None:
    store = ChromaStore(tmp_path)
    for _ in range(3):  # more often than an input may end an engine
        running = asyncio.create_task(store.run(context()))
        await asyncio.wait_for(store._started.wait(), 60)
        assert store._engine is not None
        pid = store._engine.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        asked = asyncio.create_task(store.count())
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(StoreUnavailable):
            await asked
        with pytest.RaisesGroup(EngineDied):
            await running
    running = asyncio.create_task(store.run(context()))
    assert await store.count() == 0
    running.cancel()
    await asyncio.wait([running])
