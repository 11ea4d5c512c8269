"""A real daemon for tests and measurements: started in a state directory of its own, on a free port, always ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from solo.cli.client import Answer, Client
from solo.settings import MachineSettings

T = TypeVar("T")
READY_WITHIN_S = 90.0
SOLO = ("solo.cli", "run", "--no-self-test")


@dataclass
class Daemon:
    """`client` speaks to it; `process` is the daemon itself."""

    process: subprocess.Popen[bytes]
    state_dir: Path
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def port(self) -> int:
        return int(json.loads((self.state_dir / "daemon.json").read_text())["port"])

    @property
    def key(self) -> str:
        return (self.state_dir / "owner.key").read_text().strip()

    @property
    def client(self) -> Client:
        return Client(MachineSettings(state_dir=self.state_dir, _env_file=None), port=self.port)

    def get(self, path: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", headers=headers, timeout=10)

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.get("/status").json()
        return status

    def service(self, name: str) -> dict[str, Any]:
        return next(service for service in self.status()["services"] if service["name"] == name)

    def engine_pid(self, name: str) -> int:
        pid = self.service(name)["engine"]["pid"]
        assert isinstance(pid, int)
        return pid

    def wait_ready(self, within: float = READY_WITHIN_S) -> None:
        wait_for(lambda: self._ready(), within, "the daemon to be ready", self._why)

    def ask(self, text: str) -> dict[str, Any]:
        turn: dict[str, Any] = {}
        for name, data in self.client.events("/api/ask", {"text": text, "stream": True}):
            if name == "turn":
                turn = data
        return turn

    async def speak(self, pcm: bytes, *, wake: bool = False) -> Answer:
        return await self.client.voice({"wake": wake, "talk": "test"}, pcm)

    def _ready(self) -> bool:
        assert self.process.poll() is None, self._why()
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=5).status_code == 200
        except (OSError, httpx.TransportError, ValueError):
            return False

    def _why(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]


def wait_for(
    condition: Callable[[], T], within: float, what: str, why: Callable[[], str] = lambda: "", *, every: float = 0.02
) -> T:
    """Poll until true; the value that was true."""
    end = time.monotonic() + within
    while True:
        if value := condition():
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {within:g} s in vain for {what}\n{why()}")
        time.sleep(every)


@contextmanager
def daemon(
    state_dir: Path, *flags: str, ready: bool = True, program: tuple[str, ...] = SOLO, **settings: str
) -> Iterator[Daemon]:
    """`settings`: environment variables without their `SOLO_`; `program`: another module that runs a daemon."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SOLO_")}
    environment = kept | {f"SOLO_{name}": value for name, value in settings.items()}
    environment |= {"SOLO_STATE_DIR": str(state_dir), "SOLO_LOG_FORMAT": "json"}
    environment.setdefault("SOLO_PORT", "0")
    state_dir.mkdir(parents=True, exist_ok=True)
    log = state_dir / "test.log"
    command = [sys.executable, "-m", *program, *(flags or ("--audio", "none"))]
    with log.open("wb") as sink:
        # Its own working directory: a .env of the checkout is not the test's.
        process = subprocess.Popen(
            command, env=environment, cwd=state_dir, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
        )
    running = Daemon(process, state_dir, log)
    children: list[psutil.Process] = []
    try:
        if ready:
            running.wait_ready()
        yield running
    finally:
        if process.poll() is None:
            children = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        _, alive = psutil.wait_procs(children, timeout=3)
        for orphan in alive:
            orphan.kill()
        assert not alive, f"orphans: {alive}"
