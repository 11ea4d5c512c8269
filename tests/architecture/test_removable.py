"""Every part can be taken out: its folder, its line in services/app.py, and Solo runs without it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from services.app import PARTS
from solo.state_dir import StateDir
from tests.architecture.tree import copy_to

ALL = [name.split(".")[1] for name in PARTS]
FAKES = {f"SOLO_{part.upper()}__ENGINE": "fake" for part in ("wake", "stt", "llm", "tts", "vad", "codec")} | {
    "SOLO_MEMORY__EMBEDDER": "fake"
}
START_WITHIN_S = 60.0
SHOW = """
import sys
from pathlib import Path
import services, services.app
print(services.__path__[0])
print(*(part.name for part in services.app.parts()))
"""


def without(part: str, folder: Path) -> Path:
    tree = copy_to(folder)
    shutil.rmtree(tree / "services" / part)
    root = tree / "services" / "app.py"
    text = root.read_text(encoding="utf-8")
    line = f'    "services.{part}.spec",\n'
    assert text.count(line) == 1
    root.write_text(text.replace(line, ""), encoding="utf-8")
    return tree


def environment(tree: Path, part: str | None, state: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("SOLO_")}
    fakes = {
        name: value for name, value in FAKES.items() if part is None or not name.startswith(f"SOLO_{part.upper()}_")
    }
    return {**kept, **fakes, "PYTHONPATH": str(tree), "SOLO_STATE_DIR": str(state), "SOLO_LOG_LEVEL": "warning"}


def get(home: StateDir, path: str) -> dict[str, Any] | None:
    known = home.daemon()
    if known is None:
        return None
    request = urllib.request.Request(
        f"http://127.0.0.1:{known.port}{path}", headers={"Authorization": f"Bearer {home.owner_key(create=False)}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            body: dict[str, Any] = json.load(answer)
            return body
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None


@pytest.mark.parametrize("part", ALL)
def test_solo_runs_without(part: str, tmp_path: Path) -> None:
    tree = without(part, tmp_path / "tree")
    state = tmp_path / "state"
    env = environment(tree, part, state)
    shown = subprocess.run(
        [sys.executable, "-c", SHOW], cwd=tree, env=env, capture_output=True, text=True, check=True, timeout=60
    ).stdout.splitlines()
    assert shown[0] == str(tree / "services")  # the copy, not the original
    assert shown[1].split() == [name for name in ALL if name != part]
    audio = [] if part == "audio" else ["--audio", "none"]
    command = [sys.executable, "-m", "solo.cli", "run", *audio, "--port", "0", "--no-self-test"]
    with subprocess.Popen(command, cwd=tree, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as daemon:
        try:
            services = _running(daemon, StateDir(state), part)
        finally:
            daemon.send_signal(signal.SIGTERM)
            said = daemon.communicate(timeout=30)[0].decode()
    assert daemon.returncode == 0, said
    assert part not in services
    assert {name for name, state_ in services.items() if state_ not in {"ready", "degraded"}} == set(), said


def _running(daemon: subprocess.Popen[bytes], home: StateDir, part: str) -> dict[str, str]:
    """Every service's state once all have settled; without a door only that it goes on living is seen."""
    end = time.monotonic() + START_WITHIN_S
    while time.monotonic() < end and daemon.poll() is None:
        if part == "api":
            # It has no door to ask at: it has started when its first child is there, and it stays.
            if (home.path / "daemon.lock").exists() and _children(daemon.pid) >= 5:
                return {}
        elif get(home, "/healthz") is not None and (status := get(home, "/status")) is not None:
            states = {service["name"]: service["state"] for service in status["services"]}
            if status["state"] != "starting":
                return states
        time.sleep(0.05)
    raise AssertionError(f"Solo did not start without {part} (exit code {daemon.poll()})")


def _children(pid: int) -> int:
    return len(Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split())
