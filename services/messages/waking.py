"""The second look at a wake word: was it really said?"""

from __future__ import annotations

from typing import Literal

from solo.bus import Event


class WakeWordConfirmed(Event):
    """A wake word was looked at again and stands."""

    source: str
    """Name of the source."""
    word: str
    """The wake word's id."""
    at: int
    """As in its `WakeWordHeard`."""
    why: Literal["words", "unclear", "unavailable"]
    """`words`: it was understood; `unclear`: nothing was understood that speaks against it; `unavailable`: recognition
    was busy, late or failed, and nobody is turned away for that."""
    text: str
    """What was understood."""
    after_ms: float
    """From `WakeWordHeard` to this, in milliseconds."""


class WakeWordRejected(Event):
    """What was taken for a wake word was something else: whoever listens because of it stops, and nothing is said."""

    source: str
    """Name of the source."""
    word: str
    """The wake word's id."""
    at: int
    """As in its `WakeWordHeard`."""
    text: str
    """What was understood instead."""
    after_ms: float
    """From `WakeWordHeard` to this, in milliseconds."""
