"""The database's keeper: starts the server or finds it, brings its tables up to date, opens the pool."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from solo.isolation import confine
from solo.settings import MachineSettings
from solo.storage.address import Address
from solo.storage.backup import backup_before_migration
from solo.storage.cluster import Cluster
from solo.storage.connect import connect
from solo.storage.database import Database
from solo.storage.embedded import ServerProcess
from solo.storage.errors import DatabaseBusy, DatabaseError, DatabaseUnavailable
from solo.storage.migrations import Schema, migrate
from solo.storage.schedule import MaintenanceService
from solo.supervision import Context, EngineState, ServiceSpec

_READY_WITHIN_S = 120.0
"""Recovery after a crash may have up to `max_wal_size` to repeat."""
_LOOK_EVERY_S = 2.0
_ANSWER_WITHIN_S = 2.0
_MISSES = 3
"""Looks without an answer, one after the other, after which a server is taken for hung: 6 to 12 s."""


class ServerHung(DatabaseError):
    """The database server stopped answering and was ended."""

    code = "db.hung"


@dataclass(frozen=True, slots=True)
class DatabaseService:
    """`ready` when calls are answered. Without a database everything else goes on, and forgets."""

    machine: MachineSettings
    database: Database
    schemas: Sequence[Schema]
    name: str = "database"

    async def run(self, ctx: Context) -> None:
        url = self.machine.database.url
        try:
            if url is None:
                await self._embedded(ctx)
            else:
                await self._external(ctx, Address.from_url(url.get_secret_value()))
        finally:
            await self.database.close()

    async def _embedded(self, ctx: Context) -> None:
        settings = self.machine.database
        server = ServerProcess(Cluster.of(self.machine.state_dir, settings))
        async with server.running(ready_within=_READY_WITHIN_S) as address:
            await self._prepare(ctx, address)
            version = await self._version()
            ctx.engine = lambda: self._state(version, "embedded", server.pid)
            ctx.ready()
            misses = 0
            while not await ctx.stopping_within(_LOOK_EVERY_S):
                misses = 0 if await self._answers() else misses + 1
                if misses >= _MISSES:
                    raise ServerHung(f"PostgreSQL did not answer {misses} times, {_ANSWER_WITHIN_S:g} s each")
            await self.database.close()

    async def _external(self, ctx: Context, address: Address) -> None:
        """Somebody else's server is not ended: when it is away, it is waited for."""
        pause = 0.5
        while True:
            try:
                await self._prepare(ctx, address)
                version = await self._version()
                break
            except DatabaseUnavailable as error:
                ctx.degraded(error.line())
                if await ctx.stopping_within(pause):
                    return
                pause = min(pause * 2, 10.0)
        ctx.engine = lambda: self._state(version, str(address), None)
        ctx.ready()
        away = False
        while not await ctx.stopping_within(_LOOK_EVERY_S):
            if await self._answers() == away:  # it went, or came back
                away = not away
                if away:
                    ctx.degraded(f"the database at {address} does not answer; Solo goes on without memory")
                else:
                    ctx.ready()

    async def _prepare(self, ctx: Context, address: Address) -> None:
        connection = await connect(address)
        try:

            async def save() -> None:
                await backup_before_migration(address, self.machine)

            for migration in await migrate(connection, self.schemas, backup=save):
                ctx.log.info("migrated", migration=str(migration))
        finally:
            with suppress(TimeoutError):
                await connection.close(timeout=2)
        await self.database.open(address)

    async def _version(self) -> str:
        version: str = await self.database.fetchval("SHOW server_version")
        return version

    async def _answers(self) -> bool:
        try:
            await self.database.fetchval("SELECT 1", within=_ANSWER_WITHIN_S)
        except DatabaseBusy:
            return True  # it is being used, so it answers
        except DatabaseError:
            return False
        return True

    def _state(self, version: str, where: str, pid: int | None) -> EngineState:
        return EngineState(
            engine=f"PostgreSQL {version.split()[0]}",
            model=where,
            pid=pid,
            rss_bytes=confine.resident_bytes(pid) if pid is not None else None,
            info={"network": pid is None or not confine.has_own_network(pid), **self.database.state()},
        )


def database_specs(machine: MachineSettings, database: Database, schemas: Sequence[Schema]) -> list[ServiceSpec]:
    """The server and its maintenance; stopped after all others, since they write until they end."""
    return [
        ServiceSpec(
            name="database",
            make=lambda: DatabaseService(machine, database, schemas),
            ready_within=_READY_WITHIN_S + 60,
            drain_within=15.0,
            # A server that was ready and is ended is no failing start, however soon: everybody waits for it.
            healthy_after=0.0,
        ),
        ServiceSpec(name="maintenance", make=lambda: MaintenanceService(machine, database, schemas)),
    ]
