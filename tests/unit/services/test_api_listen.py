"""The microphone listens now: who asks for it, and what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from services.api.house import House
from services.api.http import application
from services.api.recent import RecentTurns
from services.messages.audio import DescribeSources, SourceState
from services.messages.turntaking import EndUtterance, ListenNow
from solo.bus import Bus, Event, Overflow
from solo.cli.listen import follow
from solo.supervision import Context
from tests.stubs.callers import as_owner

DESK = SourceState.model_validate(
    {"source": "microphone", "state": "waiting for wake word", "wake": True, "heard_s": 1.0, "dropped": 0}
)


@asynccontextmanager
async def door(ctx: Context, *sources: SourceState) -> AsyncIterator[httpx.AsyncClient]:
    async def describe(_: DescribeSources) -> tuple[SourceState, ...]:
        return sources

    app = application(House(ctx, RecentTurns(), set()))
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(ctx.answer(DescribeSources, describe))
        await asyncio.sleep(0)
        transport = httpx.ASGITransport(as_owner(app), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
            yield client
        serving.cancel()


@pytest.mark.parametrize(
    ("path", "body", "fact"),
    [
        ("/api/listen", {}, ListenNow(source="microphone")),
        ("/api/listen", {"hold": True}, ListenNow(source="microphone", hold=True)),
        ("/api/listen/end", {}, EndUtterance(source="microphone")),
    ],
)
async def test_it_is_published_for_the_source(
    bus: Bus, ctx: Context, path: str, body: dict[str, Any], fact: Event
) -> None:
    async with door(ctx, DESK) as client:
        async with bus.subscribe(type(fact), limit=4, overflow=Overflow.FAIL, owner="test") as facts:
            answer = await client.post(path, json=body)
            assert answer.status_code == 202
            assert answer.json()["source"]["source"] == "microphone"
            published = await anext(facts)
    hidden = {"id", "monotonic", "wall", "turn_id", "cause"}
    assert published.model_dump(exclude=hidden) == fact.model_dump(exclude=hidden)


@pytest.mark.parametrize("path", ["/api/listen", "/api/listen/end"])
async def test_a_source_that_is_not_there_is_said_to_be(ctx: Context, path: str) -> None:
    async with door(ctx, DESK) as client:
        answer = await client.post(path, json={"source": "kitchen"})
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "api.no_source"
    assert "microphone" in answer.json()["error"]["hint"]


async def told(*facts: dict[str, Any]) -> tuple[dict[str, Any] | None, list[tuple[str, str]]]:
    async def come() -> AsyncIterator[dict[str, Any]]:
        for fact in facts:
            yield fact

    seen: list[tuple[str, str]] = []
    turn = await follow(come(), "microphone", lambda what, text: seen.append((what, text)))
    return turn, seen


async def test_the_command_follows_its_source_to_the_end_of_the_turn() -> None:
    summary = {"outcome": "answered", "heard": "What is it?"}
    turn, seen = await told(
        {"kind": "QuestionHeard", "source": "text", "text": "Another's."},
        {"kind": "QuestionHeard", "source": "microphone", "text": "What is it?"},
        {"kind": "AnswerGrew", "source": "microphone", "delta": "A "},
        {"kind": "TurnFinished", "source": "text", "summary": {"outcome": "answered"}},
        {"kind": "AnswerGrew", "source": "microphone", "delta": "stone."},
        {"kind": "TurnFinished", "source": "microphone", "summary": summary},
    )
    assert turn == summary
    assert seen == [("heard", "What is it?"), ("delta", "A "), ("delta", "stone.")]


@pytest.mark.parametrize(
    "fact",
    [
        {"kind": "NothingHeard", "source": "microphone", "reason": "no_speech"},
        {"kind": "TurnFinished", "source": "microphone", "summary": {"outcome": "no_speech"}},
        {"kind": "SourceClosed", "source": "microphone"},
    ],
)
async def test_nothing_said_is_nothing(fact: dict[str, Any]) -> None:
    assert (await told(fact))[0] is None
