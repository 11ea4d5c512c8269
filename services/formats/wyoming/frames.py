"""Wyoming's frames: read within limits, since a peer may announce anything; written by the wyoming package."""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import dataclass
from typing import Any, TypeVar

from wyoming.event import Event, Eventable, write_event

from solo.errors import SoloError

MOST_LINE = 64 * 1024
"""Bytes of the first line; most have a hundred."""
MOST_DATA = 1024 * 1024
"""Bytes of what is said of an event; the longest is the list of a server with many voices."""
MOST_PAYLOAD = 1024 * 1024
"""Bytes of sound in one event: 30 s as Solo has it, and usually 64 ms."""
MOST_TYPE = 64

E = TypeVar("E", bound=Eventable)


class BadFrame(SoloError):
    """A Wyoming peer sent what is no event: where the next one begins is not known any more."""

    code = "wyoming.bad_frame"


class BadEvent(SoloError):
    """A Wyoming peer sent an event that lacks something, or says something impossible."""

    code = "wyoming.bad_event"


@dataclass(frozen=True, slots=True)
class Head:
    """The first line of a frame."""

    type: str
    data: dict[str, Any]
    data_length: int
    payload_length: int

    @classmethod
    def parse(cls, line: bytes) -> Head:
        """Raises `BadFrame`, also when more is announced than is taken."""
        said = _json(line)
        kind = said.get("type")
        if not isinstance(kind, str) or not 0 < len(kind) <= MOST_TYPE:
            raise BadFrame("the first line names no type of event")
        data = said.get("data")
        if data is not None and not isinstance(data, dict):
            raise BadFrame("the data of an event is no object")
        return cls(
            kind,
            data or {},
            _length(said.get("data_length"), MOST_DATA, "data"),
            _length(said.get("payload_length"), MOST_PAYLOAD, "payload"),
        )

    def event(self, data: bytes, payload: bytes) -> Event:
        """With what followed the line."""
        return Event(self.type, {**self.data, **_json(data)} if data else self.data, payload or None)


async def receive(reader: asyncio.StreamReader, rest_within: float) -> Event | None:
    """The next event; None at the end of the connection. Raises `BadFrame`.

    The wait for its first byte is the caller's; what follows has to come within `rest_within` seconds. The reader's
    own limit has to be `MOST_LINE`.
    """
    try:
        first = await reader.read(1)
        if not first:
            return None
        async with asyncio.timeout(rest_within):
            line = first if first == b"\n" else first + await reader.readuntil(b"\n")
            head = Head.parse(line)
            data = await reader.readexactly(head.data_length)
            payload = await reader.readexactly(head.payload_length)
    except asyncio.IncompleteReadError:
        raise BadFrame("the connection ended in the middle of an event") from None
    except asyncio.LimitOverrunError:
        raise BadFrame(f"the first line of an event is longer than {MOST_LINE} bytes") from None
    except TimeoutError:
        raise BadFrame(f"an event that had begun did not end within {rest_within:g} s") from None
    except ConnectionError:
        return None
    return head.event(data, payload)


def packed(event: Event) -> bytes:
    """As the wyoming package writes it."""
    sink = io.BytesIO()
    write_event(event, sink)
    return sink.getvalue()


def read(kind: type[E], event: Event) -> E:
    """The event as the package's own class. Raises `BadEvent` where the package would fail in one way or another."""
    try:
        return kind.from_event(event)  # type: ignore[return-value]  # declared for the base class
    except (KeyError, ValueError, TypeError, AttributeError, AssertionError) as error:
        raise BadEvent(f"a {event.type} event that cannot be read: {type(error).__name__} {error}"[:200]) from None


def text_of(value: object, what: str, most: int) -> str:
    """A text of a peer's, at most `most` characters long. Raises `BadEvent`."""
    if not isinstance(value, str):
        raise BadEvent(f"{what} is no text")
    if len(value) > most:
        raise BadEvent(f"{what} has {len(value)} characters, {most} are taken")
    return value.encode("utf-8", "replace").decode()  # half a surrogate pair cannot be written down


def _length(value: object, most: int, what: str) -> int:
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadFrame(f"the length of the {what} is no number")
    if value > most:
        raise BadFrame(f"{value} bytes of {what} are announced, {most} are taken")
    return value


def _json(text: bytes) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise BadFrame("what should be JSON is none") from None
    if not isinstance(said, dict):
        raise BadFrame("what should be a JSON object is none")
    return said
