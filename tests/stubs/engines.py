"""Small adapters for the tests of isolation: they run in a child like real ones."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator
from typing import Any

from solo.isolation.call import Call
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

    def connect(self, call: Call, port: int) -> str:
        import socket

        try:
            socket.create_connection(("127.0.0.1", port), timeout=2).close()
        except OSError as error:
            return type(error).__name__
        return "connected"
