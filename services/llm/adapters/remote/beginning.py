"""The beginning of an answer that has been said already, taken off where a server says it again."""

from __future__ import annotations


class Beginning:
    """`prefix` is what was said; it is sent without the blanks at its end, which the answer then begins with.

    A server that goes on with a last message answers with what comes behind it. Another begins an answer of its own,
    which a model that reads its own words before it often begins with the same ones: those are cut off.
    """

    def __init__(self, prefix: str, *, may_repeat: bool) -> None:
        self._prefix = prefix if may_repeat else ""
        self._blanks = len(prefix) - len(prefix.rstrip(" "))
        self._held = ""
        self._over = not prefix

    def next(self, text: str) -> str:
        """What of this piece is new; may be held back until it is certain."""
        if self._over:
            return text
        self._held += text
        if self._prefix:
            if self._held.startswith(self._prefix):
                return self._release(self._held[len(self._prefix) :])
            if self._prefix.startswith(self._held):
                return ""
            if self._held.startswith(said := self._prefix.rstrip(" ")):
                return self._release(self._held[len(said) :])
        if self._blanks and not self._held.strip(" ") and len(self._held) < self._blanks:
            return ""
        ahead = len(self._held) - len(self._held.lstrip(" "))
        return self._release(self._held[min(ahead, self._blanks) :])

    def _release(self, text: str) -> str:
        self._over = True
        self._held = ""
        return text
