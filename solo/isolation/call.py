"""What an engine in a child process sees of one request: its deadline and whether the asker has left."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Call:
    """One request to an engine. Engines look at `cancelled` between steps and return early when it is true."""

    id: int = 0
    deadline: float | None = None
    """Monotonic seconds of this process; None = no limit."""
    _left: threading.Event = field(default_factory=threading.Event)

    @property
    def cancelled(self) -> bool:
        return self._left.is_set() or (self.deadline is not None and time.monotonic() >= self.deadline)

    def cancel(self) -> None:
        self._left.set()
