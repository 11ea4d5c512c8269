"""Runs in a network namespace of its own: a whole daemon with nothing but loopback, asked, and asked for its proof."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import solo.cli
from tests.daemon import Daemon, daemon

QUESTION = "What is the capital of France?"
SPOKEN = Path(solo.cli.__file__).with_name("selftest.wav")
_SIOCSIFFLAGS = 0x8914
_UP_AND_RUNNING = 0x1 | 0x40


def namespace() -> list[str]:
    """The command that runs another one in an empty network; empty where the system does not allow it."""
    program = shutil.which("unshare")
    if program is None:
        return []
    command = [program, "--net"] if os.geteuid() == 0 else [program, "--map-root-user", "--net"]
    tried = subprocess.run([*command, "true"], check=False, capture_output=True, timeout=10)
    return command if tried.returncode == 0 else []


def bring_up() -> None:
    """Loopback, which a new namespace has switched off."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        fcntl.ioctl(door, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _UP_AND_RUNNING))


def command(one: Daemon, *words: str) -> dict[str, Any]:
    """Exit code, and the JSON that `solo ...` has printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SOLO_")}
    environment = kept | {"SOLO_STATE_DIR": str(one.state_dir), "SOLO_PORT": str(one.port)}
    line = [sys.executable, "-m", "solo.cli", *words, "--json"]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=90, check=False, cwd="/")
    return {"code": done.returncode, "errors": done.stderr, "said": json.loads(done.stdout or "null")}


def main(state_dir: Path) -> None:
    bring_up()
    devices = Path("/proc/net/dev").read_text(encoding="ascii").splitlines()[2:]
    with daemon(state_dir, "--audio", "none") as one:
        told: dict[str, Any] = {
            "devices": [line.partition(":")[0].strip() for line in devices],
            "typed": command(one, "ask", QUESTION),
            "spoken": command(one, "ask", "--wav", str(SPOKEN), "--out", str(state_dir / "answer.wav")),
            "before": one.status()["egress"],
            "doctor": command(one, "doctor", "--privacy"),
            "after": one.status()["egress"],
        }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
