"""A typed question that is answered aloud: one more turn of its source, which speech or another question may end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from services.conversation.running import RunningTurns
from services.conversation.turn import Turn

_BESIDES_TOKENS = 64
"""Room for what a turn says besides its model's tokens, of which there are at most as many as its policy allows."""


async def answer_aloud(
    tasks: asyncio.TaskGroup, turns: RunningTurns, turn: Turn, text: str, source: str
) -> AsyncGenerator[str, None]:
    """Yields the answer's text as it grows, whether it is taken or not; leaving ends the turn."""
    parts: asyncio.Queue[str | None] = asyncio.Queue(turn.policy.max_tokens + _BESIDES_TOKENS)

    async def run() -> None:
        try:
            async with aclosing(turn.answer(text)) as deltas:
                async for delta in deltas:
                    parts.put_nowait(delta)
        finally:
            parts.put_nowait(None)

    task = tasks.create_task(run(), name=f"typed turn of {source}")
    turns.add(source, turn, task)
    try:
        while (delta := await parts.get()) is not None:
            yield delta
    finally:
        task.cancel()
        await asyncio.wait([task])
