"""Publish and subscribe by type, ask and stream by type."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from solo.bus.calls import STREAM_AHEAD, Answer, Handler, Stream, StreamAnswer
from solo.bus.context import deadline_after, until
from solo.bus.errors import DuplicateHandler, NoHandler
from solo.bus.mailbox import Mailbox, MailboxStatistics, Overflow
from solo.bus.message import Event, Message, Request, StreamRequest
from solo.bus.tap import CANCELLED, Tap
from solo.errors import SoloError

E = TypeVar("E", bound=Event)
R = TypeVar("R")

_CRASH_SETTLES_S = 0.5
"""How long a question waits for the handler that failed it to be withdrawn, before it is asked again anyway."""


@dataclass(frozen=True, slots=True)
class BusStatistics:
    published: int
    dropped: int
    """All drops since the start, those of mailboxes since closed included."""
    mailboxes: tuple[MailboxStatistics, ...]


class Bus:
    """One per daemon. Not thread-safe: it belongs to the event loop."""

    def __init__(self) -> None:
        self.published = 0
        self._mailboxes: list[Mailbox[Event]] = []
        self._routes: dict[type[Event], tuple[Mailbox[Event], ...]] = {}
        self._handlers: dict[type[Message], Handler] = {}
        self._expected: dict[type[Message], asyncio.Event] = {}
        self._down: dict[type[Message], SoloError] = {}
        self._dropped_by_closed = 0
        self._tap: Tap | None = None

    # -- facts -----------------------------------------------------------------------------------

    def publish(self, event: Event, *, by: str = "?") -> None:
        """Tell everybody who subscribed to this kind or to a parent of it. Never waits, never fails."""
        if self._tap is not None:
            self._tap.published(event, by)
        kind = type(event)
        route = self._routes.get(kind)
        if route is None:
            route = self._routes[kind] = tuple(box for box in self._mailboxes if issubclass(kind, box.kind))
        self.published += 1
        for box in route:
            box.offer(event)

    @asynccontextmanager
    async def subscribe(
        self, kind: type[E], *, limit: int, overflow: Overflow, owner: str = "?"
    ) -> AsyncIterator[Mailbox[E]]:
        """A bounded mailbox of every `kind` published from now on. Limit and policy are always written out."""
        box: Mailbox[E] = Mailbox(owner, kind, limit=limit, overflow=overflow)
        self._mailboxes.append(box)  # type: ignore[arg-type]  # offered only what is a `kind`
        self._routes.clear()
        try:
            yield box
        finally:
            box.close()
            self._mailboxes.remove(box)  # type: ignore[arg-type]
            self._routes.clear()
            self._dropped_by_closed += box.dropped

    # -- questions -------------------------------------------------------------------------------

    async def request(self, question: Request[R], *, within: float, by: str = "?") -> R:
        """Ask, and get the one answer within `within` seconds (less when the asker itself has less).

        Raises what the handler raised (a SoloError), or NoHandler, Busy, DeadlineExceeded, HandlerCrashed.
        An idempotent question whose handler died is asked once more.
        """
        async with until(deadline_after(within), type(question).__name__):
            handler = await self._handler(question)
            try:
                answer: R = await self._ask(handler, question, by)
            except SoloError as error:
                if not (error.retryable and question.idempotent):
                    raise
                answer = await self._ask(await self._handler(question), question, by)
            return answer

    @asynccontextmanager
    async def stream(
        self, question: StreamRequest[R], *, within: float, ahead: int = STREAM_AHEAD, by: str = "?"
    ) -> AsyncIterator[Stream[R]]:
        """Ask, and iterate the answers; each has to come within `within` seconds. Leaving cancels the producer.

        The producer waits when `ahead` answers have not been taken.
        """
        async with until(deadline_after(within), type(question).__name__):
            handler = await self._handler(question)
        call = None if self._tap is None else self._tap.asked(question, by, handler.owner)
        stream: Stream[R] = handler.open_stream(question, ahead, call)
        stream.within = within
        try:
            yield stream
        finally:
            stream.leave()

    @contextmanager
    def tapped(self, limit: int) -> Iterator[Tap]:
        """See everything that travels until the block is left, at most `limit` of it waiting. One at a time."""
        if self._tap is not None:
            raise RuntimeError("the bus has a tap already")
        self._tap = Tap(limit)
        try:
            yield self._tap
        finally:
            self._tap = None

    @contextmanager
    def serve(
        self,
        kind: type[Message],
        answer: Answer | StreamAnswer,
        *,
        owner: str,
        tasks: asyncio.TaskGroup,
        limit: int,
        restarts: bool = True,
    ) -> Iterator[Handler]:
        """Answer a kind of question until the block is left. Exactly one handler per kind."""
        present = self._handlers.get(kind)
        if present is not None:
            raise DuplicateHandler(f"{kind.__name__} is already answered by {present.owner}, so {owner} cannot")
        handler = Handler(owner, kind, answer, tasks, limit, restarts)
        self._handlers[kind] = handler
        self._down.pop(kind, None)
        self._expected.setdefault(kind, asyncio.Event()).set()
        try:
            yield handler
        finally:
            self.withdraw(handler)

    def withdraw(self, handler: Handler) -> None:
        """Take no new questions for this handler; those under way go on."""
        if self._handlers.get(handler.kind) is handler:
            del self._handlers[handler.kind]
            self._expected[handler.kind].clear()
        handler.withdrawn.set()

    def expect(self, kind: type[Message]) -> None:
        """Somebody will answer this kind: askers wait for the first start as they do for a restart."""
        self._down.pop(kind, None)
        self._expected.setdefault(kind, asyncio.Event())

    def report_down(self, kind: type[Message], error: SoloError) -> None:
        """Its service keeps failing: askers hear why at once, until it answers again."""
        self._down[kind] = error
        expected = self._expected.setdefault(kind, asyncio.Event())
        expected.set()  # wakes those who wait
        expected.clear()

    def forget(self, kind: type[Message]) -> None:
        """Nobody will answer this kind again: askers hear so at once instead of waiting for a restart."""
        if kind not in self._handlers and (expected := self._expected.pop(kind, None)) is not None:
            expected.set()  # those who wait look again

    async def _ask(self, handler: Handler, question: Request[R], by: str) -> R:
        if self._tap is None:
            plain: R = await handler.ask(question)
            return plain
        call = self._tap.asked(question, by, handler.owner)
        try:
            answer: R = await handler.ask(question)
        except SoloError as error:
            call.end(error)
            raise
        else:
            call.answered(answer)
            call.end(None)
            return answer
        finally:
            call.end(CANCELLED)

    async def _handler(self, question: Message) -> Handler:
        kind = type(question)
        while True:
            handler = self._handlers.get(kind)
            if handler is not None:
                if not handler.suspect:
                    return handler
                await self._replaced(handler)
                handler.suspect = False
                continue
            if (down := self._down.get(kind)) is not None:
                raise SoloError.from_wire(down.to_wire())
            expected = self._expected.get(kind)
            if expected is None:
                raise NoHandler(f"no running service answers {kind.__name__}")
            # Its service is being restarted; the asker's deadline bounds the wait.
            await expected.wait()

    async def _replaced(self, handler: Handler) -> None:
        """Wait until this handler is withdrawn: a service about to crash still has it registered for a moment."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CRASH_SETTLES_S):
                await handler.withdrawn.wait()

    # -- numbers ---------------------------------------------------------------------------------

    def statistics(self) -> BusStatistics:
        boxes = tuple(box.statistics() for box in self._mailboxes)
        return BusStatistics(self.published, self._dropped_by_closed + sum(box.dropped for box in boxes), boxes)
