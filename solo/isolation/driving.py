"""Engines that work on many calls at once, a step at a time: the call as they see it, and what they must look like."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from solo.errors import SoloError
from solo.isolation.call import Call
from solo.isolation.engine import EngineError, Value
from solo.isolation.frames import Frame

JOIN_S = 0.04
"""How long what a patient asker is told may wait for more. Each delivery wakes the daemon and the client, on cores that
the engine's threads want; a reader cannot tell 25 pieces a second from a hundred."""
LOOK_EVERY_S = 0.5
"""How often an idle driver is asked for a step all the same, since deadlines pass without a word."""


def _to_nobody(_: dict[str, Any]) -> None:
    return None


@dataclass(slots=True, eq=False)
class Work(Call):
    """One call of several under way: what the engine says goes out when its step is over."""

    room: int = 0
    """Items the asker has room for; what is said without room is kept for it all the same, so look before a step."""
    patient: bool = False
    """Its items may be delivered together, `JOIN_S` late at most; set when the first is out."""
    ended: bool = False
    """It has been answered; nothing more may be said."""
    _out: Callable[[dict[str, Any]], None] = field(default=_to_nobody)

    def say(self, item: Value) -> None:
        """The next item of a stream."""
        self.room -= 1
        self._out({"kind": "item", "id": self.id, "value": item})

    def finish(self, value: Value = None) -> None:
        """The answer, or the end of a stream."""
        self.ended = True
        self._out({"kind": "done", "id": self.id, "value": value})

    def fail(self, error: SoloError) -> None:
        """The answer is an error."""
        self.ended = True
        self._out({"kind": "error", "id": self.id, **error.to_wire()})


class Driver(Protocol):
    """An adapter that batches: it is given calls as they come and makes steps for all of them in one thread.

    The vendor's library is imported inside `load`. Calls are begun, and steps made, in the main thread.
    """

    drives: bool
    """True."""

    def load(self) -> dict[str, Any]:
        """Load the engine; returns what to show of it: at least `engine` and `model`, both short strings."""
        ...

    def begin(self, work: Work, method: str, params: dict[str, Any]) -> None:
        """Take a call on. A SoloError raised here is its answer. It may end at once, or in any later step; one whose
        asker has left (`work.cancelled`) must be ended in the next step."""
        ...

    def step(self) -> bool:
        """One step for every call that can go on, as short as it can be. False: nothing can be done until another call
        comes, an asker has more room, or one leaves."""
        ...


class DriveLoop:
    """Runs a driver in the child's main thread; what comes from the daemon is put in by the reader's."""

    def __init__(self, driver: Driver, send: Callable[[list[Frame]], None]) -> None:
        """`send` takes all that a step has said at once, since each write costs as much as a token."""
        self._driver = driver
        self._send = send
        self._news: queue.SimpleQueue[Frame] = queue.SimpleQueue()
        self._works: dict[int, Work] = {}
        self._said: list[Frame] = []
        self._sent_at = 0.0

    def put(self, frame: Frame) -> None:
        """A frame from the daemon. A cancellation is seen at once, by a step under way too."""
        if frame["kind"] == "cancel" and (work := self._works.get(frame["id"])) is not None:
            work.cancel()
        self._news.put(frame)

    def run(self) -> None:
        """For ever; the reader ends the process."""
        busy = False
        while True:
            busy = self.turn(wait=not busy)

    def turn(self, *, wait: bool) -> bool:
        """What has come, a step, what is to be told. `wait` for something to come; True: more can be done at once."""
        for frame in self._come(wait=wait):
            self._take(frame)
        busy = self._driver.step()
        if self._said and not (busy and self._can_wait()):
            self._flush()
        return busy

    def _come(self, *, wait: bool) -> Iterator[Frame]:
        try:
            yield self._news.get(block=wait, timeout=LOOK_EVERY_S)
            while True:
                yield self._news.get_nowait()
        except queue.Empty:
            return

    def _take(self, frame: Frame) -> None:
        if frame["kind"] == "call":
            self._begin(frame)
        elif (work := self._works.get(frame["id"])) is None:
            return  # it has just ended by itself
        elif frame["kind"] == "cancel":
            work.cancel()
        elif frame["kind"] == "more":
            work.room += frame["n"]

    def _begin(self, frame: Frame) -> None:
        within = frame.get("within")
        deadline = None if within is None else time.monotonic() + within
        # A call that wants one answer has room for it.
        work = Work(frame["id"], deadline, room=frame["credit"] or 1, _out=self._said.append)
        self._works[work.id] = work
        try:
            self._driver.begin(work, frame["method"], frame["params"])
        except SoloError as error:
            work.fail(error)
        except Exception as error:
            work.fail(EngineError(f"{type(error).__name__}: {error}"))

    def _can_wait(self) -> bool:
        early = time.monotonic() - self._sent_at < JOIN_S
        return early and all(frame["kind"] == "item" and self._works[frame["id"]].patient for frame in self._said)

    def _flush(self) -> None:
        said, self._said[:] = self._said[:], []
        self._send(said)
        self._sent_at = time.monotonic()
        for frame in said:
            if frame["kind"] != "item":
                del self._works[frame["id"]]
