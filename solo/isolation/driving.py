"""Engines that work on many calls at once, a step at a time: the call as they see it, and what they must look like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from solo.errors import SoloError
from solo.isolation.call import Call
from solo.isolation.engine import Value


def _to_nobody(_: dict[str, Any]) -> None:
    return None


@dataclass(slots=True, eq=False)
class Work(Call):
    """One call of several under way: what the engine says goes out when its step is over."""

    room: int = 0
    """Items the asker has room for; what is said without room is kept for it all the same, so look before a step."""
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

    drives: ClassVar[bool] = True

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


def drive(driver: Driver, method: str, /, room: int = 1_000_000, **params: Any) -> list[Any]:
    """Everything that a driver says to one call, driven here; raises its error. For tests and trials."""
    said: list[dict[str, Any]] = []
    work = Work(room=room, _out=said.append)
    driver.begin(work, method, params)
    while not work.ended and driver.step():
        pass
    *items, last = said
    if last["kind"] == "error":
        raise SoloError.from_wire(last)
    values = [item["value"] for item in items]
    return values if last["value"] is None else [*values, last["value"]]
