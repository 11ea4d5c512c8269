"""Who may be answered by a model at once, and who waits: nobody who is being spoken with."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from services.llm.failures import LLMBusy
from services.messages.language import Lane

VOICES = 8
"""Spoken questions of one model at once; more are refused, since nobody waits for an answer a minute long."""


class Lanes:
    """One per model. Chat goes before batch, in each of them who came first."""

    def __init__(self, name: str, *, at_once: int, queue: int, queue_s: float) -> None:
        """`queue`: how many may wait in each lane; `queue_s`: seconds that one may wait."""
        self.refused = 0
        """Questions turned away."""
        self._name = name
        self._at_once = at_once
        self._queue = queue
        self._queue_s = queue_s
        self._answering = 0
        self._voices = 0
        self._attached: dict[Lane, int] = {"voice": 0, "chat": 0, "batch": 0}
        self._waiting: dict[Lane, deque[asyncio.Future[None]]] = {"chat": deque(), "batch": deque()}

    @property
    def waiting(self) -> int:
        """For a place, or for the model to be there."""
        return sum(self._attached.values()) + sum(len(queue) for queue in self._waiting.values())

    def resize(self, at_once: int) -> None:
        """The engine told how many it takes."""
        self._at_once = max(1, at_once)
        self._let_in()

    @contextmanager
    def attached(self, lane: Lane) -> Iterator[None]:
        """Somebody waits for the model itself to be there. Raises LLMBusy."""
        most = VOICES if lane == "voice" else self._queue
        if self._attached[lane] >= most:
            raise self._busy(f"{most} questions of the lane {lane} already wait for it to be loaded")
        self._attached[lane] += 1
        try:
            yield
        finally:
            self._attached[lane] -= 1

    @asynccontextmanager
    async def place(self, lane: Lane) -> AsyncIterator[float]:
        """A place to be answered in; yields the seconds waited for it. Raises LLMBusy."""
        if lane == "voice":
            if self._voices >= VOICES:
                raise self._busy(f"it already answers {VOICES} spoken questions")
            self._voices += 1
            try:
                yield 0.0
            finally:
                self._voices -= 1
            return
        began = time.monotonic()
        await self._enter(lane)
        try:
            yield time.monotonic() - began
        finally:
            self._answering -= 1
            self._let_in()

    async def _enter(self, lane: Lane) -> None:
        if self._answering < self._at_once:  # then nobody waits, since who leaves lets the next one in
            self._answering += 1
            return
        queue = self._waiting[lane]
        if len(queue) >= self._queue:
            raise self._busy(f"{len(queue)} questions of the lane {lane} already wait")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        entered = False
        try:
            async with asyncio.timeout(self._queue_s):
                await turn
            entered = True
        except TimeoutError:
            raise self._busy(f"a question of the lane {lane} waited for {self._queue_s:g} s") from None
        finally:
            if not entered:
                self._leave(queue, turn)

    def _leave(self, queue: deque[asyncio.Future[None]], turn: asyncio.Future[None]) -> None:
        """It goes without having been answered."""
        if turn in queue:
            queue.remove(turn)
        if turn.done() and not turn.cancelled():  # let in, and left at the same moment
            self._answering -= 1
            self._let_in()

    def _let_in(self) -> None:
        for queue in (self._waiting["chat"], self._waiting["batch"]):
            while queue and self._answering < self._at_once:
                turn = queue.popleft()
                if not turn.cancelled():
                    self._answering += 1
                    turn.set_result(None)

    def _busy(self, why: str) -> LLMBusy:
        self.refused += 1
        return LLMBusy(f"{self._name} is busy: {why}", hint="Ask again in a moment.")
