"""Who may come in: every spelling of Host, Origin and key, for HTTP and WebSocket alike."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.stubs.gate import (
    BEARER,
    HOST,
    KEY,
    PORT,
    Headers,
    guarded,
    headers_of,
    knock,
    verdict,
)

BOTH = pytest.mark.parametrize("kind", ["http", "websocket"])
PATHS = {"http": "/status", "websocket": "/ws/events"}

HOSTS = [
    (f"127.0.0.1:{PORT}", True),
    (f"localhost:{PORT}", True),
    (f"LOCALHOST:{PORT}", True),
    (f"LocalHost:{PORT}", True),
    (f"[::1]:{PORT}", True),
    # Another port, or none.
    ("127.0.0.1", False),
    ("localhost", False),
    ("127.0.0.1:80", False),
    (f"127.0.0.1:{PORT}0", False),
    (f"127.0.0.1:0{PORT}", False),
    (f"127.0.0.1:{PORT} ", False),
    # Names that lead here, or look as if they did.
    (f"localhost.:{PORT}", False),
    (f"127.0.0.1.:{PORT}", False),
    (f"localhost.localdomain:{PORT}", False),
    (f"127.0.0.1.evil.example:{PORT}", False),
    (f"localhost.evil.example:{PORT}", False),
    (f"evil.example:{PORT}", False),
    (f"127.1:{PORT}", False),
    (f"2130706433:{PORT}", False),
    (f"0x7f.0.0.1:{PORT}", False),
    (f"0.0.0.0:{PORT}", False),
    (f"::1:{PORT}", False),
    (f"[::ffff:127.0.0.1]:{PORT}", False),
    (f"user@127.0.0.1:{PORT}", False),
    (f"127.0.0.1:{PORT}@evil.example", False),
    (f"http://127.0.0.1:{PORT}", False),
    (f"127.0.0.1:{PORT}, evil.example", False),
    (f"127.0.0.1:{PORT}/", False),
    (f"127.0.0.1:{PORT}\xe9", False),
    ("", False),
]


@BOTH
@pytest.mark.parametrize(("host", "allowed"), HOSTS)
async def test_host(host: str, allowed: bool, kind: str) -> None:
    assert verdict(await knock(guarded(), [("host", host), BEARER], kind=kind, path=PATHS[kind])) == (
        "in" if allowed else "api.wrong_host"
    )


@BOTH
@pytest.mark.parametrize(
    "headers",
    [
        [BEARER],
        [HOST, HOST, BEARER],
        [HOST, ("host", "evil.example"), BEARER],
        [("host", "evil.example"), HOST, BEARER],
        [("x-forwarded-host", HOST[1]), BEARER],
    ],
    ids=["none", "twice", "another behind", "another before", "forwarded"],
)
async def test_exactly_one_host(headers: Headers, kind: str) -> None:
    assert verdict(await knock(guarded(), headers, kind=kind, path=PATHS[kind])) == "api.wrong_host"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.1:80"])
async def test_port_80_needs_no_number(host: str) -> None:
    assert verdict(await knock(guarded(port=80), [("host", host), BEARER])) == "in"


@BOTH
@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (f"http://127.0.0.1:{PORT}", True),
        (f"http://localhost:{PORT}", True),
        (f"HTTP://LOCALHOST:{PORT}", True),
        (f"http://[::1]:{PORT}", True),
        ("null", False),
        ("", False),
        ("http://evil.example", False),
        (f"https://127.0.0.1:{PORT}", False),
        ("http://127.0.0.1", False),
        ("http://127.0.0.1:8701", False),
        (f"http://127.0.0.1:{PORT}/", False),
        (f"http://localhost.:{PORT}", False),
        (f"http://127.0.0.1:{PORT}.evil.example", False),
        (f"http://user@127.0.0.1:{PORT}", False),
        ("file://", False),
        ("chrome-extension://abc", False),
    ],
)
async def test_origin(origin: str, allowed: bool, kind: str) -> None:
    sent = await knock(guarded(), [HOST, BEARER, ("origin", origin)], kind=kind, path=PATHS[kind])
    assert verdict(sent) == ("in" if allowed else "api.foreign_origin")


@BOTH
async def test_of_two_origins_both_have_to_be_ours(kind: str) -> None:
    own, foreign = ("origin", f"http://localhost:{PORT}"), ("origin", "http://evil.example")
    assert (
        verdict(await knock(guarded(), [HOST, BEARER, own, foreign], kind=kind, path=PATHS[kind]))
        == "api.foreign_origin"
    )
    assert verdict(await knock(guarded(), [HOST, BEARER, own, own], kind=kind, path=PATHS[kind])) == "in"


async def test_an_origin_may_be_added() -> None:
    headers = [HOST, BEARER, ("origin", "http://127.0.0.1:8701")]
    assert verdict(await knock(guarded(origins=["http://127.0.0.1:8701"]), headers)) == "in"


@BOTH
@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ([BEARER], True),
        ([("Authorization", f"Bearer {KEY}")], True),
        ([("authorization", f"bearer {KEY}")], True),
        ([("authorization", f"BEARER   {KEY}  ")], True),
        ([("x-api-key", KEY)], True),
        ([("X-API-Key", KEY)], True),
        ([("x-api-key", KEY), BEARER], True),
        ([], False),
        ([("authorization", "")], False),
        ([("authorization", "Bearer")], False),
        ([("authorization", "Bearer ")], False),
        ([("authorization", KEY)], False),
        ([("authorization", f"Basic {KEY}")], False),
        ([("authorization", f"Bearer {KEY[:-1]}")], False),
        ([("authorization", f"Bearer {KEY}x")], False),
        ([("authorization", f"Bearer {KEY.upper()}")], False),
        ([("authorization", f"Bearer x, Bearer {KEY}")], False),
        ([("authorization", "Bearer \xff\xfe")], False),
        ([("x-api-key", "")], False),
        ([("x-api-key", f"Bearer {KEY}")], False),
        ([("cookie", f"key={KEY}")], False),
        # Two that differ are none, whichever comes first.
        ([("x-api-key", "wrong"), BEARER], False),
        ([BEARER, ("x-api-key", "wrong")], False),
        ([BEARER, ("authorization", "Bearer wrong")], False),
    ],
)
async def test_key(headers: Headers, allowed: bool, kind: str) -> None:
    assert verdict(await knock(guarded(), [HOST, *headers], kind=kind, path=PATHS[kind])) == (
        "in" if allowed else "api.unauthorized"
    )


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
class TestPublic:
    async def test_needs_no_key(self, path: str) -> None:
        assert verdict(await knock(guarded(), [HOST], path=path)) == "in"
        assert verdict(await knock(guarded(), [HOST, ("x-api-key", "wrong")], path=path)) == "in"

    async def test_but_host_and_origin(self, path: str) -> None:
        assert verdict(await knock(guarded(), [("host", "evil.example")], path=path)) == "api.wrong_host"
        assert verdict(await knock(guarded(), [HOST, ("origin", "null")], path=path)) == "api.foreign_origin"

    async def test_only_over_http(self, path: str) -> None:
        assert verdict(await knock(guarded(), [HOST], path=path, kind="websocket")) == "api.unauthorized"

    async def test_only_to_look(self, path: str) -> None:
        assert verdict(await knock(guarded(), [HOST], path=path, method="POST")) == "api.unauthorized"

    @pytest.mark.parametrize("change", ["{}/", "/{}", "{}/..", "{}%20", "/x/..{}"])
    async def test_only_spelt_so(self, path: str, change: str) -> None:
        for other in (change.format(path), path.upper()):
            assert verdict(await knock(guarded(), [HOST], path=other)) == "api.unauthorized"


METHODS = pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE"])


@METHODS
@pytest.mark.parametrize("path", ["/", "/status", "/nowhere", "/openapi.json", "/api/ask"])
async def test_all_else_needs_the_key_whether_or_not_it_exists(method: str, path: str) -> None:
    assert verdict(await knock(guarded(), [HOST], path=path, method=method)) == "api.unauthorized"
    assert verdict(await knock(guarded(), [HOST, BEARER], path=path, method=method)) == "in"


@METHODS
async def test_who_is_nobody_sees_no_difference(method: str) -> None:
    """Between what exists and what does not, and between ids of somebody and of nobody."""
    tag = ("x-request-id", "the-same")
    paths = ("/status", "/nowhere", "/api/chats/mine", "/api/chats/" + "x" * 300)
    answers = [await knock(guarded(), [HOST, tag], path=path, method=method) for path in paths]
    assert all(answer == answers[0] for answer in answers)


async def test_a_refusal_says_how() -> None:
    sent = await knock(guarded(), [HOST])
    assert headers_of(sent)["www-authenticate"] == "Bearer"
    assert "owner.key" in json.loads(sent[1]["body"])["error"]["hint"]
    assert KEY not in str(sent)


async def test_host_is_looked_at_before_the_key() -> None:
    """A page on another name learns nothing of the key."""
    assert verdict(await knock(guarded(), [("host", "evil.example")])) == "api.wrong_host"
    assert verdict(await knock(guarded(), [("host", "evil.example"), BEARER])) == "api.wrong_host"


async def test_what_is_neither_passes() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message["type"])

    async def receive() -> Any:
        raise AssertionError

    await guarded()({"type": "lifespan"}, receive, send)
    assert sent == ["inside"]


@pytest.mark.parametrize(
    ("hosts", "host", "allowed"),
    [
        (["solo.lan"], "solo.lan", True),
        (["solo.lan"], "SOLO.lan", True),
        (["solo.lan"], f"solo.lan:{PORT}", True),
        (["Solo.LAN"], f"solo.lan:{PORT}", True),
        (["solo.lan"], "solo.lan:443", False),
        (["solo.lan:8443"], "solo.lan:8443", True),
        (["solo.lan:8443"], "solo.lan", False),
        (["solo.lan"], "a.solo.lan", False),
        (["solo.lan"], "solo.lan.", False),
        (["0.0.0.0"], f"0.0.0.0:{PORT}", False),
        (["0.0.0.0:1"], "0.0.0.0:1", False),
        (["[::]"], f"[::]:{PORT}", False),
        (["[fd00::5]"], f"[fd00::5]:{PORT}", True),
    ],
)
async def test_hosts_may_be_added(hosts: list[str], host: str, allowed: bool) -> None:
    sent = await knock(guarded(hosts=hosts), [("host", host), BEARER])
    assert verdict(sent) == ("in" if allowed else "api.wrong_host")


async def test_a_page_of_an_added_host_is_of_the_same_origin() -> None:
    guard = guarded(hosts=["solo.lan"])
    for origin, told in (
        ("https://solo.lan", "in"),
        (f"http://solo.lan:{PORT}", "in"),
        ("https://lan", "api.foreign_origin"),
    ):
        assert verdict(await knock(guard, [HOST, BEARER, ("origin", origin)])) == told
