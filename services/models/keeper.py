"""Keeps the catalogue true: looks through the folders, reads headers, and remembers verdicts in the database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from services.messages.models import ModelFile, ModelsChanged
from services.models.describing import describe
from services.models.entries import Entries, Entry
from services.models.errors import CheckUnavailable
from services.models.judging import Judge
from services.models.scan import Looker
from services.models.store import ModelStore
from solo.errors import SoloError
from solo.storage import DatabaseError
from solo.supervision import Context

SYNC_WITHIN_S = 4.0
ASK_WITHIN_S = 2.0
"""How long a question waits for what the database remembers, before a model is tried afresh."""
QUIET_S = 20.0
"""Seconds after the start before chat templates are tried in the background: others start too."""


class Keeper:
    """Outlives a crash of its service. The database may be away: then it knows what it has seen itself."""

    def __init__(self, looker: Looker, store: ModelStore, judge: Judge) -> None:
        self.entries = Entries()
        self.judge = judge
        self._looker = looker
        self._store = store
        self._looked = False
        self._looking = asyncio.Lock()
        self._syncing = asyncio.Lock()
        self._gone = False
        """Files have gone since the database was told."""
        self._tasks: asyncio.TaskGroup | None = None
        self._under_way: dict[Entry, asyncio.Future[None]] = {}
        """Checks that somebody has asked for: they go on when he leaves, since the next one will ask again."""

    async def run(self, ctx: Context, every_s: float) -> None:
        """Until cancelled; checks under way are given up then."""
        async with asyncio.TaskGroup() as self._tasks:
            self._tasks.create_task(self._keep(ctx, every_s))

    async def _keep(self, ctx: Context, every_s: float) -> None:
        began = asyncio.get_running_loop().time()
        while True:
            await self.look(ctx)
            for entry in list(self.entries):
                await self.read(entry)
            try:
                await self.sync(SYNC_WITHIN_S)
            except DatabaseError as error:
                ctx.log.debug("the models' table waits", error=error.line())
            if asyncio.get_running_loop().time() - began >= QUIET_S:
                await self._try_a_template(ctx)
            await asyncio.sleep(every_s)

    async def look(self, ctx: Context, *, again: bool = True) -> None:
        """See which files are there; headers are read later. `again=False`: once is enough."""
        if self._looked and not again:
            return
        async with self._looking:
            if self._looked and not again:
                return
            new, gone = self.entries.apply(await asyncio.to_thread(self._looker.look))
            first, self._looked = not self._looked, True
        names = {entry.name for entry in new}
        lost = {entry.name for entry in gone}
        self._gone = self._gone or bool(gone) or first
        if names or lost:
            ctx.log.info("models found", new=sorted(names), gone=sorted(lost))
            ctx.publish(ModelsChanged(added=tuple(sorted(names)), removed=tuple(sorted(lost))))

    async def add(self, ctx: Context, path: Path) -> None:
        """See this one at once: whoever put it there says that it is whole."""
        self._looker.trust(path)
        await self.look(ctx)

    async def read(self, entry: Entry) -> ModelFile:
        """What its header says."""
        if entry.model is None:
            async with entry.lock:
                if entry.model is None:
                    described = await asyncio.to_thread(describe, entry.found, entry.name)
                    entry.change(described.model)
        return entry.known()

    async def all(self) -> tuple[ModelFile, ...]:
        return tuple([await self.read(entry) for entry in list(self.entries)])

    async def usable(self, entry: Entry) -> ModelFile:
        """Checked, where that has not been done, now or by an earlier start. Its verdict may be `refused`.

        Raises `CheckUnavailable`.
        """
        model = await self.read(entry)
        if model.verdict == "unchecked" and not entry.merged:
            with suppress(DatabaseError):  # without it the model is tried
                await self.sync(ASK_WITHIN_S)
        if entry.known().verdict == "unchecked":
            await asyncio.shield(self._check(entry))
        return entry.known()

    def _check(self, entry: Entry) -> asyncio.Future[None]:
        future = self._under_way.get(entry)
        if future is None:
            future = self._under_way[entry] = asyncio.get_running_loop().create_future()
            assert self._tasks is not None
            self._tasks.create_task(self._checking(entry, future), name=f"check of {entry.name}")
        return future

    async def _checking(self, entry: Entry, future: asyncio.Future[None]) -> None:
        try:
            await self.judge.judge(entry)
            future.set_result(None)
        except SoloError as error:
            future.set_exception(error)
        finally:
            del self._under_way[entry]
            if not future.done():
                future.set_exception(CheckUnavailable("the check was given up", hint="Ask again in a moment."))
            future.exception()  # everybody may have left

    async def sync(self, within: float) -> None:
        """Take over what the database knows, and tell it what is new. Raises `DatabaseError`."""
        async with self._syncing:
            there = [entry for entry in self.entries if entry.model is not None]
            await self._merge([entry for entry in there if not entry.merged], within)
            # What is being checked now is saved the next time.
            unsaved = [entry for entry in there if not entry.saved and not entry.lock.locked()]
            if unsaved:
                states = [entry.model for entry in unsaved]
                await self._store.save(unsaved, within=within)
                for entry, state in zip(unsaved, states, strict=True):
                    entry.saved = entry.model is state
            if self._gone:
                self._gone = False
                try:
                    await self._store.keep_only([str(entry.found.path) for entry in self.entries], within=within)
                except DatabaseError:
                    self._gone = True
                    raise

    async def _merge(self, entries: Sequence[Entry], within: float) -> None:
        if not entries:
            return
        known = await self._store.remembered([str(entry.found.path) for entry in entries], within=within)
        for entry in entries:
            entry.merged = True
            row = known.get(str(entry.found.path))
            if row is None or row.stamp != entry.found.stamp:
                continue
            model = entry.known()
            entry.templates_tried = entry.templates_tried or row.templates_tried
            changes: dict[str, object] = {"sha256": model.sha256 or row.sha256}
            if model.verdict == "unchecked" or (row.verdict == "refused" and not model.reason):
                changes |= {"verdict": row.verdict, "reason": row.reason}
            entry.change(model.model_copy(update=changes))

    async def _try_a_template(self, ctx: Context) -> None:
        """The next of those nobody has asked for yet: a hostile one shows before it is wanted."""
        for entry in list(self.entries):
            model = entry.model
            if model is None or entry.templates_tried or model.verdict != "unchecked" or entry.lock.locked():
                continue
            try:
                await self.judge.try_templates(entry)
            except CheckUnavailable as error:
                ctx.log.debug("templates are not tried", error=error.line())
            return
