"""`solo db`: how the database is, its migrations, backups and maintenance, with a running daemon and without."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from rich.text import Text

from solo import logs
from solo.cli.db_show import Steps, backups_table, maintenance_table, status_lines
from solo.cli.db_standing import described, standing
from solo.cli.exits import Exit
from solo.cli.show import out
from solo.errors import SoloError
from solo.run import load_tree
from solo.settings import MachineSettings
from solo.storage import Address, DatabaseUnavailable
from solo.storage import backup as saving
from solo.storage.backup.dump import folder_of
from solo.storage.backup.programs import fitting
from solo.storage.backup.tables import end, server_major
from solo.storage.connect import connect
from solo.storage.database import Connection
from solo.storage.embedded import temporary_server
from solo.storage.errors import DatabaseError, DatabaseTimeout, named
from solo.storage.migrations import migrate

T = TypeVar("T")
_MAINTAIN_WITHIN_S = 600.0


class NotConfirmed(SoloError):
    """Restoring replaces the database, and nobody has said yes."""

    code = "db.not_confirmed"


class QueryFailed(DatabaseError):
    """The database refused a query of a command."""

    code = "db.query_failed"


def status(app: str, *, as_json: bool) -> Exit:
    tree = load_tree(app, {})

    async def look(address: Address, connection: Connection) -> dict[str, Any]:
        return await standing(tree, address, connection)

    known = _with_connection(tree.machine, look)
    if as_json:
        out.print_json(json.dumps(known))
    else:
        status_lines(known)
    return Exit.OK


def apply(app: str, *, as_json: bool) -> Exit:
    tree = load_tree(app, {})

    async def work(address: Address, connection: Connection) -> list[str]:
        with Steps() as steps:

            async def save() -> None:
                await saving.backup(address, folder_of(tree.machine), reason="migration", progress=steps)

            return [str(migration) for migration in await migrate(connection, tree.schemas, backup=save)]

    applied = _with_connection(tree.machine, work)
    if as_json:
        out.print_json(json.dumps({"applied": applied}))
    else:
        out.print("\n".join(f"applied {name}" for name in applied) or "nothing to do: every migration is applied")
    return Exit.OK


def back_up(app: str, target: Path | None, *, as_json: bool) -> Exit:
    machine = load_tree(app, {}).machine

    async def work(address: Address) -> saving.Backup:
        with Steps() as steps:
            return await saving.backup(address, target or folder_of(machine), progress=steps)

    made = _with_server(machine, work)
    if as_json:
        out.print_json(json.dumps(described(made)))
    else:
        rows = sum(made.manifest.rows.values())
        size = made.manifest.size / 1e6
        out.print(
            Text(f"{made.path}\n{len(made.manifest.rows)} tables, {rows} rows, {size:.1f} MB, read back and whole")
        )
    return Exit.OK


def restore(app: str, path: Path, *, yes: bool, drop_old: bool, as_json: bool) -> Exit:
    tree = load_tree(app, {})
    _confirm(path, yes)

    async def work(address: Address) -> saving.Restored:
        with Steps() as steps:
            return await saving.restore(address, path, tree.schemas, drop_old=drop_old, progress=steps)

    done = _with_server(tree.machine, work)
    if as_json:
        known = {"rows": done.rows, "migrated": list(done.migrated), "kept": done.kept}
        out.print_json(json.dumps({"backup": described(done.backup), **known}))
        return Exit.OK
    out.print(Text(f"restored {done.rows} rows of {done.backup.manifest.created_at}, all as they were"))
    for name in done.migrated:
        out.print(f"applied {name}")
    if done.kept is not None:
        out.print(f"the database of before is kept as {done.kept} until the next restore", soft_wrap=True)
    return Exit.OK


def maintain(app: str, *, as_json: bool) -> Exit:
    machine = load_tree(app, {}).machine

    async def work(_: Address, connection: Connection) -> list[dict[str, Any]]:
        rows = await connection.fetch(
            "SELECT task, result, failure, ms FROM solo.maintain()", timeout=_MAINTAIN_WITHIN_S
        )
        return [dict(row) for row in rows]

    done = _with_connection(machine, work)
    if as_json:
        out.print_json(json.dumps({"tasks": done}))
    elif done:
        out.print(maintenance_table(done))
    else:
        out.print("somebody else is at it right now")
    return Exit.FAILED if any(task["failure"] for task in done) else Exit.OK


def listed(app: str, *, as_json: bool) -> Exit:
    folder = folder_of(load_tree(app, {}).machine)
    found = saving.backups(folder)
    if as_json:
        out.print_json(json.dumps({"folder": str(folder), "backups": [described(one) for one in found]}))
    elif found:
        out.print(backups_table(found))
    else:
        out.print(Text(f"no backups in {folder}"))
    return Exit.OK


def shell(app: str, arguments: list[str]) -> int:
    """psql, with the password in its environment: everybody can read a command line."""

    async def work(address: Address, connection: Connection) -> int:
        programs = await fitting(await server_major(connection))
        await end(connection)
        kept = dict(os.environ)  # noqa: TID251  # psql's own settings, pager and editor
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is psql's: it ends a query
        try:
            process = await asyncio.to_thread(
                subprocess.run, [programs.path("psql"), *arguments], env=kept | address.environment(), check=False
            )
        finally:
            signal.signal(signal.SIGINT, before)
        return process.returncode

    return _with_connection(load_tree(app, {}).machine, work)


@asynccontextmanager
async def server(machine: MachineSettings) -> AsyncIterator[Address]:
    """The server named in the settings, else the running daemon's, else one for just this command."""
    if machine.database.url is not None:
        yield Address.from_url(machine.database.url.get_secret_value())
        return
    running = Address.read(machine.state_dir)
    if running is not None and await _answers(running):
        yield running
        return
    async with temporary_server(machine.state_dir, machine.database) as address:
        yield address


async def _answers(address: Address) -> bool:
    try:
        connection = await connect(address.named("postgres"))
    except DatabaseUnavailable:
        return False
    await end(connection)
    return True


def _with_server(machine: MachineSettings, work: Callable[[Address], Coroutine[Any, Any, T]]) -> T:
    async def run() -> T:
        async with server(machine) as address:
            return await work(address)

    level = machine.log_level if machine.log_level == "debug" else "warning"
    logs.configure(level, machine.log_format)
    try:
        return asyncio.run(run())
    except BaseExceptionGroup as group:  # the embedded server's task group wraps
        raise _first(group) from group


def _with_connection(machine: MachineSettings, work: Callable[[Address, Connection], Coroutine[Any, Any, T]]) -> T:
    async def connected(address: Address) -> T:
        connection = await connect(address)
        try:
            with named():
                return await work(address, connection)
        except TimeoutError as error:
            raise DatabaseTimeout("the database did not answer in time", hint="Look at its log.") from error
        except asyncpg.PostgresError as error:
            raise QueryFailed(f"the database refused: {error}", hint="`solo db migrate` may be due.") from error
        finally:
            await end(connection)

    return _with_server(machine, connected)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _confirm(path: Path, yes: bool) -> None:
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise NotConfirmed("restoring replaces the database", hint="Say --yes.")
    sys.stderr.write(f"The database is replaced by {path.name}; the present one is kept beside it. Go on? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise NotConfirmed("nothing was changed")
