"""The audit log with a real database: it only grows, and whoever changes it all the same is noticed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from services.messages.audit import AuditEntry
from services.security.audit import journal as journals
from services.security.audit.chain import GENESIS, seal
from services.security.audit.journal import Journal
from services.security.audit.store import ANCHOR_FILE, AuditStore, entry_of
from services.security.audit.verify import verify
from services.security.spec import USERS
from solo.storage import Database, DatabaseUnavailable
from tests import postgres

ROWS = 25


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audit")


@pytest.fixture
async def database(folder: Path) -> AsyncIterator[Database]:
    async with postgres.database(folder / "pg", [USERS]) as opened:
        await as_god(opened, "TRUNCATE users.audit")
        await opened.execute("UPDATE users.audit_head SET seq = 0, hash = $1", GENESIS)
        yield opened


async def as_god(database: Database, *statements: str) -> None:
    """As somebody who has the whole database and switches its triggers off."""
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            await connection.execute(statement)


def entry(number: int, **more: object) -> AuditEntry:
    return AuditEntry(action="key.created", actor="owner", detail=f"key {number}", **more)


@pytest.fixture
async def log(database: Database, tmp_path: Path) -> AuditStore:
    store = AuditStore(database, tmp_path)
    journal = Journal(store)
    journal.take(entry(number) for number in range(ROWS))
    await journal.flush()
    return store


async def test_it_is_read_as_it_was_written(log: AuditStore) -> None:
    newest = await log.read(10, None, "key.")
    assert [row.seq for row in newest] == list(range(ROWS, ROWS - 10, -1))
    assert newest[0].detail == f"key {ROWS - 1}" and len(newest[0].hash) == 64
    assert [row.seq for row in await log.read(100, 3, "")] == [2, 1]
    assert await log.read(10, None, "key_") == ()
    for page in (1, 7, ROWS, 1000):
        verdict = await verify(log, page=page)
        assert (verdict.whole, verdict.rows, verdict.broken_at) == (True, ROWS, None)


async def test_the_database_itself_refuses_changes(log: AuditStore, database: Database) -> None:
    for statement in (
        "UPDATE users.audit SET detail = 'nothing' WHERE seq = 3",
        "DELETE FROM users.audit WHERE seq = 3",
        "DELETE FROM users.audit WHERE seq = 999",
        "TRUNCATE users.audit",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only grows"):
            await database.execute(statement)


COLUMNS = {
    "seq": "seq + 100", "at": "at + interval '1 microsecond'", "action": "action || ' '", "outcome": "'denied'",
    "actor": "'anna'", "principal": "'x'", "address": "'::1'", "method": "'GET'", "route": "'/'", "code": "'c'",
    "detail": "'key 1000'", "count": "count + 1", "hash": "sha256('x')",
}  # fmt: skip


async def test_every_change_of_every_row_is_found(log: AuditStore, database: Database) -> None:
    tried = 0
    for seq in (1, 2, ROWS // 2, ROWS - 1, ROWS):
        for column, value in COLUMNS.items():
            await as_god(
                database,
                "CREATE TEMP TABLE kept ON COMMIT PRESERVE ROWS AS SELECT * FROM users.audit",
                f"UPDATE users.audit SET {column} = {value} WHERE seq = {seq}",
            )
            verdict = await verify(log, page=7)
            assert not verdict.whole, (seq, column)
            assert verdict.broken_at in {seq, seq + 1, seq + 100}, (seq, column, verdict)
            await restore(database)
            tried += 1
    assert (await verify(log)).whole
    print(f"{tried} changed rows, {tried} found")


async def restore(database: Database) -> None:
    await as_god(
        database, "TRUNCATE users.audit", "INSERT INTO users.audit SELECT * FROM kept", "DROP TABLE IF EXISTS kept"
    )


@pytest.mark.parametrize("seq", range(1, ROWS + 1))
async def test_every_row_that_is_taken_away_is_missed(log: AuditStore, database: Database, seq: int) -> None:
    await as_god(database, f"DELETE FROM users.audit WHERE seq = {seq}")
    verdict = await verify(log, page=10)
    assert not verdict.whole
    assert verdict.broken_at == (seq + 1 if seq < ROWS else ROWS)


async def forge(log: AuditStore, database: Database, upto: int, *, change: bool) -> None:
    """Write the chain anew, with right hashes: what somebody does who has read the code."""
    before, rows = GENESIS, await log.page(0, 1000)
    statements = ["TRUNCATE users.audit", "CREATE TEMP TABLE forged AS SELECT * FROM users.audit"]
    await as_god(database, *statements[1:])
    for row in rows[:upto]:
        forged = entry_of(row)
        if change and row["seq"] == 5:
            forged = forged.model_copy(update={"detail": "nothing at all"})
        before = seal(before, row["seq"], row["at"], forged)
        await as_god(
            database,
            f"DELETE FROM users.audit WHERE seq = {row['seq']}",
            f"INSERT INTO users.audit VALUES ({row['seq']}, '{row['at'].isoformat()}', '{forged.action}', 'ok', "
            f"'{forged.actor}', '', '', '', '', '', '{forged.detail}', 1, '\\x{before.hex()}')",
        )
    await as_god(
        database,
        f"DELETE FROM users.audit WHERE seq > {upto}",
        f"UPDATE users.audit_head SET seq = {upto}, hash = '\\x{before.hex()}'",
        "DROP TABLE forged",
    )


CUTS = {
    "tail": ["DELETE FROM users.audit WHERE seq > 20"],
    "all": ["TRUNCATE users.audit"],
    "order": ["UPDATE users.audit SET seq = 1000 WHERE seq = 5", "UPDATE users.audit SET seq = 5 WHERE seq = 6",
              "UPDATE users.audit SET seq = 6 WHERE seq = 1000"],
    "end": ["UPDATE users.audit_head SET seq = seq - 1"],
    "end's hash": ["UPDATE users.audit_head SET hash = sha256('x')"],
    "no end": ["DELETE FROM users.audit_head"],
    "put in": ["INSERT INTO users.audit SELECT 26, at, action, outcome, actor, principal, address, method, route, "
               "code, detail, count, hash FROM users.audit WHERE seq = 25"],
}  # fmt: skip


@pytest.mark.parametrize("cut", CUTS)
async def test_cut_and_moved(log: AuditStore, database: Database, cut: str) -> None:
    await as_god(database, *CUTS[cut])
    assert not (await verify(log, page=10)).whole
    # It goes on all the same, and stays broken.
    journal = Journal(log)
    journal.take([entry(99)])
    await journal.flush()
    if cut != "end":  # which has left every row and its hash as it was
        assert not (await verify(log, page=10)).whole


@pytest.mark.parametrize(("upto", "change"), [(ROWS, True), (20, False), (0, False)])
async def test_a_chain_made_anew_is_found_by_what_the_state_directory_knows(
    log: AuditStore, database: Database, upto: int, change: bool
) -> None:
    await forge(log, database, upto, change=change)
    verdict = await verify(log)
    assert not verdict.whole, verdict
    journal = Journal(log)
    journal.take([entry(99)])
    await journal.flush()
    assert "audit.cut" in {row.action for row in await log.read(10, None, "")}


async def test_a_file_that_was_tampered_with(log: AuditStore, tmp_path: Path) -> None:
    (tmp_path / ANCHOR_FILE).write_text("{")
    assert not (await verify(log)).whole
    (tmp_path / ANCHOR_FILE).write_text(json.dumps({"seq": 3, "hash": "00" * 32}))
    assert (await verify(log)).broken_at == 3


async def test_a_backup_that_is_restored_is_written_down(log: AuditStore, database: Database) -> None:
    await forge(log, database, 20, change=False)
    journal = Journal(log)
    journal.take([entry(99)])
    await journal.flush()
    assert (await verify(log)).whole
    assert [row.action for row in await log.read(2, None, "")] == ["audit.cut", "key.created"]


async def test_what_is_alike_is_one_row_and_what_is_too_much_is_counted(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "MOST_WAITING", 10)
    journal = Journal(AuditStore(database, tmp_path))
    journal.take([entry(1)] * 50 + [entry(1, count=7)])
    journal.take(entry(number) for number in range(2, 40))
    await journal.flush()
    rows = await AuditStore(database, tmp_path).read(100, None, "")
    assert (len(rows), rows[-1].count) == (11, 57)
    assert (rows[0].action, rows[0].count) == ("audit.lost", 29)
    assert (await verify(AuditStore(database, tmp_path))).whole


@pytest.mark.parametrize(
    "text", ["\0", "\ud800", "two\nlines", "\x1b[2J", "'; DROP TABLE users.audit; --", "x" * 9000, "日本"]
)
async def test_any_text_is_kept_and_verified(database: Database, tmp_path: Path, text: str) -> None:
    store = AuditStore(database, tmp_path)
    journal = Journal(store)
    journal.take([AuditEntry.model_construct(**{**entry(1).model_dump(), "actor": text, "count": -5})])
    await journal.flush()
    (row,) = await store.read(1, None, "")
    assert row.actor.isprintable() and len(row.actor) <= 500 and row.count == 1
    assert (await verify(store)).whole


async def test_nothing_is_lost_or_written_twice_when_the_answer_gets_lost(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = AuditStore(database, tmp_path)
    journal = Journal(store)
    append: Callable[..., Awaitable[object]] = AuditStore.append

    async def cut_off(self: AuditStore, batch: object) -> object:
        await append(self, batch)
        head, _ = await self.ends()
        assert head is not None
        self._tried = head.hash  # as it is when the answer to COMMIT gets lost
        raise DatabaseUnavailable

    journal.take([entry(1)])
    monkeypatch.setattr(AuditStore, "append", cut_off)
    with pytest.raises(DatabaseUnavailable):
        await journal.flush()
    monkeypatch.setattr(AuditStore, "append", append)
    journal.take([entry(2)])
    await journal.flush()
    assert [row.detail for row in await store.read(10, None, "")] == ["key 2", "key 1"]
    assert (await verify(store)).whole


async def test_it_is_written_within_a_moment_and_at_the_end(database: Database, tmp_path: Path) -> None:
    store = AuditStore(database, tmp_path)
    journal, stop = Journal(store), asyncio.Event()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(journal.run(stop))
        journal.take([entry(1)])
        while not await store.read(1, None, ""):
            await asyncio.sleep(0.02)
        journal.take([entry(2)])
        stop.set()
    assert len(await store.read(10, None, "")) == 2
