"""An engine that does nothing but try to get out, from where engines are."""

from __future__ import annotations

import asyncio
from typing import Any

from solo.isolation.call import Call
from solo.privacy.attempts import CHILD, attempts, is_connected


class Probe:
    """An adapter like any other, so that its process is confined as theirs are."""

    def load(self) -> dict[str, Any]:
        return {"engine": "privacy probe", "model": "none"}

    def attempt(self, _: Call) -> dict[str, Any]:
        """`tried`: one object for each attempt; `connected`: its network has more than loopback."""
        tried = asyncio.run(attempts(CHILD))
        return {"tried": [each.wire() for each in tried], "connected": is_connected()}
