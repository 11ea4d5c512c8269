"""What must happen although it is done after the transaction: written with the facts, delivered at least once."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from solo.errors import SoloError
from solo.logs import get_logger
from solo.storage.database import Connection, Database
from solo.storage.errors import DatabaseError

_LOOK_EVERY_S = 5.0
"""The safety net: what wakes the reader may be lost, an entry is not."""
_PAUSE_S = (0.2, 10.0)
MOST_ATTEMPTS = 8
"""Then an entry is set aside for a person to look at; with the back-off that is after about ten minutes."""
_LONGEST_PUT_OFF_S = 300.0
_HANDLE_WITHIN_S = 120.0


async def put(connection: Connection, topic: str, body: dict[str, Any]) -> None:
    """In the transaction of the facts that it speaks of."""
    await connection.execute(
        "INSERT INTO solo.outbox (topic, body) VALUES ($1, $2::jsonb)", topic, json.dumps(body, ensure_ascii=False)
    )


class OutboxReader:
    """One reader of one topic in a process. Entries come in the order in which they were written, one at a time."""

    def __init__(self, database: Database, topic: str) -> None:
        self._database = database
        self._topic = topic
        self._log = get_logger(outbox=topic)

    async def run(
        self, handler: Callable[[dict[str, Any]], Awaitable[None]], *, wake: asyncio.Event | None = None
    ) -> None:
        """Until cancelled. `handler` may see an entry again after a crash, so it must not mind.

        A SoloError of the handler puts the entry off, with back-off; `wake` is a hint that there may be something.
        """
        pause = _PAUSE_S[0]
        while True:
            try:
                found = await self._deliver_one(handler)
                pause = _PAUSE_S[0]
            except DatabaseError as error:
                self._log.debug("the outbox cannot be read", code=error.code)
                await asyncio.sleep(pause * random.uniform(0.8, 1.2))
                pause = min(pause * 2, _PAUSE_S[1])
                continue
            if not found:
                await _wait(wake)

    async def _deliver_one(self, handler: Callable[[dict[str, Any]], Awaitable[None]]) -> bool:
        """Handled outside a transaction: a handler may take long, and asks engines."""
        row = await self._database.fetchrow(
            "SELECT id, body, attempts FROM solo.outbox WHERE topic = $1 AND NOT dead AND not_before <= now() "
            "ORDER BY not_before, id LIMIT 1",
            self._topic,
        )
        if row is None:
            return False
        try:
            async with asyncio.timeout(_HANDLE_WITHIN_S):
                await handler(json.loads(row["body"]))
        except (SoloError, TimeoutError) as error:
            await self._put_off(row["id"], row["attempts"] + 1, error)
        else:
            await self._database.execute("DELETE FROM solo.outbox WHERE id = $1", row["id"])
        return True

    async def _put_off(self, entry: int, attempts: int, error: SoloError | TimeoutError) -> None:
        line = error.line() if isinstance(error, SoloError) else f"not done within {_HANDLE_WITHIN_S:g} s"
        dead = attempts >= MOST_ATTEMPTS
        self._log.warning("set aside" if dead else "put off", entry=entry, attempts=attempts, error=line)
        await self._database.execute(
            "UPDATE solo.outbox SET attempts = $2, failure = $3, dead = $4, "
            "not_before = now() + make_interval(secs => $5) WHERE id = $1",
            entry,
            attempts,
            line,
            dead,
            min(2.0**attempts, _LONGEST_PUT_OFF_S),
        )


async def _wait(wake: asyncio.Event | None) -> None:
    if wake is None:
        await asyncio.sleep(_LOOK_EVERY_S)
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(_LOOK_EVERY_S):
            await wake.wait()
    wake.clear()
