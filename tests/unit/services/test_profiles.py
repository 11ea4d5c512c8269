"""Every personal route asks on behalf of its caller: whatever goes onto the bus names the caller's profile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from services.api import http
from services.api.house import House
from services.api.http import application
from services.api.policy import SOCKET, Row
from services.api.recent import RecentTurns
from services.messages.conversation import TurnSummary
from services.messages.security import ROLE_SCOPES, Principal
from solo.bus import Bus, NoHandler
from solo.supervision import Context
from tests.stubs.callers import as_caller

ANNA = Principal(kind="key", id="k1", name="anna", role="user", scopes=ROLE_SCOPES["user"], profile="anna")
OPENAI = {"model": "solo", "messages": [{"role": "user", "content": "Hello"}]}
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/api/ask"): {"text": "Hello"},
    ("POST", "/api/say"): {"text": "Hello"},
    ("POST", "/api/memory/facts"): {"text": "A fact."},
    ("PATCH", "/api/memory/facts/{fact_id}"): {"text": "Another."},
    ("POST", "/api/memory/search"): {"query": "fact"},
    ("PUT", "/api/memory/documents"): "A document.",
    ("POST", "/v1/chat/completions"): OPENAI,
    ("POST", "/v1/completions"): {"model": "solo", "prompt": "Hello"},
    ("POST", "/v1/responses"): {"model": "solo", "input": "Hello"},
    ("POST", "/v1/messages"): {**OPENAI, "max_tokens": 9},
}
QUERIES = {("DELETE", "/api/memory/documents"): "?name=a", ("PUT", "/api/memory/documents"): "?name=a"}
AT_HAND = {
    ("GET", "/api/turns"), ("GET", "/api/turns/{turn_id}"), ("POST", "/api/turns/{turn_id}/cancel"),
    ("GET", "/api/jobs"), ("GET", "/api/jobs/{job_id}"), ("DELETE", "/api/jobs/{job_id}"), ("GET", "/status"),
}  # fmt: skip
"""What the door itself keeps by profile: asked of nobody, and tested below and with the jobs."""
ELSEWHERE = ("/v1/responses/", "/v1/audio/", "/api/auth", "/api/users", "/api/keys", "/api/audit")
"""Have tests of their own."""


class Spy:
    """Stands in for the service's context: writes down what is asked, and has no answers."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.asked: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ctx, name)

    async def request(self, question: Any, *, within: float) -> Any:
        self.asked.append(question)
        raise NoHandler("nobody is there")

    @asynccontextmanager
    async def stream(self, question: Any, *, within: float, ahead: int = 1) -> AsyncIterator[Any]:
        self.asked.append(question)
        raise NoHandler("nobody is there")
        yield


def rig(ctx: Context) -> tuple[Any, Spy, House]:
    spy = Spy(ctx)
    house = House(spy, RecentTurns(), set())  # type: ignore[arg-type]
    return application(house), spy, house


def rows() -> list[Row]:
    app, _, _ = rig(Context(Bus(), "test", on_state=lambda _state, _note: None))
    return [row for row in app.state.table.rows if row.policy.owner == "profile"]


@pytest.mark.parametrize(
    "row",
    [
        row
        for row in rows()
        if row.method != SOCKET and (row.method, row.path) not in AT_HAND and not row.path.startswith(ELSEWHERE)
    ],
    ids=lambda row: f"{row.method} {row.path}",
)
async def test_asks_for_its_caller(ctx: Context, row: Row) -> None:
    app, spy, _ = rig(ctx)
    at = (row.method, row.path)
    path = row.path.replace("{talk}", "t").replace("{fact_id}", "1").replace("{name}", "n") + QUERIES.get(at, "")
    body = BODIES.get(at)
    content = body if isinstance(body, str) or body is None else json.dumps(body)
    headers = {} if body is None else {"content-type": "application/json"}
    transport = httpx.ASGITransport(as_caller(app, ANNA), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
        answer = await client.request(row.method, path, content=content, headers=headers)
    assert spy.asked, answer.text
    personal = [question for question in spy.asked if "profile" in type(question).model_fields]
    if at != ("GET", "/api/memory"):  # it looks at the store first, and here nobody answers
        assert personal
    assert {question.profile for question in personal} <= {"anna"}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/ws/voice", {"type": "start"}),
        ("/ws/voice", {"type": "start", "text": "Hello"}),
        ("/ws/chat", {"type": "ask", "text": "Hello"}),
    ],
)
async def test_sockets_ask_for_their_caller(ctx: Context, path: str, said: dict[str, Any]) -> None:
    app, spy, _ = rig(ctx)
    inbound: asyncio.Queue[Any] = asyncio.Queue()
    outbound: asyncio.Queue[Any] = asyncio.Queue()
    scope = {
        "type": "websocket", "asgi": {"version": "3.0"}, "scheme": "ws", "path": path, "raw_path": path.encode(),
        "query_string": b"", "root_path": "", "headers": [], "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8700), "subprotocols": [], "state": {},
    }  # fmt: skip
    inbound.put_nowait({"type": "websocket.connect"})
    inbound.put_nowait({"type": "websocket.receive", "text": json.dumps(said)})
    task = asyncio.ensure_future(as_caller(app, ANNA)(scope, inbound.get, outbound.put))
    async with asyncio.timeout(5):
        while not spy.asked:
            await asyncio.sleep(0)
        inbound.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await task
    assert {question.profile for question in spy.asked} == {"anna"}


def test_sockets_are_all_looked_at() -> None:
    assert {row.path for row in rows() if row.method == SOCKET} == {"/ws/voice", "/ws/chat", "/v1/realtime"}


def summary(turn_id: str, profile: str) -> TurnSummary:
    return TurnSummary(
        turn_id=turn_id, at=f"2026-01-01T00:00:0{turn_id}+00:00", source="text", talk="t", profile=profile,
        heard=f"{profile} asks", said="", outcome="answered",
    )  # fmt: skip


async def test_turns_of_somebody_else_do_not_exist(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(http.STATUS, "api.no_turn", 404)
    app, _, house = rig(ctx)
    for turn_id, profile in (("1", "owner"), ("2", "anna"), ("3", "owner"), ("4", "anna")):
        house.recent.add(summary(turn_id, profile))
    cancelled: list[str] = []
    transport = httpx.ASGITransport(as_caller(app, ANNA))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
        listed = (await client.get("/api/turns")).json()["turns"]
        assert [turn["turn_id"] for turn in listed] == ["4", "2"]
        page = (await client.get("/api/turns", params={"limit": 1, "before": listed[0]["at"]})).json()["turns"]
        assert [turn["turn_id"] for turn in page] == ["2"]
        assert (await client.get("/api/turns/2")).json()["heard"] == "anna asks"
        for absent in ("1", "3", "9"):
            answer = await client.get(f"/api/turns/{absent}")
            assert (answer.status_code, answer.json()["error"]["message"]) == (404, f"there is no turn '{absent}'")
        with house.recent.underway("owner", "5", lambda: cancelled.append("owner")):
            assert (await client.post("/api/turns/5/cancel")).status_code == 404
        with house.recent.underway("anna", "6", lambda: cancelled.append("anna")):
            assert (await client.post("/api/turns/6/cancel")).json() == {"cancelled": True}
        assert cancelled == ["anna"]
