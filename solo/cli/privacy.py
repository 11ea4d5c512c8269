"""`solo doctor --privacy`: has the daemon try to get out, and shows what stopped it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from typing import Any

from rich.table import Table
from rich.text import Text

from solo import egress
from solo.cli.client import Client, NoDaemon
from solo.cli.exits import Exit
from solo.cli.show import out
from solo.privacy import standing
from solo.privacy.proof import prove
from solo.settings import MachineSettings, load

_WITHIN_S = 120.0
_SHOWN = {
    "solo": ("✓", "green", "Solo"),
    "kernel": ("✓", "green", "the kernel: no network"),
    "nobody": ("✗", "red", "nobody"),
}
_THIS = "this command"


def privacy(*, as_json: bool) -> Exit:
    """Exit code 0 only if every attempt was refused."""
    machine = load(MachineSettings, strict=False)
    try:
        report = Client(machine).post("/api/privacy", within=_WITHIN_S)
    except NoDaemon:
        report = _alone(machine)
    if as_json:
        out.print_json(json.dumps(report))
    else:
        _show(report)
    return Exit.OK if report["proven"] else Exit.FAILED


def _alone(machine: MachineSettings) -> dict[str, Any]:
    """What a daemon with these settings would do, as far as a process without its parts can tell."""
    with egress.enforced(*standing.configured(machine)), asyncio.Runner(loop_factory=egress.loop_factory()) as runner:
        return runner.run(prove(_THIS)).model_dump(mode="json")


def _show(report: dict[str, Any]) -> None:
    if report["of"] == _THIS:
        out.print("No daemon runs here: this command tried by itself, with the guard that a daemon has.\n")
    table = _table("", "from", "attempt", "refused by")
    for each in report["attempts"]:
        tick, colour, by = _SHOWN[each["refused_by"]]
        table.add_row(Text(_plain(tick), style=colour), each["where"], Text(each["what"]), by)
        if each["refused_by"] == "nobody":
            table.add_row("", "", Text(each["detail"], style="red"), "")
    out.print(table)
    _show_children(report["children"])
    _show_allowed(report["egress"])
    refused = report["egress"]["refused"]
    if report["of"] != _THIS:
        out.print(f"\nAttempts refused since the start, besides these: {refused}", style="red" if refused else None)
        for host in report["egress"]["hosts"]:
            place = host["host"] if host["port"] is None else f"{host['host']}:{host['port']}"
            out.print(Text(f"  {place}, {host['kind']}, {host['count']} times, last by {host['by']} at {host['at']}"))
    verdict = "Nothing got out." if report["proven"] else "Something may have got out."
    out.print(Text(f"\n{verdict}", style="bold green" if report["proven"] else "bold red"))


def _show_children(children: list[dict[str, Any]]) -> None:
    if not children:
        return
    table = _table("", "running process", "its network")
    for (program, shares), count in Counter((child["program"], child["shares"]) for child in children).items():
        sign = "?" if shares is None else _plain("!" if shares else "✓")
        said = "cannot be seen" if shares is None else "that of this machine" if shares else "none"
        table.add_row(
            Text(sign, style="yellow" if shares else ""),
            Text(program if count == 1 else f"{program}, {count} times"),
            said,
        )
    out.print()
    out.print(table)


def _show_allowed(known: dict[str, Any]) -> None:
    table = _table("", "allowed", "why")
    table.add_row("", "loopback", "this machine itself")
    for each in known["allowed"]:
        table.add_row("", Text(each["endpoint"]), Text(each["why"]))
    out.print()
    out.print(table)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(name)
    return table


def _plain(sign: str) -> str:
    """The sign, or a word where the terminal cannot show it."""
    try:
        sign.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return {"✓": "ok", "✗": "NO"}[sign]
    return sign
