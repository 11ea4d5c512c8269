"""A Wyoming server as an engine's process asks it: blocking, with deadlines, and nobody else can be reached."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info

from services.formats.wyoming.frames import MOST_LINE, BadFrame, Head, packed, read
from services.formats.wyoming.place import Place
from solo.egress import enforced
from solo.errors import SoloError

CONNECT_S = 3.0
_STEP_S = 0.1
"""How often a wait looks whether anybody still waits for it."""
_CHUNK = 65_536


class ServerAway(SoloError):
    """The Wyoming server that is this engine cannot be reached, or went away in the middle."""

    code = "wyoming.server_away"
    retryable = True


class ServerRefused(SoloError):
    """The Wyoming server that is this engine does not do what it was asked."""

    code = "wyoming.server_refused"


class Server:
    """Where it is. `confine` once in a process; then `calling` for each question."""

    def __init__(self, server: str) -> None:
        try:
            self.place = Place.parse(server)
        except ValueError as error:
            raise ServerRefused(str(error), hint="Set the engine's `server` to tcp://host:port.") from None
        self._confined = ExitStack()

    def confine(self) -> None:
        """This process has the network, so that its own guard lets it reach this server alone."""
        self._confined.enter_context(enforced(self.place.endpoint("the Wyoming server that is this engine")))

    @contextmanager
    def calling(self, within: float) -> Iterator[Caller]:
        """A connection for one question, which has to be answered `within` seconds."""
        with Caller(self.place, within) as caller:
            yield caller

    def describe(self, within: float) -> Info:
        """What it can do."""
        with self.calling(within) as caller:
            caller.send(Describe().event())
            return read(Info, caller.expect("info"))


class Caller:
    """One connection. Every wait raises `ServerAway` when the time is over or the server has gone."""

    def __init__(self, place: Place, within: float) -> None:
        self._place = place
        self._by = time.monotonic() + within
        self._rest = bytearray()
        try:
            self._line = socket.create_connection((place.host, place.port), timeout=min(CONNECT_S, within))
        except OSError as error:
            raise ServerAway(
                f"{place} cannot be reached: {error.strerror or error}", hint="Is the Wyoming server running?"
            ) from error
        with suppress(OSError):
            self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with suppress(OSError):
            self._line.close()

    def extend(self, within: float) -> None:
        """Another so many seconds from now."""
        self._by = time.monotonic() + within

    def send(self, *events: Event) -> None:
        try:
            self._line.settimeout(max(0.001, self._left()))
            self._line.sendall(b"".join(map(packed, events)))
        except OSError as error:
            raise self._gone(error) from error

    def expect(self, *types: str) -> Event:
        """The next event of one of these types; others are passed over. An `error` is raised as `ServerRefused`."""
        while True:
            event = self.next()
            if event is not None and event.type in types:
                return event

    def next(self, within: float = _STEP_S) -> Event | None:
        """The next event, or None when there is none within a moment, so that the caller may look around."""
        until = min(self._by, time.monotonic() + within)
        while (event := self._whole()) is None:
            if time.monotonic() >= self._by:
                raise ServerAway(f"{self._place} did not answer in time", hint="Is its machine fast enough?")
            wait = until - time.monotonic()
            if wait <= 0 and within > 0:
                return None
            if not self._fill(max(0.0, wait)) and within <= 0:
                return None
        if event.type == "error":
            said = read(Error, event)
            raise ServerRefused(f"{self._place} says: {str(said.text)[:200]}")
        return event

    def _left(self) -> float:
        return self._by - time.monotonic()

    def _fill(self, wait: float) -> bool:
        """Something has come."""
        try:
            if not select.select([self._line], [], [], wait)[0]:
                return False
            data = self._line.recv(_CHUNK)
        except OSError as error:
            raise self._gone(error) from error
        if not data:
            raise ServerAway(f"{self._place} closed the connection")
        self._rest += data
        return True

    def _whole(self) -> Event | None:
        """The first event that is there whole. Raises `BadFrame`."""
        end = self._rest.find(b"\n")
        if end < 0 or end > MOST_LINE:
            if len(self._rest) > MOST_LINE:
                raise BadFrame(f"the first line of an event is longer than {MOST_LINE} bytes")
            return None
        head = Head.parse(bytes(self._rest[: end + 1]))
        data, payload = end + 1 + head.data_length, end + 1 + head.data_length + head.payload_length
        if len(self._rest) < payload:
            return None
        event = head.event(bytes(self._rest[end + 1 : data]), bytes(self._rest[data:payload]))
        del self._rest[:payload]
        return event

    def _gone(self, error: OSError) -> ServerAway:
        return ServerAway(f"{self._place} went away: {error.strerror or error}")
