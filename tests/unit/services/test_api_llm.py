"""The routes of the language models' pool: each is one question on the bus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from services.api.house import House
from services.api.http import application
from services.api.recent import RecentTurns
from services.api.routes import llm
from services.messages.pool import (
    DescribePool,
    Ledger,
    LoadedModel,
    LoadModel,
    PoolState,
    RoleState,
    UnloadModel,
    UseModel,
)
from solo.errors import SoloError
from solo.supervision import Context

ROLE = RoleState(role="logic", model="m", answering="m", state="ok")
MODEL = LoadedModel(name="m", state="loading", progress=0.5)
POOL = PoolState(
    status="degraded",
    roles=(ROLE,),
    models=(MODEL,),
    ledger=Ledger(budget_bytes=10, reserved_bytes=1, voice_bytes=1, entries=()),
)


@asynccontextmanager
async def door(ctx: Context, error: SoloError | None = None) -> AsyncIterator[tuple[httpx.AsyncClient, list[Any]]]:
    asked: list[Any] = []

    def answering(value: Any) -> Any:
        async def answer(question: Any) -> Any:
            asked.append(question)
            if error is not None:
                raise error
            return value

        return answer

    answers: dict[type[Any], Any] = {DescribePool: POOL, LoadModel: MODEL, UnloadModel: MODEL, UseModel: ROLE}
    async with asyncio.TaskGroup() as tasks:
        serving = [tasks.create_task(ctx.answer(kind, answering(value))) for kind, value in answers.items()]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        app: FastAPI = application(House(ctx, RecentTurns(), set()))
        if not any(getattr(route, "path", "") == "/api/llm/health" for route in app.routes):
            app.include_router(llm.router)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
            yield client, asked
        for task in serving:
            task.cancel()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "answer", "asked"),
    [
        ("GET", "/health", None, 200, POOL, {}),
        ("POST", "/models/load", {"name": "m"}, 202, MODEL, {"name": "m", "pin": None}),
        ("POST", "/models/load", {"name": "m", "pin": True}, 202, MODEL, {"name": "m", "pin": True}),
        ("POST", "/models/unload", {"name": "m"}, 200, MODEL, {"name": "m"}),
        ("PUT", "/roles/logic", {"model": "m"}, 200, ROLE, {"role": "logic", "model": "m"}),
        ("PUT", "/roles/vision", {"model": ""}, 200, ROLE, {"role": "vision", "model": ""}),
    ],
)
async def test_routes(
    ctx: Context, method: str, path: str, body: Any, status: int, answer: Any, asked: dict[str, Any]
) -> None:
    async with door(ctx) as (client, questions):
        response = await client.request(method, f"/api/llm{path}", json=body)
    assert (response.status_code, response.json()) == (status, answer.model_dump(mode="json"))
    assert [{name: getattr(question, name) for name in asked} for question in questions] == [asked]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/models/load", {}),
        ("POST", "/models/load", {"name": ""}),
        ("POST", "/models/load", {"name": "m", "force": True}),
        ("POST", "/models/unload", {"name": "m", "pin": True}),
        ("PUT", "/roles/cook", {"model": "m"}),
        ("PUT", "/roles/logic", {}),
        ("PUT", "/roles/logic", {"model": "x" * 1001}),
    ],
)
async def test_what_is_no_order_is_refused(ctx: Context, method: str, path: str, body: Any) -> None:
    async with door(ctx) as (client, questions):
        response = await client.request(method, f"/api/llm{path}", json=body)
    assert response.status_code == 422
    assert questions == []


async def test_an_error_keeps_its_name(ctx: Context) -> None:
    from services.llm.failures import UnknownModel

    async with door(ctx, UnknownModel("no m")) as (client, _):
        response = await client.post("/api/llm/models/load", json={"name": "m"})
    assert response.json()["error"]["code"] == "llm.unknown_model"
