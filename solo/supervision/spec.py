"""What the keeper is told of a service: data only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from solo.supervision.service import Service


class Restart(StrEnum):
    ALWAYS = "always"
    """Also when it returned by itself."""
    ON_FAILURE = "on failure"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Intensity:
    """More crashes than this within the period is too many."""

    crashes: int = 5
    within_s: float = 60.0


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    name: str
    make: Callable[[], Service]
    """Makes a fresh service for every start, so that no state survives a crash."""
    ready_within: float = 30.0
    """Seconds from start to `ctx.ready()`; longer counts as a crash."""
    drain_within: float = 5.0
    """Seconds from being asked to stop to being cancelled."""
    restart: Restart = Restart.ALWAYS
    essential: bool = False
    """True: crashing too often stops Solo with exit code 1. False: Solo goes on, degraded, and keeps trying."""
    intensity: Intensity = Intensity()
    healthy_after: float = 2.0
    """Seconds of readiness after which the next crash counts as the first in a row for the back-off."""
    holds: tuple[str, ...] = ()
    """Services it holds something of: it starts when they are ready and is restarted with them (rest-for-one)."""
    answers: tuple[type[Any], ...] = ()
    """Kinds of questions it answers: askers wait for its start and its restarts, until it has stopped for good."""
