"""`solo db`: every command without a daemon, and beside the server of a running one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from solo.cli import app as commands
from solo.cli.db_app import db
from solo.state_dir import StateDir
from solo.storage import Address

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts" / "db"
SERVER = """
import asyncio, sys
from pathlib import Path
from solo.errors import SoloError
from solo import logs
from solo.settings import DatabaseSettings
from solo.storage import Database
from solo.storage.embedded import temporary_server

async def main():
    async with temporary_server(Path(sys.argv[1]), DatabaseSettings()) as address:
        database = Database()
        await database.open(address)
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            try:
                print(await database.fetchval(line), flush=True)
            except SoloError as error:
                print(error.line(), flush=True)
        await database.close()

logs.configure("error", "json")
asyncio.run(main())
"""


class Result:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


Solo = Callable[..., Result]


@pytest.fixture
def solo(bare_settings: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Solo:
    """The command in this process: its exit code, stdout and stderr, neither of them a terminal."""

    def call(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["solo", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            commands.main()
        code = ended.value.code
        assert isinstance(code, int)
        return Result(code, *capfd.readouterr())

    return call


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with a migrated database, once the first test has filled it."""
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def state(made: Path, solo: Solo, bare_settings: Path) -> Path:
    folder = bare_settings / "state"
    if not (made / "postgres").exists():
        assert solo("db", "migrate").code == 0
        for name in ("postgres", "database.json"):
            (shutil.copytree if (folder / name).is_dir() else shutil.copy2)(folder / name, made / name)
    else:
        shutil.copytree(made, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture
def daemon(state: Path) -> Iterator[Callable[[str], str]]:
    """Holds the state directory's lock and runs its server; answers queries by a pool as the daemon's."""
    child = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(state)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    for line in child.stdout:  # before it is ready it logs
        if line == "ready\n":
            break

    def ask(sql: str) -> str:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(sql + "\n")
        child.stdin.flush()
        return child.stdout.readline().strip()

    try:
        yield ask
    finally:
        child.stdin.close()
        child.stdout.read()
        assert child.wait(30) == 0
        child.stdout.close()


def test_a_first_look_then_migrate(solo: Solo) -> None:
    before = solo("db", "status", "--json").json
    assert before["embedded"]
    assert before["pending"][0].startswith("solo/0001")
    assert before["backup"] is None
    applied = solo("db", "migrate", "--json").json["applied"]
    assert applied == before["pending"]
    assert solo("db", "migrate").out == "nothing to do: every migration is applied\n"
    after = solo("db", "status", "--json").json
    assert after["pending"] == []
    assert after["problem"] is None
    assert all(schema["applied"] == schema["known"] > 0 for schema in after["schemas"].values())
    assert after["outbox"] == {"waiting": 0, "dead": 0}
    assert after["version"].startswith("18.")


def test_the_table_for_people(solo: Solo, state: Path) -> None:
    said = solo("db", "status")
    assert said.code == 0
    assert "PostgreSQL 18" in said.out
    assert "no backup yet" in said.out
    assert "users.sessions" in said.out
    assert said.err == ""


def test_backup_list_and_restore(solo: Solo, state: Path) -> None:
    assert "no backups" in solo("db", "backups").out
    assert solo("db", "shell", "-c", "INSERT INTO users.profiles (profile) VALUES ('ann')").code == 0
    made = solo("db", "backup", "--json")
    assert made.err == ""  # in a pipe there is no progress
    path = made.json["path"]
    assert Path(path).parent == state / "backups"
    assert made.json["rows"]["users.profiles"] == 2
    assert Path(path).name in solo("db", "backups").out
    assert solo("db", "backups", "--json").json["backups"][0]["sha256"] == made.json["sha256"]
    assert solo("db", "shell", "-c", "DELETE FROM users.profiles").code == 0
    done = solo("db", "restore", path, "--yes", "--json").json
    assert done["rows"] == sum(made.json["rows"].values())
    assert done["kept"].startswith("solo_before_")
    assert solo("db", "shell", "-Atc", "SELECT count(*) FROM users.profiles").out == "2\n"
    assert solo("db", "status", "--json").json["backup"]["path"] == path
    # And back again, as docs/DATABASE_MANAGEMENT.md says.
    swap = ["ALTER DATABASE solo RENAME TO unwanted", f"ALTER DATABASE {done['kept']} RENAME TO solo"]
    assert solo("db", "shell", "-d", "postgres", "-c", swap[0], "-c", swap[1]).code == 0
    assert solo("db", "shell", "-Atc", "SELECT count(*) FROM users.profiles").out == "0\n"


def test_backup_to_a_place_of_ones_own(solo: Solo, state: Path, tmp_path: Path) -> None:
    assert solo("db", "backup", str(tmp_path / "usb")).code == 0
    assert len(list((tmp_path / "usb").glob("solo-*.dump"))) == 1
    assert solo("db", "backup", str(tmp_path / "one.dump")).code == 0
    again = solo("db", "backup", str(tmp_path / "one.dump"))
    assert (again.code, "db.backup_failed" in again.err) == (1, True)


def test_restoring_is_confirmed(solo: Solo, state: Path, tmp_path: Path) -> None:
    refused = solo("db", "restore", str(tmp_path / "x.dump"))
    assert refused.code == 2
    assert refused.err.count("\n") == 1
    assert "[db.not_confirmed]" in refused.err


def test_a_file_that_is_no_backup(solo: Solo, state: Path, tmp_path: Path) -> None:
    (tmp_path / "x.dump").write_text("hello")
    refused = solo("db", "restore", str(tmp_path / "x.dump"), "--yes", "--json")
    assert refused.code == 2
    assert refused.json["error"]["code"] == "db.backup_foreign"
    assert refused.err.count("\n") == 1


def test_maintain(solo: Solo, state: Path) -> None:
    done = solo("db", "maintain", "--json")
    assert done.code == 0
    assert {"users.sessions", "history.tasks", "cache.responses"} <= {task["task"] for task in done.json["tasks"]}
    broken = "INSERT INTO solo.maintenance (task, statement) VALUES ('broken', 'SELECT 1 / 0')"
    assert solo("db", "shell", "-c", broken).code == 0
    done = solo("db", "maintain")
    assert done.code == 1
    assert "division by zero" in done.out


def test_the_password_is_not_on_a_command_line(solo: Solo, state: Path) -> None:
    address = Address.read(state)
    assert address is not None
    assert len(address.password) > 20
    shown = solo("db", "shell", "-c", r'\! tr "\0" " " < /proc/$PPID/cmdline; echo; echo "env: ${PGPASSWORD:+set}"')
    assert "psql" in shown.out
    assert address.password not in shown.out
    assert "env: set" in shown.out


def test_the_shell_says_how_psql_ended(solo: Solo, state: Path) -> None:
    assert solo("db", "shell", "-c", "SELECT 1 / 0").code == 1


def test_beside_a_running_daemon(solo: Solo, daemon: Callable[[str], str], state: Path) -> None:
    assert daemon("SELECT count(*) FROM users.profiles") == "1"
    assert solo("db", "status", "--json").json["connections"] >= 2
    assert solo("db", "migrate").code == 0
    assert solo("db", "maintain").code == 0
    path = solo("db", "backup", "--json").json["path"]
    assert solo("db", "shell", "-c", "INSERT INTO users.profiles (profile) VALUES ('eve')").code == 0
    assert daemon("SELECT count(*) FROM users.profiles") == "2"
    assert solo("db", "restore", path, "--yes").code == 0
    # Its connections were ended; the pool makes others by itself.
    assert daemon("SELECT count(*) FROM users.profiles") == "1"


def test_a_daemon_whose_database_is_not_up(solo: Solo, state: Path) -> None:
    home = StateDir(state)
    home.claim()
    try:
        refused = solo("db", "status")
    finally:
        home.release()
    assert refused.code == 2
    assert "[state.already_running]" in refused.err


def test_a_server_that_is_away(solo: Solo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLO_DATABASE__URL", "postgresql://me:secret@127.0.0.1:1/solo")
    for command in ("status", "migrate", "backup", "maintain"):
        refused = solo("db", command, "--json")
        assert refused.code == 1
        assert refused.json["error"]["code"] == "db.unavailable"
        assert "secret" not in refused.out + refused.err
    monkeypatch.setenv("SOLO_DATABASE__URL", "mysql://me:secret@127.0.0.1/solo")
    refused = solo("db", "status")
    assert (refused.code, "[db.bad_address]" in refused.err) == (2, True)
    assert "secret" not in refused.err


def test_the_windows_scripts_are_calls_of_the_commands() -> None:
    scripts = sorted(SCRIPTS.glob("*.ps1"))
    assert [script.stem for script in scripts] == ["backup", "migrate", "restore", "schedule_backup", "shell"]
    group: Any = typer.main.get_command(db)
    for script in scripts:
        text = script.read_text(encoding="utf-8")
        # Windows PowerShell reads a file without a byte-order mark in the system's old code page.
        assert text.isascii(), script.name
        called = re.findall(r"@\('db', '(\w+)'", text)
        assert called == ([] if script.stem == "schedule_backup" else [script.stem])
        for name in called:
            options = {option for parameter in group.commands[name].params for option in parameter.opts}
            assert set(re.findall(r"'(--\w[\w-]*)'", text)) <= options
