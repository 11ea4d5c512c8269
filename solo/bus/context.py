"""What travels along with a call without being passed: the turn, the cause, the deadline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

from solo.bus.errors import DeadlineExceeded

current_turn: ContextVar[str | None] = ContextVar("current_turn", default=None)
current_cause: ContextVar[str | None] = ContextVar("current_cause", default=None)
current_deadline: ContextVar[float | None] = ContextVar("current_deadline", default=None)


@contextmanager
def in_turn(turn_id: str | None) -> Iterator[None]:
    """Every message made inside belongs to this turn."""
    token = current_turn.set(turn_id)
    try:
        yield
    finally:
        current_turn.reset(token)


@contextmanager
def undated() -> Iterator[None]:
    """Everything asked inside has its own deadline alone, not that of whoever asked for it."""
    token = current_deadline.set(None)
    try:
        yield
    finally:
        current_deadline.reset(token)


def remaining() -> float | None:
    """Seconds until the inherited deadline (may be negative); None when there is none."""
    deadline = current_deadline.get()
    return None if deadline is None else deadline - asyncio.get_running_loop().time()


def deadline_after(within: float) -> float:
    """The absolute deadline of something that may take `within` seconds: the inherited one when that is earlier."""
    own = asyncio.get_running_loop().time() + within
    inherited = current_deadline.get()
    return own if inherited is None else min(own, inherited)


@asynccontextmanager
async def until(deadline: float, what: str) -> AsyncIterator[None]:
    """Everything inside, and everything asked by it, has to be done by `deadline` (loop time)."""
    token = current_deadline.set(deadline)
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except TimeoutError as error:
        raise DeadlineExceeded(f"{what} was not answered in time") from error
    finally:
        current_deadline.reset(token)
