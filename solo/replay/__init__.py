"""What travelled on the bus, kept in a file, and played again: some services live, everybody else as recorded."""

from solo.replay.bundle import BadBundle, Bundle, CallLine, EventLine, Manifest, read, write
from solo.replay.comparing import differences, told
from solo.replay.playing import Replayed, replay

__all__ = [
    "BadBundle",
    "Bundle",
    "CallLine",
    "EventLine",
    "Manifest",
    "Replayed",
    "differences",
    "read",
    "replay",
    "told",
    "write",
]
