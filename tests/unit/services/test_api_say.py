"""Something said aloud: who says it, who hears it, and what is told when nobody does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from services.api.house import House
from services.api.http import application
from services.api.recent import RecentTurns
from services.messages.announcing import Announce
from services.messages.audio import DescribeSources, SourceState
from services.messages.speech import ListVoices, Voice
from solo.cli import say as command
from solo.cli.exits import Exit
from solo.supervision import Context
from tests.stubs.callers import as_owner

DESK = SourceState.model_validate(
    {"source": "microphone", "state": "waiting for wake word", "wake": True, "heard_s": 1.0, "dropped": 0}
)


@dataclass
class Room:
    """Plays the conversation, the ears and the voices."""

    sources: tuple[SourceState, ...] = (DESK,)
    asked: list[Announce] = field(default_factory=list)

    async def announce(self, question: Announce) -> tuple[str, ...]:
        self.asked.append(question)
        return tuple(one.source for one in self.sources if question.source in {None, one.source})

    async def describe(self, _: DescribeSources) -> tuple[SourceState, ...]:
        return self.sources

    async def voices(self, _: ListVoices) -> tuple[Voice, ...]:
        return (Voice(name="joe", engine="fake", sample_rate=16_000),)


@asynccontextmanager
async def door(ctx: Context, room: Room) -> AsyncIterator[httpx.AsyncClient]:
    app = application(House(ctx, RecentTurns(), set()))
    async with asyncio.TaskGroup() as tasks:
        serving = [
            tasks.create_task(ctx.answer(Announce, room.announce)),
            tasks.create_task(ctx.answer(DescribeSources, room.describe)),
            tasks.create_task(ctx.answer(ListVoices, room.voices)),
        ]
        await asyncio.sleep(0)
        transport = httpx.ASGITransport(as_owner(app), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
            yield client
        for task in serving:
            task.cancel()


async def test_it_is_announced_as_it_was_asked_for(ctx: Context) -> None:
    room = Room()
    body = {"text": "Dinner is ready.", "source": "microphone", "voice": "joe", "language": "en"}
    async with door(ctx, room) as client:
        answer = await client.post("/api/say", json=body)
    assert answer.status_code == 200
    assert answer.json() == {"said_to": ["microphone"]}
    (asked,) = room.asked
    assert {name: getattr(asked, name) for name in body} == body


async def test_nobody_is_an_answer(ctx: Context) -> None:
    async with door(ctx, Room(sources=())) as client:
        answer = await client.post("/api/say", json={"text": "Hello?"})
    assert (answer.status_code, answer.json()) == (200, {"said_to": []})


@pytest.mark.parametrize(
    ("wish", "code", "known"),
    [({"source": "kitchen"}, "api.no_source", "microphone"), ({"voice": "nobody"}, "api.no_voice", "joe")],
)
async def test_what_is_not_there_is_named(ctx: Context, wish: dict[str, str], code: str, known: str) -> None:
    async with door(ctx, Room()) as client:
        answer = await client.post("/api/say", json={"text": "Hello.", **wish})
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == code
    assert known in answer.json()["error"]["hint"]


@pytest.mark.parametrize(
    "body", [{}, {"text": ""}, {"text": "x" * 4001}, {"text": "a\0b"}, {"text": "a", "language": "../x"}]
)
async def test_what_cannot_be_said_is_refused(ctx: Context, body: dict[str, Any]) -> None:
    room = Room()
    async with door(ctx, room) as client:
        assert (await client.post("/api/say", json=body)).status_code == 422
    assert room.asked == []


class Daemon:
    """Plays the client's daemon."""

    heard_by: tuple[str, ...] = ()
    asked: tuple[str, dict[str, Any]]

    def __init__(self, *_: object) -> None: ...

    def post(self, path: str, body: dict[str, Any], *, within: float) -> dict[str, Any]:
        Daemon.asked = (path, body)
        return {"said_to": list(self.heard_by)}


@pytest.mark.parametrize(
    ("heard_by", "code", "line"), [(("microphone",), Exit.OK, "microphone"), ((), Exit.FAILED, "Nobody heard it")]
)
@pytest.mark.parametrize("as_json", [False, True])
def test_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, heard_by: tuple[str, ...], code: Exit, line: str, as_json: bool
) -> None:
    monkeypatch.setattr(command, "Client", Daemon)
    monkeypatch.setattr(Daemon, "heard_by", heard_by)
    assert command.say(command.Saying("Hi.", "microphone", None, None, as_json)) is code
    assert Daemon.asked == ("/api/say", {"text": "Hi.", "source": "microphone"})
    shown = capsys.readouterr()
    if as_json:
        assert json.loads(shown.out) == {"said_to": list(heard_by)}
    else:
        assert line in shown.out + shown.err
        assert len((shown.out + shown.err).splitlines()) == 1
