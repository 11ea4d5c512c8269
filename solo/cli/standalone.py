"""A daemon for just one call, in a state directory of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from solo.cli.client import Client, NoDaemon
from solo.errors import SoloError
from solo.settings import MachineSettings

_READY_WITHIN_S = 120.0
_STOP_WITHIN_S = 30.0


class StandaloneFailed(SoloError):
    """The daemon for this call did not start."""

    code = "cli.standalone_failed"


@contextmanager
def standalone() -> Iterator[Client]:
    """Started and ready inside, stopped and gone behind it."""
    with tempfile.TemporaryDirectory(prefix="solo-") as folder:
        machine = MachineSettings(state_dir=Path(folder), _env_file=None)
        # Its own directory and port, whatever the caller's environment says.
        environment = {
            **os.environ,  # noqa: TID251  # handed on to a program of our own
            "SOLO_STATE_DIR": folder,
            "SOLO_PORT": "0",
            "SOLO_LOG_FORMAT": "console",
            "SOLO_LOG_LEVEL": "error",
        }
        command = [sys.executable, "-m", "solo.cli", "run", "--audio", "none", "--no-self-test"]
        with subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process:
            try:
                yield _wait_until_ready(process, machine)
            finally:
                _stop(process)


def _wait_until_ready(process: subprocess.Popen[bytes], machine: MachineSettings) -> Client:
    end = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < end:
        if process.poll() is not None:
            assert process.stderr is not None
            said = process.stderr.read().decode(errors="replace").strip().splitlines()
            raise StandaloneFailed(said[-1] if said else f"it ended with exit code {process.returncode}")
        if (machine.state_dir / "daemon.json").exists():
            client = Client(MachineSettings(state_dir=machine.state_dir, _env_file=None))
            try:
                if not client.get("/readyz", within=5).get("waiting_for", True):
                    return client
            except NoDaemon:
                pass
        time.sleep(0.05)
    raise StandaloneFailed(f"it was not ready within {_READY_WITHIN_S:.0f} s", hint="Look at `solo run`.")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=_STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
