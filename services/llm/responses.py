"""Earlier answers given again: from memory, from the database, or shared while they are made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

from services.llm.responses_kept import MOST_BYTES, Entry, Kept, Memory, from_text, to_text, worth_keeping
from services.llm.responses_key import key_of, wanted
from services.llm.responses_shared import Shared
from services.llm.responses_store import Row, Store
from services.messages.language import Complete, CompletionEnd, TextDelta
from services.messages.responses import CacheState
from solo.bus import in_turn
from solo.errors import SoloError
from solo.storage import Database

Answer = AsyncGenerator[TextDelta | CompletionEnd, None]
Spot = tuple[bytes, str]
"""Where an answer on its way is found: key and lane, since nobody should wait behind a lane that goes last."""


class Responses:
    """Outlives a crash of its service: made where the service is declared, used inside `running()`.

    `ttl_s` is in seconds, `memory_bytes` and `stored_bytes` bound what is kept in memory and in the database; 0: none.
    """

    def __init__(self, database: Database, enabled: bool, ttl_s: float, memory_bytes: int, stored_bytes: int) -> None:
        self.enabled = enabled
        self.ttl_s = ttl_s
        self.hits_memory = 0
        self.hits_stored = 0
        self.misses = 0
        self.shared = 0
        self._memory = Memory(memory_bytes)
        self._store = Store(database, stored_bytes if enabled else 0, ttl_s)
        self._under_way: dict[Spot, Shared] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._clearings = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answers are kept and shared inside; outside every question is asked. What waits to be written is, behind."""
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._store.write_behind(stopping), name="kept answers")
            self._tasks = tasks
            try:
                yield
            finally:
                self._tasks = None
                stopping.set()

    async def through(self, question: Complete, model: str, ask: Callable[[], Answer]) -> Answer:
        """The answer, from here where that will do and it is here, otherwise `ask()`'s.

        `model` names the content of the model that `ask` asks. Somebody who asks what is just being answered reads
        along; the answer goes on while anybody reads. When it fails, those who have read nothing yet ask once more,
        together. Raises what `ask` raises.
        """
        if not self.enabled or self._tasks is None or not wanted(question):
            async with aclosing(ask()) as parts:
                async for part in parts:
                    yield part
            return
        key = key_of(question, model)
        if (kept := self._at_hand(question, key)) is not None:
            self.hits_memory += 1
            for part in kept.parts():
                yield part
            return
        spot = (key, question.lane)
        if spot in self._under_way:
            self.shared += 1
        for last_try in (False, True):
            leading = spot not in self._under_way
            shared = self._begin(spot, question, model, ask) if leading else self._under_way[spot]
            said = False
            async with aclosing(shared.read()) as parts:
                try:
                    async for part in parts:
                        said = True
                        yield part
                    return
                except SoloError:
                    if leading or said or last_try:
                        raise

    async def state(self) -> CacheState:
        stored = await self._store.standing()
        return CacheState(
            enabled=self.enabled,
            memory_entries=len(self._memory),
            memory_bytes=self._memory.bytes,
            memory_limit_bytes=self._memory.limit,
            stored_entries=stored[0] if stored else None,
            stored_bytes=stored[1] if stored else None,
            stored_limit_bytes=self._store.limit,
            ttl_s=self.ttl_s,
            hits_memory=self.hits_memory,
            hits_stored=self.hits_stored,
            misses=self.misses,
            shared=self.shared,
            dropped=self._store.dropped,
        )

    async def clear(self, model: str, profile: str) -> int:
        """Forget the answers of this model made for this profile; an empty name means every one. How many went.

        What is being made meanwhile is not kept. Raises DatabaseError: those in memory are gone then, the others not.
        """
        self._clearings += 1
        gone = self._memory.clear(model, profile)
        return len(gone) + await self._store.clear(model, profile, gone)

    def _begin(self, spot: Spot, question: Complete, model: str, ask: Callable[[], Answer]) -> Shared:
        assert self._tasks is not None
        shared = Shared()

        def over() -> None:
            if self._under_way.get(spot) is shared:
                del self._under_way[spot]

        shared.begin(self._tasks, self._make(shared, spot[0], question, model, ask), over)
        self._under_way[spot] = shared
        return shared

    async def _make(
        self, shared: Shared, key: bytes, question: Complete, model: str, ask: Callable[[], Answer]
    ) -> None:
        clearings = self._clearings
        with in_turn(question.turn_id):
            try:
                if (kept := await self._stored(question, key, clearings)) is not None:
                    self.hits_stored += 1
                    for part in kept.parts():
                        await shared.say(part)
                    return
                self.misses += 1
                async with aclosing(ask()) as parts:
                    async for part in parts:
                        if isinstance(part, CompletionEnd) and clearings == self._clearings:
                            self._keep(question, key, model, worth_keeping([*shared.parts, part]))
                        await shared.say(part)
            except SoloError as error:
                shared.failure = error

    def _at_hand(self, question: Complete, key: bytes) -> Kept | None:
        entry = self._memory.get(key)
        if entry is None or entry.profile != question.profile:
            return None
        self._store.use(question.profile, key)
        return from_text(entry.value)

    async def _stored(self, question: Complete, key: bytes, clearings: int) -> Kept | None:
        found = await self._store.find(question.profile, key)
        kept = from_text(found.value) if found is not None else None
        if found is None or kept is None or clearings != self._clearings:
            return None
        self._store.use(question.profile, key)
        self._remember(key, found.value, question.profile, found.model, found.left_s)
        return kept

    def _keep(self, question: Complete, key: bytes, model: str, kept: Kept | None) -> None:
        if kept is None or len(value := to_text(kept)) > MOST_BYTES:
            return
        name = kept.end.model or model
        self._remember(key, value, question.profile, name, self.ttl_s)
        self._store.put(Row(question.profile, key, name, value))

    def _remember(self, key: bytes, value: str, profile: str, model: str, seconds: float) -> None:
        until = asyncio.get_running_loop().time() + seconds
        self._memory.put(key, Entry(value.encode(), profile, model, until))
