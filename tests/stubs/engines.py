"""Small adapters for the tests of isolation: they run in a child like real ones."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from solo.isolation.call import Call
from solo.isolation.driving import Work
from solo.isolation.engine import BadEngineInput


class Echo:
    """Answers what it is asked, or misbehaves on request."""

    def __init__(self, load_s: float = 0.0, fail: bool = False) -> None:
        self._load_s = load_s
        self._fail = fail
        self._kept: list[bytes] = []
        self.steps = 0

    def load(self) -> dict[str, Any]:
        time.sleep(self._load_s)
        if self._fail:
            raise BadEngineInput("cannot load", hint="Do something.")
        return {"engine": "echo", "model": "none"}

    def echo(self, call: Call, value: Any) -> Any:
        return value

    def environment(self, call: Call) -> dict[str, str]:
        return dict(os.environ)

    def count(self, call: Call, to: int) -> Iterator[int]:
        for number in range(to):
            if call.cancelled:
                return
            self.steps = number
            yield number

    def progress(self, call: Call) -> int:
        return self.steps

    def refuse(self, call: Call) -> None:
        raise BadEngineInput("no")

    def crash(self, call: Call) -> None:
        raise ValueError("a bug in the adapter")

    def segfault(self, call: Call) -> None:
        ctypes.string_at(0)

    def exit(self, call: Call, code: int) -> None:
        os._exit(code)

    def hog(self, call: Call, size: int) -> int:
        self._kept.append(bytes(bytearray(size)))
        return size

    def sleep(self, call: Call, seconds: float) -> None:
        """Deaf to cancellation, as native code may be."""
        time.sleep(seconds)

    def sleep_and_exit(self, call: Call, seconds: float, code: int) -> None:
        time.sleep(seconds)
        os._exit(code)

    def kill(self, call: Call, number: int) -> None:
        os.kill(os.getpid(), number)
        time.sleep(60)

    def say_and_die(self, call: Call, words: str) -> None:
        print("first this", file=sys.stderr)
        print(words, file=sys.stderr, flush=True)
        os._exit(1)

    def chatter(self, call: Call) -> None:
        """As native libraries do: past Python, onto descriptors 1 and 2."""
        for descriptor in (1, 2):
            os.write(descriptor, b"\x00\x00\x00\x05hello" * 100 + b"\n")

    def write(self, call: Call, data: bytes) -> None:
        """Onto the pipe to the daemon itself, as a stray pointer might."""
        worker = sys._getframe(1).f_locals["self"]
        worker._out.write(data)
        worker._out.flush()
        time.sleep(60)

    def unsendable(self, call: Call) -> Any:
        return object()

    def kept(self, call: Call) -> int:
        return len(self._kept)

    def count_then_refuse(self, call: Call, to: int) -> Iterator[int]:
        yield from range(to)
        raise BadEngineInput("no")

    def connect(self, call: Call, port: int) -> str:
        import socket

        try:
            socket.create_connection(("127.0.0.1", port), timeout=2).close()
        except OSError as error:
            return type(error).__name__
        return "connected"


class Crowd(Echo):
    """Takes several calls at once, as an engine that batches does."""

    concurrency = 4

    def __init__(self) -> None:
        super().__init__()
        self._waiting = threading.Event()
        self._left = threading.Event()

    def wait(self, call: Call) -> None:
        self._waiting.set()
        while not call.cancelled:
            time.sleep(0.01)
        self._left.set()

    def is_waiting(self, call: Call) -> bool:
        return self._waiting.is_set()

    def was_left(self, call: Call) -> bool:
        return self._left.wait(5)

    def stall(self, call: Call) -> Iterator[int]:
        yield 1
        self.wait(call)


class DiesLoading:
    def load(self) -> dict[str, Any]:
        os._exit(7)


class Batched:
    """A driver: `count` says numbers, one a step for each call; `boom` raises; `die` ends the process in a step."""

    drives = True

    def __init__(self) -> None:
        self._works: list[tuple[Work, str, list[int]]] = []
        self.steps = 0

    def load(self) -> dict[str, Any]:
        return {"engine": "batched", "model": ""}

    def begin(self, work: Work, method: str, params: dict[str, Any]) -> None:
        if method == "refuse":
            raise BadEngineInput("no", hint="ask otherwise")
        if method == "boom":
            raise ValueError("boom")
        if method == "steps":
            work.finish(self.steps)
            return
        self._works.append((work, method, list(range(params.get("most", 0)))))

    def step(self) -> bool:
        self.steps += 1
        went = False
        for entry in list(self._works):
            work, method, numbers = entry
            if method == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if work.cancelled or not numbers:
                work.finish()
                self._works.remove(entry)
            elif work.room > 0:
                work.say(numbers.pop(0))
                went = True
        return went or any(work.room > 0 for work, _, _ in self._works)
