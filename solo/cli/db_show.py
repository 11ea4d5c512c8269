"""How `solo db` shows what it knows: tables for people, and progress on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from solo.cli.show import err, out
from solo.storage.backup import Backup


class Steps:
    """One line of progress on a terminal, nothing in a pipe; called as `solo.storage.backup`'s `Progress`."""

    def __init__(self) -> None:
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            console=err,
            transient=True,
            disable=not err.is_terminal,
        )
        self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Steps:
        self._bar.start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._bar.stop()

    def __call__(self, step: str, done: int, of: int) -> None:
        self._bar.update(self._task, description=step, completed=done, total=of or None)


def status_lines(known: dict[str, Any]) -> None:
    """What `solo db status --json` has, for people."""
    where = "embedded" if known["embedded"] else "external"
    vector = f", pgvector {known['vector']}" if known["vector"] else ""
    out.print(Text(f"PostgreSQL {known['version'].split()[0]}{vector}, {where}: {known['where']}"))
    out.print(
        f"{known['bytes'] / 1e6:.1f} MB, {known['connections']} of {known['most_connections']} connections, "
        f"outbox {known['outbox']['waiting']} waiting, {known['outbox']['dead']} dead"
    )
    backup = known["backup"]
    if backup is None:
        out.print("no backup yet")
    else:
        out.print(
            Text(f"newest backup {_age(backup['created_at'])} ago, {backup['size'] / 1e6:.1f} MB: {backup['path']}")
        )
    table = _table("schema", "migration")
    for name, schema in known["schemas"].items():
        behind = schema["applied"] < schema["known"]
        said = f"{schema['applied']} of {schema['known']}"
        table.add_row(name, Text(said, style="yellow" if behind else ""))
    out.print(table)
    if known["problem"]:
        out.print(Text(known["problem"], style="red"))
    if known["pending"]:
        out.print(Text(f"{len(known['pending'])} migrations are due: solo db migrate", style="yellow"))
    if known["maintenance"]:
        out.print(maintenance_table(known["maintenance"]))


def maintenance_table(tasks: Sequence[dict[str, Any]]) -> Table:
    """Rows of solo.maintain(), or of solo.maintenance."""
    table = _table("maintenance", "ms", "last", "result")
    for task in tasks:
        said = Text(task["failure"], style="red") if task["failure"] else Text(task["result"] or "")
        last = _age(task["last_run"]) + " ago" if task.get("last_run") else ("" if "last_run" not in task else "never")
        table.add_row(task["task"], "" if task["ms"] is None else f"{task['ms']:.0f}", last, said)
    return table


def backups_table(found: Sequence[Backup]) -> Table:
    table = _table("backup", "of", "why", "rows", "MB", "Solo", "PostgreSQL")
    for one in found:
        known = one.manifest
        table.add_row(
            Text(one.path.name),
            f"{known.created:%Y-%m-%d %H:%M} UTC",
            known.reason,
            str(sum(known.rows.values())),
            f"{known.size / 1e6:.1f}",
            known.solo,
            known.postgres,
        )
    return table


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        numbers = name in {"ms", "rows", "MB"}
        # A file's name is to be copied, so it is never cut.
        table.add_column(name, justify="right" if numbers else "left", min_width=27 if name == "backup" else None)
    return table


def _age(at: str) -> str:
    seconds = (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"
