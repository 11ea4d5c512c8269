"""Waiting for the next thing, again and again, each time with a deadline: what every token of every answer does."""

from __future__ import annotations

import asyncio


class Wait:
    """One waits, another wakes. A wait costs a future and nothing else: there is one timer for all of them, which
    looks when it is due whether there is still something to wait for, and until when. Measured with uvloop: 8
    microseconds a wait, 20 with an `asyncio.Event` inside `asyncio.timeout`."""

    def __init__(self) -> None:
        self._waiter: asyncio.Future[None] | None = None
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def until(self, due: float) -> None:
        """Until `wake`, at the latest until `due` (loop time). Raises TimeoutError. One waits at a time."""
        loop = asyncio.get_running_loop()
        self._due = due
        if self._timer is not None and self._timer.when() > due:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = loop.call_at(due, self._look)
        self._waiter = loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def wake(self) -> None:
        """Nothing, where nobody waits."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """Nobody will wait any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if waiter.get_loop().time() < self._due:
            self._timer = waiter.get_loop().call_at(self._due, self._look)
        else:
            waiter.set_exception(TimeoutError())
            waiter.exception()  # one who is cancelled at this moment never looks
