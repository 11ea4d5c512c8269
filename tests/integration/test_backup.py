"""Backups: the round trip, files that are refused, restores that fail or are killed, retention."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from solo.errors import SoloError
from solo.isolation import confine
from solo.storage import Address, Database, Schema
from solo.storage.backup import Backup, backup, backups, prune, restoration, restore, verify
from solo.storage.backup import manifest as manifests
from solo.storage.backup.dump import BackupFailed, BackupFull
from solo.storage.backup.manifest import BackupAltered, BackupForeign, BackupMissing, BackupTruncated
from solo.storage.backup.programs import ProgramMissing, fitting
from solo.storage.backup.restoration import RestoreFailed
from solo.storage.backup.swap import Names
from solo.storage.connect import connect, wait_until_up
from solo.storage.migrations import MigrationChanged, SchemaNewer, migrate
from tests import postgres

ROWS = 1000


def schema(folder: Path, *files: str) -> Schema:
    folder.mkdir(parents=True, exist_ok=True)
    for number, sql in enumerate(files, start=1):
        (folder / f"{number:04}_step.sql").write_text(sql, encoding="utf-8")
    return Schema("things", folder)


FIRST = """
CREATE EXTENSION IF NOT EXISTS vector SCHEMA public;
CREATE TABLE things.notes (id bigint PRIMARY KEY, text text NOT NULL, seen public.halfvec(16) NOT NULL);
CREATE INDEX notes_seen ON things.notes USING hnsw (seen public.halfvec_cosine_ops);
COMMENT ON TABLE things.notes IS 'For this test.';
"""
FILL = f"""
INSERT INTO things.notes
SELECT n, 'note ' || n || ' — ä', (SELECT array_agg(sin(n * d))::real[]::public.halfvec FROM generate_series(1, 16) d)
FROM generate_series(1, {ROWS}) n
"""
DIGEST = "SELECT md5(string_agg(id || text || seen::text, ',' ORDER BY id)) FROM things.notes"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture
async def address(state: Path) -> AsyncIterator[Address]:
    """One server for all tests, started again for each, with one empty database."""
    async with postgres.server(state) as found:
        for name in await databases(found):
            await execute(found.named("postgres"), f'DROP DATABASE "{name}"')
        await execute(found.named("postgres"), "CREATE DATABASE solo")
        yield found


@pytest.fixture
def things(tmp_path: Path) -> Schema:
    return schema(tmp_path / "things", FIRST)


@pytest.fixture
async def filled(address: Address, things: Schema) -> Address:
    """Filled once, then copied."""
    if not await ask(address, "SELECT 1 FROM pg_database WHERE datname = 'filled'"):
        connection = await connect(address)
        await migrate(connection, (things,))
        await connection.execute(FILL)
        await connection.close()
        await execute(address.named("postgres"), "CREATE DATABASE filled TEMPLATE solo IS_TEMPLATE true")
    else:
        await execute(address.named("postgres"), "DROP DATABASE solo")
        await execute(address.named("postgres"), "CREATE DATABASE solo TEMPLATE filled")
    return address


@pytest.fixture
async def made(filled: Address, state: Path, tmp_path: Path) -> Backup:
    """Made once, then copied."""
    first = backups(state / "made") or [await backup(filled, state / "made")]
    folder = tmp_path / "backups"
    folder.mkdir(mode=0o700)
    for file in (first[0].path, first[0].path.with_suffix(".json")):
        shutil.copy2(file, folder)
    return backups(folder)[0]


async def ask(address: Address, sql: str) -> object:
    connection = await connect(address)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def explain(address: Address, sql: str) -> str:
    connection = await connect(address)
    try:
        await connection.execute("SET enable_seqscan = off; SET enable_sort = off")
        return "\n".join(row[0] for row in await connection.fetch("EXPLAIN " + sql))
    finally:
        await connection.close()


async def execute(address: Address, sql: str) -> None:
    connection = await connect(address)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def databases(address: Address) -> list[str]:
    """All but those of the server itself."""
    connection = await connect(address.named("postgres"))
    try:
        rows = await connection.fetch("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY datname")
        return [row["datname"] for row in rows if row["datname"] != "postgres"]
    finally:
        await connection.close()


class TestBackup:
    async def test_says_what_it_holds(self, made: Backup, filled: Address, tmp_path: Path) -> None:
        known = made.manifest
        assert re.fullmatch(r"solo-\d{8}T\d{6}Z\.dump", made.path.name)
        assert known.rows["things.notes"] == ROWS
        assert known.rows["solo.migrations"] == 2
        assert known.migrations == {"solo": 1, "things": 1}
        assert known.size == made.path.stat().st_size
        assert known.postgres.startswith("18.")
        assert abs(datetime.now(UTC) - known.created) < timedelta(minutes=5)
        assert await verify(made.path) == made
        assert {file.name for file in made.path.parent.iterdir()} - {".backup.lock"} == {
            made.path.name,
            made.path.with_suffix(".json").name,
        }

    async def test_is_readable_by_its_owner_alone(self, made: Backup) -> None:
        for file in made.path.parent.iterdir():
            assert file.stat().st_mode & 0o077 == 0, file
        assert made.path.parent.stat().st_mode & 0o077 == 0

    async def test_counts_in_the_snapshot_that_it_dumps(self, filled: Address, things: Schema, tmp_path: Path) -> None:
        """Somebody writes all the while; what is counted is what is restored."""
        writer = await connect(filled)
        stop = asyncio.Event()

        async def write() -> None:
            number = ROWS
            while not stop.is_set():
                number += 1
                await writer.execute(
                    "INSERT INTO things.notes SELECT $1, 'more', seen FROM things.notes WHERE id = 1", number
                )

        writing = asyncio.create_task(write())
        try:
            made = await backup(filled, tmp_path / "backups")
        finally:
            stop.set()
            await writing
            await writer.close()
        done = await restore(filled, made.path, (things,))  # compares the rows itself
        assert done.rows == sum(made.manifest.rows.values())
        assert await ask(filled, "SELECT count(*) FROM things.notes") == made.manifest.rows["things.notes"]

    async def test_to_a_file_of_ones_own(self, filled: Address, tmp_path: Path) -> None:
        made = await backup(filled, tmp_path / "here" / "mine.dump")
        assert made.path == tmp_path / "here" / "mine.dump"
        with pytest.raises(BackupFailed, match="already there"):
            await backup(filled, made.path)
        assert await verify(made.path) == made

    async def test_leaves_nothing_when_it_fails(
        self, filled: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await execute(filled, "CREATE ROLE guest LOGIN PASSWORD 'guest'")
        guest = Address(filled.host, filled.port, "guest", filled.database, "guest")
        with pytest.raises(BackupFailed, match="permission denied"):
            await backup(guest, tmp_path / "backups")
        assert [file.name for file in (tmp_path / "backups").iterdir()] == [".backup.lock"]

    async def test_sweeps_up_what_a_killed_one_left(self, filled: Address, tmp_path: Path) -> None:
        folder = tmp_path / "backups"
        folder.mkdir()
        (folder / "solo-20260101T000000Z.dump.partial").write_bytes(b"PGDMP")
        (folder / "solo-20260101T000000Z.json").write_text("{}")
        (folder / "notes.json").write_text("{}")
        made = await backup(filled, folder)
        assert {file.name for file in folder.iterdir()} == {
            ".backup.lock",
            "notes.json",
            made.path.name,
            made.path.with_suffix(".json").name,
        }

    async def test_two_at_a_time_take_turns(self, filled: Address, tmp_path: Path) -> None:
        both = await asyncio.gather(backup(filled, tmp_path / "b"), backup(filled, tmp_path / "b"))
        assert len({made.path for made in both}) == 2
        assert len(backups(tmp_path / "b")) == 2

    async def test_a_file_system_that_is_full(self, filled: Address, tmp_path: Path) -> None:
        """In a mount namespace of its own, with a file system of 64 KiB."""
        await execute(filled, "CREATE TABLE noise AS SELECT gen_random_uuid() FROM generate_series(1, 20000)")
        folder = tmp_path / "small"
        folder.mkdir()
        unshare = ["unshare", "--user", "--map-root-user", "--mount"]
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
        if subprocess.run([*unshare, *mount], capture_output=True, check=False).returncode != 0:
            pytest.skip("this system gives no mount namespaces to tests")
        filled.write(tmp_path)
        code = (
            "import asyncio, subprocess, sys; from pathlib import Path; from solo.storage import Address\n"
            "from solo.storage.backup import backup; from solo.errors import SoloError\n"
            f"subprocess.run({mount!r}, check=True)\n"
            f"folder = Path({str(folder)!r})\n"
            f"address = Address.read(Path({str(tmp_path)!r}))\n"
            "try:\n    asyncio.run(backup(address, folder))\n"
            "except SoloError as error:\n    print(error.code, error.hint)\n"
            "print(sorted(path.name for path in folder.iterdir()))\n"
        )
        child = await asyncio.create_subprocess_exec(
            *unshare, sys.executable, "-c", code, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        said = (await child.communicate())[0].decode()
        assert BackupFull.code in said.splitlines()[0], said
        assert "BACKUP_DIR" in said.splitlines()[0]
        assert said.splitlines()[1] == "['.backup.lock']"


class TestVerify:
    """Each refusal has a code and one line."""

    @staticmethod
    async def refused(path: Path, kind: type[SoloError]) -> str:
        with pytest.raises(kind) as caught:
            await verify(path)
        assert caught.value.hint
        assert "\n" not in caught.value.line()
        return caught.value.line()

    async def test_missing(self, tmp_path: Path) -> None:
        await self.refused(tmp_path / "none.dump", BackupMissing)

    @pytest.mark.parametrize("left", [0, 3, 100, 0.5, -1])
    async def test_truncated(self, made: Backup, left: float) -> None:
        size = made.manifest.size
        os.truncate(made.path, size - 1 if left == -1 else int(left * size) if isinstance(left, float) else int(left))
        await self.refused(made.path, BackupForeign if left == 3 else BackupTruncated)

    async def test_altered(self, made: Backup) -> None:
        for at in (made.manifest.size - 1, made.manifest.size // 2, 200):
            content = bytearray(made.path.read_bytes())
            content[at] ^= 1
            made.path.write_bytes(content)
            await self.refused(made.path, BackupAltered)
            content[at] ^= 1
            made.path.write_bytes(content)
        made.path.write_bytes(made.path.read_bytes() + b"x")
        await self.refused(made.path, BackupAltered)

    async def test_a_manifest_that_was_altered(self, made: Backup) -> None:
        file = made.path.with_suffix(".json")
        content = json.loads(file.read_text())
        content["rows"]["things.notes"] -= 1
        file.write_text(json.dumps(content))
        await self.refused(made.path, BackupAltered)

    async def test_foreign(self, made: Backup, tmp_path: Path) -> None:
        (tmp_path / "text.dump").write_text("-- PostgreSQL database dump\n")
        await self.refused(tmp_path / "text.dump", BackupForeign)
        (tmp_path / "alone.dump").write_bytes(made.path.read_bytes())
        await self.refused(tmp_path / "alone.dump", BackupForeign)
        for content in ("", "[]", "{}", '{"manifest_sha256": 1}', "\0"):
            (tmp_path / "alone.json").write_text(content)
            with pytest.raises((BackupForeign, BackupAltered)):
                await verify(tmp_path / "alone.dump")


class TestRestore:
    async def test_everything_comes_back(self, made: Backup, filled: Address, things: Schema) -> None:
        before = await ask(filled, DIGEST)
        await execute(filled, "DELETE FROM things.notes WHERE id % 2 = 0; CREATE TABLE things.later ()")
        done = await restore(filled, made.path, (things,))
        assert done.migrated == ()
        assert await ask(filled, DIGEST) == before
        assert await ask(filled, "SELECT to_regclass('things.later')") is None
        assert await ask(filled, "SELECT obj_description('things.notes'::regclass)") == "For this test."
        near = (
            "SELECT seen OPERATOR(public.<=>) (SELECT seen FROM things.notes WHERE id = 7) FROM things.notes "
            "ORDER BY seen OPERATOR(public.<=>) (SELECT seen FROM things.notes WHERE id = 7) LIMIT 1"
        )
        assert await ask(filled, near) == pytest.approx(0, abs=1e-3)
        assert "notes_seen" in await explain(filled, near)
        assert done.kept is not None
        assert await databases(filled) == ["solo", done.kept]
        assert await ask(filled.named(done.kept), "SELECT count(*) FROM things.notes") == ROWS // 2

    async def test_the_one_kept_goes_with_the_next(self, made: Backup, filled: Address, things: Schema) -> None:
        first = await restore(filled, made.path, (things,))
        await asyncio.sleep(1.1)  # names have the second in them
        second = await restore(filled, made.path, (things,))
        assert first.kept != second.kept
        assert await databases(filled) == ["solo", second.kept]
        await asyncio.sleep(1.1)
        third = await restore(filled, made.path, (things,), drop_old=True)
        assert third.kept is None
        assert await databases(filled) == ["solo"]

    async def test_pending_migrations_are_applied_before_it_serves(
        self, made: Backup, filled: Address, tmp_path: Path
    ) -> None:
        newer = schema(tmp_path / "newer", FIRST, "ALTER TABLE things.notes ADD COLUMN colour text DEFAULT 'red';")
        done = await restore(filled, made.path, (newer,))
        assert done.migrated == ("things/0002_step",)
        assert await ask(filled, "SELECT DISTINCT colour FROM things.notes") == "red"

    async def test_a_newer_one_is_refused(self, filled: Address, things: Schema, tmp_path: Path) -> None:
        newer = schema(tmp_path / "newer", FIRST, "ALTER TABLE things.notes ADD COLUMN colour text;")
        connection = await connect(filled)
        await migrate(connection, (newer,))
        await connection.close()
        made = await backup(filled, tmp_path / "backups")
        with pytest.raises(SchemaNewer):
            await restore(filled, made.path, (things,))
        assert await databases(filled) == ["solo"]

    async def test_one_that_does_not_fit_the_files_is_refused(
        self, made: Backup, filled: Address, tmp_path: Path
    ) -> None:
        with pytest.raises(MigrationChanged):
            await restore(filled, made.path, (schema(tmp_path / "other", FIRST + "-- changed"),))
        assert await databases(filled) == ["solo"]
        assert await ask(filled, "SELECT count(*) FROM things.notes") == ROWS

    @pytest.mark.parametrize("harm", ["rows", "migration", "dump"])
    async def test_a_failure_leaves_the_old_one_serving(
        self, made: Backup, filled: Address, things: Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
    ) -> None:
        if harm == "rows":  # signed by who can sign, and wrong
            known = manifests.Manifest(
                **{
                    **{name: getattr(made.manifest, name) for name in made.manifest.__slots__},
                    "rows": {**made.manifest.rows, "things.notes": ROWS + 1},
                }
            )
            made.path.with_suffix(".json").write_text(known.to_json())
            expected: type[SoloError] = restoration.RestoreDiffers
        elif harm == "migration":
            things = schema(tmp_path / "broken", FIRST, "SELECT 1 / 0;")
            expected = SoloError
        else:
            text = bytearray(made.path.read_bytes())
            text[len(text) // 2 : len(text) // 2 + 64] = bytes(64)
            made.path.write_bytes(text)
            known = manifests.Manifest(
                **{
                    **{name: getattr(made.manifest, name) for name in made.manifest.__slots__},
                    "sha256": manifests.checksum(made.path),
                }
            )
            made.path.with_suffix(".json").write_text(known.to_json())
            expected = RestoreFailed
        with pytest.raises(expected):
            await restore(filled, made.path, (things,))
        assert await databases(filled) == ["solo"]
        assert await ask(filled, "SELECT count(*) FROM things.notes") == ROWS

    async def test_into_a_server_that_has_nothing(self, made: Backup, things: Schema, tmp_path: Path) -> None:
        async with postgres.server(tmp_path / "another") as empty:
            done = await restore(empty, made.path, (things,), drop_old=True)
            assert done.kept is None
            assert await ask(empty, "SELECT count(*) FROM things.notes") == ROWS
            await execute(empty.named("postgres"), "DROP DATABASE solo")
            assert (await restore(empty, made.path, (things,))).kept is None
            assert await databases(empty) == ["solo"]

    async def test_a_pool_in_use_goes_on_with_the_new_one(self, made: Backup, filled: Address, things: Schema) -> None:
        """Sessions are ended at the swap; readers see the old database or the new one, never neither."""
        pool = Database(4)
        await pool.open(filled)
        await pool.execute("DELETE FROM things.notes")
        seen: list[object] = []
        stop = asyncio.Event()

        async def read() -> None:
            while not stop.is_set():
                try:
                    seen.append(await pool.fetchval("SELECT count(*) FROM things.notes"))
                except SoloError as error:
                    seen.append(error.code)
                await asyncio.sleep(0)

        readers = [asyncio.create_task(read()) for _ in range(3)]
        try:
            await restore(filled, made.path, (things,))
            assert await pool.fetchval("SELECT count(*) FROM things.notes") == ROWS
        finally:
            stop.set()
            await asyncio.gather(*readers)
            await pool.close()
        assert set(seen) <= {0, ROWS, "db.unavailable"}
        assert {0, ROWS} <= set(seen)

    async def test_one_at_a_time(self, made: Backup, filled: Address, things: Schema) -> None:
        both = await asyncio.gather(
            restore(filled, made.path, (things,)), restore(filled, made.path, (things,)), return_exceptions=True
        )
        assert any(not isinstance(one, BaseException) for one in both), both
        assert await ask(filled, "SELECT count(*) FROM things.notes") == ROWS
        assert not [name for name in await databases(filled) if Names.of("solo").unfinished.fullmatch(name)]


RESTORING = """
import asyncio, sys
from pathlib import Path
from solo.storage import Address, Schema
from solo.storage.backup import restore
address = Address.read(Path(sys.argv[1]))
print("begun", flush=True)
asyncio.run(restore(address, Path(sys.argv[2]), (Schema("things", Path(sys.argv[3])),)))
print("done", flush=True)
"""
ROUNDS = int(os.environ.get("TEST_FAULT_ROUNDS", "6"))


async def test_killed_at_any_moment_a_whole_database_serves(
    made: Backup, filled: Address, things: Schema, state: Path
) -> None:
    """The old database has no rows, the backup has all: whichever serves after the kill is one of the two, whole."""
    rng = random.Random(3)
    began = asyncio.get_running_loop().time()
    await restore(filled, made.path, (things,), drop_old=True)
    whole = asyncio.get_running_loop().time() - began
    outcomes = []
    for number in range(ROUNDS):
        await execute(filled, "TRUNCATE things.notes")
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            RESTORING,
            str(state),
            str(made.path),
            str(things.folder),
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert child.stdout is not None
        assert await child.stdout.readline() == b"begun\n"
        # Not a wait for something: the moment of the kill, anywhere in the time that a whole restore takes.
        await asyncio.sleep(rng.uniform(0, whole) if number else whole * 0.5)
        if child.returncode is None:
            child.send_signal(signal.SIGKILL)
        await child.communicate()
        count = await ask(filled, "SELECT count(*) FROM things.notes")
        assert count in {0, ROWS}
        outcomes.append(count)
    assert 0 in outcomes
    done = await restore(filled, made.path, (things,), drop_old=True)
    assert done.kept is None
    assert await databases(filled) == ["solo"]  # nothing of the killed ones is left


async def test_pg_restore_killed(
    made: Backup, filled: Address, things: Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = restoration.run

    async def run(command: list[str], address: Address | None, **options: object) -> object:
        if address is not None:
            command = ["/bin/sh", "-c", "kill -9 $$", *command]
        return await real(command, address, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(restoration, "run", run)
    with pytest.raises(RestoreFailed):
        await restore(filled, made.path, (things,))
    assert await databases(filled) == ["solo"]
    assert await ask(filled, "SELECT count(*) FROM things.notes") == ROWS


async def test_retention_keeps_the_newest_scheduled_and_all_others(filled: Address, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    asked = await backup(filled, folder)
    scheduled = [await backup(filled, folder, reason="scheduled", keep=2) for _ in range(4)]
    left = {made.path for made in backups(folder)}
    assert left == {asked.path, scheduled[2].path, scheduled[3].path}
    assert {path.stem for path in folder.glob("*.json")} == {path.stem for path in left}
    assert prune(folder, 1) == [scheduled[2].path]


async def test_programs_fit_the_server() -> None:
    assert (await fitting(18)).major == 18
    with pytest.raises(ProgramMissing, match="PostgreSQL 99"):
        await fitting(99)


async def test_a_server_that_is_away(tmp_path: Path) -> None:
    nobody = Address(str(tmp_path), 5432, "solo", "solo")
    with pytest.raises(SoloError) as caught:
        await backup(nobody, tmp_path / "backups")
    assert caught.value.code == "db.unavailable"
    assert [file.name for file in (tmp_path / "backups").iterdir()] == [".backup.lock"]


BINARIES = Path("/usr/lib/postgresql/15/bin")


@pytest.mark.slow
@pytest.mark.skipif(
    not ((BINARIES / "postgres").exists() and (BINARIES.parent / "lib" / "pg_cron.so").exists()),
    reason="Debian's PostgreSQL 15 with pg_cron is not installed: apt-get install postgresql-15 postgresql-15-cron",
)
async def test_a_server_with_pg_cron(tmp_path: Path) -> None:
    """Its programs are found, its sessions ended, its tables left out; what is restored belongs to whom it did."""
    data = tmp_path / "data"
    make = [str(BINARIES / "initdb"), "-D", str(data), "-U", "postgres", "-E", "UTF8", "--no-locale", "-A", "trust"]
    subprocess.run(confine.tied(make, never_as_root=True), check=True, capture_output=True, timeout=60)
    options = {
        "listen_addresses": "",
        "unix_socket_directories": str(tmp_path),
        "shared_preload_libraries": "pg_cron",
        "cron.database_name": "solo",
        "cron.use_background_workers": "on",
        "fsync": "off",
    }
    command = [str(BINARIES / "postgres"), "-D", str(data)]
    command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    server = await asyncio.create_subprocess_exec(
        *confine.tied(command, never_as_root=True), stderr=subprocess.DEVNULL, start_new_session=True
    )
    things = schema(
        tmp_path / "things", "CREATE TABLE things.notes (id int); INSERT INTO things.notes VALUES (1), (2);"
    )
    root = Address(str(tmp_path), 5432, "postgres", "solo")
    try:
        await wait_until_up(root.named("postgres"), 30)
        await execute(root.named("postgres"), "CREATE ROLE solo LOGIN")
        await execute(root.named("postgres"), "CREATE DATABASE solo OWNER solo")
        await execute(root.named("postgres"), "REVOKE ALL ON DATABASE solo FROM PUBLIC")
        await execute(root, "CREATE EXTENSION pg_cron; SELECT cron.schedule('* * * * *', 'SELECT 1')")
        ours = Address(str(tmp_path), 5432, "solo", "solo")
        connection = await connect(ours)
        await migrate(connection, (things,))
        await connection.close()
        made = await backup(root, tmp_path / "backups")
        assert made.manifest.dumped_by == 15
        assert not any(table.startswith("cron.") for table in made.manifest.rows)
        with pytest.raises(RestoreFailed, match="may not do this"):
            await restore(ours, made.path, (things,))
        await execute(ours, "DELETE FROM things.notes")
        await restore(root, made.path, (things,))
        assert await ask(ours, "SELECT count(*) FROM things.notes") == 2
        assert await ask(root, "SELECT tableowner FROM pg_tables WHERE tablename = 'notes'") == "solo"
        assert not await ask(root, "SELECT has_database_privilege('public', 'solo', 'CONNECT')")
        assert not await ask(root, "SELECT 1 FROM pg_extension WHERE extname = 'pg_cron'")
    finally:
        server.send_signal(signal.SIGQUIT)
        await server.wait()
