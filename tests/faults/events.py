"""Watches a daemon's facts over `/ws/events`, with the times at which they happened."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.daemon import Daemon

Fact = dict[str, Any]


class Facts:
    """Every fact so far; `monotonic` in them is comparable with `time.monotonic()` here: one machine, one clock."""

    def __init__(self) -> None:
        self._facts: list[Fact] = []
        self._more = threading.Condition()

    def add(self, fact: Fact) -> None:
        with self._more:
            self._facts.append(fact)
            self._more.notify_all()

    def first(self, wanted: Callable[[Fact], bool], *, within: float, what: str) -> Fact:
        """The first fact, from the first one seen on, that is wanted; waits for it."""
        end = time.monotonic() + within
        seen = 0
        with self._more:
            while True:
                for fact in self._facts[seen:]:
                    if wanted(fact):
                        return fact
                seen = len(self._facts)
                if not self._more.wait(end - time.monotonic()) and time.monotonic() >= end:
                    kinds = [fact["kind"] for fact in self._facts[-20:]]
                    raise AssertionError(f"waited {within:g} s in vain for {what}; last facts: {kinds}")


@contextmanager
def watching(daemon: Daemon) -> Iterator[Facts]:
    facts = Facts()
    with connect(
        f"ws://127.0.0.1:{daemon.port}/ws/events", additional_headers={"Authorization": f"Bearer {daemon.key}"}
    ) as socket:

        def read() -> None:
            try:
                for message in socket:
                    facts.add(json.loads(message))
            except ConnectionClosed:
                return

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield facts
        finally:
            socket.close()
            reader.join(5)
