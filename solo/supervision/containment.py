"""No task may end the event loop: asyncio lets SystemExit and KeyboardInterrupt of any task do so."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from solo.errors import SoloError


class TaskExited(SoloError):
    """A task tried to end the whole program."""

    code = "supervision.task_exited"


async def _contained(work: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as error:
        raise TaskExited(f"a task tried to end the program: {error!r}") from error


def contained_task(loop: asyncio.AbstractEventLoop, work: Any, **kwargs: Any) -> asyncio.Task[Any]:
    """A task factory (`loop.set_task_factory`): such an exception becomes an ordinary crash of its own task."""
    if asyncio.iscoroutine(work):
        work = _contained(work)
    return asyncio.Task(work, loop=loop, **kwargs)
