"""A server of one's own: Debian's PostgreSQL 15, set up by deploy/postgres/init.sql, and pg_cron that maintains it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from services.metrics.spec import SCHEMA
from services.metrics.store import MetricsStore
from solo.isolation import confine
from solo.storage import Address, Database
from solo.storage.connect import connect, wait_until_up
from solo.storage.migrations import migrate

BINARIES = Path("/usr/lib/postgresql/15/bin")
CRON = Path("/usr/lib/postgresql/15/lib/pg_cron.so")
INIT = Path(__file__).resolve().parents[2] / "deploy" / "postgres" / "init.sql"
PORT = 5432
"""Names the socket; the server listens on no TCP port."""
SUPER, PASSWORD = "for-the-superuser", "it's $for solo"
PATIENCE_S = 150.0
"""Before 1.5 pg_cron knows no seconds: the next full minute is up to 60 s away."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not ((BINARIES / "postgres").exists() and CRON.exists()),
        reason="Debian's PostgreSQL 15 with pg_cron is not installed: apt-get install postgresql-15 postgresql-15-cron",
    ),
]


@pytest.fixture
async def superuser(tmp_path: Path) -> AsyncIterator[Address]:
    data = tmp_path / "data"
    secret = tmp_path / "secret"
    secret.write_text(SUPER + "\n")
    make = [str(BINARIES / "initdb"), "-D", str(data), "-U", "postgres", "-E", "UTF8", "--no-locale"]
    make += ["--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync"]
    subprocess.run(confine.tied(make, never_as_root=True), check=True, capture_output=True, timeout=60)
    options = {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_directories": str(tmp_path),
        "fsync": "off",
        "shared_preload_libraries": "pg_cron",
        "cron.database_name": "solo",
        "cron.use_background_workers": "on",
        "max_worker_processes": "16",
    }
    command = [str(BINARIES / "postgres"), "-D", str(data)]
    command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    address = Address(str(tmp_path), PORT, "postgres", "postgres", SUPER)
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(confine.tied(command, never_as_root=True), stdout=log, stderr=log)
        try:
            await wait_until_up(address, 30)
            yield address
        finally:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.send_signal(signal.SIGQUIT)
                server.wait(20)
    print((tmp_path / "log").read_text())  # pytest shows it for a test that fails


def run_init(superuser: Address, **more: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], **superuser.environment(), **more}
    command = [str(BINARIES / "psql"), "--no-psqlrc", "-q", "-f", str(INIT)]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)


async def test_without_a_password_it_does_nothing(superuser: Address) -> None:
    done = run_init(superuser)
    assert done.returncode != 0
    assert "DB_PASSWORD" in done.stderr
    connection = await connect(superuser)
    assert not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = 'solo'")
    await connection.close()


async def test_pg_cron_calls_the_maintenance_function(superuser: Address) -> None:
    for _ in range(2):
        done = run_init(superuser, DB_PASSWORD=PASSWORD)
        assert (done.returncode, done.stderr) == (0, "")
    solo = Address(superuser.host, PORT, "solo", "solo", PASSWORD)
    connection = await connect(solo)
    jobs = {row["jobname"]: row for row in await connection.fetch("SELECT * FROM cron.job")}
    assert {(name, job["schedule"], job["username"], job["active"]) for name, job in jobs.items()} == {
        ("solo maintenance", "*/15 * * * *", "solo", True),
        ("solo run details", "7 3 * * *", "solo", True),
    }
    for job in jobs.values():
        await connection.execute(job["command"])  # before there is anything to maintain

    await migrate(connection, [SCHEMA])  # needs no pgvector
    database = Database()
    await database.open(solo)
    await MetricsStore(database).add([(datetime.now(UTC), 1, 2.0), (datetime(1970, 1, 2, tzinfo=UTC), 1, 2.0)])
    await database.close()

    owner = await connect(superuser.named("solo"))
    version = await owner.fetchval("SELECT extversion FROM pg_extension WHERE extname = 'pg_cron'")
    soon = "1 seconds" if tuple(int(part) for part in version.split("-")[0].split(".")) >= (1, 5) else "* * * * *"
    await owner.execute("SELECT cron.alter_job($1, schedule => $2)", jobs["solo maintenance"]["jobid"], soon)
    await owner.close()
    run = await until_it_ran(connection)
    assert (run["status"], run["username"]) == ("succeeded", "solo")
    tasks = {row["task"]: row for row in await connection.fetch("SELECT * FROM solo.maintenance")}
    assert [task for task, row in tasks.items() if row["last_error"] is not None or row["last_run"] is None] == []
    assert tasks["metrics.2_roll_up"]["last_result"].startswith("2 hours")
    assert await connection.fetchval("SELECT count(*) FROM metrics.points_stray") == 0
    assert await connection.fetchval("SELECT max(sum) FROM metrics.hourly") == 2.0
    await connection.execute(jobs["solo run details"]["command"])
    await connection.close()


async def until_it_ran(connection: asyncpg.Connection) -> asyncpg.Record:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            run = await connection.fetchrow("SELECT * FROM cron.job_run_details WHERE end_time IS NOT NULL")
            if run is not None:
                return run
            await asyncio.sleep(0.1)
