"""/ws/chat: numbered messages, a dropped line taken up again, cancel, and a client that does not read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.api import chat_session, chat_sessions
from services.api.chat_sessions import chat_sessions_of
from services.api.house import House
from services.api.http import application
from services.api.recent import RecentTurns
from services.api.routes import ws_chat
from services.messages.conversation import AnswerPart, Ask, TurnFinished, TurnSummary
from services.messages.security import OWNER_PRINCIPAL, Principal
from solo.bus import Bus
from solo.isolation.engine import EngineDied
from solo.supervision import Context
from tests.stubs.callers import as_caller

WITHIN_S = 5.0
ANNA = Principal(kind="key", id="k1", user="u1", name="anna", role="user", scopes=frozenset({"chat"}), profile="anna")


class Client:
    """The server's side of one WebSocket; `reads` is cleared to stand for a client that takes nothing."""

    def __init__(self) -> None:
        self.inbound: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.outbound: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.reads = asyncio.Event()
        self.reads.set()
        self.task: asyncio.Future[None] | None = None

    async def send(self, message: Any) -> None:
        await self.reads.wait()
        await self.outbound.put(message)

    async def say(self, value: Any) -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        await self.inbound.put({"type": "websocket.receive", "text": text})

    async def drop(self, code: int = 1006) -> None:
        await self.inbound.put({"type": "websocket.disconnect", "code": code})
        assert self.task is not None
        async with asyncio.timeout(WITHIN_S):
            await self.task

    async def next(self) -> Any:
        """JSON as an object, the end as its code."""
        async with asyncio.timeout(WITHIN_S):
            message = await self.outbound.get()
        return message["code"] if message["type"] == "websocket.close" else json.loads(message["text"])

    async def until(self, kind: str) -> list[Any]:
        found: list[Any] = []
        while not found or found[-1]["type"] != kind:
            found.append(await self.next())
        return found


class Stage:
    """Plays the conversation: one word for each that is put into `words`; None ends the turn."""

    def __init__(self, bus: Bus, ctx: Context) -> None:
        self.bus = bus
        self.house = House(ctx, RecentTurns(), set())
        self.app = application(self.house)
        self.words: asyncio.Queue[str | None] = asyncio.Queue()
        self.asked: list[Ask] = []
        self.over = asyncio.Event()

    async def ask(self, question: Ask) -> AsyncGenerator[AnswerPart, None]:
        self.asked.append(question)
        outcome = "cancelled"
        try:
            while (word := await self.words.get()) is not None:
                if word == "dies":
                    raise EngineDied("gone")
                yield AnswerPart(delta=word)
            outcome = "answered"
            yield AnswerPart(summary=self.summary(question, outcome))
        finally:
            self.bus.publish(TurnFinished(source="text", summary=self.summary(question, outcome)))
            self.over.set()

    def summary(self, question: Ask, outcome: Any) -> TurnSummary:
        return TurnSummary(
            turn_id=question.turn_id or "", at="2026-01-01T00:00:00+00:00", source="text", talk=question.talk,
            profile=question.profile, heard=question.text, said="", outcome=outcome,
        )  # fmt: skip

    @asynccontextmanager
    async def line(self, who: Principal = OWNER_PRINCIPAL) -> AsyncIterator[Client]:
        client = Client()
        scope = {
            "type": "websocket", "asgi": {"version": "3.0"}, "scheme": "ws", "path": "/ws/chat",
            "raw_path": b"/ws/chat", "query_string": b"", "root_path": "", "headers": [],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8700), "subprotocols": [], "state": {},
        }  # fmt: skip
        client.task = asyncio.ensure_future(as_caller(self.app, who)(scope, client.inbound.get, client.send))
        await client.inbound.put({"type": "websocket.connect"})
        async with asyncio.timeout(WITHIN_S):
            assert (await client.outbound.get())["type"] == "websocket.accept"
        try:
            yield client
        finally:
            client.reads.set()
            await client.inbound.put({"type": "websocket.disconnect", "code": 1000})
            async with asyncio.timeout(WITHIN_S):
                await asyncio.wait([client.task])
            client.task.result()


@pytest.fixture
async def stage(bus: Bus, ctx: Context) -> AsyncIterator[Stage]:
    stage = Stage(bus, ctx)
    async with asyncio.TaskGroup() as tasks:
        serving = [
            tasks.create_task(ctx.answer(Ask, stage.ask)),
            tasks.create_task(stage.house.recent.follow(ctx)),
        ]
        for _ in range(3):
            await asyncio.sleep(0)
        yield stage
        for task in serving:
            task.cancel()


async def test_numbered_from_ready_to_turn(stage: Stage) -> None:
    for word in ("Pa", "ris", None):
        stage.words.put_nowait(word)
    async with stage.line(ANNA) as client:
        await client.say({"type": "ask", "text": "What?", "talk": "family", "id": "7"})
        told = await client.until("turn")
        assert [message["seq"] for message in told] == list(range(1, len(told) + 1))
        assert len({message["session"] for message in told}) == 1
        assert [message["type"] for message in told[:2]] == ["ready", "started"]
        assert "".join(message["text"] for message in told if message["type"] == "delta") == "Paris"
        assert (told[-1]["id"], told[-1]["turn"]["outcome"], told[-1]["turn"]["turn_id"]) == (
            "7",
            "answered",
            told[1]["turn_id"],
        )
    [asked] = stage.asked
    assert (asked.profile, asked.talk, asked.turn_id) == ("anna", "family", told[1]["turn_id"])
    assert stage.house.sessions == set()


async def test_a_dropped_line_is_taken_up_again_while_the_turn_goes_on(stage: Stage) -> None:
    async with stage.line() as first:
        await first.say({"type": "ask", "text": "What?"})
        stage.words.put_nowait("one ")
        *_, delta = await first.until("delta")
        await first.drop()
    stage.words.put_nowait("two ")
    stage.words.put_nowait("three")
    stage.words.put_nowait(None)
    async with asyncio.timeout(WITHIN_S):
        await stage.over.wait()
    async with stage.line() as second:
        assert (await second.next())["session"] != delta["session"]
        await second.say({"type": "resume", "session": delta["session"], "seq": delta["seq"]})
        rest = await second.until("ready")
    assert [message["seq"] for message in rest] == list(range(delta["seq"] + 1, delta["seq"] + 1 + len(rest)))
    assert {message["session"] for message in rest} == {delta["session"]}
    assert "".join(message["text"] for message in rest if message["type"] == "delta") == "two three"
    assert [message["type"] for message in rest[-2:]] == ["turn", "ready"]
    assert rest[-1]["resumed"] is True


async def test_a_line_that_still_hangs_gives_way(stage: Stage) -> None:
    async with stage.line() as first:
        await first.say({"type": "ask", "text": "What?"})
        started = (await first.until("started"))[-1]
        async with stage.line() as second:
            await second.say({"type": "resume", "session": started["session"], "seq": 0})
            told = [await second.next() for _ in range(4)]
            assert [message["type"] for message in told] == ["ready", "ready", "started", "ready"]
            assert [message["seq"] for message in told[1:]] == [1, 2, 3]
            assert await first.next() == 4000
            stage.words.put_nowait(None)
            assert (await second.until("turn"))[-1]["turn"]["outcome"] == "answered"


@pytest.mark.parametrize(
    "other",
    [
        OWNER_PRINCIPAL,
        ANNA.model_copy(update={"id": "k2"}),
        ANNA.model_copy(update={"kind": "session"}),
        ANNA.model_copy(update={"profile": "bert"}),
    ],
)
async def test_only_the_same_caller_may_resume(stage: Stage, other: Principal) -> None:
    async with stage.line(ANNA) as first:
        await first.say({"type": "ask", "text": "What?"})
        started = (await first.until("started"))[-1]
        async with stage.line(other) as second:
            for session in (started["session"], "nothing"):
                await second.say({"type": "resume", "session": session, "seq": 0})
                error = (await second.until("error"))[-1]
                assert (error["error"]["code"], error["session"]) != ("api.no_chat", started["session"])
                assert error["error"]["code"] == "api.no_chat"
        stage.words.put_nowait(None)
        assert (await first.until("turn"))[-1]["turn"]["outcome"] == "answered"


async def test_cancel_frees_the_model_and_says_how_far_it_came(stage: Stage) -> None:
    async with stage.line() as client:
        await client.say({"type": "ask", "text": "What?"})
        stage.words.put_nowait("one")
        await client.until("delta")
        await client.say({"type": "cancel"})
        turn = (await client.until("turn"))[-1]
        assert turn["turn"]["outcome"] == "cancelled"
        assert stage.over.is_set()
        stage.words.put_nowait(None)
        await client.say({"type": "ask", "text": "And now?"})
        assert (await client.until("turn"))[-1]["turn"]["outcome"] == "answered"


async def test_a_client_that_says_good_bye_cancels_at_once(stage: Stage) -> None:
    async with stage.line() as client:
        await client.say({"type": "ask", "text": "What?"})
        await client.until("started")
        await client.drop(1000)
    async with asyncio.timeout(WITHIN_S):
        await stage.over.wait()
    assert len(chat_sessions_of(stage.app)) == 0


async def test_one_that_does_not_come_back_is_cancelled(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_sessions, "RETURN_WITHIN_S", 0.02)
    async with stage.line() as client:
        await client.say({"type": "ask", "text": "What?"})
        started = (await client.until("started"))[-1]
        await client.drop()
    async with asyncio.timeout(WITHIN_S):
        await stage.over.wait()
    async with stage.line() as client:
        await client.say({"type": "resume", "session": started["session"], "seq": 0})
        assert (await client.until("error"))[-1]["error"]["code"] == "api.no_chat"


async def test_one_turn_at_a_time_and_errors_by_name(stage: Stage) -> None:
    async with stage.line() as client:
        await client.say({"type": "ask", "text": "What?"})
        await client.until("started")
        await client.say({"type": "ask", "text": "And?", "id": "2"})
        error = (await client.until("error"))[-1]
        assert (error["error"]["code"], error["id"]) == ("api.turn_under_way", "2")
        stage.words.put_nowait("dies")
        assert (await client.until("error"))[-1]["error"]["code"] == "engine.died"


@pytest.mark.parametrize(
    "said", ["", "{", "[]", "null", {"type": "sing"}, {"type": "ask"}, {"type": "ask", "text": "x", "profile": "anna"},
             {"type": "ask", "text": "x", "talk": "a\0b"}, {"type": "resume", "session": "x", "seq": -1}, "9" * 5000],
)  # fmt: skip
async def test_what_is_no_message(stage: Stage, said: Any) -> None:
    async with stage.line() as client:
        await client.say(said)
        assert (await client.until("error"))[-1]["error"]["code"] == "api.bad_chat_message"
        stage.words.put_nowait(None)
        await client.say({"type": "ask", "text": "Still here?"})
        await client.until("turn")


async def test_silence_is_filled_with_pings_that_do_not_pile_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ws_chat, "PING_EVERY_S", 0.005)
    async with stage.line() as client:
        told = [await client.next() for _ in range(6)]
        assert [message["type"] for message in told] == ["ready"] + ["ping"] * 5
        await client.say({"type": "pong", "seq": told[-1]["seq"]})
        stage.words.put_nowait(None)
        await client.say({"type": "ask", "text": "What?"})
        last = (await client.until("turn"))[-1]
        held = chat_sessions_of(stage.app)._held[last["session"]].session
        assert held.bytes < 3000


async def test_a_stalled_client_is_closed_and_nobody_else(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ws_chat, "STALLED_S", 0.1)
    monkeypatch.setattr(chat_session, "MOST_BYTES", 20_000)
    async with stage.line(ANNA) as stalled, stage.line() as other:
        await stalled.say({"type": "ask", "text": "What?"})
        started = (await stalled.until("started"))[-1]
        stalled.reads.clear()
        for _ in range(100):
            stage.words.put_nowait("x" * 1000)
        async with asyncio.timeout(WITHIN_S):
            while stage.words.qsize() > 90:
                await asyncio.sleep(0)
        session = chat_sessions_of(stage.app)._held[started["session"]].session
        async with asyncio.timeout(WITHIN_S):
            while chat_sessions_of(stage.app)._held[started["session"]].line is not None:
                await asyncio.sleep(0.01)
                assert session.bytes < 20_000 + 2000
        # Its turn waits for room: the rest of the answer was not even taken from the model.
        assert stage.words.qsize() > 50
        stalled.reads.set()
        while isinstance(message := await stalled.next(), dict):
            assert message["type"] in {"delta", "started"}
        assert message == 1013
        # Nothing of it is lost: a better line gets all of it, joined.
        stage.words.put_nowait(None)
        async with stage.line(ANNA) as better:
            await better.say({"type": "resume", "session": started["session"], "seq": started["seq"]})
            told = await better.until("turn")
            assert sum(len(message["text"]) for message in told if message["type"] == "delta") == 100_000
        stage.words.put_nowait("fine")
        stage.words.put_nowait(None)
        await other.say({"type": "ask", "text": "What?"})
        assert (await other.until("turn"))[-1]["turn"]["outcome"] == "answered"


async def test_how_many_wait_for_one_caller(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_sessions, "MOST_EACH", 2)
    async with stage.line() as first, stage.line() as second, stage.line() as third, stage.line(ANNA) as other:
        for client in (first, second):
            await client.say({"type": "ask", "text": "What?"})
            await client.until("started")
        await third.say({"type": "ask", "text": "What?"})
        assert (await third.until("error"))[-1]["error"]["code"] == "api.too_many_chats"
        await other.say({"type": "ask", "text": "What?"})
        await other.until("started")
        await first.drop(1000)
        await third.say({"type": "ask", "text": "What?"})
        await third.until("started")


async def test_a_drain_waits_for_the_turn_and_takes_no_new_one(stage: Stage, ctx: Context) -> None:
    async with stage.line() as client:
        await client.say({"type": "ask", "text": "What?"})
        await client.until("started")
        assert len(stage.house.sessions) == 1
        ctx.stopping.set()
        stage.words.put_nowait(None)
        await client.until("turn")
        await client.say({"type": "ask", "text": "More?"})
        assert (await client.until("error"))[-1]["error"]["code"] == "api.stopping"
        assert stage.house.sessions == set()
