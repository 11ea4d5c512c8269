"""What a turn tells, and does, only once it is certain that it is one: until then it may be a guess in a pause."""

from __future__ import annotations

import asyncio

from solo.bus import Event
from solo.supervision import Context


class Gate:
    def __init__(self, ctx: Context, *, is_open: bool = True) -> None:
        self._ctx = ctx
        self._waiting: list[Event] = []
        self._opened = asyncio.Event()
        if is_open:
            self._opened.set()

    @property
    def is_open(self) -> bool:
        return self._opened.is_set()

    def tell(self, event: Event) -> None:
        """Now, or in order when it opens; never, when it never does."""
        if self.is_open:
            self._ctx.publish(event)
        else:
            self._waiting.append(event)

    def open(self) -> None:
        for event in self._waiting:
            self._ctx.publish(event)
        self._waiting.clear()
        self._opened.set()

    async def passed(self) -> None:
        await self._opened.wait()
