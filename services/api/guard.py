"""Before any route: is the caller allowed? Host, Origin and the owner's key, for HTTP and WebSocket alike."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from services.api.front import HEALTHZ, READYZ
from services.api.openai import envelope as openai
from solo.errors import SoloError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY_BYTES = 1024 * 1024
LARGER_BODIES = {
    ("PUT", "/api/memory/documents"): 32 * 1024 * 1024,
    ("POST", "/v1/chat/completions"): 32 * 1024 * 1024,  # pictures come inside, as data: URLs
}
"""Method and path of what takes more than `MOST_BODY_BYTES`, and how much."""
PUBLIC = frozenset({HEALTHZ, READYZ})
"""Paths that need no key. Everything else does, whether or not it exists."""


class WrongHost(SoloError):
    """The request was addressed to a host name that is not this machine's."""

    code = "api.wrong_host"


class ForeignOrigin(SoloError):
    """A web page of another site may not use Solo."""

    code = "api.foreign_origin"


class KeyMissing(SoloError):
    """The owner's key is missing or wrong."""

    code = "api.unauthorized"


class TooLarge(SoloError):
    """The request's body is too large."""

    code = "api.too_large"


class Guard:
    """ASGI middleware; denies by default."""

    def __init__(self, app: ASGIApp, *, key: str, port: int, origins: Iterable[str] = ()) -> None:
        self._app = app
        self._key = key.encode()
        names = ("127.0.0.1", "localhost", "[::1]")
        self._hosts = frozenset(f"{name}:{port}" for name in names) | (frozenset(names) if port == 80 else frozenset())
        self._origins = frozenset(f"http://{host}" for host in self._hosts) | frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        error, status = self._check(scope)
        if error is None:
            await self._app(scope, _limited(receive, _most(scope)) if scope["type"] == "http" else receive, send)
        elif scope["type"] == "http":
            await _refuse(send, error, status, scope["path"])
        else:
            await send({"type": "websocket.close", "code": 1008, "reason": error.code})

    def _check(self, scope: Scope) -> tuple[SoloError | None, HTTPStatus]:
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value)
        hosts = headers.get(b"host", [])
        if len(hosts) != 1 or hosts[0].decode("latin-1").lower() not in self._hosts:
            return WrongHost(
                hint="Use http://127.0.0.1 or http://localhost with the daemon's port."
            ), HTTPStatus.MISDIRECTED_REQUEST
        origins = headers.get(b"origin", [])
        if any(origin.decode("latin-1").lower() not in self._origins for origin in origins):
            return ForeignOrigin(), HTTPStatus.FORBIDDEN
        most = _most(scope)
        if any(int(length) > most for length in headers.get(b"content-length", []) if length.isdigit()):
            return TooLarge(), HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        if scope["type"] == "http" and scope["path"] in PUBLIC:
            return None, HTTPStatus.OK
        if not hmac.compare_digest(self._offered(headers), self._key):
            hint = "Send it as `Authorization: Bearer KEY`; it is in owner.key in the state directory."
            return KeyMissing(hint=hint), HTTPStatus.UNAUTHORIZED
        return None, HTTPStatus.OK

    @staticmethod
    def _offered(headers: dict[bytes, list[bytes]]) -> bytes:
        """The one key offered; several that differ are none."""
        offered = set(headers.get(b"x-api-key", []))
        for value in headers.get(b"authorization", []):
            scheme, _, credentials = value.partition(b" ")
            if scheme.lower() == b"bearer":
                offered.add(credentials.strip())
        return offered.pop() if len(offered) == 1 else b""


def _most(scope: Scope) -> int:
    """Bytes of body that this request may have."""
    return LARGER_BODIES.get((scope.get("method", ""), scope["path"]), MOST_BODY_BYTES)


def _limited(receive: Receive, most: int) -> Receive:
    """Bodies that do not say how long they are are counted; one that grows too long ends like a client that left."""
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        return message if taken <= most else {"type": "http.disconnect"}

    return counted


async def _refuse(send: Send, error: SoloError, status: HTTPStatus, path: str) -> None:
    said = openai.envelope(error, int(status)) if path.startswith("/v1/") else envelope(error)
    body = json.dumps(said).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status is HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})


def envelope(error: SoloError) -> dict[str, Any]:
    """How every error leaves the house."""
    return {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
