"""Cuts a text that is still coming into sentences, each to be spoken as soon as it is whole. Pure."""

from __future__ import annotations

import re

LONGEST = 300
"""Characters spoken in one go."""
_END = re.compile(r"[.!?…]+[\"'”’)\]]*\s+|[。！？]+|\n+")
_SHORT = re.compile(r"(?:^|[\s(])(?:[A-Z]|Dr|Mr|Mrs|Ms|Prof|St|No|vs|etc|e\.g|i\.e)\.\s+$")
"""Full stops that end no sentence."""


class Sentences:
    def __init__(self) -> None:
        self._rest = ""

    def add(self, text: str) -> list[str]:
        """The sentences that are whole by now."""
        self._rest += text
        found: list[str] = []
        start = 0
        for end in _END.finditer(self._rest):
            if not _SHORT.search(self._rest, start, end.end()):
                found.append(self._rest[start : end.end()])
                start = end.end()
        self._rest = self._rest[start:]
        while len(self._rest) > LONGEST:
            cut = self._rest.rfind(" ", LONGEST // 4, LONGEST) + 1 or LONGEST
            found.append(self._rest[:cut])
            self._rest = self._rest[cut:]
        return _sayable(found)

    def finish(self) -> list[str]:
        """What is left; a new text may begin."""
        rest, self._rest = self._rest, ""
        return _sayable([rest])


def _sayable(found: list[str]) -> list[str]:
    pieces = [
        sentence[at : at + LONGEST].strip() for sentence in found for at in range(0, max(1, len(sentence)), LONGEST)
    ]
    return [piece for piece in pieces if any(map(str.isalnum, piece))]
