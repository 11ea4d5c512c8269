"""What `GET /status` answers, as types: an answer of another shape is found here and nowhere else."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, ConfigDict


class _Part(BaseModel):
    # States and outcomes stay plain text, and unknown fields are let pass: a newer daemon must not blank an older page.
    model_config = ConfigDict(frozen=True, extra="ignore")


class Problem(_Part):
    """Something that failed, in the daemon's words."""

    code: str
    message: str
    at: AwareDatetime | None = None


class Engine(_Part):
    """The child process that carries a service's engine."""

    engine: str
    model: str = ""
    pid: int | None = None
    rss_bytes: int | None = None
    """Resident memory of the child; None while it has no process."""
    threads: int | None = None


class Service(_Part):
    """One supervised part of the daemon."""

    name: str
    state: str
    since_s: float | None = None
    """Seconds spent in this state so far."""
    ready_after_s: float | None = None
    """Seconds from start to readiness."""
    restarts: int = 0
    last_error: Problem | None = None
    note: str = ""
    engine: Engine | None = None


class Memory(_Part):
    """Resident memory: the daemon alone, and with all its children."""

    daemon_rss_bytes: int | None = None
    total_rss_bytes: int | None = None


class Loop(_Part):
    """How late the daemon's event loop wakes up, in milliseconds."""

    lag_ms: float | None = None
    max_lag_ms: float | None = None
    blocked: int = 0
    """How often the loop was found blocked."""


class Mailbox(_Part):
    """One subscriber's queue on the bus."""

    owner: str
    kind: str
    limit: int | None = None
    waiting: int = 0
    dropped: int = 0


class Bus(_Part):
    """Message counts since the daemon started."""

    published: int = 0
    delivered: int | None = None
    dropped: int = 0
    mailboxes: tuple[Mailbox, ...] = ()


class Latency(_Part):
    """Milliseconds from the last speech sample (typed text: from the request), cumulative; None when not reached."""

    end_of_turn: float | None = None
    transcript: float | None = None
    first_token: float | None = None
    first_audio: float | None = None
    voice_to_voice: float | None = None
    finished: float | None = None


class Tokens(_Part):
    """What the language model read and wrote for one turn."""

    prompt: int = 0
    cached: int = 0
    completion: int = 0
    per_second: float | None = None


class Turn(_Part):
    """One dialogue: what was heard, what was answered, and how long it took."""

    turn_id: str
    at: AwareDatetime
    source: str = ""
    heard: str | None = None
    said: str | None = None
    outcome: str = ""
    error: Problem | None = None
    latency_ms: Latency = Latency()
    tokens: Tokens | None = None


class Status(_Part):
    """One snapshot of the daemon."""

    version: str
    state: str
    pid: int | None = None
    uptime_s: float | None = None
    reasons: tuple[str, ...] = ()
    memory: Memory = Memory()
    loop: Loop = Loop()
    bus: Bus = Bus()
    services: tuple[Service, ...] = ()
    turns: tuple[Turn, ...] = ()
    """Newest first."""
    tokens_per_s: float | None = None
