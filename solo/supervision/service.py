"""What a service is, and what it is given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, suppress
from typing import Any, Protocol, TypeVar, overload

from solo.bus import Bus, Event, Mailbox, Overflow, Request, StreamRequest
from solo.bus.calls import STREAM_AHEAD, Stream
from solo.bus.tap import Tap
from solo.logs import get_logger
from solo.supervision.state import EngineState, State

E = TypeVar("E", bound=Event)
R = TypeVar("R")
Q = TypeVar("Q", bound=Request[Any])
S = TypeVar("S", bound=StreamRequest[Any])

DEFAULT_IN_FLIGHT = 64
"""Requests of one kind under way in one service before it answers Busy."""


class Service(Protocol):
    """Returning from `run` means finished, raising means crashed."""

    @property
    def name(self) -> str: ...

    async def run(self, ctx: Context) -> None: ...


class Context:
    """The bus bound to one start of one service, and its word to the keeper."""

    def __init__(self, bus: Bus, name: str, *, on_state: Callable[[State, str], None]) -> None:
        self.name = name
        self.stopping = asyncio.Event()
        """Set when the service should finish what is under way and return."""
        self.log = get_logger(service=name)
        self.engine: Callable[[], EngineState | None] = lambda: None
        """Describes the engine it has in a child process; the service sets it."""
        self._bus = bus
        self._on_state = on_state

    def ready(self, note: str = "") -> None:
        """It serves now."""
        self._on_state(State.READY, note)

    def degraded(self, note: str) -> None:
        """It serves, but not fully; `note` says what is missing and what to do."""
        self._on_state(State.DEGRADED, note)

    async def stopping_within(self, seconds: float) -> bool:
        """A pause that ends early when the service is asked to stop; True then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        return self.stopping.is_set()

    def publish(self, event: Event) -> None:
        self._bus.publish(event, by=self.name)

    @asynccontextmanager
    async def subscribe(
        self, kind: type[E], *, limit: int, overflow: Overflow, through_drain: bool = False
    ) -> AsyncIterator[Mailbox[E]]:
        """A mailbox whose iteration ends by itself when the service is asked to stop.

        `through_drain` leaves it open then, for work that is still finished.
        """
        async with self._bus.subscribe(kind, limit=limit, overflow=overflow, owner=self.name) as box:
            if through_drain:
                yield box
                return
            closer = asyncio.ensure_future(self.stopping.wait())
            closer.add_done_callback(lambda _: box.close())
            try:
                yield box
            finally:
                closer.cancel()

    def tapped(self, limit: int) -> AbstractContextManager[Tap]:
        """See everything that travels: for a recorder, one in a daemon."""
        return self._bus.tapped(limit)

    async def request(self, question: Request[R], *, within: float) -> R:
        return await self._bus.request(question, within=within, by=self.name)

    def stream(
        self, question: StreamRequest[R], *, within: float, ahead: int = STREAM_AHEAD
    ) -> AbstractAsyncContextManager[Stream[R]]:
        return self._bus.stream(question, within=within, ahead=ahead, by=self.name)

    @overload
    async def answer(
        self, kind: type[Q], handler: Callable[[Q], Awaitable[Any]], *, limit: int = ..., restarts: bool = ...
    ) -> None: ...
    @overload
    async def answer(
        self,
        kind: type[S],
        handler: Callable[[S], AsyncGenerator[Any, None]],
        *,
        limit: int = ...,
        restarts: bool = ...,
    ) -> None: ...
    async def answer(self, kind: Any, handler: Any, *, limit: int = DEFAULT_IN_FLIGHT, restarts: bool = True) -> None:
        """Answer questions of this kind until asked to stop, then finish those under way and return.

        A SoloError raised by the handler is its answer. Anything else answers HandlerCrashed and crashes the service.
        `restarts`: one that may pass means that the service is about to start anew, so the next asker waits a moment
        for that; a service that mends itself while it serves says False.
        """
        async with asyncio.TaskGroup() as tasks:
            with self._bus.serve(
                kind, handler, owner=self.name, tasks=tasks, limit=limit, restarts=restarts
            ) as serving:
                await self.stopping.wait()
                self._bus.withdraw(serving)
                await serving.drained()
