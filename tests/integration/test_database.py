"""The embedded server and the pool, with a real PostgreSQL: start, crash, stale files, frozen peers."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from solo.storage import DatabaseTimeout, DatabaseUnavailable
from solo.storage.cluster import Cluster, ServerMajorDiffers, binaries
from solo.storage.connect import connect
from solo.storage.database import Database
from solo.storage.embedded import ServerEnded, ServerProcess
from solo.storage.outbox import OutboxReader, put
from tests.postgres import database, proxy, server

GRACE_S = 1.0


async def test_what_was_written_is_there_after_the_next_start(tmp_path: Path) -> None:
    async with database(tmp_path) as opened:
        await opened.execute("CREATE TABLE kept (x int)")
        await opened.execute("INSERT INTO kept VALUES (7)")
    async with database(tmp_path) as opened:
        assert await opened.fetchval("SELECT x FROM kept") == 7


async def test_it_runs_with_checksums_and_answers_only_on_a_private_socket(tmp_path: Path) -> None:
    async with database(tmp_path) as opened:
        assert await opened.fetchval("SHOW data_checksums") == "on"
        assert await opened.fetchval("SHOW synchronous_commit") == "on"
        assert await opened.fetchval("SHOW listen_addresses") == ""
        assert (tmp_path / "database.json").stat().st_mode & 0o077 == 0
        assert opened.address is not None
        assert opened.address.password not in repr(opened.address)


async def test_a_long_state_directory_gets_its_socket_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 25)
    async with database(folder) as opened:
        assert await opened.fetchval("SELECT 1") == 1
        assert opened.address is not None
        assert Path(opened.address.host).stat().st_mode & 0o077 == 0


async def test_a_killed_server_is_noticed_and_its_next_start_recovers(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, memory_mb=32, connections=16)
    process = ServerProcess(cluster)
    with pytest.raises(BaseExceptionGroup) as raised:
        async with process.running(ready_within=60) as address:
            connection = await connect(address)
            await connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) x")
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            await asyncio.sleep(30)  # ended by what is expected
    assert raised.group_contains(ServerEnded)
    with suppress(OSError):
        connection.terminate()
    async with database(tmp_path) as opened:
        assert await opened.fetchval("SELECT count(*) FROM kept") == 1000


async def test_what_a_killed_server_left_frozen_does_not_keep_it_from_starting(tmp_path: Path) -> None:
    process = ServerProcess(Cluster(tmp_path, memory_mb=32, connections=16))
    with pytest.raises(BaseExceptionGroup):
        async with process.running(ready_within=60):
            assert process.pid is not None
            family = psutil.Process(process.pid).children()
            for child in family:
                child.suspend()
            os.kill(process.pid, signal.SIGKILL)
            await asyncio.sleep(30)  # ended by what is expected
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in family)
    async with database(tmp_path) as opened:
        assert await opened.fetchval("SELECT 1") == 1


async def test_a_lock_file_of_a_stranger_does_not_keep_it_from_starting(tmp_path: Path) -> None:
    async with server(tmp_path):
        pass
    # As after a restart of the machine: the number belongs to another program now.
    with subprocess.Popen(["sleep", "60"]) as stranger:
        lock = tmp_path / "postgres" / "postmaster.pid"
        lock.write_text(f"{stranger.pid}\n{tmp_path / 'postgres'}\n{int(time.time())}\n5432\n{tmp_path}\n\n")
        async with database(tmp_path) as opened:
            assert await opened.fetchval("SELECT 1") == 1
        assert stranger.poll() is None
        stranger.kill()


async def test_files_of_another_major_version_are_refused_with_what_to_do(tmp_path: Path) -> None:
    async with server(tmp_path):
        pass
    (tmp_path / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(ServerMajorDiffers) as raised:
        async with server(tmp_path):
            pass
    assert "solo db restore" in raised.value.hint


async def test_a_start_that_was_killed_in_the_middle_begins_again(tmp_path: Path) -> None:
    (tmp_path / ".postgres.partial").mkdir()
    (tmp_path / ".postgres.partial" / "PG_VERSION").write_text("18\n")
    async with database(tmp_path) as opened:
        assert await opened.fetchval("SELECT 1") == 1


async def test_the_server_ends_with_its_parent(tmp_path: Path) -> None:
    script = (
        "import asyncio, pathlib\n"
        "from solo import logs\n"
        "logs.configure('error', 'json')\n"
        "from tests.postgres import server\n"
        "async def main():\n"
        f"    async with server(pathlib.Path({str(tmp_path)!r})):\n"
        "        print('up', flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert await asyncio.to_thread(parent.stdout.readline) == b"up\n"
        family = psutil.Process(parent.pid).children(recursive=True)
        assert any(child.name() == "postgres" for child in family)
        parent.kill()
        gone, alive = await asyncio.to_thread(psutil.wait_procs, family, timeout=10)
        assert not alive
        assert len(gone) == len(family)


async def test_a_frozen_server_ends_every_call_in_time_and_is_used_again(tmp_path: Path) -> None:
    async with server(tmp_path) as address, proxy(address) as between:
        opened = Database(most=4)
        await opened.open(between.address(address))
        assert await opened.fetchval("SELECT 1") == 1
        between.mood = "freeze"

        async def in_transaction() -> None:
            async with opened.transaction(within=1.0) as connection:
                await connection.execute("CREATE TABLE never (x int)")

        began = time.monotonic()
        results = await asyncio.gather(
            opened.fetchval("SELECT 1", within=1.0),
            in_transaction(),
            opened.copy("public", "never", ["x"], [(1,)], within=1.0),
            *(opened.fetchval("SELECT 1", within=1.0) for _ in range(8)),
            return_exceptions=True,
        )
        assert time.monotonic() - began < 1.0 + GRACE_S * 3  # not a figure: only that nothing waits for ever
        assert all(isinstance(result, DatabaseTimeout | DatabaseUnavailable) for result in results), results
        between.mood = "pass"
        assert await opened.fetchval("SELECT 1") == 1
        assert await opened.fetchval("SELECT to_regclass('never')") is None
        await opened.close()


async def test_an_asker_that_leaves_does_not_wait_for_a_frozen_server(tmp_path: Path) -> None:
    async with server(tmp_path) as address, proxy(address) as between:
        opened = Database(most=2)
        await opened.open(between.address(address))
        await opened.fetchval("SELECT 1")
        between.mood = "freeze"
        asking = asyncio.ensure_future(opened.fetchval("SELECT 2", within=60))
        await asyncio.sleep(0.05)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(GRACE_S):
                await asking
        async with asyncio.timeout(GRACE_S * 4):
            await opened.close()


async def test_an_error_in_the_sql_leaves_the_connection_usable_and_rolls_back(tmp_path: Path) -> None:
    import asyncpg

    async with database(tmp_path) as opened:
        await opened.execute("CREATE TABLE kept (x int PRIMARY KEY)")
        with pytest.raises(asyncpg.UniqueViolationError):
            async with opened.transaction() as connection:
                await connection.execute("INSERT INTO kept VALUES (1)")
                await connection.execute("INSERT INTO kept VALUES (1)")
        assert await opened.fetchval("SELECT count(*) FROM kept") == 0
        assert opened.state()["connections"] == 1


async def test_a_session_that_the_server_ends_is_a_named_error_and_no_more(tmp_path: Path) -> None:
    async with database(tmp_path) as opened:

        async def sleep_in_transaction() -> None:
            async with opened.transaction() as connection:
                await connection.execute("SELECT pg_sleep(30)")

        for asleep in (sleep_in_transaction(), opened.fetchval("SELECT pg_sleep(30)")):
            sleeping = asyncio.ensure_future(asleep)
            end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
            async with asyncio.timeout(10):
                while await opened.fetchval(end) is None:
                    await asyncio.sleep(0.01)
            with pytest.raises(DatabaseUnavailable):
                await sleeping
        assert await opened.fetchval("SELECT 1") == 1


async def test_calls_wait_for_a_pool_that_is_opened_later(tmp_path: Path) -> None:
    async with server(tmp_path) as address:
        opened = Database()
        with pytest.raises(DatabaseUnavailable):
            await opened.fetchval("SELECT 1", within=0.05)
        waiting = asyncio.ensure_future(opened.fetchval("SELECT 1", within=10))
        await asyncio.sleep(0)
        await opened.open(address)
        assert await waiting == 1
        await opened.close()


async def test_the_outbox_delivers_what_was_committed_once_handled(tmp_path: Path) -> None:
    async with database(tmp_path) as opened:
        wake = asyncio.Event()
        seen: list[int] = []
        done = asyncio.Event()

        async def handle(body: dict[str, int]) -> None:
            seen.append(body["n"])
            if len(seen) == 3:
                done.set()

        for n in range(3):
            async with opened.transaction() as connection:
                await put(connection, "numbers", {"n": n})
        with pytest.raises(RuntimeError):
            async with opened.transaction() as connection:
                await put(connection, "numbers", {"n": 99})
                raise RuntimeError
        reading = asyncio.ensure_future(OutboxReader(opened, "numbers").run(handle, wake=wake))
        async with asyncio.timeout(10):
            await done.wait()
            while await opened.fetchval("SELECT count(*) FROM solo.outbox"):
                await asyncio.sleep(0.01)
        reading.cancel()
        assert seen == [0, 1, 2]


async def test_an_entry_that_fails_is_put_off_and_at_last_set_aside(tmp_path: Path) -> None:
    async with database(tmp_path) as opened:
        async with opened.transaction() as connection:
            await put(connection, "bad", {})

        async def handle(_: dict[str, int]) -> None:
            raise DatabaseUnavailable("no")

        wake = asyncio.Event()
        reading = asyncio.ensure_future(OutboxReader(opened, "bad").run(handle, wake=wake))
        async with asyncio.timeout(20):
            while not await opened.fetchval("SELECT dead FROM solo.outbox"):
                await opened.execute("UPDATE solo.outbox SET not_before = now()")  # time passes
                wake.set()
                await asyncio.sleep(0.01)
        reading.cancel()
        assert await opened.fetchval("SELECT attempts FROM solo.outbox") == 8


def test_the_binaries_are_those_of_the_major_version_that_is_run() -> None:
    said = subprocess.run([binaries() / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    assert " 18." in said
