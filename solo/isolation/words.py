"""How a child ended, and the last that it said on its stderr, for people."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import Any


class LastWords:
    """Reads a child's stderr into the log and remembers its last line."""

    def __init__(self, log: Any) -> None:
        self.last = ""
        self._log = log

    async def follow(self, stderr: asyncio.StreamReader | None) -> None:
        assert stderr is not None
        while True:
            try:
                line = await stderr.readline()
            except ValueError:  # a line longer than the buffer: drop it
                continue
            if not line:
                return
            if text := line.decode(errors="replace").strip():
                self.last = text
                self._log.debug("engine said", text=text)


def ending(code: int | None) -> str:
    if code is None:
        return "closed its pipe"
    if code < 0:
        with suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
