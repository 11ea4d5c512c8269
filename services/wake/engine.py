"""The port of wake-word engines: streaming detection in continuous sound."""

from __future__ import annotations

from typing import Any, Protocol, TypedDict

from solo.isolation.call import Call


class Detection(TypedDict):
    word: str
    """The wake word's id, such as `okay_nabu`."""
    at: int
    """Index of the last sample of the step that recognised it, counted from the session's first."""


class WakeEngine(Protocol):
    """Constructor options: `words` (ids), `sensitivity` (0..1), `sensitivities` (of single words), `threads`,
    and the vendor's own."""

    def load(self) -> dict[str, Any]:
        """Returns `engine`, `model`, and `words`: the ids it listens for."""
        ...

    def feed(self, call: Call, session: str, pcm: bytes) -> list[Detection]:
        """Hear the next piece of one session's sound: s16le mono 16 kHz, any length from 0 bytes up.

        Each session (one microphone, one satellite) has its own state; the first `feed` opens it. At most 16
        live at once: the one unheard for longest goes. Odd trailing bytes raise `BadEngineInput`.
        """
        ...

    def close(self, call: Call, session: str) -> None:
        """Forget a session; unknown ones are ignored."""
        ...
