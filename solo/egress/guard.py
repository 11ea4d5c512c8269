"""Decides about each outbound attempt, and keeps count of those that were refused."""

from __future__ import annotations

import errno
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal

from solo.egress.endpoint import Endpoint, Number, number_of, plain
from solo.errors import SoloError
from solo.logs import get_logger

Kind = Literal["connection", "datagram", "name lookup"]
QUIET_S = 60.0
"""Between two words in the log about one host."""
MOST_HOSTS = 256
"""Hosts that are counted each by itself; what comes then is counted as `OTHERS`."""
MOST_PINS = 64
"""Addresses of one allowed name that are held at a time."""
OTHERS = "others"
_NEAR_FAMILIES = {getattr(socket, name) for name in ("AF_UNIX", "AF_NETLINK") if hasattr(socket, name)}
"""Reach no other machine: sockets in the file system, and the Linux kernel itself."""
_NEAR_NAMES = {"", "localhost"}
_LIBRARIES = ("solo.egress", "asyncio", "socket", "ssl", "uvloop", "concurrent", "contextlib", "threading", "anyio",
              "httpcore", "http.client", "urllib")  # fmt: skip
"""Passed over when it is told who made an attempt: they are asked by others."""


class EgressRefused(SoloError, OSError):
    """Solo does not connect to other machines, except to those that its settings name."""

    code = "egress.refused"

    def __init__(self, message: str | None = None, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.errno = errno.EACCES  # libraries look at it; `strerror` stays empty, so that the message is ours


@dataclass(slots=True)
class Refused:
    """Attempts at one host."""

    host: str
    port: int | None
    kind: Kind
    by: str
    """The module that made the last one."""
    count: int = 0
    at: float = 0.0
    """Of the last one, Unix seconds."""
    told: float = float("-inf")
    """When the log was told, monotonic seconds."""


class Guard:
    """What one process may connect to. Any thread may ask."""

    def __init__(self) -> None:
        self.enforcing = False
        self.total = 0
        """Attempts refused since the start, without those of a proof."""
        self.on_refused: Callable[[Refused], None] | None = None
        """Called in the thread of the attempt, as often as the log is told; must not raise."""
        self._lock = threading.RLock()  # the log, a finaliser: whatever runs inside may end up here again
        self._allowed: dict[Endpoint, int] = {}
        self._pins: dict[Endpoint, dict[Number, None]] = {}
        self._refused: dict[tuple[str, int | None], Refused] = {}
        self._proof: ContextVar[list[Refused] | None] = ContextVar("proof", default=None)

    @contextmanager
    def allow(self, *endpoints: Endpoint) -> Iterator[None]:
        """Inside, these may be connected to; names among them may be looked up, and what they are found to be, too."""
        with self._lock:
            for endpoint in endpoints:
                self._allowed[endpoint] = self._allowed.get(endpoint, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                for endpoint in endpoints:
                    self._allowed[endpoint] -= 1
                    if not self._allowed[endpoint]:
                        del self._allowed[endpoint]
                        self._pins.pop(endpoint, None)

    @contextmanager
    def proving(self) -> Iterator[list[Refused]]:
        """Attempts of this task inside are told here, and neither counted nor logged: they are made to be refused."""
        made: list[Refused] = []
        token = self._proof.set(made)
        try:
            yield made
        finally:
            self._proof.reset(token)

    def allowed(self) -> tuple[Endpoint, ...]:
        with self._lock:
            return tuple(self._allowed)

    def refused(self) -> tuple[Refused, ...]:
        """By host, the last one first."""
        with self._lock:
            return tuple(sorted(self._refused.values(), key=lambda each: each.at, reverse=True))

    def check(self, family: int, address: Any, kind: Kind = "connection") -> None:
        """Of a socket's family and an address as the socket takes it. Raises `EgressRefused`."""
        if not self.enforcing or family in _NEAR_FAMILIES:
            return
        if family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(address, tuple) or len(address) < 2:
            self.refuse(kind, _shown(address), None)
        host, port = _text(address[0]), address[1] if isinstance(address[1], int) else None
        number = number_of(host)
        if number is None:
            # What the system makes of it is not seen here, so it has to be allowed by name.
            if plain(host) not in _NEAR_NAMES - {""} and not self._names(host, port):
                self.refuse(kind, host, port)
        elif not number.is_loopback and not self._knows(number, port):
            self.refuse(kind, str(number), port)

    def check_name(self, host: Any, flags: int = 0) -> None:
        """Before it is looked up: a question to a name server gets out too. Raises `EgressRefused`."""
        if not self.enforcing or host is None or flags & socket.AI_NUMERICHOST:
            return
        name = _text(host)
        if number_of(name) is None and plain(name) not in _NEAR_NAMES and not self._names(name, None):
            self.refuse("name lookup", name, None)

    def check_reverse(self, address: Any, flags: int = 0) -> None:
        """Before the name of an address is looked up."""
        if not self.enforcing or flags & socket.NI_NUMERICHOST:
            return
        host = _text(address[0]) if isinstance(address, tuple) and address else _text(address)
        number = number_of(host)
        if number is None:
            self.check_name(host)
        elif not number.is_loopback and not self._knows(number, None):
            self.refuse("name lookup", str(number), None)

    def pin(self, host: Any, found: Sequence[tuple[Any, ...]]) -> None:
        """`getaddrinfo` has found this for a name: these addresses stand for it from now on."""
        if host is None or number_of(name := _text(host)) is not None:
            return
        numbers = [number for entry in found if (number := number_of(str(entry[4][0]))) is not None]
        with self._lock:
            for endpoint in self._allowed:
                if endpoint.host == plain(name):
                    pins = self._pins.setdefault(endpoint, {})
                    for number in numbers:
                        pins.pop(number, None)
                        pins[number] = None
                    while len(pins) > MOST_PINS:
                        del pins[next(iter(pins))]

    def refuse(self, kind: Kind, host: str, port: int | None) -> None:
        """Count it, tell of it, and raise `EgressRefused`."""
        host = "".join(sign if sign.isprintable() else "?" for sign in host[:253]) or "?"
        place = str(Endpoint(host, port, ""))
        made = Refused(host, port, kind, _asker())
        proof = self._proof.get()
        if proof is not None:
            proof.append(made)
        else:
            self._count(made)
        what = "look up the name" if kind == "name lookup" else "connect to"
        raise EgressRefused(
            f"Solo does not {what} {place}",
            hint=f"""To allow it, set SOLO_EGRESS__ALLOW='["{place}"]' and start Solo again.""",
        )

    def _count(self, made: Refused) -> None:
        now = time.monotonic()
        with self._lock:
            self.total += 1
            key = (made.host, made.port)
            if key not in self._refused and len(self._refused) >= MOST_HOSTS:
                key = (OTHERS, None)
            known = self._refused.setdefault(key, Refused(*key, made.kind, made.by))
            known.count, known.at, known.kind, known.by = known.count + 1, time.time(), made.kind, made.by
            if now - known.told < QUIET_S:
                return
            known.told = now
        get_logger(service="egress").warning(
            "outbound attempt refused", host=known.host, port=known.port, kind=made.kind, by=made.by, count=known.count
        )
        if self.on_refused is not None:
            self.on_refused(known)

    def _names(self, host: str, port: int | None) -> bool:
        name = plain(host)
        with self._lock:
            return any(each.host == name and _fits(each, port) for each in self._allowed)

    def _knows(self, number: Number, port: int | None) -> bool:
        with self._lock:
            for each in self._allowed:
                if not _fits(each, port):
                    continue
                network = each.network
                if number in self._pins.get(each, ()) or (network is not None and number in network):
                    return True
        return False


def _fits(endpoint: Endpoint, port: int | None) -> bool:
    return port is None or endpoint.port in {None, port}


def _text(host: Any) -> str:
    return host.decode("latin-1") if isinstance(host, bytes | bytearray) else str(host)


def _shown(address: Any) -> str:
    return "an address of another kind of network" if not isinstance(address, str) else address


def _asker() -> str:
    frame = sys._getframe(1)  # noqa: SLF001  # the one way to see who asks
    while frame.f_globals.get("__name__", "").startswith(_LIBRARIES):
        if frame.f_back is None:
            return f"the thread {threading.current_thread().name}"
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", "?"))


GUARD = Guard()
"""That of this process: there is one network, and hooks see all of it."""
