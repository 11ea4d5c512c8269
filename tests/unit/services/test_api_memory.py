"""The routes of the memory: each is one question on the bus."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from services.api.house import House
from services.api.http import application
from services.api.recent import RecentTurns
from services.messages.facts import EditFact, Fact, ListFacts, Remember
from services.messages.memory import (
    DescribeMemory,
    Forget,
    Forgotten,
    Hit,
    Ingest,
    Ingested,
    IngestProgress,
    ListCollections,
    ListDocuments,
    MemoryState,
    Place,
    Reindex,
    Search,
)
from solo.errors import SoloError
from solo.storage import DatabaseUnavailable
from solo.supervision import Context
from tests.stubs.callers import as_owner

FACT = Fact(id="1", text="A fact.", subject="note", created_at="2026-01-01", updated_at="2026-01-01")
HIT = Hit(text="A passage.", score=0.5, collection="c", source=Place(document="d", page=2, offset=7))
STATE = MemoryState(store="fake", embedder="e", indexes=(), facts=1, documents=2)


class Memory:
    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.error: SoloError | None = None

    def answer(self, value: Any) -> Any:
        async def answered(question: Any) -> Any:
            self.asked.append(question)
            return value

        return answered

    async def ingest(self, asked: Ingest) -> AsyncGenerator[IngestProgress, None]:
        self.asked.append(asked)
        yield IngestProgress(done=0, total=0)
        if self.error is not None:
            raise self.error
        yield IngestProgress(done=3, total=3)
        yield IngestProgress(done=3, total=3, result=Ingested(name=asked.name, verdict="stored", chunks=3))


@asynccontextmanager
async def door(ctx: Context) -> AsyncIterator[tuple[httpx.AsyncClient, Memory]]:
    memory = Memory()
    answers: dict[type[Any], Any] = {
        DescribeMemory: STATE, Reindex: STATE, ListFacts: (FACT,), Remember: FACT, EditFact: FACT, Search: (HIT,),
        Forget: Forgotten(facts=1), ListCollections: (), ListDocuments: (),
    }  # fmt: skip
    async with asyncio.TaskGroup() as tasks:
        serving = [tasks.create_task(ctx.answer(kind, memory.answer(value))) for kind, value in answers.items()]
        serving.append(tasks.create_task(ctx.answer(Ingest, memory.ingest)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        transport = httpx.ASGITransport(
            as_owner(application(House(ctx, RecentTurns(), set()))), raise_app_exceptions=False
        )
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700/api/memory") as client:
            yield client, memory
        for task in serving:
            task.cancel()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "answer", "asked"),
    [
        ("GET", "", None, 200, STATE.model_dump(mode="json"), {}),
        ("POST", "/reindex", None, 202, STATE.model_dump(mode="json"), {}),
        ("GET", "/facts?limit=7", None, 200, {"facts": [FACT.model_dump()]}, {"limit": 7}),
        ("POST", "/facts", {"text": "A fact."}, 201, FACT.model_dump(), {"text": "A fact.", "subject": "note"}),
        ("POST", "/facts", {"text": "x", "subject": "name", "id": "9"}, 201, FACT.model_dump(), {"fact_id": "9"}),
        ("PATCH", "/facts/1", {"text": "New."}, 200, FACT.model_dump(), {"fact_id": "1", "text": "New."}),
        ("DELETE", "/facts/1", None, 200, {"facts": 1, "documents": 0}, {"fact_id": "1"}),
        ("DELETE", "/facts", None, 200, {"facts": 1, "documents": 0}, {"fact_id": "*"}),
        ("GET", "/collections", None, 200, {"collections": []}, {}),
        ("DELETE", "/collections/a%20b", None, 200, {"facts": 1, "documents": 0}, {"collection": "a b"}),
        ("GET", "/documents?collection=c", None, 200, {"documents": []}, {"collection": "c"}),
        ("DELETE", "/documents?name=a/b.txt", None, 200, {"facts": 1, "documents": 0}, {"document": "a/b.txt"}),
        (
            "POST",
            "/search",
            {"query": "what", "collection": "c", "document": "d", "top": 3},
            200,
            {"hits": [HIT.model_dump()]},
            {"query": "what", "collection": "c", "document": "d", "top": 3},
        ),
    ],
)
async def test_routes(
    ctx: Context, method: str, path: str, body: Any, status: int, answer: Any, asked: dict[str, Any]
) -> None:
    async with door(ctx) as (client, memory):
        response = await client.request(method, f"http://127.0.0.1:8700/api/memory{path}", json=body)
    assert (response.status_code, response.json()) == (status, answer)
    assert [{name: getattr(question, name) for name in asked} for question in memory.asked] == [asked]
    assert getattr(memory.asked[0], "profile", "owner") == "owner"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/facts", {}),
        ("POST", "/facts", {"text": "x", "profile": "guest"}),
        ("POST", "/search", {"query": ""}),
        ("POST", "/search", {"query": "x", "top": 101}),
        ("GET", "/facts?limit=0", None),
        ("DELETE", "/documents", None),
        ("PUT", "/documents", None),
        ("PUT", "/documents?name=", None),
        ("PUT", f"/documents?name=a&collection={'c' * 101}", None),
    ],
)
async def test_what_is_no_question(ctx: Context, method: str, path: str, body: Any) -> None:
    async with door(ctx) as (client, memory):
        response = await client.request(method, f"http://127.0.0.1:8700/api/memory{path}", json=body)
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "api.bad_request"
    assert memory.asked == []


def events(text: str) -> list[tuple[str, Any]]:
    blocks = [block.split("\n") for block in text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


class TestDocuments:
    CONTENT = bytes(range(256)) * 8

    async def test_as_json(self, ctx: Context) -> None:
        async with door(ctx) as (client, memory):
            response = await client.put("/documents?name=a.bin&collection=c", content=self.CONTENT)
        assert response.json()["verdict"] == "stored"
        [asked] = memory.asked
        assert (asked.name, asked.collection, asked.content) == ("a.bin", "c", self.CONTENT)

    async def test_with_progress(self, ctx: Context) -> None:
        async with door(ctx) as (client, _):
            response = await client.put(
                "/documents?name=a.bin", content=self.CONTENT, headers={"accept": "text/event-stream"}
            )
        assert response.headers["content-type"].startswith("text/event-stream")
        *steps, (last, result) = events(response.text)
        assert steps == [("progress", {"done": 0, "total": 0}), ("progress", {"done": 3, "total": 3})]
        assert (last, result["verdict"], result["chunks"]) == ("result", "stored", 3)

    async def test_a_failure(self, ctx: Context) -> None:
        async with door(ctx) as (client, memory):
            memory.error = DatabaseUnavailable("away")
            response = await client.put("/documents?name=a", content=b"x")
            assert (response.status_code, response.json()["error"]["code"]) == (503, "db.unavailable")
            response = await client.put("/documents?name=a", content=b"x", headers={"accept": "text/event-stream"})
            assert events(response.text)[-1] == (
                "error",
                {"error": {"code": "db.unavailable", "message": "away", "hint": ""}},
            )
