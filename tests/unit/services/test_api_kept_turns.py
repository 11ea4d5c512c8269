"""Recordings through the door: whose they are, and what they are to everybody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from services.api.house import House
from services.api.http import application
from services.api.recent import RecentTurns
from services.messages.blackbox import DescribeKeptTurn, FetchKeptTurn, ForgetKeptTurns, KeptTurn, ListKeptTurns
from services.messages.chats import ForgetChat
from services.messages.security import ROLE_SCOPES, Principal
from solo.replay import Manifest
from solo.supervision import Context
from tests.stubs.callers import as_caller

ANNA = Principal(kind="key", id="k1", name="anna", role="user", scopes=ROLE_SCOPES["user"], profile="anna")
BEN = Principal(kind="key", id="k2", name="ben", role="user", scopes=ROLE_SCOPES["user"], profile="ben")
KEPT = KeptTurn(
    turn_id="one", at="2026-01-31T12:00:00+00:00", source="kitchen", heard="What is it?", outcome="answered",
    voice_to_voice_ms=512.0, seconds=9.5, size=12_345, violations=(), missing="",
)  # fmt: skip
MANIFEST = Manifest(
    solo="0.1.0", id="one", at=KEPT.at, profile="anna", source="kitchen", seconds=9.5, summary={"heard": "What is it?"}
)


@dataclass
class Box:
    """Anna's only recording."""

    kept: set[str] = field(default_factory=lambda: {"anna"})
    forgotten: list[ForgetKeptTurns] = field(default_factory=list)

    def of(self, question: Any) -> bool:
        return question.profile in self.kept and question.kept in (None, "one")

    async def list(self, question: ListKeptTurns) -> tuple[KeptTurn, ...]:
        return (KEPT,) if question.profile in self.kept else ()

    async def describe(self, question: DescribeKeptTurn) -> dict[str, Any] | None:
        return MANIFEST.model_dump(mode="json") if self.of(question) else None

    async def fetch(self, question: FetchKeptTurn) -> bytes | None:
        return b"PK-bundle" if self.of(question) else None

    async def forget(self, question: ForgetKeptTurns) -> int:
        self.forgotten.append(question)
        had = self.of(question)
        self.kept -= {question.profile} if had else set()
        return int(had)

    async def forget_chat(self, _: ForgetChat) -> int:
        return 3


@asynccontextmanager
async def door(ctx: Context, who: Principal) -> AsyncIterator[tuple[httpx.AsyncClient, Box]]:
    box = Box()
    answers: dict[Any, Any] = {
        ListKeptTurns: box.list, DescribeKeptTurn: box.describe, FetchKeptTurn: box.fetch, ForgetKeptTurns: box.forget,
        ForgetChat: box.forget_chat,
    }  # fmt: skip
    app = application(House(ctx, RecentTurns(), set()))
    async with asyncio.TaskGroup() as tasks:
        serving = [tasks.create_task(ctx.answer(kind, answer)) for kind, answer in answers.items()]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        transport = httpx.ASGITransport(as_caller(app, who), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
            yield client, box
        for task in serving:
            task.cancel()


async def test_its_owner_sees_it_and_fetches_it(ctx: Context) -> None:
    async with door(ctx, ANNA) as (client, _):
        (turn,) = (await client.get("/api/turns/kept")).json()["turns"]
        assert (turn["turn_id"], turn["voice_to_voice_ms"]) == ("one", 512.0)
        assert (await client.get("/api/turns/one/kept")).json()["summary"] == {"heard": "What is it?"}
        fetched = await client.get("/api/turns/one/bundle")
    assert (fetched.content, fetched.headers["content-type"]) == (b"PK-bundle", "application/zip")


async def test_to_others_it_does_not_exist(ctx: Context) -> None:
    async with door(ctx, BEN) as (client, box):
        assert (await client.get("/api/turns/kept")).json() == {"turns": []}
        for method, path in (("GET", "kept"), ("GET", "bundle"), ("DELETE", "kept")):
            answer = await client.request(method, f"/api/turns/one/{path}")
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "api.no_turn")
        assert (await client.delete("/api/turns/kept")).json() == {"forgotten": 0}
        assert box.kept == {"anna"}


async def test_it_is_forgotten_once(ctx: Context) -> None:
    async with door(ctx, ANNA) as (client, _):
        assert (await client.delete("/api/turns/one/kept")).json() == {"forgotten": 1}
        assert (await client.delete("/api/turns/one/kept")).status_code == 404


async def test_a_chat_that_is_forgotten_takes_its_recordings_along(ctx: Context) -> None:
    async with door(ctx, ANNA) as (client, box):
        assert (await client.delete("/api/chats/work")).json() == {"forgotten": 3}
    assert [(one.profile, one.talk, one.kept) for one in box.forgotten] == [("anna", "work", None)]


async def test_a_solo_without_recordings_says_so_and_forgets_chats_all_the_same(ctx: Context) -> None:
    app = application(House(ctx, RecentTurns(), set()))
    transport = httpx.ASGITransport(as_caller(app, ANNA), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
        answer = await client.get("/api/turns/kept")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "bus.no_handler")
