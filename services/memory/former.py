"""The embedder that made the index in use, kept running while another one takes its place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from services.memory.embedding import MOST_TEXTS, WITHIN_S
from solo.errors import SoloError
from solo.isolation.on_demand import OnDemandEngine
from solo.isolation.process import EngineSpec
from solo.logs import get_logger

Recipes = Callable[[str], Awaitable[dict[str, Any] | None]]
Cook = Callable[[dict[str, Any]], EngineSpec | None]
"""Recipe to engine; None when it cannot be made any more: its files are gone, or its settings no longer known."""

_IDLE_S = 120.0


class FormerEmbedder:
    """Without it a question to the old index can be asked by words only."""

    def __init__(self, recipes: Recipes, cook: Cook) -> None:
        self._recipes = recipes
        self._cook = cook
        self._name = ""
        self._engine: OnDemandEngine | None = None
        self._log = get_logger(service="memory")

    @asynccontextmanager
    async def of(self, name: str) -> AsyncIterator[None]:
        """Can be asked inside the block, if it can be made at all."""
        recipe = await self._recipes(name)
        spec = None if recipe is None else self._cook(recipe)
        if spec is None:
            self._log.warning("the former embedder cannot be made; until all is embedded afresh, words only", name=name)
            yield
            return
        engine = OnDemandEngine(spec, idle_s=_IDLE_S)
        async with asyncio.TaskGroup() as tasks:
            owner = tasks.create_task(engine.run(), name="former embedder")
            self._name, self._engine = name, engine
            try:
                yield
            finally:
                self._name, self._engine = "", None
                await engine.unused(WITHIN_S)
                owner.cancel()

    def can_ask(self, name: str) -> bool:
        return self._engine is not None and name == self._name

    async def embed(self, name: str, texts: Sequence[str]) -> bytes:
        """The vectors of texts; empty when this embedder cannot be asked."""
        if self._engine is None or name != self._name:
            return b""
        parts = []
        try:
            async with self._engine.using() as engine:
                if engine.info.get("model") != name:
                    return b""  # the file at its path is another one by now
                for at in range(0, len(texts), MOST_TEXTS):
                    some = list(texts[at : at + MOST_TEXTS])
                    parts.append(await engine.call("embed", within=WITHIN_S, texts=some))
        except SoloError as error:
            self._log.warning("the former embedder failed", code=error.code)
            return b""
        return b"".join(parts)
