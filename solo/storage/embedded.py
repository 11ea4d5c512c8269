"""The embedded PostgreSQL as Solo's own child: started, watched, ended."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from solo.isolation import confine
from solo.isolation.tie import NOT_ALLOWED
from solo.isolation.words import LastWords, ending
from solo.logs import get_logger
from solo.settings import DatabaseSettings
from solo.state_dir import StateDir
from solo.storage.address import Address
from solo.storage.cluster import Cluster, end, refuses_root
from solo.storage.connect import connect, wait_until_up
from solo.storage.errors import DatabaseError

_STOP_WITHIN_S = 10.0


class ServerEnded(DatabaseError):
    """The database server ended."""

    code = "db.ended"


class ServerProcess:
    """One run of the embedded server, from its start to its end."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._words = LastWords(get_logger(service="database"))
        self._process: asyncio.subprocess.Process | None = None
        self._stderr: int | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @asynccontextmanager
    async def running(self, ready_within: float) -> AsyncIterator[Address]:
        """Answering inside; when it ends by itself ServerEnded is raised out of the block; ended behind it."""
        address = await self._cluster.prepare()
        spawning = asyncio.ensure_future(self._spawn(address))
        try:
            await asyncio.shield(spawning)
        except asyncio.CancelledError:
            await spawning
            await self._end()
            raise
        assert self._process is not None
        try:
            async with asyncio.TaskGroup() as tasks:
                helpers = [
                    tasks.create_task(self._follow_words(), name="database stderr"),
                    tasks.create_task(self._watch(self._process), name="database end"),
                ]
                await wait_until_up(address.named("postgres"), ready_within)
                await _make_database(address)
                address.write(self._cluster.state_dir)
                yield address
                for helper in helpers:
                    helper.cancel()
        finally:
            await self._end()

    async def _spawn(self, address: Address) -> None:
        # A pipe of our own: asyncio waits for the end of its pipes before it tells of the end of a process, and a
        # frozen child of a dead server keeps its end open.
        self._stderr, sink = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *confine.tied(self._cluster.command(address), never_as_root=True, no_network=True),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=sink,
                start_new_session=sys.platform != "win32",  # a Ctrl+C of the terminal is Solo's to deal with
            )
        finally:
            os.close(sink)

    async def _follow_words(self) -> None:
        assert self._stderr is not None
        reader = asyncio.StreamReader()
        file = os.fdopen(self._stderr, "rb", buffering=0)
        self._stderr = None
        try:
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), file
            )
        except NotImplementedError:  # Windows: such a pipe cannot be waited for; its words are not needed
            file.close()
            return
        try:
            await self._words.follow(reader)
        finally:
            transport.close()

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        if code == NOT_ALLOWED:
            raise refuses_root()
        raise ServerEnded(f"PostgreSQL {ending(code)}: {self._words.last or 'it said nothing'}")

    async def _end(self) -> None:
        """Fast shutdown: sessions end, everything is written; then with less ceremony."""
        process = self._process
        if process is None:
            return
        for word in (signal.SIGINT, getattr(signal, "SIGQUIT", signal.SIGTERM)):
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    # Not Process.send_signal: it polls first, which takes the exit status from the loop's own wait.
                    os.kill(process.pid, word)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_STOP_WITHIN_S):
                        await process.wait()
        await end(process)
        await asyncio.to_thread(self._cluster.end_left_over)
        if self._stderr is not None:
            os.close(self._stderr)
            self._stderr = None


@asynccontextmanager
async def temporary_server(state_dir: Path, settings: DatabaseSettings) -> AsyncIterator[Address]:
    """The embedded server of a state directory, for one command while no daemon runs there."""
    home = StateDir(state_dir)
    home.claim()
    try:
        server = ServerProcess(Cluster.of(state_dir, settings))
        async with server.running(ready_within=60) as address:
            yield address
    finally:
        home.release()


async def _make_database(address: Address) -> None:
    connection = await connect(address.named("postgres"))
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", address.database):
            await connection.execute(f'CREATE DATABASE "{address.database}"')
    finally:
        await connection.close(timeout=2)
