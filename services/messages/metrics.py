"""Figures over time: measured all along, kept in the database, asked by the dashboard."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from solo.bus import Request


class Bucket(BaseModel):
    """One figure over one stretch of time."""

    model_config = ConfigDict(frozen=True)

    at: str
    """Begin of the stretch: ISO 8601 UTC."""
    count: int
    """Values in it."""
    mean: float
    """Their mean."""
    low: float
    """The smallest."""
    high: float
    """The largest."""
    p50: float
    """Their median."""
    p95: float
    """95 of 100 are at most this."""


class Series(BaseModel):
    """One figure, such as `turn.voice_to_voice_ms`, with its labels."""

    model_config = ConfigDict(frozen=True)

    name: str
    """Dotted, with the unit last."""
    labels: dict[str, str]
    """What tells it from others of its name, such as the engine."""
    buckets: tuple[Bucket, ...]
    """Oldest first; stretches without values are left out."""


class QueryMetrics(Request[tuple[Series, ...]]):
    """Figures of the last hours, rolled up."""

    idempotent = True

    name: str = Field(default="", max_length=200)
    """Only names that begin so."""
    hours: float = Field(default=24.0, gt=0, le=24 * 400)
    """How far back."""


class MetricsState(BaseModel):
    """The recorder at a glance."""

    model_config = ConfigDict(frozen=True)

    waiting: int
    """Values not written yet."""
    written: int
    """Values written since the start."""
    dropped: int
    """Values lost because the database was away for too long."""
    last_error: str | None
    """Why the last write failed; None: it did not."""


class DescribeMetrics(Request[MetricsState]):
    """How is the recorder?"""

    idempotent = True
