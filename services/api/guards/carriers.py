"""By which ways a caller may hand over a key, a token or a ticket. Never by the query: addresses are logged."""

from __future__ import annotations

import json
from dataclasses import dataclass

from services.api.guards.hosts import Headers

COOKIE = b"solo_access"
SUBPROTOCOL = "solo"
"""Offered beside a ticket and echoed: browsers hang up if none of what they offered is chosen."""
TICKET = "solo.ticket."
REALTIME = "realtime"
"""What OpenAI's clients offer in a browser, beside the next."""
KEY = "openai-insecure-api-key."
"""A key, or a client secret, which those have no other way to send."""
CARRIERS = (TICKET, KEY)
ONCE = "ticket_"
"""How tickets begin (`services.security.tokens`): worth something once, and for WebSockets only."""
MOST_BYTES = 4096
"""Of a credential; a JWT of Solo's is below 1 KiB."""


@dataclass(frozen=True, slots=True)
class Offered:
    """What came with the request."""

    credential: str = ""
    """Empty: none, or several that differ."""
    anything: bool = False
    """Something was offered, if only to be refused."""
    cookie_only: bool = False
    """The browser added it by itself, whichever page it was that asked."""


def offered(headers: Headers, subprotocols: list[str]) -> Offered:
    """All carriers alike; several that differ are none. A cookie comes along by itself, so what was said on purpose
    counts before it."""
    told = {value.strip() for value in headers.get(b"x-api-key", ())}
    for value in headers.get(b"authorization", ()):
        scheme, _, credentials = value.strip().partition(b" ")
        told.add(credentials.strip() if scheme.lower() == b"bearer" else b"")
    for mark in CARRIERS:
        told |= {name.removeprefix(mark).encode() for name in subprotocols if name.startswith(mark)}
    given = told or _cookies(headers)
    if len(given) != 1:
        return Offered(anything=bool(given))
    (credential,) = given
    return Offered(_readable(credential), anything=True, cookie_only=not told)


def _cookies(headers: Headers) -> set[bytes]:
    if b"cookie" not in headers:
        return set()
    pairs = (pair.strip().partition(b"=") for line in headers[b"cookie"] for pair in line.split(b";"))
    return {value for name, _, value in pairs if name == COOKIE}


def _readable(credential: bytes) -> str:
    """Keys, tokens and tickets are plain ASCII without spaces; what is not is none."""
    if len(credential) > MOST_BYTES or not credential.isascii() or b" " in credential or b"\x00" in credential:
        return ""
    return credential.decode("ascii")


def chosen(subprotocols: list[str]) -> str | None:
    """What is echoed, where the application does not say."""
    return next((name for name in (SUBPROTOCOL, REALTIME) if name in subprotocols), None)


def in_frame(text: str | None) -> str:
    """Of `{"type": "auth", "token": ...}` or `{"type": "auth", "ticket": ...}`; empty if it is not that."""
    if text is None or len(text) > 2 * MOST_BYTES:
        return ""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(said, dict) or said.get("type") != "auth" or len(said) != 2:
        return ""
    credential = said.get("token", said.get("ticket"))
    return _readable(credential.encode("utf-8", "replace")) if isinstance(credential, str) else ""
