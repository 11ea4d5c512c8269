"""`solo status`, `solo stop`, `solo doctor`."""

from __future__ import annotations

import json
import time

import psutil
from rich.table import Table
from rich.text import Text

from solo.cli.client import Client
from solo.cli.doctor import as_data, examine
from solo.cli.exits import Exit
from solo.cli.show import COLOURS, out, services_table, turn_lines
from solo.errors import SoloError
from solo.settings import MachineSettings, load

_STOPPED_WITHIN_S = 60.0
_VERDICTS = {"ok": "green", "warning": "yellow", "problem": "red"}


class StillRunning(SoloError):
    """The daemon has not stopped yet."""

    code = "cli.still_running"


def status(*, as_json: bool) -> Exit:
    known = Client(load(MachineSettings, strict=False)).get("/status")
    if as_json:
        out.print_json(json.dumps(known))
        return Exit.OK
    memory = known["memory"]
    state = known["state"]
    out.print(
        Text.assemble(
            "Solo ",
            known["version"],
            " is ",
            (state, COLOURS.get(state, "")),
            f", pid {known['pid']}, up for {known['uptime_s']:.0f} s, "
            f"{memory['daemon_rss_bytes'] / 1e6:.0f} MB (with engines {memory['total_rss_bytes'] / 1e6:.0f} MB), "
            f"loop lag {known['loop']['lag_ms']:.1f} ms, {known['bus']['dropped']} messages dropped",
        )
    )
    out.print(services_table(known["services"]))
    if known["turns"]:
        out.print("\n[bold]last turn[/bold]")
        turn_lines(known["turns"][0])
    return Exit.OK


def stop(*, as_json: bool) -> Exit:
    """Asks, then waits until the process is gone."""
    client = Client(load(MachineSettings, strict=False))
    pid = client.get("/status")["pid"]
    client.post("/api/stop")
    end = time.monotonic() + _STOPPED_WITHIN_S
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > end:
            raise StillRunning(f"pid {pid} is still running after {_STOPPED_WITHIN_S:.0f} s", hint="It may be stuck.")
        time.sleep(0.05)
    if as_json:
        out.print_json(json.dumps({"stopped": pid}))
    else:
        out.print(f"stopped pid {pid}")
    return Exit.OK


def doctor(app: str, *, as_json: bool) -> Exit:
    findings = examine(app)
    if as_json:
        out.print_json(json.dumps({"findings": as_data(findings)}))
    else:
        table = Table(box=None, pad_edge=False, show_header=False)
        for finding in findings:
            about = finding.detail + (f"  -> {finding.hint}" if finding.hint else "")
            table.add_row(Text(finding.verdict, style=_VERDICTS[finding.verdict]), finding.check, Text(about))
        out.print(table)
    return Exit.FAILED if any(finding.verdict == "problem" for finding in findings) else Exit.OK
