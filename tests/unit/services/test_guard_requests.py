"""What goes through the guard and what it adds: bodies, ids, headers, envelopes, the address of the client."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from services.api.front import Front
from services.api.policy import PICTURES_BYTES
from tests.stubs.gate import BEARER, HOST, TABLE, Headers, guarded, headers_of, inside, knock, scope_of, status, verdict


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/v1/chat/completions", {"type": "authentication_error", "code": "invalid_api_key", "param": None}),
        ("/v1/messages", {"type": "authentication_error"}),
        ("/status", {"code": "api.unauthorized"}),
    ],
)
async def test_clients_are_refused_in_the_envelope_they_know(path: str, error: dict[str, Any]) -> None:
    sent = await knock(guarded(), [HOST], path=path, method="POST")
    assert status(sent) == 401
    assert error.items() <= json.loads(sent[1]["body"])["error"].items()


@pytest.mark.parametrize(
    ("offered", "echoed"),
    [
        (["my-request.1"], True),
        (["a" * 64], True),
        (["a" * 65], False),
        (["two words"], False),
        (["x\r\ny: z"], False),
        ([""], False),
        (["one", "two"], False),
        ([], False),
    ],
)
@pytest.mark.parametrize("key", [[BEARER], []])
async def test_every_answer_has_an_id_and_says_how_to_treat_it(offered: list[str], echoed: bool, key: Headers) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["request_id"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"max-age=60")]})

    sent = await knock(guarded(app), [HOST, *key, *(("x-request-id", tag) for tag in offered)])
    got = headers_of(sent)
    assert (got["x-request-id"] in offered) is echoed
    assert len(got["x-request-id"]) >= 12
    assert got["x-content-type-options"] == "nosniff"
    assert got["x-frame-options"] == "DENY"
    assert got["cross-origin-resource-policy"] == "same-origin"
    assert got["referrer-policy"] == "no-referrer"
    assert got["cache-control"] == ("max-age=60" if key else "no-store")


class TestBodies:
    """What says that it is too long is not read; what does not say is counted."""

    PLACES = pytest.mark.parametrize(
        ("path", "most"), [("/v1/chat/completions", PICTURES_BYTES), ("/api/ask", 1024 * 1024), ("/no", 1024 * 1024)]
    )

    @PLACES
    async def test_announced(self, path: str, most: int) -> None:
        for size, allowed in ((most, 200), (most + 1, 413)):
            sent = await knock(guarded(), [HOST, BEARER, ("content-length", str(size))], path=path, method="POST")
            assert status(sent) == allowed

    @PLACES
    async def test_who_is_nobody_learns_nothing_of_it(self, path: str, most: int) -> None:
        sent = await knock(guarded(), [HOST, ("content-length", str(most + 1))], path=path, method="POST")
        assert status(sent) == 401

    async def test_what_is_public_takes_little(self) -> None:
        sent = await knock(guarded(), [HOST, ("content-length", "16385")], path="/api/login", method="POST")
        assert status(sent) == 413

    @PLACES
    @pytest.mark.parametrize("ends", ["returns", "raises", "answers"])
    async def test_counted(self, path: str, most: int, ends: str) -> None:
        piece = bytes(64 * 1024)
        seen = {"bytes": 0}
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": piece, "more_body": True}

        async def app(scope: Any, receive: Any, send: Any) -> None:
            while (message := await receive())["type"] == "http.request":
                seen["bytes"] += len(message["body"])
            if ends == "raises":
                raise ConnectionError
            if ends == "answers":
                await send({"type": "http.response.start", "status": 400, "headers": []})
                await send({"type": "http.response.body", "body": b"half a body"})

        await guarded(app)(scope_of([HOST, BEARER], path=path, method="POST"), receive, send)
        assert seen["bytes"] == most
        if ends != "returns":
            assert (status(sent), len(sent)) == (413, 2)


async def test_until_the_rooms_are_there_only_life_is_told() -> None:
    front = Front()
    guard = guarded()
    guard.front = front
    sent = await knock(guard, [HOST], path="/healthz")
    assert json.loads(sent[1]["body"]) == {"status": "alive"}
    assert (await knock(guard, [HOST], path="/readyz"))[0]["status"] == 503
    assert verdict(await knock(guard, [("host", "evil.example")], path="/healthz")) == "api.wrong_host"
    waiting = asyncio.create_task(knock(guard, [HOST, BEARER]))
    refused = asyncio.create_task(knock(guard, [HOST]))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    assert not refused.done()
    front.furnish(inside, TABLE)
    assert verdict(await waiting) == "in"
    assert verdict(await refused) == "api.unauthorized"


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "client"),
    [
        ([], "127.0.0.1", ["10.9.9.9"], "127.0.0.1"),
        (["10.0.0.1"], "10.0.0.2", ["1.2.3.4"], "10.0.0.2"),
        (["10.0.0.1"], "10.0.0.1", ["1.2.3.4"], "1.2.3.4"),
        (["10.0.0.1"], "10.0.0.1", [], "10.0.0.1"),
        (["10.0.0.1"], "10.0.0.1", ["9.9.9.9, 1.2.3.4"], "1.2.3.4"),
        (["10.0.0.1"], "10.0.0.1", ["9.9.9.9", "1.2.3.4"], "1.2.3.4"),
        (["10.0.0.0/24"], "10.0.0.1", ["9.9.9.9, 1.2.3.4, 10.0.0.7"], "1.2.3.4"),
        (["10.0.0.1"], "10.0.0.1", ["1.2.3.4, nonsense"], "10.0.0.1"),
        (["10.0.0.0/24"], "10.0.0.1", ["nonsense, 10.0.0.7"], "10.0.0.7"),
        (["10.0.0.1"], "::ffff:10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        (["10.0.0.1"], "10.0.0.1", ["127.0.0.1"], "127.0.0.1"),
    ],
)
async def test_whose_word_on_the_address_counts(
    proxies: list[str], peer: str, forwarded: list[str], client: str
) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["client"][0])

    headers = [HOST, BEARER, *(("x-forwarded-for", hops) for hops in forwarded)]
    await knock(guarded(app, proxies=proxies), headers, client=peer)
    assert seen == [client]
