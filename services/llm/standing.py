"""What a model of the pool is doing, as everybody may see it."""

from __future__ import annotations

import time
from typing import Literal

from services.llm.breaker import CircuitBreaker
from services.llm.lanes import Lanes
from services.llm.plan import Plan
from services.llm.runner import Runner
from services.messages.pool import LoadState
from solo.errors import SoloError
from solo.supervision import EngineState

Step = Literal["unloaded", "loading", "ready", "failed", "unloading"]


class Standing:
    """Changed by its keeper alone, but for `always` and `pinned`."""

    def __init__(self, name: str, lanes: Lanes, breaker: CircuitBreaker, *, remote: bool) -> None:
        self.name = name
        self.lanes = lanes
        self.breaker = breaker
        self.remote = remote
        """Another server runs it: it takes no memory here."""
        self.always = False
        """It answers who speaks: it is loaded at all times."""
        self.pinned = False
        self.busy = 0
        """Questions being answered."""
        self.used_at = time.monotonic()
        self.error = ""
        self.plan: Plan | None = None
        """The latest."""
        self.runner: Runner | None = None
        """None: it cannot be asked now."""
        self.leaving = False
        """It ends when what it is answering is answered."""
        self._step: Step = "unloaded"
        self._since = self.used_at
        self._used = False
        self._failure: SoloError | None = None
        """Of the last load; None: it worked."""
        self._retry_at = 0.0

    @property
    def state(self) -> LoadState:
        if self.remote and self._step in {"unloaded", "ready", "unloading"}:
            return "remote"
        return "ready" if self._step == "unloading" else self._step

    @property
    def kept(self) -> bool:
        return self.always or self.pinned

    @property
    def evictable(self) -> bool:
        return self.runner is not None and not self.kept and not self.busy and not self.lanes.waiting

    @property
    def refusing(self) -> SoloError | None:
        """Why it is not waited for: its last load has failed. One that is always wanted is tried again by itself, any
        other by the first question after a pause."""
        trying = self.kept or time.monotonic() < self._retry_at
        return self._failure if self.runner is None and trying else None

    def engine(self) -> EngineState | None:
        return None if self.runner is None else self.runner.state()

    @property
    def loading(self) -> bool:
        """Its load is under way, or it comes back after a death."""
        return self._step == "loading"

    @property
    def since_s(self) -> float:
        """Seconds since it is in this state."""
        return time.monotonic() - self._since

    @property
    def idle_s(self) -> float | None:
        """Seconds since it was last used; None: in use or never used."""
        return None if self.busy or not self._used else time.monotonic() - self.used_at

    @property
    def progress(self) -> float | None:
        """Of loading, 0 to 1."""
        return self.plan.progress() if self.loading and self.plan is not None else None
