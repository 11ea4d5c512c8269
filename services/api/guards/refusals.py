"""What is refused, with which status, and how the refusal looks to HTTP and WebSocket clients."""

from __future__ import annotations

import json
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from services.api.anthropic import envelope as anthropic
from services.api.openai import envelope as openai
from solo.errors import SoloError

if TYPE_CHECKING:
    from starlette.types import Scope, Send

Header = tuple[bytes, bytes]

UNAUTHORIZED = 4401
"""Close code of a WebSocket whose caller is not, or no longer, let in: 4000 and the HTTP status, as applications
commonly do (RFC 6455 section 7.4.2 leaves 4000-4999 to them)."""
TOO_BIG = 1009
"""RFC 6455 section 7.4.1."""


class WrongHost(SoloError):
    """The request was addressed to a host name that is not this machine's."""

    code = "api.wrong_host"


class ForeignOrigin(SoloError):
    """A web page of another site may not use Solo."""

    code = "api.foreign_origin"


class OriginMissing(SoloError):
    """What a cookie proves counts only with the Origin of the page that asks."""

    code = "api.origin_missing"


class KeyMissing(SoloError):
    """The key or token is missing or worth nothing."""

    code = "api.unauthorized"


class Forbidden(SoloError):
    """The caller is known, and may not do this."""

    code = "api.forbidden"


class TooLarge(SoloError):
    """The request's body is too large."""

    code = "api.too_large"


class TooMany(SoloError):
    """Too many requests."""

    code = "api.too_many_requests"

    def __init__(self, message: str | None = None, *, hint: str = "", retry_after: float = 1.0) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after
        """Seconds until the next one is taken."""


class CannotTell(SoloError):
    """Who asks cannot be found out at the moment."""

    code = "api.identity_unavailable"


STATUS: dict[str, HTTPStatus] = {
    WrongHost.code: HTTPStatus.MISDIRECTED_REQUEST,
    ForeignOrigin.code: HTTPStatus.FORBIDDEN,
    OriginMissing.code: HTTPStatus.FORBIDDEN,
    KeyMissing.code: HTTPStatus.UNAUTHORIZED,
    Forbidden.code: HTTPStatus.FORBIDDEN,
    TooLarge.code: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    TooMany.code: HTTPStatus.TOO_MANY_REQUESTS,
    CannotTell.code: HTTPStatus.SERVICE_UNAVAILABLE,
}
_RETRY_AFTER_S = 2.0


def unknown_caller() -> KeyMissing:
    """One and the same for whatever is worth nothing, whether or not what was asked for exists."""
    return KeyMissing(hint="Send it as `Authorization: Bearer KEY`; the owner's is owner.key in the state directory.")


def envelope(error: SoloError) -> dict[str, Any]:
    """How every error leaves the house."""
    return {"error": {"code": error.code, "message": error.message, "hint": error.hint}}


def _said(error: SoloError, status: int, scope: Scope, headers: list[Header]) -> dict[str, Any]:
    """In the envelope that clients of this path know."""
    path: str = scope["path"]
    if anthropic.is_asked(path):
        tag: str = scope["request_id"]
        headers.append((b"request-id", tag.encode()))
        return anthropic.envelope(error, status, tag)
    return openai.envelope(error, status) if path.startswith("/v1/") else envelope(error)


async def refuse(scope: Scope, send: Send, error: SoloError, headers: list[Header]) -> None:
    """The refusal as an HTTP answer, which for a WebSocket is the answer to its handshake."""
    websocket = scope["type"] == "websocket"
    if websocket and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": error.code})
        return
    status = STATUS[error.code]
    headers = [(b"content-type", b"application/json"), *headers]
    body = json.dumps(_said(error, int(status), scope, headers)).encode()
    headers.append((b"content-length", str(len(body)).encode()))
    if status is HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    elif status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        seconds = getattr(error, "retry_after", _RETRY_AFTER_S)
        headers.append((b"retry-after", str(max(1, math.ceil(seconds))).encode()))
    elif status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        headers.append((b"connection", b"close"))  # or the rest of the body would still be taken in
    kind = "websocket.http.response" if websocket else "http.response"
    await send({"type": f"{kind}.start", "status": int(status), "headers": headers})
    await send({"type": f"{kind}.body", "body": body})


def close_code(error: SoloError) -> int:
    """Of a WebSocket that was accepted before its caller was known."""
    return 4000 + int(STATUS[error.code])
