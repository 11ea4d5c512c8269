"""A real PostgreSQL for tests: the embedded one, in a folder of its own, always ended; and a proxy that misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from solo.storage import Address, Database, Schema
from solo.storage.cluster import Cluster
from solo.storage.connect import connect
from solo.storage.embedded import ServerProcess
from solo.storage.migrations import migrate

Mood = Literal["pass", "freeze", "drop"]


@asynccontextmanager
async def server(folder: Path) -> AsyncIterator[Address]:
    """Running and empty. `folder` may be one in which a server ran before."""
    folder.mkdir(parents=True, exist_ok=True)
    async with ServerProcess(Cluster(folder, memory_mb=32, connections=16)).running(ready_within=60) as address:
        yield address


@asynccontextmanager
async def database(folder: Path, schemas: Sequence[Schema] = ()) -> AsyncIterator[Database]:
    """Migrated and open."""
    async with server(folder) as address:
        connection = await connect(address)
        await migrate(connection, schemas)
        await connection.close()
        opened = Database()
        await opened.open(address)
        try:
            yield opened
        finally:
            await opened.close()


@dataclass
class Proxy:
    """TCP on loopback in front of a server. `freeze`: connections stay, and nothing passes any more, either way."""

    port: int
    mood: Mood = "pass"
    connections: int = 0

    def address(self, behind: Address) -> Address:
        return Address("127.0.0.1", self.port, behind.user, behind.database, behind.password)

    def url(self, behind: Address) -> str:
        return f"postgresql://{behind.user}:{behind.password}@127.0.0.1:{self.port}/{behind.database}"


@asynccontextmanager
async def proxy(behind: Address) -> AsyncIterator[Proxy]:
    state = Proxy(0)
    tasks: set[asyncio.Task[None]] = set()
    writers: set[asyncio.StreamWriter] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                while state.mood == "freeze":
                    await asyncio.sleep(0.02)
                writer.write(data)
                await writer.drain()
        writer.close()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        state.connections += 1
        writers.add(writer)
        if state.mood == "drop":
            writer.transport.abort()
            return
        there_reader, there_writer = await asyncio.open_unix_connection(f"{behind.host}/.s.PGSQL.{behind.port}")
        writers.add(there_writer)
        for task in (
            asyncio.ensure_future(pump(reader, there_writer)),
            asyncio.ensure_future(pump(there_reader, writer)),
        ):
            tasks.add(task)

    listener = await asyncio.start_server(meet, "127.0.0.1", 0)
    state.port = listener.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
