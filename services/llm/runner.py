"""The daemon's side of one language model, whatever runs it: an engine in a child process, or a server by URL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from services.messages.language import (
    Complete,
    CompletionEnd,
    Counted,
    CountTokens,
    Embedded,
    EmbedTexts,
    Prefill,
    TextDelta,
)
from solo.supervision import EngineState


class Runner(Protocol):
    """One model, ready to answer."""

    name: str
    """The model's name, as askers know it."""

    def state(self) -> EngineState:
        """What runs it, for `/status`."""
        ...

    def complete(self, question: Complete) -> AbstractAsyncContextManager[AsyncIterator[TextDelta | CompletionEnd]]:
        """Deltas, then one end; leaving the block cancels the work. Raises the engine's own errors, `EngineDied`,
        `DeadlineExceeded`."""
        ...

    async def prefill(self, question: Prefill) -> int:
        """Tokens evaluated ahead; 0 where the engine cannot."""
        ...

    async def count(self, question: CountTokens) -> Counted: ...

    async def embed(self, question: EmbedTexts) -> Embedded: ...


class RunnerMaker(Protocol):
    """How a model is brought up; made where the part is declared, since only that knows the adapters."""

    def running(self) -> AbstractAsyncContextManager[Runner]:
        """Loaded and ready inside the block, ended behind it. A death inside raises `EngineDied` out of it.
        Entering raises `ModelMissing`, `ModelCorrupt`, `EngineNotStarted`, or for a server `RemoteUnavailable`."""
        ...
