"""Migrations with a real PostgreSQL: each file once and whole, also when its process is killed in the middle."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from pathlib import Path

import pytest

from solo.storage import Address, Connection, Schema
from solo.storage.connect import connect
from solo.storage.migrations import (
    CORE,
    MigrationChanged,
    MigrationFailed,
    MigrationsBroken,
    SchemaBehind,
    SchemaNewer,
    head,
    migrate,
    require_head,
)
from tests.postgres import server

KILLS = 12
STEPS = 4
MIGRATE = """
import asyncio, sys
from pathlib import Path
from solo import logs
from solo.storage import Address, Schema
from solo.storage.connect import connect
from solo.storage.migrations import migrate
async def main():
    connection = await connect(Address.read(Path(sys.argv[1])))
    print("begun", flush=True)
    await migrate(connection, [Schema("shop", Path(sys.argv[2]))])
    print("done", flush=True)
asyncio.run(main())
"""


def write(folder: Path, *files: str) -> Schema:
    folder.mkdir(exist_ok=True)
    for number, sql in enumerate(files, 1):
        (folder / f"{number:04}_step.sql").write_text(sql)
    return Schema("shop", folder)


async def tables(connection: Connection) -> set[str]:
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'shop'")
    return {row["tablename"] for row in rows}


async def test_each_file_is_applied_once_in_order(tmp_path: Path) -> None:
    shop = write(tmp_path / "shop", "CREATE TABLE shop.a (x int);", "ALTER TABLE shop.a ADD y int;")
    async with server(tmp_path / "db") as address:
        connection = await connect(address)
        with pytest.raises(SchemaBehind):
            await require_head(connection, [shop])
        applied = await migrate(connection, [shop])
        assert [str(step) for step in applied if step.schema == "shop"] == ["shop/0001_step", "shop/0002_step"]
        assert await migrate(connection, [shop]) == ()
        await require_head(connection, [shop])
        write(tmp_path / "shop", "CREATE TABLE shop.a (x int);", "ALTER TABLE shop.a ADD y int;", "DROP TABLE shop.a;")
        assert [step.number for step in await migrate(connection, [shop])] == [3]
        assert await tables(connection) == set()
        await connection.close()


async def test_a_backup_is_made_before_a_filled_database_changes_and_not_before_an_empty_one(tmp_path: Path) -> None:
    shop = write(tmp_path / "shop", "CREATE TABLE shop.a (x int);")
    backups: list[set[str]] = []
    async with server(tmp_path / "db") as address:
        connection = await connect(address)

        async def save() -> None:
            backups.append(await tables(connection))

        await migrate(connection, [shop], backup=save)
        assert backups == []
        await migrate(connection, [shop], backup=save)
        assert backups == []
        write(tmp_path / "shop", "CREATE TABLE shop.a (x int);", "CREATE TABLE shop.b (x int);")
        await migrate(connection, [shop], backup=save)
        assert backups == [{"a"}]
        await connection.close()


async def test_a_file_that_fails_leaves_nothing_of_itself(tmp_path: Path) -> None:
    shop = write(tmp_path / "shop", "CREATE TABLE shop.a (x int);", "CREATE TABLE shop.b (x int); SELECT 1 / 0;")
    async with server(tmp_path / "db") as address:
        connection = await connect(address)
        with pytest.raises(MigrationFailed, match="shop/0002_step"):
            await migrate(connection, [shop])
        assert await tables(connection) == {"a"}
        assert len((await head(connection, [shop])).pending) == 1
        await connection.close()


async def test_what_a_newer_solo_made_is_refused(tmp_path: Path) -> None:
    shop = write(tmp_path / "shop", "CREATE TABLE shop.a (x int);", "CREATE TABLE shop.b (x int);")
    async with server(tmp_path / "db") as address:
        connection = await connect(address)
        await migrate(connection, [shop])
        (tmp_path / "shop" / "0002_step.sql").unlink()
        with pytest.raises(SchemaNewer, match="is at 2, this Solo knows 1"):
            await migrate(connection, [shop])
        await connection.close()


async def test_a_file_changed_behind_its_back_is_refused(tmp_path: Path) -> None:
    shop = write(tmp_path / "shop", "CREATE TABLE shop.a (x int);")
    async with server(tmp_path / "db") as address:
        connection = await connect(address)
        await migrate(connection, [shop])
        write(tmp_path / "shop", "CREATE TABLE shop.a (x bigint);")
        with pytest.raises(MigrationChanged, match="shop/0001_step"):
            await migrate(connection, [shop])
        await connection.close()


async def test_two_migrators_at_once_apply_each_file_once(tmp_path: Path) -> None:
    shop = write(tmp_path / "shop", *(f"SELECT pg_sleep(0.05); CREATE TABLE shop.t{n} (x int);" for n in range(STEPS)))
    async with server(tmp_path / "db") as address:
        connections = [await connect(address) for _ in range(3)]
        applied = await asyncio.gather(*(migrate(connection, [shop]) for connection in connections))
        assert sorted(len(steps) for steps in applied)[:2] == [0, 0]
        assert len(await tables(connections[0])) == STEPS
        for connection in connections:
            await connection.close()


async def test_kill_9_inside_any_step_leaves_the_old_or_the_new_version(tmp_path: Path) -> None:
    """Each step makes two tables with a pause between: one of them alone would be a version in between."""
    shop = write(
        tmp_path / "shop",
        *(
            f"CREATE TABLE shop.first{n} (x int); SELECT pg_sleep(0.1); CREATE TABLE shop.second{n} (x int);"
            for n in range(STEPS)
        ),
    )
    rng = random.Random(7)
    reached: set[int] = set()
    async with server(tmp_path / "db") as address:
        for _ in range(KILLS):
            await _reset(address)
            with subprocess.Popen(
                [sys.executable, "-c", MIGRATE, str(tmp_path / "db"), str(shop.folder)], stdout=subprocess.PIPE
            ) as process:
                assert process.stdout is not None
                assert await asyncio.to_thread(process.stdout.readline) == b"begun\n"
                await asyncio.sleep(rng.uniform(0, 0.1 * STEPS))  # the random moment
                process.kill()
            connection = await connect(address)
            await _until_alone(connection)
            found = await tables(connection)
            done = sum(1 for name in found if name.startswith("first"))
            wanted = {f"{half}{n}" for n in range(done) for half in ("first", "second")}
            assert found == wanted, "a version in between"
            pending = [step for step in (await head(connection, [shop])).pending if step.schema == "shop"]
            assert len(pending) == STEPS - done
            reached.add(done)
            await migrate(connection, [shop])
            assert len(await tables(connection)) == 2 * STEPS
            await connection.close()
    assert len(reached) > 1, "the moments were all the same"


async def _reset(address: Address) -> None:
    connection = await connect(address)
    await connection.execute("DROP SCHEMA IF EXISTS shop CASCADE; DROP SCHEMA IF EXISTS solo CASCADE")
    await connection.close()


async def _until_alone(connection: Connection) -> None:
    """The server rolls back by itself what a killed client had begun."""
    async with asyncio.timeout(10):
        while await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "names", [["0002_late.sql"], ["0001_a.sql", "0003_c.sql"], ["1_short.sql"], ["0001 space.sql"]]
)
def test_files_out_of_order_are_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(MigrationsBroken):
        Schema("shop", tmp_path).migrations()


def test_the_machine_s_own_migrations_are_in_order() -> None:
    assert [step.number for step in CORE.migrations()] == list(range(1, len(CORE.migrations()) + 1))
