"""The runner with small trees in a process of its own: how it ends, and what it answers for."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Start = Callable[[str], "subprocess.Popen[str]"]

PROGRAM = """
import asyncio, sys
from pathlib import Path
from solo.run import run
from solo.settings import MachineSettings
from solo.parts import Tree
from solo.supervision import Intensity, ServiceSpec

class Deaf:
    name = "deaf"
    async def run(self, ctx):
        ctx.ready()
        print("ready", flush=True)
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                pass

class Polite:
    name = "polite"
    async def run(self, ctx):
        ctx.ready()
        print("ready", flush=True)
        await ctx.stopping.wait()
        print("drained", flush=True)

class Slow(Polite):
    async def run(self, ctx):
        ctx.ready()
        print("ready", flush=True)
        await ctx.stopping.wait()
        print("draining", flush=True)
        await asyncio.sleep(3600)

class Bad:
    name = "bad"
    async def run(self, ctx):
        raise ValueError("a bug")

kind = {"deaf": Deaf, "polite": Polite, "slow": Slow, "bad": Bad}[sys.argv[2]]
spec = ServiceSpec(
    name=kind.name, make=kind, essential=True, intensity=Intensity(crashes=1), drain_within=1 if kind is Deaf else 60
)
machine = MachineSettings(state_dir=Path(sys.argv[1]), port=0, _env_file=None)
sys.exit(run(Tree(machine=machine, build=lambda: [spec])))
"""


@pytest.fixture
def start(tmp_path: Path, bare_settings: Path) -> Start:
    def begin(kind: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path / "state"), kind],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return begin


def until(daemon: subprocess.Popen[str], line: str) -> None:
    assert daemon.stdout is not None
    while (said := daemon.stdout.readline()) != f"{line}\n":
        assert said, f"it ended without saying {line}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains(start: Start, number: signal.Signals) -> None:
    with start("polite") as daemon:
        until(daemon, "ready")
        daemon.send_signal(number)
        out, err = daemon.communicate(timeout=30)
    assert (daemon.returncode, out) == (0, "drained\n")
    assert "Traceback" not in err


def test_a_second_one_cancels(start: Start) -> None:
    with start("slow") as daemon:
        until(daemon, "ready")
        daemon.send_signal(signal.SIGINT)
        until(daemon, "draining")
        daemon.send_signal(signal.SIGINT)
        _, err = daemon.communicate(timeout=30)
    assert daemon.returncode == 0
    assert "Traceback" not in err


def test_a_service_that_ignores_cancellation_does_not_hold_it(start: Start) -> None:
    with start("deaf") as daemon:
        until(daemon, "ready")
        daemon.send_signal(signal.SIGTERM)
        try:
            _, err = daemon.communicate(timeout=30)
        finally:
            daemon.kill()
    assert daemon.returncode == 0
    assert "service ignores cancellation" in err


def test_an_essential_service_that_keeps_crashing_is_exit_code_1(start: Start) -> None:
    with start("bad") as daemon:
        _, err = daemon.communicate(timeout=30)
    assert daemon.returncode == 1
    assert "bad crashed 2 times in 60 s" in err
    assert "ValueError: a bug" in err


def test_a_second_daemon_is_refused(start: Start, tmp_path: Path) -> None:
    with start("polite") as first:
        until(first, "ready")
        with start("polite") as second:
            _, err = second.communicate(timeout=30)
        assert second.returncode == 1
        assert "AlreadyRunning" in err
        assert first.poll() is None
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=30)
    assert first.returncode == 0
