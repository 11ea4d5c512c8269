"""`solo doctor`: what is in order, what is not, and what to do."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import psutil

from solo.cli.client import Client
from solo.errors import SoloError
from solo.run import load_tree
from solo.settings import MachineSettings
from solo.state_dir import KEY_FILE, StateDir

LEAST_MEMORY = 2 * 1024**3
Verdict = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    verdict: Verdict
    detail: str
    hint: str = ""


def examine(app: str) -> list[Finding]:
    """Every check, also when an earlier one failed."""
    findings = [_python(), _memory()]
    try:
        machine = load_tree(app, {}).machine
    except SoloError as error:
        return [*findings, Finding("settings", "problem", error.message, f"{error.hint} [{error.code}]".strip())]
    findings.append(Finding("settings", "ok", "all known and valid"))
    findings += _state_dir(machine)
    findings += _daemon(machine)
    return findings


def as_data(findings: list[Finding]) -> list[dict[str, Any]]:
    return [asdict(finding) for finding in findings]


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding("python", "ok", version)


def _memory() -> Finding:
    free = psutil.virtual_memory().available
    detail = f"{os.cpu_count()} cores, {free / 1e9:.1f} GB of memory free"
    if free < LEAST_MEMORY:
        return Finding("machine", "warning", detail, "The packaged models want about 1 GB; close something.")
    return Finding("machine", "ok", detail)


def _state_dir(machine: MachineSettings) -> Iterator[Finding]:
    home = machine.state_dir
    if not home.exists():
        yield Finding("state directory", "ok", f"{home} will be made at the first start")
        return
    if not os.access(home, os.W_OK):
        yield Finding("state directory", "problem", f"{home} cannot be written", "Mend it, or set SOLO_STATE_DIR.")
        return
    yield Finding("state directory", "ok", str(home))
    key = home / KEY_FILE
    if key.exists() and sys.platform != "win32":
        mode = stat.S_IMODE(key.stat().st_mode)
        if mode & 0o077:
            yield Finding("owner's key", "problem", f"{key} can be read by others", f"chmod 600 {key}")
        else:
            yield Finding("owner's key", "ok", "readable by its owner alone")


def _daemon(machine: MachineSettings) -> Iterator[Finding]:
    if StateDir(machine.state_dir).daemon() is None and "port" not in machine.model_fields_set:
        yield Finding("daemon", "warning", "not running", "Start it with `solo run`.")
        return
    try:
        status = Client(machine).get("/status")
    except SoloError as error:
        yield Finding("daemon", "problem", error.message, f"{error.hint} [{error.code}]".strip())
        return
    pid, uptime = status["pid"], status["uptime_s"]
    yield Finding("daemon", "ok", f"pid {pid}, {status['state']}, up for {uptime:.0f} s")
    for service in status["services"]:
        yield _service(service)
    blocked = status["loop"]["blocked"]
    lag = f"longest lag {status['loop']['max_lag_ms']:.0f} ms since it was ready"
    if blocked:
        yield Finding("event loop", "warning", f"{lag}, held {blocked} times", "The log names the place.")
    else:
        yield Finding("event loop", "ok", lag)


def _service(service: dict[str, Any]) -> Finding:
    name = f"service {service['name']}"
    engine = service["engine"]
    network = bool(engine and engine["info"].get("network"))
    detail = service["state"] + (f", {service['note']}" if service["note"] else "")
    if service["state"] != "ready":
        return Finding(name, "problem", detail, "The log tells more.")
    if network:
        return Finding(name, "warning", f"{detail}; its engine could reach the network", "Allow user namespaces.")
    return Finding(name, "ok", detail + (", its engine has no network" if engine else ""))
