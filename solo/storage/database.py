"""The pool: every call has a deadline that holds against a peer that has stopped answering."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg

from solo.bus import remaining
from solo.storage.address import Address
from solo.storage.errors import DatabaseBusy, DatabaseTimeout, DatabaseUnavailable, named

Connection: TypeAlias = asyncpg.Connection
Record: TypeAlias = asyncpg.Record

WITHIN_S = 4.0
"""The usual limit of a call, in seconds."""
_CONNECT_WITHIN_S = 3.0
_LONGEST_IDLE_S = 300.0
_CLOSE_WITHIN_S = 2.0


class Database:
    """Handed to the services that keep something; closed until its keeper, the database's own service, opens it.

    A call waits for a connection, also for a server that is being started again, and for the answer, both within
    `within` seconds. Writes are acknowledged after COMMIT: a call that returned has been done, one that raised
    `DatabaseUnavailable` or `DatabaseTimeout` may or may not have been, so writes carry ids made by the asker.
    """

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._pool: asyncpg.Pool | None = None
        self._address: Address | None = None
        self._opened = asyncio.Event()
        self.timeouts = 0
        """Calls that ended with DatabaseTimeout."""

    @property
    def is_open(self) -> bool:
        return self._opened.is_set()

    @property
    def address(self) -> Address | None:
        return self._address

    def state(self) -> dict[str, int]:
        """Connections, for people."""
        pool = self._pool
        return {
            "connections": pool.get_size() if pool else 0,
            "idle": pool.get_idle_size() if pool else 0,
            "most": self._most,
            "timeouts": self.timeouts,
        }

    async def open(self, address: Address) -> None:
        """From now on calls go to this server. Connects when the first one comes."""
        await self.close()
        self._address = address
        self._pool = asyncpg.create_pool(
            **address.options(),
            min_size=0,
            max_size=self._most,
            timeout=_CONNECT_WITHIN_S,
            command_timeout=60.0,  # a safety net: `within` is what holds
            max_inactive_connection_lifetime=_LONGEST_IDLE_S,
            init=_prepare,
            reset=_keep,
            server_settings={"application_name": "solo", "jit": "off", "timezone": "UTC"},
        )
        with named():
            async with asyncio.timeout(_CONNECT_WITHIN_S):
                await self._pool
        self._opened.set()

    async def close(self) -> None:
        """Calls wait from now on. Ends connections that do not close in time."""
        self._opened.clear()
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            async with asyncio.timeout(_CLOSE_WITHIN_S):
                await pool.close()
        except (TimeoutError, OSError, asyncpg.InterfaceError, asyncpg.PostgresError):
            pool.terminate()

    async def fetch(self, sql: str, *arguments: Any, within: float = WITHIN_S) -> list[Record]:
        async with self.connection(within=within) as connection:
            rows: list[Record] = await connection.fetch(sql, *arguments)
            return rows

    async def fetchrow(self, sql: str, *arguments: Any, within: float = WITHIN_S) -> Record | None:
        async with self.connection(within=within) as connection:
            return await connection.fetchrow(sql, *arguments)

    async def fetchval(self, sql: str, *arguments: Any, within: float = WITHIN_S) -> Any:
        async with self.connection(within=within) as connection:
            return await connection.fetchval(sql, *arguments)

    async def execute(self, sql: str, *arguments: Any, within: float = WITHIN_S) -> str:
        """The command's tag, such as `DELETE 3`."""
        async with self.connection(within=within) as connection:
            tag: str = await connection.execute(sql, *arguments)
            return tag

    async def copy(
        self, schema: str, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, within: float = 30.0
    ) -> None:
        """COPY in binary form: all rows or none."""
        async with self.connection(within=within) as connection:
            await connection.copy_records_to_table(table, schema_name=schema, columns=list(columns), records=rows)

    @asynccontextmanager
    async def transaction(self, *, within: float = WITHIN_S) -> AsyncIterator[Connection]:
        """Committed behind the block, rolled back when it raises."""
        async with self.connection(within=within) as connection:
            # Not asyncpg's own block: when time is up it would wait for a frozen server to say ROLLBACK.
            transaction = connection.transaction()
            await transaction.start()
            try:
                yield connection
            except asyncio.CancelledError:
                raise  # the connection is cut, and the server rolls back
            except BaseException:
                await _roll_back(connection, transaction)
                raise
            await transaction.commit()

    @asynccontextmanager
    async def connection(self, *, within: float = WITHIN_S) -> AsyncIterator[Connection]:
        """A connection for the block, which ends within `within` seconds, or by the asker's deadline.

        When time is up, or the asker leaves, while the server owes an answer, the connection is cut: asyncpg would
        wait for the server's word, and a server that is frozen never gives it.
        """
        inherited = remaining()
        limit = within if inherited is None else min(within, inherited)
        connection: Connection | None = None
        pool: asyncpg.Pool | None = None
        cut = False
        try:
            with named():
                async with asyncio.timeout(limit):
                    pool, connection = await self._acquire()
                    try:
                        yield connection
                    except asyncio.CancelledError:
                        cut = True
                        connection.terminate()
                        raise
        except TimeoutError as error:
            self.timeouts += 1
            if connection is None:
                raise self._no_connection(limit) from error
            raise DatabaseTimeout(
                f"the database did not answer within {limit:g} s", hint="`solo db status` tells more."
            ) from error
        finally:
            if pool is not None and connection is not None and not cut:
                if not _is_lost(connection) and connection.is_in_transaction():
                    connection.terminate()
                await pool.release(connection)  # sends nothing: see `_keep`

    async def _acquire(self) -> tuple[asyncpg.Pool, Connection]:
        """Waits for a server that is being started; the caller's limit ends it."""
        pause = 0.02
        while True:
            await self._opened.wait()
            pool = self._pool
            assert pool is not None
            try:
                return pool, await pool.acquire()
            except (
                OSError,
                asyncpg.CannotConnectNowError,
                asyncpg.PostgresConnectionError,
                asyncpg.InvalidCatalogNameError,  # a restore is putting another database in its place
            ):
                await asyncio.sleep(pause)  # it is down for a moment: the keeper is at it
                pause = min(pause * 2, 0.2)
            except asyncpg.InterfaceError:
                if pool is self._pool:  # otherwise it was closed under us, and another one is open or will be
                    raise

    def _no_connection(self, within: float) -> DatabaseUnavailable | DatabaseBusy:
        if self._pool is not None and self._pool.get_idle_size() == 0 and self._pool.get_size() >= self._most:
            return DatabaseBusy(f"no connection to the database was free within {within:g} s")
        return DatabaseUnavailable(
            f"the database could not be reached within {within:g} s",
            hint="Solo connects again by itself; `solo db status` tells more.",
        )


async def _prepare(connection: Connection) -> None:
    """Vectors as pgvector's types, JSON as text: what the rows hold is checked by pydantic anyway."""
    installed = await connection.fetchval(
        "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = 'vector'"
    )
    if installed is not None:
        from pgvector.asyncpg import register_vector

        await register_vector(connection, schema=installed)


async def _roll_back(connection: Connection, transaction: Any) -> None:
    """What went wrong is the caller's to hear. A connection that cannot be told to roll back is cut, which does it."""
    if _is_lost(connection):
        return
    try:
        await transaction.rollback()
    except (asyncpg.InterfaceError, asyncpg.PostgresError, OSError):
        if not _is_lost(connection):
            connection.terminate()


def _is_lost(connection: Connection) -> bool:
    """The server ended it; the pool may have taken it back already, and then it cannot be asked."""
    try:
        closed: bool = connection.is_closed()
    except asyncpg.InterfaceError:
        return True
    return closed


async def _keep(_: Connection) -> None:
    """Between two users of a connection nothing is reset: what Solo sets for a session is the same for everybody, and
    the rest is set with SET LOCAL. It would cost every call a round trip, and a frozen server would not answer it."""
