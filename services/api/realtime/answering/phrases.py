"""The model's text as it grows, cut into what can be spoken already: a short piece first, then sentences. Pure."""

from __future__ import annotations

import re

from services.api.sound.sentences import sentences

FIRST_WORDS = 7
"""Words after which the first piece is spoken even without a mark."""
MOST_CHARS = 240
_CLAUSE_END = re.compile(r"[,;:.!?…–—]+[\"'”’)\]]*\s|[。！？]|\n+")
_SENTENCE_END = re.compile(r"(?<!\b[A-Z])(?<!\b(?:Dr|Mr|Ms|St|No))(?<!\b(?:Mrs|etc))[.!?…]+[\"'”’)\]]*\s|[。！？]|\n+")
_MARKUP = re.compile(r"[*_`#>|~]+|\[(?P<text>[^\]]*)\]\([^)]*\)")


class Phrases:
    def __init__(self) -> None:
        self._text = ""
        self._first = True

    def feed(self, delta: str) -> list[str]:
        """What is ready to be spoken."""
        self._text += delta
        ready: list[str] = []
        while (cut := self._cut()) > 0:
            ready += self._take(cut)
        return ready

    def flush(self) -> list[str]:
        """The rest."""
        return self._take(len(self._text))

    def _take(self, cut: int) -> list[str]:
        piece, self._text = self._text[:cut], self._text[cut:]
        found = sentences(_MARKUP.sub(lambda mark: mark["text"] or "", piece))
        self._first = self._first and not found
        return found

    def _cut(self) -> int:
        if self._first:
            if end := _CLAUSE_END.search(self._text):
                return end.end()
            words = list(re.finditer(r"\S+\s", self._text))
            return words[FIRST_WORDS - 1].end() if len(words) >= FIRST_WORDS else 0
        if end := _SENTENCE_END.search(self._text):
            return end.end()
        return self._text.rfind(" ", 0, MOST_CHARS) + 1 or MOST_CHARS if len(self._text) > MOST_CHARS else 0
