"""What Solo's own routes take for well formed, and what they say of what is not."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from services.api.house import House
from services.api.http import application
from services.api.recent import RecentTurns
from solo.bus import Bus
from solo.supervision import Context
from tests.stubs.callers import as_owner

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def app() -> Any:
    """Nobody answers behind the door: 503 is for what was well formed."""
    ctx = Context(Bus(), "test", on_state=lambda _state, _note: None)
    return as_owner(application(House(ctx, RecentTurns(), set())))


@pytest.fixture
def client(app: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/ask", {"text": "What?", "stream": 0}, 422),
        ("POST", "/api/ask", {"text": "What?", "stream": False}, 503),
        ("POST", "/api/memory/search", {"query": "What?", "top": 3.5}, 422),
        ("POST", "/api/memory/search", {"query": "What?", "top": 3.0}, 503),
        ("PATCH", "/api/users/anna", {"disabled": 0}, 422),
        ("PATCH", "/api/users/anna", {"disabled": True}, 503),
        ("PATCH", "/api/users/an%00na", {"disabled": True}, 422),
        ("POST", "/api/users", {"name": "an\0na"}, 422),
        ("POST", "/api/users", {"name": "anna", "password": "x" * 1025}, 422),
        ("POST", "/api/keys", {"name": "k", "scopes": ["chat"], "expires_in_s": 60}, 503),
        ("POST", "/api/keys", {"name": "k", "user": "\0"}, 422),
        ("POST", "/api/auth/login", {"name": "anna", "password": "x"}, 503),
        ("POST", "/api/auth/refresh", {"refresh_token": 1}, 422),
        ("DELETE", "/api/keys/" + "x" * 201, None, 422),
        ("GET", "/api/audit?before=9223372036854775808", None, 422),
        ("GET", "/api/audit?action=%00", None, 422),
        ("GET", "/api/audit?before=7&before=8", None, 422),
        ("GET", "/api/memory/documents?collection=a&collection=a", None, 422),
        ("GET", "/api/memory/documents?collection=a", None, 503),
        ("GET", "/api/memory/documents?&&", None, 503),
        ("GET", "/api/history?before=0", None, 422),
        ("GET", "/api/history?before=2026-01-31", None, 422),
        ("GET", "/api/history?before=0001-01-01T00:00:00%2B23:00", None, 422),
        ("GET", "/api/history?before=2026-01-31T12:00:00Z", None, 503),
    ],
)
async def test_what_is_well_formed(client: httpx.AsyncClient, method: str, path: str, body: Any, status: int) -> None:
    answer = await client.request(method, path, json=body)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == {422: "api.bad_request", 503: "bus.no_handler"}[status]


@pytest.mark.parametrize("body", [b'{"text": "\\ud800"}', b'{"text": "x", "\\udfff": 1}', b"[" * 99_999, b"\xff"])
async def test_bodies_that_are_no_json(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/api/ask", content=body, headers=JSON)
    assert answer.status_code in {400, 422}
    assert answer.json()["error"]["code"] == "api.bad_request"


async def test_what_was_sent_is_not_sent_back_at_length(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/ask", json={"text": "x", "k" * 100_000: 1})
    assert answer.status_code == 422
    assert 100 < len(answer.json()["error"]["message"]) < 400


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/users", "GET, POST"),
        ("/api/models/choose", "POST"),
        ("/api/models/tiny", "DELETE, GET"),
        ("/api/memory/facts", "DELETE, GET, POST"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "OPTIONS", "TRACE"])
async def test_what_else_may_be_done_there(client: httpx.AsyncClient, method: str, path: str, allowed: str) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.headers.get_list("allow")) == (405, [allowed])
