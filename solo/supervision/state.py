"""Frozen snapshots of how everything is: what `/status` shows."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict


class State(StrEnum):
    """Where a service is in its life."""

    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"
    """Works, but not fully, or restarts too often."""
    BACKOFF = "backoff"
    """Crashed; the next start is delayed."""
    WAITING = "waiting"
    """Not started until a service that it holds something of is ready."""
    DRAINING = "draining"
    STOPPED = "stopped"
    FAILED = "failed"
    """Gave up."""


class Snapshot(BaseModel):
    model_config = ConfigDict(frozen=True)


class Failure(Snapshot):
    code: str
    message: str
    at: str
    """ISO 8601 UTC."""


class EngineState(Snapshot):
    engine: str
    model: str
    pid: int | None = None
    rss_bytes: int | None = None
    threads: int | None = None
    info: dict[str, Any] = {}
    """What else the engine said of itself when it had loaded."""


class ServiceState(Snapshot):
    name: str
    state: State
    since_s: float
    """Seconds in this state."""
    ready_after_s: float | None
    """Seconds the last start took until ready."""
    restarts: int
    last_error: Failure | None
    note: str
    engine: EngineState | None


class MemoryState(Snapshot):
    daemon_rss_bytes: int
    total_rss_bytes: int
    """Daemon and every child."""


class LoopState(Snapshot):
    lag_ms: float
    """Last measured delay of the event loop."""
    max_lag_ms: float
    """Worst since the start was over."""
    blocked: int
    """Times the loop was held longer than the limit (`SOLO_LOOP_BLOCKED_MS`)."""


class MailboxState(Snapshot):
    owner: str
    kind: str
    limit: int
    waiting: int
    dropped: int


class BusState(Snapshot):
    published: int
    delivered: int
    """To the mailboxes open now."""
    dropped: int
    mailboxes: tuple[MailboxState, ...]


class RefusedState(Snapshot):
    host: str
    port: int | None
    """None: its name was looked up, or there is none."""
    kind: str
    """connection, datagram or name lookup."""
    by: str
    """The module that made the last attempt."""
    count: int
    at: str
    """Of the last one, ISO 8601 UTC."""


class AllowedState(Snapshot):
    endpoint: str
    why: str


class EgressState(Snapshot):
    """Outbound connections of the daemon itself."""

    enforced: bool = False
    refused: int = 0
    """Attempts since the start."""
    hosts: tuple[RefusedState, ...] = ()
    """Whom they were for, the last one first; a few."""
    allowed: tuple[AllowedState, ...] = ()
    """Besides loopback."""


class SystemState(Snapshot):
    version: str
    pid: int
    started_at: str
    uptime_s: float
    state: str
    """starting, ready, degraded or draining."""
    reasons: tuple[str, ...]
    """Why it is not ready; empty when it is."""
    memory: MemoryState
    loop: LoopState
    bus: BusState
    egress: EgressState = EgressState()
    services: tuple[ServiceState, ...]
