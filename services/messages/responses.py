"""The cache of the language models' answers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from solo.bus import Request


class CacheState(BaseModel):
    """How the cache of answers is doing, since the daemon's start where nothing else is said."""

    model_config = ConfigDict(frozen=True)

    enabled: bool
    """Answers are kept."""
    memory_entries: int
    """Answers in memory now."""
    memory_bytes: int
    """What they take."""
    memory_limit_bytes: int
    """What they may take; the one not used for longest goes first."""
    stored_entries: int | None
    """Answers in the database now; None: it does not answer."""
    stored_bytes: int | None
    """What they take there."""
    stored_limit_bytes: int
    """What they may take there."""
    ttl_s: float
    """Seconds that an answer is used."""
    hits_memory: int
    """Questions answered from memory."""
    hits_stored: int
    """Questions answered from the database."""
    misses: int
    """Questions that a model had to answer."""
    shared: int
    """Questions that waited for the same question's answer instead of asking again."""
    dropped: int = 0
    """Answers that were not written to the database: it was away, or too slow."""


class DescribeCache(Request[CacheState]):
    """How the cache is doing."""

    idempotent = True


class ClearCache(Request[int]):
    """Forget kept answers; the number of those that were forgotten."""

    model: str = ""
    """Only those of this model; empty: of all."""
    profile: str = ""
    """Only those made for this profile; empty: for all."""
