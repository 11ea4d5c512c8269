"""Engines for sound files that do what they should not."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

from services.codec.adapters.fake import FakeCodec
from solo.isolation.call import Call


class Misbehaving(FakeCodec):
    """A file that begins with a word does that; others are read as the fake reads them."""

    def decode(self, call: Call, content: bytes, piece_s: float) -> Iterator[Any]:
        if content.startswith(b"crash"):
            os.kill(os.getpid(), signal.SIGSEGV)
        while content.startswith(b"hang"):
            time.sleep(0.01)
        return super().decode(call, content, piece_s)
