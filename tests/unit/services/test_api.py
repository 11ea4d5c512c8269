"""The routes: each is one question on the bus, each failure leaves in one envelope."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from services.api.house import House
from services.api.http import STATUS, application
from services.api.recent import MOST, RecentTurns
from services.messages.audio import DescribeSources, SourceState
from services.messages.conversation import AnswerPart, Ask, Tokens, TurnFinished, TurnSummary
from services.messages.profiles import OWNER
from solo.bus import Bus, Overflow
from solo.errors import SoloError, known_errors
from solo.isolation.engine import EngineDied
from solo.supervision import Context, Describe, EngineState, ServiceState, State, StopRequested, SystemState
from solo.supervision.state import BusState, LoopState, MemoryState
from tests.stubs.callers import as_owner


def service(name: str, state: State = State.READY, **more: Any) -> ServiceState:
    known: dict[str, Any] = {"since_s": 1.0, "ready_after_s": 0.5, "restarts": 0, "last_error": None, "note": ""}
    return ServiceState(name=name, state=state, **{**known, "engine": None, **more})


def system(*services: ServiceState, state: str = "ready") -> SystemState:
    return SystemState(
        version="1",
        pid=1,
        started_at="2026-01-01T00:00:00+00:00",
        uptime_s=1.0,
        state=state,
        reasons=(),
        memory=MemoryState(daemon_rss_bytes=1, total_rss_bytes=2),
        loop=LoopState(lag_ms=0, max_lag_ms=0, blocked=0),
        bus=BusState(published=0, delivered=0, dropped=0, mailboxes=()),
        services=services,
    )


def summary(number: int = 0, **more: Any) -> TurnSummary:
    known: dict[str, Any] = {"at": "now", "source": "text", "talk": "default", "heard": "What?", "said": "That."}
    return TurnSummary(turn_id=str(number), **{**known, "outcome": "answered", **more})


class Rig:
    def __init__(self, bus: Bus, ctx: Context) -> None:
        self.bus = bus
        self.recent = RecentTurns()
        self.app = as_owner(application(House(ctx, self.recent, set())))
        self.system = system(service("llm"))
        self.sources: tuple[SourceState, ...] = ()
        self.asked: list[Ask] = []
        self.answer: Callable[[Ask], AsyncGenerator[AnswerPart, None]] = self.answered

    async def answered(self, question: Ask) -> AsyncGenerator[AnswerPart, None]:
        self.asked.append(question)
        for word in ("Pa", "ris", " ✓"):
            yield AnswerPart(delta=word)
        yield AnswerPart(summary=summary(said="Paris ✓"))

    async def describe(self, _: Describe) -> SystemState:
        return self.system

    async def describe_sources(self, _: DescribeSources) -> tuple[SourceState, ...]:
        return self.sources


@asynccontextmanager
async def door(
    bus: Bus, ctx: Context, *, without: tuple[type[Any], ...] = ()
) -> AsyncIterator[tuple[httpx.AsyncClient, Rig]]:
    rig = Rig(bus, ctx)
    answers: dict[type[Any], Callable[[Any], Any]] = {
        Describe: rig.describe,
        DescribeSources: rig.describe_sources,
        Ask: lambda question: rig.answer(question),
    }
    async with asyncio.TaskGroup() as tasks:
        serving = [
            tasks.create_task(ctx.answer(kind, answer)) for kind, answer in answers.items() if kind not in without
        ]
        serving.append(tasks.create_task(rig.recent.follow(ctx)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        transport = httpx.ASGITransport(rig.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
            yield client, rig
        for task in serving:
            task.cancel()


def events(text: str) -> list[tuple[str, Any]]:
    found = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


class TestHealth:
    async def test_alive_asks_nobody(self, bus: Bus, ctx: Context) -> None:
        async with door(bus, ctx, without=(Describe, DescribeSources, Ask)) as (client, _):
            response = await client.get("/healthz")
        assert (response.status_code, response.json()) == (200, {"status": "alive"})

    @pytest.mark.parametrize(
        ("state", "services", "status", "waiting"),
        [
            ("ready", {"llm": State.READY, "tts": State.DEGRADED}, 200, []),
            ("starting", {"llm": State.STARTING, "tts": State.READY}, 503, ["llm"]),
            ("degraded", {"llm": State.BACKOFF, "tts": State.FAILED}, 503, ["llm", "tts"]),
            ("draining", {"llm": State.READY}, 503, []),
        ],
    )
    async def test_ready_or_why_not(
        self, bus: Bus, ctx: Context, state: str, services: dict[str, State], status: int, waiting: list[str]
    ) -> None:
        async with door(bus, ctx) as (client, rig):
            rig.system = system(*(service(*pair, note="/secret/path") for pair in services.items()), state=state)
            response = await client.get("/readyz")
        assert response.status_code == status
        assert response.json() == {"status": state, "waiting_for": waiting}

    async def test_status_is_everything(self, bus: Bus, ctx: Context) -> None:
        async with door(bus, ctx) as (client, rig):
            engine = EngineState(engine="portaudio", model="USB microphone", pid=7)
            rig.system = system(service("device", engine=engine, note="fine"))
            rig.sources = (SourceState(source="kitchen", state="listening", wake=True, heard_s=1.5, dropped=0),)
            bus.publish(TurnFinished(source="text", summary=summary(1)))
            await asyncio.sleep(0.01)
            response = await client.get("/status")
        body = response.json()
        assert response.status_code == 200
        assert body["services"][0]["engine"]["pid"] == 7
        assert body["audio"]["device"] == "portaudio USB microphone"
        assert body["audio"]["state"] == "fine"
        assert body["audio"]["sources"][0]["source"] == "kitchen"
        assert [turn["turn_id"] for turn in body["turns"]] == ["1"]

    async def test_status_without_ears(self, bus: Bus, ctx: Context) -> None:
        async with door(bus, ctx, without=(DescribeSources,)) as (client, _):
            response = await client.get("/status")
        assert response.status_code == 200
        assert response.json()["audio"] == {"device": "none", "state": "none", "sources": []}

    async def test_stop_is_told(self, bus: Bus, ctx: Context) -> None:
        async with (
            door(bus, ctx) as (client, _),
            bus.subscribe(StopRequested, limit=9, overflow=Overflow.FAIL) as stops,
        ):
            response = await client.post("/api/stop")
            assert (response.status_code, response.json()) == (202, {"status": "draining"})
            assert (await anext(stops)).by == "api"


class TestAsk:
    async def test_the_turn_when_it_is_over(self, bus: Bus, ctx: Context) -> None:
        async with door(bus, ctx) as (client, rig):
            response = await client.post("/api/ask", json={"text": "What?", "talk": "family"})
        assert response.status_code == 200
        assert response.json()["said"] == "Paris ✓"
        assert [(asked.text, asked.talk, asked.speak_to) for asked in rig.asked] == [("What?", "family", None)]

    async def test_word_by_word(self, bus: Bus, ctx: Context) -> None:
        async with door(bus, ctx) as (client, _):
            response = await client.post("/api/ask", json={"text": "What?", "stream": True})
        assert response.headers["content-type"].startswith("text/event-stream")
        *deltas, (last, turn) = events(response.text)
        assert deltas == [("delta", {"text": word}) for word in ("Pa", "ris", " ✓")]
        assert (last, turn["said"]) == ("turn", "Paris ✓")

    async def test_a_failure_in_the_middle_is_an_event(self, bus: Bus, ctx: Context) -> None:
        async def fail(_: Ask) -> AsyncGenerator[AnswerPart, None]:
            yield AnswerPart(delta="Pa")
            raise EngineDied("gone", hint="Wait.")

        async with door(bus, ctx) as (client, rig):
            rig.answer = fail
            response = await client.post("/api/ask", json={"text": "What?", "stream": True})
        assert events(response.text) == [
            ("delta", {"text": "Pa"}),
            ("error", {"error": {"code": "engine.died", "message": "gone", "hint": "Wait."}}),
        ]

    @pytest.mark.parametrize(
        ("body", "where"),
        [
            ({}, "body.text"),
            ({"text": ""}, "body.text"),
            ({"text": 3}, "body.text"),
            ({"text": "x" * 16_001}, "body.text"),
            ({"text": "What?", "talk": ""}, "body.talk"),
            ({"text": "What?", "speak": True}, "body.speak"),
            ([], "body"),
            (None, "body"),
        ],
    )
    async def test_what_is_no_question(self, bus: Bus, ctx: Context, body: Any, where: str) -> None:
        async with door(bus, ctx) as (client, rig):
            response = await client.post("/api/ask", json=body)
        assert response.status_code == 422
        error = response.json()["error"]
        assert error["code"] == "api.bad_request"
        assert error["message"].startswith(f"{where}: ")
        assert rig.asked == []

    @pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe"])
    async def test_what_is_no_json(self, bus: Bus, ctx: Context, content: bytes) -> None:
        async with door(bus, ctx) as (client, _):
            response = await client.post("/api/ask", content=content, headers={"content-type": "application/json"})
        assert response.status_code in {400, 422}
        assert response.json()["error"]["code"] == "api.bad_request"


class TestErrors:
    @pytest.mark.parametrize("code", [*STATUS, "engine.model_missing"])
    async def test_each_has_its_status(self, bus: Bus, ctx: Context, code: str) -> None:
        async def fail(_: Ask) -> AsyncGenerator[AnswerPart, None]:
            raise SoloError.from_wire({"code": code, "message": "m", "hint": "h"})
            yield

        async with door(bus, ctx) as (client, rig):
            rig.answer = fail
            response = await client.post("/api/ask", json={"text": "What?"})
        assert response.status_code == STATUS.get(code, 500)
        assert response.json() == {"error": {"code": code, "message": "m", "hint": "h"}}
        assert ("retry-after" in response.headers) == (response.status_code in {429, 503})

    @pytest.mark.parametrize("code", sorted(STATUS))
    def test_every_code_of_the_table_exists(self, code: str) -> None:
        import services.app

        services.app.parts()
        # The engines' children load their ports, the daemon does not.
        import services.llm.adapters.constrain
        import services.llm.engine

        assert code in known_errors()

    async def test_nobody_to_answer(self, bus: Bus, ctx: Context) -> None:
        async with door(bus, ctx, without=(Ask,)) as (client, _):
            response = await client.post("/api/ask", json={"text": "What?"})
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "bus.no_handler"

    @pytest.mark.parametrize(
        ("method", "path", "status", "code"),
        [
            ("GET", "/nowhere", 404, "api.not_found"),
            ("GET", "/docs", 404, "api.not_found"),
            ("GET", "/api/ask", 405, "api.bad_request"),
            ("DELETE", "/status", 405, "api.bad_request"),
        ],
    )
    async def test_wrong_ways(self, bus: Bus, ctx: Context, method: str, path: str, status: int, code: str) -> None:
        async with door(bus, ctx) as (client, _):
            response = await client.request(method, path)
        assert (response.status_code, response.json()["error"]["code"]) == (status, code)

    async def test_the_description_of_all_routes(self, bus: Bus, ctx: Context) -> None:
        async with door(bus, ctx) as (client, _):
            body = (await client.get("/openapi.json")).json()
        assert {"/healthz", "/readyz", "/status", "/api/ask", "/api/stop"} <= body["paths"].keys()
        assert all(way.get("summary") for ways in body["paths"].values() for way in ways.values())


class TestRecent:
    async def test_keeps_the_last_newest_first(self, bus: Bus, ctx: Context) -> None:
        recent = RecentTurns()
        following = asyncio.create_task(recent.follow(ctx))
        for _ in range(3):  # until it has subscribed
            await asyncio.sleep(0)
        for number in range(MOST + 5):
            bus.publish(TurnFinished(source="text", summary=summary(number)))
        await asyncio.sleep(0.01)
        following.cancel()
        await asyncio.wait([following])
        assert [turn.turn_id for turn in recent.newest_first(OWNER, MOST)] == [
            str(number) for number in range(MOST + 4, 4, -1)
        ]

    async def test_speed_of_the_last_that_had_one(self, bus: Bus, ctx: Context) -> None:
        recent = RecentTurns()
        assert recent.tokens_per_s() is None
        following = asyncio.create_task(recent.follow(ctx))
        for _ in range(3):
            await asyncio.sleep(0)
        for speed in (100.0, None):
            tokens = Tokens(prompt=1, cached=0, completion=1, per_second=speed)
            bus.publish(TurnFinished(source="text", summary=summary(tokens=tokens)))
        bus.publish(TurnFinished(source="text", summary=summary()))
        await asyncio.sleep(0.01)
        following.cancel()
        await asyncio.wait([following])
        assert recent.tokens_per_s() == 100.0
