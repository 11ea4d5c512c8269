"""What is done by the clock: the maintenance function where no pg_cron calls it, and backups by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from solo.settings import MachineSettings
from solo.storage.address import Address
from solo.storage.backup import Backup, backup, backups
from solo.storage.backup.dump import folder_of
from solo.storage.database import Database
from solo.storage.errors import DatabaseBusy, DatabaseError, DatabaseUnavailable
from solo.storage.migrations import Schema
from solo.supervision import Context

_SETTLE_S = 60.0
"""Neither starts before: while Solo starts, everything loads."""
_AGAIN_S = 30.0
"""After the database was away."""
_LOOK_EVERY_S = 600.0
_FUTURE = timedelta(minutes=5)
"""A backup from further ahead was made while the clock was wrong."""
_BACKUP_AGAIN_S = 900.0
"""After a backup that failed."""
_MAINTAIN_WITHIN_S = 600.0

Make = Callable[..., Awaitable[Backup]]


def _now() -> datetime:
    return datetime.now(UTC)


class MaintenanceService:
    """Outlives a database that is away; a failing backup makes it degraded until one succeeds."""

    name = "maintenance"

    def __init__(
        self,
        machine: MachineSettings,
        database: Database,
        schemas: Sequence[Schema] = (),
        *,
        now: Callable[[], datetime] = _now,
        make: Make = backup,
    ) -> None:
        """`schemas` are known by what the database holds; `now` and `make` are the clock and the maker of backups."""
        self._settings = machine.database
        self._folder: Path = folder_of(machine)
        self._database = database
        self._now = now
        self._make = make

    async def run(self, ctx: Context) -> None:
        ctx.ready()
        if await ctx.stopping_within(_SETTLE_S):
            return
        async with asyncio.TaskGroup() as tasks:
            helpers = [tasks.create_task(self._maintain(ctx), name="maintain")]
            if self._settings.backup_every_h > 0:
                helpers.append(tasks.create_task(self._back_up(ctx), name="back up"))
            await ctx.stopping.wait()
            for helper in helpers:
                helper.cancel()

    async def _maintain(self, ctx: Context) -> None:
        away = False
        while True:
            try:
                if not await self._has_cron():
                    await self._maintain_once(ctx)
            except DatabaseError as error:
                if not away:
                    ctx.log.warning("maintenance put off", code=error.code, error=error.line())
                away = True
                await asyncio.sleep(min(_AGAIN_S, self._settings.maintain_every_s))
                continue
            away = False
            await asyncio.sleep(self._settings.maintain_every_s)

    async def _has_cron(self) -> bool:
        """pg_cron is installed here and calls the maintenance function."""
        if not await self._database.fetchval("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron')"):
            return False
        try:
            return bool(
                await self._database.fetchval(
                    "SELECT EXISTS (SELECT FROM cron.job WHERE active AND database = current_database() "
                    "AND command LIKE '%solo.maintain%')"
                )
            )
        except asyncpg.InsufficientPrivilegeError:
            return False  # a second run of the maintenance function does no harm, none would

    async def _maintain_once(self, ctx: Context) -> None:
        for row in await self._database.fetch(
            "SELECT task, result, failure, ms FROM solo.maintain()", within=_MAINTAIN_WITHIN_S
        ):
            if row["failure"] is not None:
                ctx.log.warning("maintenance failed", task=row["task"], error=row["failure"])
            else:
                ctx.log.debug("maintained", task=row["task"], result=row["result"], ms=round(row["ms"], 1))

    async def _back_up(self, ctx: Context) -> None:
        while True:
            wait = self._due_in()  # a few small files
            if wait > 0:
                # Not all at once: the clock of sleep stands still in a machine that is suspended.
                await asyncio.sleep(min(wait, _LOOK_EVERY_S))
                continue
            try:
                address = await self._address()
                made = await self._make(address, self._folder, reason="scheduled", keep=self._settings.backup_keep)
            except (DatabaseUnavailable, DatabaseBusy) as error:
                ctx.log.warning("backup put off", code=error.code, error=error.line())
                await asyncio.sleep(_AGAIN_S)
            except DatabaseError as error:
                ctx.log.warning("backup failed", code=error.code, error=error.line())
                ctx.degraded(f"no backup: {error.line()}")
                await asyncio.sleep(min(_BACKUP_AGAIN_S, self._settings.backup_every_h * 3600))
            else:
                ctx.log.info("backed up", file=made.path.name, size=made.manifest.size)
                ctx.ready()

    def _due_in(self) -> float:
        """Seconds until the next backup, by the newest one there is: a restart of Solo changes nothing."""
        now = self._now()
        made = [
            one.manifest.created
            for one in backups(self._folder)
            if one.manifest.reason == "scheduled" and one.manifest.created <= now + _FUTURE
        ]
        if not made:
            return 0.0
        return (max(made) + timedelta(hours=self._settings.backup_every_h) - now).total_seconds()

    async def _address(self) -> Address:
        await self._database.fetchval("SELECT 1")
        address = self._database.address
        assert address is not None  # it answered
        return address
