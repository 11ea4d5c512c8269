"""The guard on a real door: uvicorn, sockets, the bus, and somebody on it who knows whose a credential is."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from services.api.door import PublicBind, open_door
from services.api.figures import Traffic
from services.api.guards import wire
from services.api.guards.hosts import Hosts, Proxies
from services.api.guards.limits import Rates
from services.api.recent import RecentTurns
from services.api.service import APIService, Rules
from services.messages.audit import AuditEntry, RecordAudit
from services.messages.security import CredentialsChanged, Identify
from solo.bus import Bus
from solo.supervision import State
from tests.stubs.gate import KEY, Registry, principal
from tests.stubs.services import House, answering, spec, supervised

WITHIN_S = 10.0
ANNA = principal("anna", "admin", user="u-anna")


@dataclass
class Door:
    port: int
    bus: Bus
    registry: Registry
    house: House

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def socket(self, path: str = "/ws/events", **options: Any) -> Any:
        return connect(f"ws://127.0.0.1:{self.port}{path}", proxy=None, **options)

    async def raw(self, data: bytes) -> bytes:
        """What comes back until the line is closed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            async with asyncio.timeout(WITHIN_S):
                return await reader.read()
        except ConnectionResetError:  # it hung up without reading all that was said
            return b""
        finally:
            writer.close()


@asynccontextmanager
async def opened(**rules: Any) -> AsyncIterator[Door]:
    registry = Registry({"anna": ANNA})
    bus = Bus()
    listener = open_door(0)
    port = listener.getsockname()[1]
    chosen = Rules(Hosts(port), (), Proxies(), Rates(), rules.get("connections", 64), 64)

    async def record(said: RecordAudit) -> None:
        await registry.record(said)

    api = spec("api", APIService(listener, KEY, RecentTurns(), 5.0, chosen, Traffic()).run, drain_within=5.0)
    known = spec("security", answering(Identify, registry.identify), answers=(Identify,))
    book = spec("audit", answering(RecordAudit, record), answers=(RecordAudit,))
    async with supervised(bus, known, book, api) as house:
        async with asyncio.timeout(WITHIN_S):
            await house.reaches("api", State.READY)
        yield Door(port, bus, registry, house)
    listener.close()


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with opened() as door:
        yield door


async def test_one_after_the_other(door: Door) -> None:
    async with httpx.AsyncClient(base_url=door.url, trust_env=False) as client:
        assert (await client.get("/healthz")).json() == {"status": "alive"}
        refused = await client.get("/api/nowhere", headers={"x-request-id": "mine"})
        assert (refused.status_code, refused.headers["x-request-id"]) == (401, "mine")
        for key in (KEY, "anna"):
            known = {"authorization": f"Bearer {key}"}
            assert (await client.get("/api/nowhere", headers=known)).status_code == 404
            assert (await client.put("/status", headers=known)).status_code == 405
            wrong = await client.get("/status", headers={**known, "host": "evil.example"})
            assert wrong.status_code == 421
        assert "server" not in refused.headers
        long = await client.post("/api/ask", headers={"x-api-key": KEY}, content=pieces(1024 * 1024 + 1))
        assert long.status_code == 413
        assert long.json()["error"]["code"] == "api.too_large"

    def denied() -> list[AuditEntry]:
        return [entry for entry in door.registry.entries if entry.action == "denied"]

    async with asyncio.timeout(WITHIN_S):
        while sum(entry.count for entry in denied()) < 4:
            await asyncio.sleep(0.05)
    assert sorted({entry.code for entry in denied()}) == ["api.too_large", "api.unauthorized", "api.wrong_host"]


async def pieces(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 65536):
        yield bytes(65536)
    yield bytes(size % 65536)


class TestWebSockets:
    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"x-api-key": "wrong"}, 401),
            ({"x-api-key": KEY, "origin": "http://evil.example"}, 403),
            ({"cookie": "solo_access=anna"}, 403),
        ],
    )
    async def test_refused(self, door: Door, headers: dict[str, str], status: int) -> None:
        with pytest.raises(InvalidStatus) as refused:
            await door.socket(additional_headers=headers)
        assert refused.value.response.status_code == status
        assert refused.value.response.headers["x-request-id"]
        assert json.loads(refused.value.response.body)["error"]["code"].startswith("api.")

    @pytest.mark.parametrize("way", ["header", "frame", "subprotocol", "cookie"])
    async def test_revocation_closes_them(self, door: Door, way: str) -> None:
        ways: dict[str, dict[str, Any]] = {
            "header": {"additional_headers": {"authorization": "Bearer anna"}},
            "cookie": {"additional_headers": {"cookie": "solo_access=anna", "origin": door.url}},
            "subprotocol": {"subprotocols": [Subprotocol("solo.ticket.anna"), Subprotocol("solo")]},
            "frame": {},
        }
        async with door.socket(**ways[way]) as line, asyncio.timeout(WITHIN_S):
            if way == "frame":
                await line.send(json.dumps({"type": "auth", "token": "anna"}))
            assert line.subprotocol == ("solo" if way == "subprotocol" else None)
            heard = asyncio.create_task(line.recv())
            while not heard.done():  # everything that happens is told here, once it listens
                door.bus.publish(CredentialsChanged(reason="nobody's"))
                await asyncio.sleep(0.01)
            loop = asyncio.get_running_loop()
            began = loop.time()
            door.bus.publish(CredentialsChanged(user="u-anna", reason="disabled"))
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    await line.recv()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4401, "disabled")
            assert loop.time() - began < 1.0


class TestWire:
    async def test_a_head_that_is_too_long(self, door: Door) -> None:
        for head in (
            b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: " + b"a" * (300 * 1024),
            b"GET /healthz HTTP/1.1\r\n" + b"x: y\r\n" * 20_000,
            b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: " + b"a" * (70 * 1024) + b"\r\n\r\n",
            b"GET /" + b"a" * (300 * 1024),
        ):
            assert (await door.raw(head))[:13] in {b"HTTP/1.1 431 ", b""}

    async def test_a_long_body_is_no_head(self, door: Door) -> None:
        async with httpx.AsyncClient(base_url=door.url, trust_env=False) as client:
            for _ in range(3):
                answer = await client.post("/api/nowhere", headers={"x-api-key": KEY}, content=bytes(900_000))
                assert answer.status_code == 404

    async def test_a_head_that_does_not_come(self, monkeypatch: pytest.MonkeyPatch) -> None:
        make = wire.protocols
        monkeypatch.setattr(wire, "protocols", lambda connections: make(connections, head_within_s=0.1))
        async with opened() as door:
            for head in (b"", b"GET /healthz HTTP/1.1\r\nhost: "):
                assert (await door.raw(head)).startswith(b"HTTP/1.1 408 ")
            # One that is waited for behind an answer is no head that has begun.
            async with httpx.AsyncClient(base_url=door.url, trust_env=False) as client:
                for _ in range(2):
                    assert (await client.get("/healthz")).status_code == 200
                    await asyncio.sleep(0.2)

    async def test_too_many_connections(self) -> None:
        async with opened(connections=16) as door:
            held = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(16)]
            assert (await door.raw(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")).startswith(b"HTTP/1.1 503 ")
            for _, writer in held:
                writer.close()
                await writer.wait_closed()
            async with asyncio.timeout(WITHIN_S):
                while not (await door.raw(REQUEST % door.port)).startswith(b"HTTP/1.1 200 "):
                    await asyncio.sleep(0.01)

    async def test_websockets_count_and_leave(self) -> None:
        async with opened(connections=16) as door:
            for _ in range(40):
                async with door.socket(additional_headers={"x-api-key": KEY}):
                    pass
            assert (await door.raw(REQUEST % door.port)).startswith(b"HTTP/1.1 200 ")


REQUEST = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nconnection: close\r\n\r\n"


def test_one_address_has_not_all_of_them() -> None:
    class Transport(asyncio.BaseTransport):
        def __init__(self, address: str) -> None:
            super().__init__({"peername": (address, 1)})

    connections = wire.Connections(most=10, most_per_address=2)
    strangers = [Transport("10.0.0.5") for _ in range(3)]
    assert [connections.take(one) for one in strangers] == [True, True, False]
    assert connections.take(Transport("10.0.0.6"))
    connections.leave(strangers[0])
    connections.leave(strangers[0])
    assert connections.take(strangers[2])
    assert [connections.take(Transport("127.0.0.1")) for _ in range(8)] == [True] * 7 + [False]
    assert (len(connections), connections.refused) == (10, 2)


class TestBind:
    @pytest.mark.parametrize("bind", ["0.0.0.0", "::", "192.0.2.1"])
    def test_in_public_only_by_name(self, bind: str) -> None:
        with pytest.raises(PublicBind, match=bind) as refused:
            open_door(0, bind)
        assert "SOLO_API__HOSTS" in refused.value.hint

    @pytest.mark.parametrize(("bind", "addressed"), [("127.0.0.1", False), ("127.0.0.2", False), ("0.0.0.0", True)])
    def test_where_it_may(self, bind: str, addressed: bool) -> None:
        with open_door(0, bind, addressed=addressed) as listener:
            assert listener.getsockname()[0] == bind
            assert (listener.family, listener.proto) == (socket.AF_INET, socket.IPPROTO_TCP)
