"""Turns an answer's tokens into text that may be said: whole characters, up to a stop string."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class AnswerText:
    """Takes bytes as they are decoded and gives back text that no later byte can change.

    Held back are the bytes of an unfinished character and any text that may be the beginning of a stop string.
    """

    def __init__(self, stop: Sequence[str] = (), skip: str = "") -> None:
        """`skip`: leading text to leave out where the answer begins with it (it has been said already)."""
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._stop = tuple(stop)
        self._skip = skip
        self._held = ""
        self.stopped = False
        """A stop string has come: the answer is over."""

    def add(self, data: bytes) -> str:
        """The text that `data` makes certain; may be empty."""
        text = self._decoder.decode(data)
        if self._skip and text:
            text, self._skip = self._without_skip(text), ""
        self._held += text
        ends = [at for stop in self._stop if (at := self._held.find(stop)) >= 0]
        if ends:
            self.stopped = True
            said, self._held = self._held[: min(ends)], ""
            return said
        certain = len(self._held) - self._possible_stop()
        said, self._held = self._held[:certain], self._held[certain:]
        return said

    def rest(self) -> str:
        """What was held back for a stop string that did not come. An unfinished character is dropped."""
        said, self._held = self._held, ""
        return said

    def _without_skip(self, text: str) -> str:
        same = 0
        while same < min(len(text), len(self._skip)) and text[same] == self._skip[same]:
            same += 1
        return text[same:]

    def _possible_stop(self) -> int:
        """Characters at the end of the held text that are a proper beginning of a stop string."""
        longest = max((len(stop) for stop in self._stop), default=1) - 1
        for length in range(min(longest, len(self._held)), 0, -1):
            if any(len(stop) > length and stop.startswith(self._held[-length:]) for stop in self._stop):
                return length
        return 0
