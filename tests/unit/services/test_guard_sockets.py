"""WebSockets and streams: how they say who they are, and how they end when that is worth nothing any more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.api import guard as guards
from services.api.guard import Guard
from services.messages.security import CredentialsChanged
from solo.virtual_time import VirtualTimeLoop
from tests.stubs.gate import BEARER, CONNECT, HOST, KEY, Headers, Registry, frame, guarded, principal, scope_of

ANNA = principal("anna", user="u-anna")
AUTH = frame(type="auth", token="anna")
REVOKED = CredentialsChanged(principal=ANNA.id, reason="revoked")
OPENED = [HOST, ("authorization", "Bearer anna")]


class Line:
    """One connection: what the client says goes in, what it gets comes out."""

    def __init__(self) -> None:
        self.inbound: asyncio.Queue[Any] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        self.news = asyncio.Event()
        self.stalled = False

    async def send(self, message: Any) -> None:
        if self.stalled:
            await asyncio.Event().wait()
        self.sent.append(dict(message))
        self.news.set()

    async def gets(self, kind: str) -> dict[str, Any]:
        while True:
            for message in self.sent:
                if message["type"] == kind:
                    return message
            self.news.clear()
            await self.news.wait()


@asynccontextmanager
async def connected(guard: Guard, headers: Headers, *says: Any, **where: Any) -> AsyncIterator[tuple[Line, Any]]:
    line = Line()
    for said in says or (CONNECT,):
        line.inbound.put_nowait(said)
    scope = scope_of(headers, **{"kind": "websocket", "path": "/ws/chat", **where})
    task = asyncio.create_task(guard(scope, line.inbound.get, line.send))
    try:
        yield line, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    assert (await receive()) == CONNECT
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message.get("text") or "bytes"})


async def forever(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
    await asyncio.Event().wait()


@pytest.fixture
def guard() -> Guard:
    return guarded(echo, registry=Registry({"anna": ANNA}))


class TestFirstFrame:
    @pytest.mark.parametrize("said", [AUTH, frame(type="auth", ticket="anna"), frame(type="auth", token=KEY)])
    async def test_says_who_it_is(self, guard: Guard, said: Any) -> None:
        async with connected(guard, [HOST], CONNECT, said, frame(type="hello")) as (line, _):
            await line.gets("websocket.send")
            assert [message["type"] for message in line.sent] == ["websocket.accept", "websocket.send"]
            assert "auth" not in line.sent[1]["text"]

    @pytest.mark.parametrize(
        "said",
        [frame(type="auth", token="wrong"), frame(type="start"), {"type": "websocket.receive", "bytes": b"anna"}],
    )
    @pytest.mark.parametrize("path", ["/ws/chat", "/ws/nowhere"])
    async def test_that_is_worth_nothing(self, guard: Guard, said: Any, path: str) -> None:
        async with connected(guard, [HOST], CONNECT, said, path=path) as (line, task):
            await task
            assert line.sent[1] == {"type": "websocket.close", "code": 4401, "reason": "api.unauthorized"}

    async def test_of_who_may_not(self, guard: Guard) -> None:
        async with connected(guard, [HOST], CONNECT, AUTH, path="/ws/events") as (line, task):
            await task
            assert line.sent[1] == {"type": "websocket.close", "code": 4403, "reason": "api.forbidden"}

    async def test_to_nowhere(self) -> None:
        async def nowhere(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "websocket.close", "code": 1000})

        guard = guarded(nowhere, registry=Registry({"anna": ANNA}))
        async with connected(guard, [HOST], CONNECT, AUTH, path="/ws/nowhere") as (line, task):
            await task
            assert line.sent[1]["code"] == 4404

    def test_that_never_comes(self) -> None:
        async def run() -> None:
            started = time.monotonic()
            async with connected(guarded(echo), [HOST]) as (line, task):
                await task
                assert line.sent[1]["code"] == 4401
            assert time.monotonic() - started == guards.FIRST_FRAME_S

        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(run())

    async def test_of_a_client_that_leaves(self, guard: Guard) -> None:
        async with connected(guard, [HOST], CONNECT, {"type": "websocket.disconnect", "code": 1006}) as (line, task):
            await task
            assert [message["type"] for message in line.sent] == ["websocket.accept"]
        assert guard._strangers == 0

    async def test_is_waited_for_by_few(self, guard: Guard) -> None:
        guard._strangers = guards.MOST_STRANGERS
        async with connected(guard, [HOST]) as (line, task):
            await task
            assert line.sent[0]["status"] == 429
        async with connected(guard, OPENED, CONNECT, frame(type="hello")) as (line, _):
            await line.gets("websocket.send")


@pytest.mark.parametrize("offered", [("solo", "solo.ticket.anna"), ("solo.ticket.anna", "solo")])
async def test_a_ticket_as_subprotocol(guard: Guard, offered: tuple[str, ...]) -> None:
    async with connected(guard, [HOST], subprotocols=offered) as (line, _):
        assert (await line.gets("websocket.accept"))["subprotocol"] == "solo"


async def test_the_rooms_see_no_ticket() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(scope["subprotocols"])

    guard = guarded(app, registry=Registry({"anna": ANNA}))
    async with connected(guard, [HOST], subprotocols=("solo.ticket.anna", "mine")) as (_, task):
        await task
    assert seen == ["mine"]


@pytest.mark.parametrize(
    ("said", "passes"),
    [
        ({"text": "x" * 1000}, True),
        ({"text": "x" * 1001}, False),
        ({"text": "ä" * 500}, True),
        ({"text": "ä" * 501}, False),
        ({"bytes": b"x" * 1000}, True),
        ({"bytes": b"x" * 1001}, False),
    ],
)
async def test_messages_are_as_long_as_the_policy_says(guard: Guard, said: Any, passes: bool) -> None:
    async with connected(guard, OPENED, CONNECT, {"type": "websocket.receive", **said}) as (line, _):
        if passes:
            await line.gets("websocket.send")
        else:
            assert (await line.gets("websocket.close"))["code"] == 1009


class TestRevoked:
    @pytest.mark.parametrize("says", [(CONNECT,), (CONNECT, AUTH)])
    @pytest.mark.parametrize("change", [REVOKED, CredentialsChanged(user="u-anna", reason="role")])
    async def test_websockets_are_closed(self, guard: Guard, says: Any, change: CredentialsChanged) -> None:
        async with connected(guard, OPENED if len(says) == 1 else [HOST], *says) as (line, task):
            await line.gets("websocket.accept")
            while not len(guard.sockets):
                await asyncio.sleep(0)
            guard.changed(change)
            await task
            assert line.sent[-1] == {"type": "websocket.close", "code": 4401, "reason": change.reason}
        assert len(guard.sockets) == 0

    async def test_others_are_not(self, guard: Guard) -> None:
        guard.identity._ask = Registry({"anna": ANNA, "bert": principal("bert", user="u-bert")}).identify
        async with (
            connected(guard, [HOST, ("x-api-key", "bert")]) as (bert, _),
            connected(guard, [HOST, BEARER]) as (owner, _),
        ):
            for line in (bert, owner):
                await line.gets("websocket.accept")
            guard.changed(REVOKED)
            guard.changed(CredentialsChanged(principal="owner", user="", reason="revoked"))
            for line in (bert, owner):
                line.inbound.put_nowait(frame(type="hello"))
                await line.gets("websocket.send")

    async def test_streams_end(self) -> None:
        guard = guarded(forever, registry=Registry({"anna": ANNA}))
        async with connected(guard, OPENED, kind="http", path="/status") as (line, task):
            await line.gets("http.response.body")
            guard.changed(REVOKED)
            await task
            assert line.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}

    @pytest.mark.parametrize(("length", "status"), [([(b"content-length", b"2")], 200), ([], 401)])
    async def test_what_is_answered_in_one_piece_is_answered(self, length: Any, status: int) -> None:
        """It may be the very request that ends the session; a stream does not begin."""
        go = asyncio.Event()

        async def slow(scope: Any, receive: Any, send: Any) -> None:
            await go.wait()
            await send({"type": "http.response.start", "status": 200, "headers": length})
            await send({"type": "http.response.body", "body": b"ok"})

        guard = guarded(slow, registry=Registry({"anna": ANNA}))
        async with connected(guard, OPENED, kind="http", path="/status") as (line, task):
            while not len(guard.sockets):
                await asyncio.sleep(0)
            guard.changed(REVOKED)
            go.set()
            await task
            assert (line.sent[0]["status"], len(line.sent)) == (status, 2)

    def test_who_does_not_read_is_cut_off_within_a_second(self) -> None:
        async def run() -> None:
            for app, kind in ((echo, "websocket"), (forever, "http")):
                guard = guarded(app, registry=Registry({"anna": ANNA}))
                path = {"websocket": "/ws/chat", "http": "/status"}[kind]
                async with connected(guard, OPENED, kind=kind, path=path) as (line, task):
                    await line.gets("websocket.accept" if kind == "websocket" else "http.response.body")
                    line.stalled = True
                    started = time.monotonic()
                    guard.changed(REVOKED)
                    await task
                    assert time.monotonic() - started <= 1.0

        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(run())

    def test_what_expires_ends_by_itself(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """By the wall clock, which may be set while a timer runs."""

        async def run() -> None:
            monkeypatch.setattr(time, "time", time.monotonic)
            began = time.monotonic()
            short = principal("anna", expires_at=began + 600.0)
            for app, kind in ((echo, "websocket"), (forever, "http")):
                guard = guarded(app, registry=Registry({"anna": short}))
                path = {"websocket": "/ws/chat", "http": "/status"}[kind]
                async with connected(guard, OPENED, kind=kind, path=path) as (line, task):
                    await task
                    assert time.monotonic() - began == pytest.approx(600.0, abs=1.0)
                    if kind == "websocket":
                        assert line.sent[-1]["reason"] == "expired"
                short = principal("anna", expires_at=time.monotonic() + 600.0)
                began = time.monotonic()

        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(run())

    async def test_a_shutdown_is_no_revocation(self, guard: Guard) -> None:
        async with connected(guard, OPENED) as (line, task):
            await line.gets("websocket.accept")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert [message["type"] for message in line.sent] == ["websocket.accept"]

    async def test_a_shutdown_at_the_same_time_is_still_one(self, guard: Guard) -> None:
        async with connected(guard, OPENED) as (line, task):
            await line.gets("websocket.accept")
            guard.changed(REVOKED)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
