"""Long work in the background: its states, its bounds, and whose it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from services.api import http, jobs
from services.api.house import House
from services.api.http import application
from services.api.jobs import Jobs, Report, TooManyJobs
from services.api.recent import RecentTurns
from services.messages.memory import DescribeMemory, MemoryIndexed, MemoryState, Reindex
from services.messages.models import FileProgress, ModelFile, PullModel
from services.messages.security import OWNER_PRINCIPAL, Principal
from solo.bus import Bus
from solo.errors import SoloError
from solo.storage import DatabaseUnavailable
from solo.supervision import Context
from tests.stubs.callers import as_caller
from tests.stubs.memory import answering

WITHIN_S = 5.0
MODEL = ModelFile(name="tiny", path="/m/tiny.gguf", origin="models", size_bytes=10, modified=0.0)
STATE = MemoryState(store="fake", embedder="e", indexes=(), facts=1, documents=2)
BERT = OWNER_PRINCIPAL.model_copy(update={"id": "k2", "kind": "key", "profile": "bert"})


@pytest.fixture
def app(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> Any:
    for code, status in (("api.no_job", 404), ("api.too_many_jobs", 429)):
        monkeypatch.setitem(http.STATUS, code, status)
    return application(House(ctx, RecentTurns(), set()))


@asynccontextmanager
async def client(app: Any, who: Principal = OWNER_PRINCIPAL) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(as_caller(app, who), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as found:
        yield found


async def reached(client: httpx.AsyncClient, path: str, state: str) -> dict[str, Any]:
    async with asyncio.timeout(WITHIN_S):
        while (job := (await client.get(path)).json())["state"] != state:
            await asyncio.sleep(0.001)
    found: dict[str, Any] = job
    return found


@pytest.mark.parametrize("how", [{"params": {"background": "true"}}, {"headers": {"prefer": "wait=5, respond-async"}}])
async def test_a_pull_in_the_background(ctx: Context, app: Any, how: dict[str, Any]) -> None:
    go = asyncio.Event()

    async def pull(asked: PullModel) -> AsyncGenerator[FileProgress, None]:
        yield FileProgress(step="fetching", done_bytes=5, total_bytes=10)
        await go.wait()
        yield FileProgress(step="done", model=MODEL)

    async with answering(ctx, pull=(PullModel, pull)), client(app) as owner, client(app, BERT) as bert:
        answer = await owner.post("/api/models/pull", json={"url": "hf:o/r/f.gguf"}, **how)
        job = answer.json()
        path = answer.headers["location"]
        assert (answer.status_code, job["kind"], job["result"]) == (202, "models.pull", None)
        assert path == f"/api/jobs/{job['id']}"
        async with asyncio.timeout(WITHIN_S):
            while (await owner.get(path)).json()["progress"] == 0:
                await asyncio.sleep(0.001)
        assert 0 < (await owner.get(path)).json()["progress"] < 1
        # Somebody else's: not seen, not cancelled.
        assert (await bert.get(path)).status_code == (await bert.delete(path)).status_code == 404
        assert (await bert.get("/api/jobs")).json() == {"jobs": []}
        go.set()
        done = await reached(owner, path, "done")
        assert (done["progress"], done["result"]["name"], done["error"]) == (1.0, "tiny", None)
        assert [each["id"] for each in (await owner.get("/api/jobs")).json()["jobs"]] == [job["id"]]
        assert (await owner.delete(path)).json()["state"] == "done"


async def test_one_that_fails_and_one_that_is_cancelled(ctx: Context, app: Any) -> None:
    left = asyncio.Event()

    async def pull(asked: PullModel) -> AsyncGenerator[FileProgress, None]:
        yield FileProgress(step="connecting")
        if asked.url == "hf:bad":
            raise DatabaseUnavailable("away", hint="Wait.")
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    async with answering(ctx, pull=(PullModel, pull)), client(app) as owner:
        bad = await owner.post("/api/models/pull?background=1", json={"url": "hf:bad"})
        failed = await reached(owner, bad.headers["location"], "failed")
        assert failed["error"] == {"code": "db.unavailable", "message": "away", "hint": "Wait."}
        slow = await owner.post("/api/models/pull?background=1", json={"url": "hf:slow"})
        await reached(owner, slow.headers["location"], "running")
        assert (await owner.delete(slow.headers["location"])).json()["state"] == "cancelled"
        async with asyncio.timeout(WITHIN_S):
            await left.wait()


async def test_a_new_index_is_watched_until_it_is_complete(
    bus: Bus, ctx: Context, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.api.routes.memory._LOOK_EVERY_S", 0.001)
    looks = 0

    async def describe(_: DescribeMemory) -> MemoryState:
        nonlocal looks
        looks += 1
        if looks == 3:
            bus.publish(MemoryIndexed(embedder="e", chunks=7, seconds=0.5))
        return STATE

    async def reindex(_: Reindex) -> MemoryState:
        return STATE

    async with (
        answering(ctx, one=(DescribeMemory, describe), two=(Reindex, reindex)),
        client(app) as owner,
    ):
        answer = await owner.post("/api/memory/reindex?background=true")
        done = await reached(owner, answer.headers["location"], "done")
    assert done["result"] == {"embedder": "e", "chunks": 7, "seconds": 0.5}


async def test_bounds(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MOST_OPEN", 6)
    monkeypatch.setattr(jobs, "MOST_KEPT", 8)
    kept = Jobs(House(ctx, RecentTurns(), set()))
    go = asyncio.Event()

    async def work(report: Report) -> str:
        await go.wait()
        return "done"

    begun = [kept.start("owner", "test", work) for _ in range(6)]
    with pytest.raises(TooManyJobs):
        kept.start("owner", "test", work)
    kept.start("bert", "test", work)  # another's are another's
    await asyncio.sleep(0)
    states = [job.state for job in kept.listed("owner", 100)]
    assert (states.count("running"), states.count("queued")) == (4, 2)
    assert (await kept.cancel("owner", begun[-1].id)).state == "cancelled"
    go.set()
    async with asyncio.timeout(WITHIN_S):
        while any(job.finished_at is None for job in kept.listed("owner", 100)):
            await asyncio.sleep(0.001)
    for _ in range(5):
        kept.start("owner", "test", work)
    assert len(kept.listed("owner", 100)) == 8
    with pytest.raises(SoloError):
        kept.find("owner", begun[0].id)
    ctx.stopping.set()
    async with asyncio.timeout(WITHIN_S):
        while any(job.finished_at is None for job in kept.listed("owner", 100)):
            await asyncio.sleep(0.001)


async def test_a_crash_is_told_and_ends_nothing_else(ctx: Context) -> None:
    kept = Jobs(House(ctx, RecentTurns(), set()))

    async def work(report: Report) -> None:
        raise ZeroDivisionError

    job = kept.start("owner", "test", work)
    async with asyncio.timeout(WITHIN_S):
        while (found := kept.find("owner", job.id)).finished_at is None:
            await asyncio.sleep(0.001)
    assert found.state == "failed"
    assert found.error is not None
    assert found.error.code == "bus.handler_crashed"
