"""Who may come in: every spelling of Host, Origin and key, for HTTP and WebSocket alike."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.api.guard import LARGER_BODIES, MOST_BODY_BYTES, PUBLIC, Guard

KEY = "the-owners-key"
PORT = 8700
HOST = ("host", f"127.0.0.1:{PORT}")
BEARER = ("authorization", f"Bearer {KEY}")
Headers = list[tuple[str, str]]


async def inside(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "inside"})


async def knock(
    headers: Headers,
    *,
    kind: str = "http",
    path: str = "/status",
    method: str = "GET",
    port: int = PORT,
    **options: Any,
) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(dict(message))

    async def receive() -> Any:
        raise AssertionError("the guard reads no body")

    scope: dict[str, Any] = {
        "type": kind,
        "path": path,
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
    }
    if kind == "http":
        scope["method"] = method
    await Guard(inside, key=KEY, port=port, **options)(scope, receive, send)
    return sent


def verdict(sent: list[dict[str, Any]]) -> str:
    """`in`, or the code of the refusal."""
    first = sent[0]
    if first["type"] == "inside":
        return "in"
    if first["type"] == "websocket.close":
        assert first["code"] == 1008
        return str(first["reason"])
    error = json.loads(sent[1]["body"])["error"]
    statuses = {"api.wrong_host": 421, "api.foreign_origin": 403, "api.unauthorized": 401}
    assert first["status"] == statuses[error["code"]]
    assert int(dict(first["headers"])[b"content-length"]) == len(sent[1]["body"])
    return str(error["code"])


BOTH = pytest.mark.parametrize("kind", ["http", "websocket"])

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
    assert verdict(await knock([("host", host), BEARER], kind=kind)) == ("in" if allowed else "api.wrong_host")


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
    assert verdict(await knock(headers, kind=kind)) == "api.wrong_host"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.1:80"])
async def test_port_80_needs_no_number(host: str) -> None:
    assert verdict(await knock([("host", host), BEARER], port=80)) == "in"


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
    sent = await knock([HOST, BEARER, ("origin", origin)], kind=kind)
    assert verdict(sent) == ("in" if allowed else "api.foreign_origin")


@BOTH
async def test_of_two_origins_both_have_to_be_ours(kind: str) -> None:
    own, foreign = ("origin", f"http://localhost:{PORT}"), ("origin", "http://evil.example")
    assert verdict(await knock([HOST, BEARER, own, foreign], kind=kind)) == "api.foreign_origin"
    assert verdict(await knock([HOST, BEARER, own, own], kind=kind)) == "in"


async def test_an_origin_may_be_added() -> None:
    headers = [HOST, BEARER, ("origin", "http://127.0.0.1:8701")]
    assert verdict(await knock(headers, origins=["http://127.0.0.1:8701"])) == "in"


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
    assert verdict(await knock([HOST, *headers], kind=kind)) == ("in" if allowed else "api.unauthorized")


@pytest.mark.parametrize("path", sorted(PUBLIC))
class TestPublic:
    async def test_needs_no_key(self, path: str) -> None:
        assert verdict(await knock([HOST], path=path)) == "in"
        assert verdict(await knock([HOST, ("x-api-key", "wrong")], path=path)) == "in"

    async def test_but_host_and_origin(self, path: str) -> None:
        assert verdict(await knock([("host", "evil.example")], path=path)) == "api.wrong_host"
        assert verdict(await knock([HOST, ("origin", "null")], path=path)) == "api.foreign_origin"

    async def test_only_over_http(self, path: str) -> None:
        assert verdict(await knock([HOST], path=path, kind="websocket")) == "api.unauthorized"

    @pytest.mark.parametrize("change", ["{}/", "/{}", "{}/..", "{}%20", "/x/..{}"])
    async def test_only_spelt_so(self, path: str, change: str) -> None:
        for other in (change.format(path), path.upper()):
            assert verdict(await knock([HOST], path=other)) == "api.unauthorized"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/status", "/nowhere", "/openapi.json", "/api/ask"])
async def test_all_else_needs_the_key_whether_or_not_it_exists(method: str, path: str) -> None:
    assert verdict(await knock([HOST], path=path, method=method)) == "api.unauthorized"
    assert verdict(await knock([HOST, BEARER], path=path, method=method)) == "in"


async def test_a_refusal_says_how() -> None:
    sent = await knock([HOST])
    assert (b"www-authenticate", b"Bearer") in sent[0]["headers"]
    assert "owner.key" in json.loads(sent[1]["body"])["error"]["hint"]
    assert KEY not in str(sent)


async def test_host_is_looked_at_before_the_key() -> None:
    """A page on another name learns nothing of the key."""
    assert verdict(await knock([("host", "evil.example")])) == "api.wrong_host"
    assert verdict(await knock([("host", "evil.example"), BEARER])) == "api.wrong_host"


async def test_what_is_neither_passes() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    await Guard(inside, key=KEY, port=PORT)({"type": "lifespan"}, receive, send)
    assert sent == [{"type": "inside"}]


class TestBodies:
    """What says that it is too long is not read; what does not say is counted."""

    LARGER = [(*route, most) for route, most in LARGER_BODIES.items()]
    PLACES = [*LARGER, ("POST", "/api/ask", MOST_BODY_BYTES), ("PUT", "/api/ask", MOST_BODY_BYTES)]

    @pytest.mark.parametrize(("method", "path", "most"), PLACES)
    async def test_announced(self, method: str, path: str, most: int) -> None:
        for size, allowed in ((most, True), (most + 1, False)):
            sent = await knock([HOST, BEARER, ("content-length", str(size))], path=path, method=method)
            assert (sent[0].get("status") is None) is allowed
            assert allowed or sent[0]["status"] == 413

    @pytest.mark.parametrize(("method", "path", "most"), PLACES)
    async def test_counted(self, method: str, path: str, most: int) -> None:
        piece = bytes(64 * 1024)
        seen = {"bytes": 0, "end": ""}

        async def receive() -> Any:
            return {"type": "http.request", "body": piece, "more_body": True}

        async def app(scope: Any, receive: Any, send: Any) -> None:
            while (message := await receive())["type"] == "http.request":
                seen["bytes"] += len(message["body"])
            seen["end"] = message["type"]

        scope = {"type": "http", "method": method, "path": path, "headers": [(b"host", HOST[1].encode())]}
        scope["headers"].append((b"authorization", f"Bearer {KEY}".encode()))
        await Guard(app, key=KEY, port=PORT)(scope, receive, None)  # type: ignore[arg-type]
        assert seen == {"bytes": most, "end": "http.disconnect"}

    @pytest.mark.parametrize(("method", "path", "most"), LARGER)
    async def test_only_that_method_and_that_path(self, method: str, path: str, most: int) -> None:
        for other_method, other_path in (
            ("POST" if method == "PUT" else "PUT", path),
            (method, f"{path}/"),
            (method, f"{path}/x"),
            (method, path.upper()),
        ):
            sent = await knock([HOST, BEARER, ("content-length", str(most))], path=other_path, method=other_method)
            assert sent[0]["status"] == 413

    @pytest.mark.parametrize(("method", "path", "most"), LARGER)
    async def test_the_key_is_asked_for_first(self, method: str, path: str, most: int) -> None:
        sent = await knock([HOST, ("content-length", str(most))], path=path, method=method)
        assert sent[0]["status"] == 401

    async def test_clients_of_openai_are_refused_in_its_envelope(self) -> None:
        sent = await knock([HOST], path="/v1/chat/completions", method="POST")
        error = json.loads(sent[1]["body"])["error"]
        assert sent[0]["status"] == 401
        assert (error["type"], error["code"], error["param"]) == ("authentication_error", "invalid_api_key", None)
