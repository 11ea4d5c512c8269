"""Before any route: is the caller allowed? HTTP and WebSocket alike, by the one table of routes; denied by default."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from services.api.front import Front
from services.api.guards.answers import Answer, Channel, with_headers
from services.api.guards.carriers import CARRIERS, ONCE, chosen, in_frame, offered
from services.api.guards.hosts import Hosts, Proxies, neighbourhood
from services.api.guards.identity import Identity, concerns
from services.api.guards.journal import SEEN, Journal
from services.api.guards.limits import Rates, Standing, Windows
from services.api.guards.refusals import (
    STATUS,
    UNAUTHORIZED,
    Forbidden,
    Header,
    KeyMissing,
    OriginMissing,
    TooLarge,
    TooMany,
    close_code,
    envelope,
    refuse,
    unknown_caller,
)
from services.api.guards.sockets import Opened, Sockets
from services.api.guards.visit import Visit, meet
from services.api.policy import Policy
from services.messages.security import CredentialsChanged, Principal
from solo.errors import SoloError

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

__all__ = ["Guard", "TooLarge", "envelope"]

FIRST_FRAME_S = 5.0
"""For a WebSocket that was opened without a credential to send one."""
MOST_STRANGERS = 64
"""WebSockets that may wait for that at a time."""
FAREWELL_S = 0.5
"""For the last frame of what is cut off."""
RATE_HEADERS = ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests")
"""As OpenAI's clients read them."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that change nothing (RFC 9110 section 9.2.1)."""


class Left(Exception):
    """The client has gone before it said who it is."""


@dataclass(slots=True)
class Guard:
    """ASGI middleware around the front; its parts are given to it so that others may use them too."""

    front: Front
    hosts: Hosts
    proxies: Proxies
    rates: Rates
    identity: Identity
    journal: Journal
    sockets: Sockets = field(default_factory=Sockets)
    addresses: Windows = field(default_factory=Windows)
    callers: Windows = field(default_factory=Windows)
    _strangers: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self.front(scope, receive, send)
            return
        visit = meet(scope, self.proxies)
        try:
            if scope["type"] == "http":
                await self._request(visit, receive, send)
            else:
                await self._socket(visit, receive, send)
        except Left:
            return

    def changed(self, change: CredentialsChanged) -> None:
        """Nobody whom it concerns is known any more, nor listened to."""
        self.identity.changed(change)
        self.sockets.end(lambda who: concerns(change, who), change.reason)

    async def _request(self, visit: Visit, receive: Receive, send: Send) -> None:
        try:
            await self._let_in(visit, receive)
        except SoloError as error:
            self._denied(visit, error)
            await refuse(visit.scope, send, error, with_headers((), visit.extra))
            return
        answer = Answer(visit.scope, receive, send, visit.extra, visit.policy.body)
        # An announced length was looked at, and the server holds the client to it.
        told = b"content-length" in visit.headers and b"transfer-encoding" not in visit.headers
        taken = receive if told else answer.receive
        if visit.who is None:
            await self._answered(visit, answer, taken)
            return
        with self.sockets.opened(visit.who) as answer.opened:
            try:
                await self._answered(visit, answer, taken)
            except asyncio.CancelledError:
                if not answer.opened.was_ended():
                    raise
                self._cut_off(visit, answer.opened)
                await _farewell(answer.end())

    async def _answered(self, visit: Visit, answer: Answer, receive: Receive) -> None:
        try:
            await self.front(visit.scope, receive, answer.send)
        except Exception:  # of any kind, but only where the cut body is its cause; all else goes on to the server's log
            if not answer.too_large:
                raise
            await answer.refuse_too_large()  # it took the cut body for a client that left
        if answer.too_large:
            self._denied(visit, TooLarge())
        elif visit.policy.audit:
            self.journal.write(visit.entry("called", _outcome(answer.status)))
        elif visit.who is not None and visit.who.kind != "owner":
            self.journal.write(visit.entry(SEEN, _outcome(answer.status)))

    async def _socket(self, visit: Visit, receive: Receive, send: Send) -> None:
        scope = visit.scope
        names: list[str] = list(scope.get("subprotocols", ()))
        scope["subprotocols"] = [name for name in names if not name.startswith(CARRIERS)]
        channel = Channel(receive, send, visit.extra, chosen(names))
        visit.channel = channel
        try:
            await self._let_in(visit, receive, names)
        except SoloError as error:
            self._denied(visit, error)
            if channel.accepted:
                await _farewell(channel.close(close_code(error), error.code))
            else:
                await refuse(scope, send, error, with_headers((), visit.extra))
            return
        assert visit.who is not None
        channel.most = visit.policy.body
        if visit.policy.audit:
            self.journal.write(visit.entry("called", "ok"))
        with self.sockets.opened(visit.who) as opened:
            try:
                opened.last()
                await self.front(scope, channel.receive, channel.send)
            except asyncio.CancelledError:
                if not opened.was_ended():
                    raise
                self._cut_off(visit, opened)
                await _farewell(channel.close(UNAUTHORIZED, opened.ended))

    async def _let_in(self, visit: Visit, receive: Receive, subprotocols: list[str] | None = None) -> None:
        """Everything that is asked of a caller, in this order. Raises what it is refused with."""
        scope, headers = visit.scope, visit.headers
        websocket = scope["type"] == "websocket"
        self.hosts.check_host(headers)
        self.hosts.check_origin(headers)
        visit.row = row = await self.front.row(scope)
        policy = visit.policy
        public = row is not None and policy.scope is None
        came = offered(headers, subprotocols or [])
        who = self.identity.at_hand(came.credential) if came.credential else None
        # The owner gets past whatever others do from the same address; all others share what it is allowed.
        if who is None or who.kind != "owner" or public:
            self._per_address(visit, asks=who is None and came.anything and not public)
        if public and not websocket:
            self._check_length(headers, policy)
            if scope["method"] not in _SAFE and b"cookie" in headers and b"origin" not in headers:
                raise OriginMissing()
            return
        if not came.anything and websocket:
            who = await self._by_first_frame(visit)
        elif who is None:
            who = await self._identified(visit, came.credential, once=websocket)
        visit.who = who
        if came.cookie_only and (websocket or scope["method"] not in _SAFE) and b"origin" not in headers:
            raise OriginMissing(hint="Browsers send it; a program sends its key as `Authorization: Bearer KEY`.")
        self._check_length(headers, policy)
        if row is not None and policy.scope not in who.scopes:
            raise Forbidden(hint=f"It needs the scope {policy.scope}.")
        self._per_caller(visit, who)
        scope["principal"] = who

    @staticmethod
    def _check_length(headers: dict[bytes, list[bytes]], policy: Policy) -> None:
        if any(not length.isdigit() or int(length) > policy.body for length in headers.get(b"content-length", ())):
            raise TooLarge(hint=f"At most {policy.body} bytes are taken here.")

    async def _by_first_frame(self, visit: Visit) -> Principal:
        """A browser's WebSocket can send no header: it says who it is as soon as it is open."""
        assert visit.channel is not None
        if self._strangers >= MOST_STRANGERS:
            raise TooMany(retry_after=FIRST_FRAME_S)
        self._strangers += 1
        try:
            await visit.channel.accept()
            async with asyncio.timeout(FIRST_FRAME_S):
                message = await visit.channel.first()
        except TimeoutError:
            raise unknown_caller() from None
        finally:
            self._strangers -= 1
        if message["type"] != "websocket.receive":
            raise Left()
        return await self._identified(visit, in_frame(message.get("text")), once=True)

    async def _identified(self, visit: Visit, credential: str, *, once: bool) -> Principal:
        try:
            if credential.startswith(ONCE) and not once:
                raise unknown_caller()
            return await self.identity.of(credential, once=once)
        except KeyMissing:
            if credential:
                self.addresses.take((neighbourhood(visit.address), "failures"), self.rates.failures)
            raise

    def _per_address(self, visit: Visit, *, asks: bool) -> None:
        """`asks`: the service that knows would have to be asked who this is."""
        address, rate = neighbourhood(visit.address), visit.policy.rate
        standing = self.addresses.take((address, rate), self.rates.of(rate, owner=True))
        if not standing.allowed:
            raise TooMany(retry_after=standing.retry_after_s)
        if asks and (wait := self.addresses.full((address, "failures"), self.rates.failures)):
            raise TooMany(hint="Too many keys from this address were worth nothing.", retry_after=wait)

    def _per_caller(self, visit: Visit, who: Principal) -> None:
        """A user's keys and sessions count as one."""
        rate = visit.policy.rate
        standing = self.callers.take((who.user or who.id, rate), self.rates.of(rate, owner=who.kind == "owner"))
        if visit.scope["path"].startswith("/v1/"):
            visit.extra.extend(_rate_headers(standing))
        if not standing.allowed:
            raise TooMany(retry_after=standing.retry_after_s)

    def _denied(self, visit: Visit, error: SoloError) -> None:
        self.journal.write(visit.entry("denied", _outcome(STATUS[error.code]), error.code))

    def _cut_off(self, visit: Visit, opened: Opened) -> None:
        self.journal.write(visit.entry("closed", "denied", opened.ended))


def _outcome(status: int) -> Literal["ok", "denied", "failed"]:
    return "ok" if 0 < status < 400 else "denied" if 400 < status < 500 and status != 404 else "failed"


def _rate_headers(standing: Standing) -> list[Header]:
    values = (str(standing.limit), str(standing.remaining), f"{standing.reset_s}s")
    return [(name.encode(), value.encode()) for name, value in zip(RATE_HEADERS, values, strict=True)]


async def _farewell(last: Awaitable[None]) -> None:
    """Who does not read it is cut off without."""
    with suppress(TimeoutError):
        async with asyncio.timeout(FAREWELL_S):
            await last
