"""Has a sound card been plugged in or pulled out? What the kernel lists, where it does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

_CARDS = Path("/proc/asound/cards")
"""Linux. Elsewhere there is none, and pauses last as long as they were meant to."""
LOOK_S = 1.0


def cards() -> str:
    """Those that there are; empty where nobody lists them."""
    try:
        return _CARDS.read_text(errors="replace")
    except OSError:
        return ""


async def unless_plugged(seconds: float, look: Callable[[], str] = cards) -> None:
    """A pause before the next opening, which is cut short when the cards change: reading a list is cheap, opening a
    device in vain is not."""
    end, before = time.monotonic() + seconds, look()
    while (left := end - time.monotonic()) > 0 and look() == before:
        await asyncio.sleep(min(LOOK_S, left))
