"""One answer on its way, for everybody who has asked the same question meanwhile."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

from services.messages.language import CompletionEnd, TextDelta
from solo.errors import SoloError

AHEAD = 4
"""Parts that the model may be ahead of its fastest reader, as in an answer that is not shared."""

Part = TextDelta | CompletionEnd


class Shared:
    """Made by a task of its own: no reader's deadline or leaving ends it for the others; the last one's does."""

    def __init__(self) -> None:
        self.failure: SoloError | None = None
        """Why there is no more, where that has a name."""
        self._parts: list[Part] = []
        self._task: asyncio.Task[None] | None = None
        self._seen: dict[int, int] = {}
        """By reader, how many parts it has taken."""
        self._readers = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._over: Callable[[], None] = lambda: None

    def begin(self, tasks: asyncio.TaskGroup, work: Coroutine[Any, Any, None], over: Callable[[], None]) -> None:
        """`work` says the parts; `over` is called as soon as nobody else should join."""
        # In a context of its own: the first asker's deadline is not the others'.
        try:
            self._task = tasks.create_task(work, name="shared answer", context=contextvars.Context())
        except RuntimeError:  # the service is going down
            work.close()
            raise
        self._over = over
        self._task.add_done_callback(self._ended)

    async def say(self, part: Part) -> None:
        """Waits while every reader is behind."""
        while len(self._parts) - max(self._seen.values(), default=0) >= AHEAD:
            self._room.clear()
            await self._room.wait()
        self._parts.append(part)
        if self._complete:
            self._over()  # whoever asks from now on asks for an answer of its own, or is given what was kept
        self._tell()

    @property
    def parts(self) -> list[Part]:
        return self._parts

    async def read(self) -> AsyncGenerator[Part, None]:
        """All parts from the first, then the failure if there was one."""
        task = self._task
        assert task is not None
        self._readers += 1
        me = self._readers
        self._seen[me] = 0
        try:
            while True:
                while self._seen[me] < len(self._parts):
                    part = self._parts[self._seen[me]]
                    self._seen[me] += 1
                    self._room.set()
                    yield part
                if self._complete:
                    return
                if task.done():
                    if self.failure is not None:
                        raise self.failure
                    task.result()  # cancelled because the service stops, or a bug: told as it is
                    return
                await self._changed.wait()
        finally:
            del self._seen[me]
            self._room.set()
            if not self._seen and not self._complete:
                self._over()
                task.cancel()

    @property
    def _complete(self) -> bool:
        return bool(self._parts) and isinstance(self._parts[-1], CompletionEnd)

    def _ended(self, _: asyncio.Task[None]) -> None:
        self._over()
        self._tell()

    def _tell(self) -> None:
        """Wakes everybody who waits now; who comes later looks first."""
        self._changed.set()
        self._changed = asyncio.Event()
