"""State that an engine keeps per session: a bounded set, least recently used out first, and a stream cut to steps."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from solo.isolation.engine import BadEngineInput

S = TypeVar("S")

LIMIT = 16
"""Sessions that live at once: one for each microphone or satellite of a household, with room to spare."""


class Sessions(Generic[S]):
    """At most `limit` states by name; `start` makes one, `end` gives back what it holds outside Python."""

    def __init__(self, start: Callable[[], S], *, end: Callable[[S], object] | None = None, limit: int = LIMIT) -> None:
        self._start = start
        self._end = end
        self._limit = limit
        self._live: OrderedDict[str, S] = OrderedDict()

    def __len__(self) -> int:
        return len(self._live)

    def use(self, name: str) -> S:
        """The state of this session, made when it is new; the session unused for longest makes room for it."""
        state = self._live.get(name)
        if state is None:
            # Made before another is ended: when that fails, nobody has lost anything.
            state = self._live[name] = self._start()
            if len(self._live) > self._limit:
                self.close(next(iter(self._live)))
        self._live.move_to_end(name)
        return state

    def known(self, name: str) -> S | None:
        """The state of this session, or None; does not count as use."""
        return self._live.get(name)

    def close(self, name: str) -> None:
        """Forget this session; one that is not known is ignored."""
        state = self._live.pop(name, None)
        if state is not None and self._end is not None:
            self._end(state)


class Blocks:
    """A stream that comes in pieces of any length, cut to blocks of `size` bytes; a remainder waits for the next."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._rest = b""

    def cut(self, piece: bytes) -> list[bytes]:
        """The blocks that `piece` completes, in order."""
        data = self._rest + piece
        whole = len(data) - len(data) % self.size
        self._rest = data[whole:]
        return [data[start : start + self.size] for start in range(0, whole, self.size)]

    def clear(self) -> None:
        """Drop the waiting remainder."""
        self._rest = b""


def require_whole(piece: bytes, unit: int) -> None:
    """Raises `BadEngineInput` unless `piece` is made of whole units (samples) of `unit` bytes."""
    if len(piece) % unit:
        raise BadEngineInput(
            f"{len(piece)} bytes are not a whole number of {unit}-byte samples",
            hint="Send s16le samples and never cut one in two.",
        )
