"""Exit codes of every command."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    OK = 0
    FAILED = 1
    """The turn failed, a check failed, or an essential service crashed too often."""
    BAD_INPUT = 2
    """A flag, setting or file cannot be used; the port or the state directory is taken."""
    NO_DAEMON = 3
    """No daemon could be reached."""
    NOTHING_HEARD = 4
    """Sound was listened to, but there was no speech, or no wake word, in it."""
