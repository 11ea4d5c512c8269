"""Single connections, for what is done beside the pool: migrations, backups, commands."""

from __future__ import annotations

import asyncio
import time

import asyncpg

from solo.storage.address import Address
from solo.storage.database import Connection
from solo.storage.errors import DatabaseUnavailable, named

_WITHIN_S = 3.0


async def connect(address: Address, *, within: float = _WITHIN_S) -> Connection:
    """Its caller closes it. Raises DatabaseUnavailable."""
    try:
        with named():
            async with asyncio.timeout(within):
                connection: Connection = await asyncpg.connect(
                    **address.options(), server_settings={"application_name": "solo", "timezone": "UTC"}
                )
                return connection
    except TimeoutError as error:
        raise DatabaseUnavailable(f"the database at {address} did not answer within {within:g} s") from error
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise DatabaseUnavailable(
            f"the database at {address} does not let Solo in: {error}", hint="Mend SOLO_DATABASE__URL."
        ) from error


async def wait_until_up(address: Address, within: float) -> None:
    """Until it accepts connections: after a crash it first repeats what was under way."""
    end = time.monotonic() + within
    while True:
        try:
            connection = await connect(address)
        except DatabaseUnavailable:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.02)
            continue
        await connection.close(timeout=2)
        return
