"""What always listening costs: a microphone's stream (a looped recording of quiet noise), nobody speaking."""

from __future__ import annotations

import tempfile
import time
import wave
from pathlib import Path
from random import Random
from typing import Any

import psutil

from tests.daemon import daemon

SECONDS = 30.0


def measure() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        noise = Path(folder) / "noise.wav"
        _write_noise(noise)
        with daemon(Path(folder) / "state", "--audio", f"wav:{noise}:loop") as running:
            own = psutil.Process(running.pid)
            time.sleep(5)  # first-use costs are over
            before = _cpu_by_name(running)
            began = time.monotonic()
            time.sleep(SECONDS)
            elapsed = time.monotonic() - began
            after = _cpu_by_name(running)
            rss = own.memory_info().rss
            loop = running.status()["loop"]
    shares = {name: (after[name] - before.get(name, 0.0)) / elapsed * 100 for name in after}
    return {
        "all processes, % of one core": round(sum(shares.values()), 2),
        **{f"  {name}, %": round(share, 2) for name, share in sorted(shares.items())},
        "daemon RSS, MB": round(rss / 1e6),
        "longest loop lag meanwhile, ms": loop["max_lag_ms"],
        "loop held over 50 ms": loop["blocked"],
    }


def _cpu_by_name(running: Any) -> dict[str, float]:
    times = {"daemon": sum(psutil.Process(running.pid).cpu_times()[:2])}
    for service in running.status()["services"]:
        if service["engine"] is not None:
            times[service["name"]] = sum(psutil.Process(service["engine"]["pid"]).cpu_times()[:2])
    return times


def _write_noise(path: Path) -> None:
    random = Random(1)
    samples = b"".join(int(random.gauss(0, 60)).to_bytes(2, "little", signed=True) for _ in range(16_000 * 10))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples)
