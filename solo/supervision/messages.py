"""What the keeper says and answers."""

from __future__ import annotations

from solo.bus import Event, Request
from solo.supervision.state import State, SystemState


class ServiceStateChanged(Event):
    name: str
    """The service."""
    state: State
    note: str = ""
    """Why, in a few words."""
    code: str | None = None
    """Of the error, after a crash."""
    after_s: float | None = None
    """Seconds its start took, when it became ready."""


class MessagesDropped(Event):
    owner: str
    """The subscriber whose mailbox was full."""
    kind: str
    """Name of the message kind."""
    dropped: int
    """Since the last such report (at most one a second)."""


class OutboundRefused(Event):
    """The daemon itself tried to connect to another machine, and was not let; told at most once a minute for a host."""

    host: str
    """A name or an address; nothing else of what was asked for."""
    port: int | None
    kind: str
    """connection, datagram or name lookup."""
    by: str
    """The module that tried."""
    count: int
    """Attempts at this host since the start."""


class StopRequested(Event):
    """Somebody who may do so asked Solo to stop."""

    by: str
    """Who, in a word: `api`, `signal`."""


class Describe(Request[SystemState]):
    """How is everything?"""

    idempotent = True
