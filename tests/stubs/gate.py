"""A guard with a small house behind it, and a service that knows whose a credential is."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from services.api.front import Front
from services.api.guard import Guard
from services.api.guards.hosts import Hosts, Proxies
from services.api.guards.identity import Identity
from services.api.guards.journal import Journal
from services.api.guards.limits import Rates
from services.api.policy import PICTURES_BYTES, SOCKET, Policy, RouteTable, Row
from services.messages.audit import AuditEntry, RecordAudit
from services.messages.security import ROLE_SCOPES, Identify, Principal, Role, Scope
from solo.errors import ForeignError, SoloError
from solo.logs import get_logger

KEY = "the-owners-key"
PORT = 8700
HOST = ("host", f"127.0.0.1:{PORT}")
BEARER = ("authorization", f"Bearer {KEY}")
ORIGIN = ("origin", f"http://127.0.0.1:{PORT}")
Headers = list[tuple[str, str]]
Message = dict[str, Any]

CONNECT: Message = {"type": "websocket.connect"}


def frame(**said: Any) -> Message:
    return {"type": "websocket.receive", "text": json.dumps(said)}


TABLE = RouteTable(
    [
        Row("GET", "/healthz", Policy(None, rate="cheap")),
        Row("GET", "/readyz", Policy(None, rate="cheap")),
        Row("POST", "/api/login", Policy(None, rate="login", body=16 * 1024)),
        Row("GET", "/status", Policy("status.read", rate="cheap")),
        Row("POST", "/api/ask", Policy("chat", rate="costly")),
        Row("POST", "/api/stop", Policy("daemon.control", audit=True)),
        Row("GET", "/api/chats/{talk}", Policy("chat", owner="profile")),
        Row("GET", "/v1/models", Policy("models.read", rate="cheap")),
        Row("POST", "/v1/chat/completions", Policy("chat", rate="costly", body=PICTURES_BYTES)),
        Row(SOCKET, "/ws/chat", Policy("chat", body=1000)),
        Row(SOCKET, "/ws/events", Policy("events.read")),
    ]
)


def principal(name: str, role: Role = "user", scopes: frozenset[Scope] | None = None, **more: Any) -> Principal:
    allowed = ROLE_SCOPES[role] if scopes is None else scopes
    return Principal(**{"kind": "session", "id": f"id-{name}", "name": name, "role": role, "scopes": allowed, **more})


@dataclass
class Registry:
    """Stands in for the security service: whose is what, and what it was told."""

    known: dict[str, Principal] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    entries: list[AuditEntry] = field(default_factory=list)
    error: SoloError | None = None
    hold: asyncio.Event | None = None
    """Answers come only once it is set."""

    async def identify(self, question: Identify) -> Principal:
        credential = question.credential.get_secret_value()
        self.asked.append(credential)
        found = self.known.get(credential)
        if self.hold is not None:
            await self.hold.wait()
        if self.error is not None:
            raise self.error
        if found is None:
            raise ForeignError("security.unauthorized", "worth nothing")
        return found

    async def record(self, said: RecordAudit, _: float = 0.0) -> None:
        if self.error is not None:
            raise self.error
        self.entries.extend(said.entries)


async def inside(scope: Any, receive: Any, send: Any) -> None:
    """Every room: it says that somebody is in it, and who."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
    await send({"type": "inside", "who": scope.get("principal")})


def guarded(app: Any = inside, *, registry: Registry | None = None, **options: Any) -> Guard:
    """`options`: `port`, `hosts`, `origins`, `proxies`, `rates`, `table`."""
    registry = registry or Registry()
    front = Front()
    front.furnish(app, options.get("table", TABLE))
    return Guard(
        front,
        Hosts(options.get("port", PORT), options.get("hosts", ()), options.get("origins", ())),
        Proxies(options.get("proxies", ())),
        options.get("rates", Rates()),
        Identity(KEY, registry.identify),
        Journal(registry.record, get_logger()),
    )


def scope_of(
    headers: Headers,
    *,
    kind: str = "http",
    path: str = "/status",
    method: str = "GET",
    client: str = "127.0.0.1",
    subprotocols: tuple[str, ...] = (),
    query: str = "",
) -> dict[str, Any]:
    scope: dict[str, Any] = {
        "type": kind,
        "path": path,
        "query_string": query.encode(),
        "client": (client, 50_000),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
    }
    if kind == "http":
        scope["method"] = method
    else:
        scope |= {"subprotocols": list(subprotocols), "extensions": {"websocket.http.response": {}}}
    return scope


async def knock(guard: Guard, headers: Headers, *, says: tuple[Message, ...] = (), **where: Any) -> list[Message]:
    """What comes back. `says`: the client's messages; behind them it has left."""
    sent: list[Message] = []
    if not says and where.get("kind") == "websocket":
        says = (CONNECT, frame(type="nobody"))
    waiting = iter(says)

    async def send(message: Any) -> None:
        sent.append(dict(message))

    async def receive() -> Any:
        kind = where.get("kind", "http")
        return next(waiting, {"type": "websocket.disconnect" if kind == "websocket" else "http.disconnect"})

    await guard(scope_of(headers, **where), receive, send)
    return sent


def verdict(sent: list[Message]) -> str:
    """`in`, or the code of the refusal, in whichever envelope and way it came."""
    for message in sent:
        if message["type"] == "inside":
            return "in"
        if message["type"] == "websocket.close":
            return str(message["reason"])
        if message["type"].endswith("http.response.body"):
            assert int(dict(sent[0]["headers"])[b"content-length"]) == len(message["body"])
            if sent[0]["status"] == 200:
                return "in"
            error = json.loads(message["body"])["error"]
            code = str(error.get("code") or error["details"]["error_code"])
            return _OPENAI.get(code, code)
    raise AssertionError(sent)


_OPENAI = {"invalid_api_key": "api.unauthorized", "rate_limit_exceeded": "api.too_many_requests"}


def status(sent: list[Message]) -> int:
    """Of the refusal; 200 for who is inside, and the close code of a WebSocket that was open."""
    for message in sent:
        if message["type"] == "inside":
            return 200
        if message["type"].endswith("http.response.start"):
            return int(message["status"])
        if message["type"] == "websocket.close":
            return int(message["code"])
    raise AssertionError(sent)


def headers_of(sent: list[Message]) -> dict[str, str]:
    start = next(message for message in sent if message["type"].endswith(("http.response.start", "websocket.accept")))
    return {name.decode(): value.decode() for name, value in start["headers"]}
