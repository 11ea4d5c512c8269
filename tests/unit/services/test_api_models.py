"""The routes of the models: each is a question on the bus, filled up with what the pool knows."""

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
from services.messages.models import (
    ChooseModel,
    FileProgress,
    FindModel,
    ImportModel,
    ListModels,
    ModelFile,
    PullModel,
    RemoveModel,
    VerifyModel,
)
from services.messages.pool import DescribePool, Ledger, LoadedModel, PoolState, RoleState
from services.models.errors import FetchFailed, ModelUnknown
from solo.errors import SoloError
from solo.supervision import Context
from tests.stubs.callers import as_owner

HERE = "http://127.0.0.1:8700/api/models"
MODEL = ModelFile(name="tiny", path="/models/tiny.gguf", origin="models", size_bytes=10, modified=1.0)
OTHER = MODEL.model_copy(update={"name": "other"})
POOL = PoolState(
    status="ok",
    roles=(
        RoleState(role="dialog", model="tiny", answering="tiny", state="ok"),
        RoleState(role="logic", model="tiny", answering="tiny", state="ok"),
        RoleState(role="fast", model="other", answering="tiny", state="fallback"),
    ),
    models=(LoadedModel(name="tiny", state="ready"), LoadedModel(name="other", state="loading")),
    ledger=Ledger(budget_bytes=1, reserved_bytes=0, voice_bytes=0, entries=()),
)


class Catalogue:
    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.error: SoloError | None = None

    def answer(self, value: Any) -> Any:
        async def answered(question: Any) -> Any:
            self.asked.append(question)
            if self.error is not None:
                raise self.error
            return value

        return answered

    async def steps(self, asked: Any) -> AsyncGenerator[FileProgress, None]:
        self.asked.append(asked)
        yield FileProgress(step="fetching", done_bytes=5, total_bytes=10)
        if self.error is not None:
            raise self.error
        yield FileProgress(step="done", done_bytes=10, total_bytes=10, model=MODEL)


@asynccontextmanager
async def door(ctx: Context, *, pool: bool = True) -> AsyncIterator[tuple[httpx.AsyncClient, Catalogue]]:
    catalogue = Catalogue()
    answers: dict[type[Any], Any] = {
        ListModels: (MODEL, OTHER), FindModel: MODEL, VerifyModel: MODEL, ChooseModel: (MODEL,), RemoveModel: MODEL,
    }  # fmt: skip
    async with asyncio.TaskGroup() as tasks:
        serving = [tasks.create_task(ctx.answer(kind, catalogue.answer(value))) for kind, value in answers.items()]
        serving += [tasks.create_task(ctx.answer(kind, catalogue.steps)) for kind in (PullModel, ImportModel)]
        if pool:
            serving.append(tasks.create_task(ctx.answer(DescribePool, Catalogue().answer(POOL))))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        transport = httpx.ASGITransport(
            as_owner(application(House(ctx, RecentTurns(), set()))), raise_app_exceptions=False
        )
        async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
            yield client, catalogue
        for task in serving:
            task.cancel()


async def test_models_with_what_the_pool_knows(ctx: Context) -> None:
    async with door(ctx) as (client, catalogue):
        tiny, other = (await client.get(HERE)).json()["models"]
        assert (tiny["name"], tiny["loaded"], tiny["roles"]) == ("tiny", True, ["dialog", "logic"])
        assert (other["name"], other["loaded"], other["roles"]) == ("other", False, ["fast"])
        assert (await client.get(f"{HERE}?refresh=true")).status_code == 200
        assert [asked.refresh for asked in catalogue.asked] == [False, True]


async def test_models_without_a_pool(ctx: Context) -> None:
    async with door(ctx, pool=False) as (client, _):
        tiny = (await client.get("/tiny")).json()
        assert (tiny["loaded"], tiny["roles"], tiny["verdict"]) == (False, [], "unchecked")


async def test_each_route_is_its_question(ctx: Context) -> None:
    async with door(ctx) as (client, catalogue):
        for call, kind in (
            (client.get("/tiny"), FindModel),
            (client.post("/tiny/verify"), VerifyModel),
            (client.delete("/tiny"), RemoveModel),
        ):
            answer = await call
            assert answer.status_code == 200 and answer.json()["name"] == "tiny"
            assert isinstance(catalogue.asked[-1], kind) and catalogue.asked[-1].name == "tiny"
        need = {"memory_bytes": 5, "context": 9, "purpose": "code", "family": "x"}
        assert (await client.post("/choose", json=need)).json()["models"][0]["name"] == "tiny"
        assert catalogue.asked[-1].model_dump(include=set(need)) == need


@pytest.mark.parametrize(
    ("path", "body"), [("/pull", {"url": "hf:a/b/c.gguf"}), ("/import", {"path": "/x.gguf", "name": "y"})]
)
async def test_taking_in_is_told_step_by_step(ctx: Context, path: str, body: dict[str, str]) -> None:
    async with door(ctx) as (client, catalogue):
        assert (await client.post(path, json=body)).json()["name"] == "tiny"
        answer = await client.post(path, json=body, headers={"accept": "text/event-stream"})
        events = [part.split("\n") for part in answer.text.strip().split("\n\n")]
        assert [name.removeprefix("event: ") for name, _ in events] == ["progress", "result"]
        first, last = (json.loads(data.removeprefix("data: ")) for _, data in events)
        assert first == {"step": "fetching", "done_bytes": 5, "total_bytes": 10}
        assert last["name"] == "tiny"
        assert catalogue.asked[-1].model_dump(include=set(body)) == body


async def test_what_fails_on_the_way_is_an_event(ctx: Context) -> None:
    async with door(ctx) as (client, catalogue):
        catalogue.error = FetchFailed("it broke")
        answer = await client.post("/pull", json={"url": "x"}, headers={"accept": "text/event-stream"})
        assert answer.text.strip().split("\n\n")[-1].startswith('event: error\ndata: {"error": {"code": "models.fetch')
        assert (await client.post("/pull", json={"url": "x"})).status_code == 502


async def test_one_that_is_not_there(ctx: Context) -> None:
    async with door(ctx) as (client, catalogue):
        catalogue.error = ModelUnknown("there is none")
        for call in (client.get("/x"), client.post("/x/verify"), client.delete("/x")):
            answer = await call
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "models.unknown")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/pull", {}), ("/pull", {"url": ""}), ("/pull", {"url": "x", "sha256": "abc"}), ("/pull", {"url": "x" * 3000}),
        ("/pull", {"url": "x", "more": 1}), ("/import", {"path": ""}), ("/choose", {"context": 0}),
        ("/choose", {"purpose": "war"}), ("/choose", {"memory_bytes": -1}),
    ],
)  # fmt: skip
async def test_what_is_no_question(ctx: Context, path: str, body: dict[str, Any]) -> None:
    async with door(ctx) as (client, catalogue):
        answer = await client.post(path, json=body)
        assert answer.status_code == 422 and catalogue.asked == []


async def test_names_that_lead_elsewhere_are_names(ctx: Context) -> None:
    async with door(ctx) as (client, catalogue):
        await client.get("/..%2F..%2Fetc%2Fpasswd")
        assert all(isinstance(asked, FindModel) for asked in catalogue.asked)
