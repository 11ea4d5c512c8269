"""The child's main program: `python -m solo.isolation.worker <parent pid>` loads one adapter and serves it."""

from __future__ import annotations

import importlib
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

from solo.errors import SoloError
from solo.isolation import confine
from solo.isolation.call import Call
from solo.isolation.driving import DriveLoop
from solo.isolation.engine import EngineError
from solo.isolation.frames import Frame, pack, receive_blocking

BEAT_S = 1.0
"""Between two heartbeats."""
MOST_DRIVEN = 1024
"""Calls that a driver may have under way; more than the daemon ever has open."""


class Running:
    """A call under way: its `Call` and, for streams, how many items may still be sent ahead."""

    def __init__(self, frame: Frame) -> None:
        within = frame.get("within")
        self.call = Call(frame["id"], None if within is None else time.monotonic() + within)
        self.method: str = frame["method"]
        self.params: dict[str, Any] = frame["params"]
        self.credit = threading.Semaphore(frame.get("credit", 0))

    def cancel(self) -> None:
        self.call.cancel()
        self.credit.release()


class Worker:
    def __init__(self, inbound: BinaryIO, outbound: BinaryIO) -> None:
        self._in = inbound
        self._out = outbound
        self._write_lock = threading.Lock()
        self._running: dict[int, Running] = {}
        self._waiting: queue.SimpleQueue[Running | None] = queue.SimpleQueue()

    def serve(self) -> int:
        hello = receive_blocking(self._in)
        if hello is None:
            return 0
        # Before any thread: a process with threads may not enter a user namespace.
        isolated = confine.drop_network() if hello["no_network"] else False
        confine.limit_memory(hello["memory_limit"])
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()
        adapter = self._load(hello, isolated)
        if adapter is None:
            return 1
        if getattr(adapter, "drives", False):
            loop = DriveLoop(adapter, self._send_all)
            threading.Thread(target=self._read, args=(loop.put,), name="reader", daemon=True).start()
            loop.run()
        threading.Thread(target=self._read, args=(self._take,), name="reader", daemon=True).start()
        concurrency = getattr(adapter, "concurrency", 1)
        if concurrency == 1:
            # The engine works in the main thread, where native libraries are at home.
            while (running := self._waiting.get()) is not None:
                self._perform(adapter, running)
        else:
            with ThreadPoolExecutor(concurrency, thread_name_prefix="engine") as pool:
                while (running := self._waiting.get()) is not None:
                    pool.submit(self._perform, adapter, running)
        return 0

    def _send(self, frame: Frame) -> None:
        self._send_all([frame])

    def _send_all(self, frames: list[Frame]) -> None:
        packed = b"".join(map(pack, frames))
        with self._write_lock:
            try:
                self._out.write(packed)
                self._out.flush()
            except OSError:
                os._exit(0)  # the daemon is gone

    def _load(self, hello: Frame, isolated: bool) -> Any:
        sys.path[:0] = hello["python_path"]
        module, _, name = hello["adapter"].partition(":")
        try:
            adapter = getattr(importlib.import_module(module), name)(**hello["options"])
            info = adapter.load()
        except SoloError as error:
            self._send({"kind": "failed", **error.to_wire()})
            return None
        except Exception as error:
            self._send({"kind": "failed", **_wire(error)})
            return None
        # Any call that a driver has taken on may be the one that ends it.
        concurrency = MOST_DRIVEN if getattr(adapter, "drives", False) else getattr(adapter, "concurrency", 1)
        self._send({"kind": "ready", "info": info, "network": not isolated, "concurrency": concurrency})
        return adapter

    def _beat(self) -> None:
        while True:
            self._send({"kind": "beat", "rss": confine.resident_bytes()})
            time.sleep(BEAT_S)

    def _read(self, take: Callable[[Frame], None]) -> None:
        while (frame := receive_blocking(self._in)) is not None:
            take(frame)
        os._exit(0)  # the daemon closed the pipe or is gone; native code may be busy, so do not wait for it

    def _take(self, frame: Frame) -> None:
        kind = frame["kind"]
        if kind == "call":
            running = self._running[frame["id"]] = Running(frame)
            self._waiting.put(running)
        elif (known := self._running.get(frame.get("id", -1))) is None:
            return  # it has just ended by itself
        elif kind == "cancel":
            known.cancel()
        elif kind == "more":
            known.credit.release(frame["n"])

    def _perform(self, adapter: Any, running: Running) -> None:
        call = running.call
        try:
            if call.cancelled:
                self._send({"kind": "done", "id": call.id, "value": None})
                return
            if running.method.startswith("_") or not callable(method := getattr(adapter, running.method, None)):
                raise EngineError(f"the engine has no method {running.method}")
            value = method(call, **running.params)
            if isinstance(value, Iterator):
                self._stream(value, running)
                value = None
            self._send({"kind": "done", "id": call.id, "value": value})
        except SoloError as error:
            self._send({"kind": "error", "id": call.id, **error.to_wire()})
        except Exception as error:
            self._send({"kind": "error", "id": call.id, **_wire(error)})
        finally:
            self._running.pop(call.id, None)

    def _stream(self, values: Iterator[Any], running: Running) -> None:
        try:
            for value in values:
                running.credit.acquire()
                if running.call._left.is_set():
                    break
                self._send({"kind": "item", "id": running.call.id, "value": value})
        finally:
            close = getattr(values, "close", None)
            if close is not None:
                close()


def _wire(error: Exception) -> dict[str, str]:
    return EngineError(f"{type(error).__name__}: {error}").to_wire()


def main() -> int:
    confine.die_with(int(sys.argv[1]))
    confine.yield_to_daemon()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the daemon, which then stops its children
    inbound = os.fdopen(os.dup(0), "rb")
    outbound = os.fdopen(os.dup(1), "wb")
    # Whatever a native library prints goes to the log, not into the frames.
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    code = Worker(inbound, outbound).serve()
    sys.stderr.flush()
    os._exit(code)  # destructors of native libraries are where processes hang at the end


if __name__ == "__main__":
    main()
