"""The turns under way: one at a time for each source."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from services.conversation.turn import Turn


@dataclass(frozen=True, slots=True)
class Running:
    turn: Turn
    task: asyncio.Task[None]


class RunningTurns:
    def __init__(self) -> None:
        self._turns: dict[str, Running] = {}

    def add(self, source: str, turn: Turn, task: asyncio.Task[None]) -> None:
        """A new one ends the old."""
        self.cancel(source)
        self._turns[source] = running = Running(turn, task)
        task.add_done_callback(lambda _: self._turns.get(source) is running and self._turns.pop(source))

    def of(self, source: str) -> Running | None:
        return self._turns.get(source)

    def cancel(self, source: str) -> None:
        if (running := self._turns.get(source)) is not None:
            running.task.cancel()

    def cancel_turn(self, turn_id: str) -> bool:
        """False: it is not under way."""
        return any(running.task.cancel() for running in self._turns.values() if running.turn.id == turn_id)

    async def finished(self) -> None:
        """All that are under way now."""
        if self._turns:
            await asyncio.wait([running.task for running in self._turns.values()])
