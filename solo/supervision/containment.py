"""No task may end the event loop or vanish silently: asyncio lets SystemExit and CancelledError do so."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from solo.errors import SoloError


class TaskExited(SoloError):
    """A task tried to end the whole program, or cancelled itself."""

    code = "supervision.task_exited"


async def _contained(work: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as error:
        raise TaskExited(f"a task tried to end the program: {error!r}") from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and not task.cancelling():
            # A task group takes this for an ordinary cancellation, and the service would live on without the task.
            raise TaskExited("a task ended with a cancellation that nobody asked for") from error
        raise


def contained_task(loop: asyncio.AbstractEventLoop, work: Any, **kwargs: Any) -> asyncio.Task[Any]:
    """A task factory (`loop.set_task_factory`): such an exception becomes an ordinary crash of its own task."""
    if not asyncio.iscoroutine(work):
        return asyncio.Task(work, loop=loop, **kwargs)
    task = asyncio.Task(_contained(work), loop=loop, **kwargs)
    task.add_done_callback(lambda _: work.close())  # cancelled before its first step, it was never awaited
    return task
