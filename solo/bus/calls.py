"""Requests and streams: finding the handler, running it in its service, carrying the answer back."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from solo.bus.context import current_cause, deadline_after
from solo.bus.errors import Busy, DeadlineExceeded, HandlerCrashed, HandlerStopped
from solo.bus.message import Message
from solo.bus.tap import CANCELLED, Call
from solo.bus.wait import Wait
from solo.errors import SoloError

R = TypeVar("R")

Answer = Callable[[Any], Awaitable[Any]]
StreamAnswer = Callable[[Any], AsyncGenerator[Any, None]]

STREAM_AHEAD = 16
"""Items a producer may be ahead of its consumer, where nobody says otherwise."""


class Handler:
    """One service's answer to one kind of question. Its work runs in the service's own task group."""

    def __init__(
        self,
        owner: str,
        kind: type[Message],
        answer: Answer | StreamAnswer,
        tasks: asyncio.TaskGroup,
        limit: int,
        restarts: bool = True,
    ) -> None:
        """`restarts`: an error that may pass means that the service is about to start anew. One that mends itself
        while it serves says False."""
        self.owner = owner
        self.kind = kind
        self.limit = limit
        self.withdrawn = asyncio.Event()
        self.suspect = False
        """It has just failed with an error that a restart cures, so it is probably about to be withdrawn."""
        self._answer = answer
        self._tasks = tasks
        self._restarts = restarts
        self._running: set[asyncio.Task[None]] = set()

    @property
    def in_flight(self) -> int:
        return len(self._running)

    async def ask(self, question: Message) -> Any:
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        task = self._start(self._reply(question, reply), question)
        # Cancelled before its first step it settles nothing itself.
        task.add_done_callback(lambda _: _settle(reply, self._stopped()))
        try:
            return await reply
        finally:
            # The asker is served or has left: nothing goes on working for it.
            task.cancel()

    def open_stream(self, question: Message, ahead: int, call: Call | None = None) -> Stream[Any]:
        """`call`: where a recorder writes down what comes of it."""
        stream: Stream[Any] = Stream(type(question).__name__, ahead, call)
        try:
            stream.producer = self._start(self._produce(question, stream), question)
        except SoloError as error:
            stream.end(error)
            raise
        stream.producer.add_done_callback(lambda _: stream.end(self._stopped()))
        return stream

    async def drained(self) -> None:
        """Returns when what is in flight has been answered (new questions are refused by then)."""
        while self._running:
            await asyncio.wait(set(self._running))

    def _start(self, work: Any, question: Message) -> asyncio.Task[None]:
        if self._is_full():
            work.close()
            raise Busy(f"{self.owner} already has {self.limit} requests of kind {self.kind.__name__} under way")
        token = current_cause.set(question.id)
        try:
            task = self._tasks.create_task(work, name=f"{self.owner}: {self.kind.__name__}")
        except RuntimeError as error:  # the service is going down and this handler about to be withdrawn
            work.close()
            self.suspect = True
            raise self._stopped() from error
        finally:
            current_cause.reset(token)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def _is_full(self) -> bool:
        """One that is done takes no room, though its callback is still to come: whoever it has just answered may ask
        again in the same step of the loop."""
        if len(self._running) >= self.limit:
            self._running.difference_update([task for task in self._running if task.done()])
        return len(self._running) >= self.limit

    async def _reply(self, question: Message, reply: asyncio.Future[Any]) -> None:
        try:
            answer = await self._answer(question)  # type: ignore[misc]
        except SoloError as error:
            self.suspect |= self._restarts and error.retryable
            _settle(reply, error)
        except asyncio.CancelledError:
            _settle(reply, self._stopped())
            raise
        except BaseException as error:
            _settle(reply, self._crashed(error))
            raise
        else:
            if not reply.done():
                reply.set_result(answer)

    async def _produce(self, question: Message, stream: Stream[Any]) -> None:
        try:
            async with aclosing(self._answer(question)) as answers:  # type: ignore[type-var]
                async for item in answers:  # type: ignore[union-attr]
                    await stream.put(item)
        except SoloError as error:
            self.suspect |= self._restarts and error.retryable
            stream.end(error)
        except asyncio.CancelledError:
            stream.end(self._stopped())
            raise
        except BaseException as error:
            stream.end(self._crashed(error))
            raise
        else:
            stream.end(None)

    def _stopped(self) -> HandlerStopped:
        return HandlerStopped(f"{self.owner} stopped while it answered {self.kind.__name__}")

    def _crashed(self, error: BaseException) -> HandlerCrashed:
        self.suspect = True
        return HandlerCrashed(f"{self.owner} crashed while it answered {self.kind.__name__}: {error!r}")


class Stream(Generic[R]):
    """The consumer's end of a stream of answers; iterate it."""

    def __init__(self, what: str, ahead: int, call: Call | None = None) -> None:
        self.producer: asyncio.Task[None] | None = None
        self.within = 0.0
        self._what = what
        self._ahead = ahead
        self._items: deque[R] = deque()
        self._ended = False
        self._error: SoloError | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._wait = Wait()
        self._call = call

    async def put(self, item: R) -> None:
        await self._room.wait()
        if self._call is not None:
            self._call.answered(item)
        self._items.append(item)
        self._wait.wake()
        if len(self._items) >= self._ahead:
            self._room.clear()

    def end(self, error: SoloError | None) -> None:
        """Nothing more comes; only the first reason counts."""
        if not self._ended:
            self._ended = True
            self._error = error
            self._wait.wake()
            if self._call is not None:
                self._call.end(error)

    def leave(self) -> None:
        if self._call is not None:
            self._call.end(CANCELLED)
        if self.producer is not None:
            self.producer.cancel()
        self._wait.close()

    def waiting(self) -> list[R]:
        """Take what has come already, without waiting: nothing, where the producer is the slower one."""
        items = list(self._items)
        if items:
            self._items.clear()
            self._room.set()
            if self._call is not None:
                for _ in items:
                    self._call.took()
        return items

    def __aiter__(self) -> AsyncIterator[R]:
        return self

    async def __anext__(self) -> R:
        if not self._items and not self._ended:
            try:
                await self._wait.until(deadline_after(self.within))
            except TimeoutError as error:
                raise DeadlineExceeded(f"the next part of {self._what} was not answered in time") from error
        if self._items:
            self._room.set()
            if self._call is not None:
                self._call.took()
            return self._items.popleft()
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration


def _settle(reply: asyncio.Future[Any], error: SoloError) -> None:
    if not reply.done():
        reply.set_exception(error)
        # An asker that has left never looks; that is not worth a warning.
        reply.exception()
