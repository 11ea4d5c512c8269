"""What Solo says of its own accord."""

from __future__ import annotations

from pydantic import Field

from services.messages.profiles import OWNER
from solo.bus import Request


class Announce(Request[tuple[str, ...]]):
    """Say this aloud, behind an answer that is being spoken; answered with the sources that it was said to.

    Nobody attached that listens on: the answer is empty, and nothing was said.
    """

    text: str = Field(min_length=1, max_length=4000)
    """What to say."""
    source: str | None = None
    """Name of a sound source; None: all that wait for a wake word or converse."""
    profile: str = OWNER
    """On whose behalf."""
    voice: str | None = None
    """Which voice; None: the usual one."""
    language: str | None = None
    """ISO 639-1 of the text; None: the usual voice speaks."""
