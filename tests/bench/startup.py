"""From `solo run` to alive, and to everything ready."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from tests.daemon import daemon, wait_for

ROUNDS = 5


def measure() -> dict[str, Any]:
    alive: list[float] = []
    ready: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for round_ in range(ROUNDS):
            state_dir = Path(folder) / str(round_)
            began = time.perf_counter()
            with daemon(state_dir, ready=False) as running:

                def healthy(running: Any = running) -> bool:
                    try:
                        return httpx.get(f"http://127.0.0.1:{running.port}/healthz", timeout=2).status_code == 200
                    except (OSError, ValueError, httpx.TransportError):
                        return False

                wait_for(healthy, 60, "/healthz", every=0.01)
                alive.append(time.perf_counter() - began)
                running.wait_ready()
                ready.append(time.perf_counter() - began)
    return {
        "/healthz answers, median s": round(statistics.median(alive), 2),
        "everything ready, median s": round(statistics.median(ready), 2),
        "everything ready, worst s": round(max(ready), 2),
    }
