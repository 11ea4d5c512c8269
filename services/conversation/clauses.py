"""A stream of text into pieces that can be spoken: the first one early, the others by sentence. Pure."""

from __future__ import annotations

import re

FIRST_WORDS = 7
"""Words after which the first piece is spoken even without punctuation: a voice needs about 85 ms for them."""
MOST_CHARS = 240
"""A sentence longer than this is spoken in pieces."""

# A mark ends something only when a space follows: "3.14" and "e.g" go on.
_SENTENCE_END = re.compile(r"[.!?…]+[\"')\]]*\s|\n+")
_CLAUSE_END = re.compile(r"[,;:.!?…–—]+[\"')\]]*\s|\n+")
_ABBREVIATION = re.compile(r"\b(?:Dr|Mr|Mrs|Ms|Prof|St|No|vs|etc|e\.g|i\.e|approx|[A-Z])\.\s$|(?:^|\n)\s*\d+\.\s$")
_SPOKEN = re.compile(r"\w")
_MARKDOWN = re.compile(r"[*_`#>|~]+|\[(?P<text>[^\]]*)\]\([^)]*\)")
# Emoji and other pictures have no sound.
_PICTURES = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\ufe0f\u200d]")


class Clauses:
    """Feed it what the model says; it gives back what can be spoken already."""

    def __init__(self) -> None:
        self._text = ""
        self._first = True

    def feed(self, delta: str) -> list[str]:
        self._text += delta
        ready: list[str] = []
        while (cut := self._cut()) > 0:
            self._take(cut, ready)
        return ready

    def flush(self) -> list[str]:
        """The rest, at the end."""
        ready: list[str] = []
        self._take(len(self._text), ready)
        return ready

    def _take(self, cut: int, ready: list[str]) -> None:
        piece, self._text = self._text[:cut], self._text[cut:]
        if spoken := speakable(piece):
            ready.append(spoken)
            self._first = False

    def _cut(self) -> int:
        """Where the next piece ends; 0 when more text is needed."""
        ends = _CLAUSE_END if self._first else _SENTENCE_END
        for end in ends.finditer(self._text):
            if not _ABBREVIATION.search(self._text[: end.end()]) and _SPOKEN.search(self._text[: end.end()]):
                return end.end()
        if self._first:
            words = list(re.finditer(r"\S+\s", self._text))
            return words[FIRST_WORDS - 1].end() if len(words) >= FIRST_WORDS else 0
        if len(self._text) > MOST_CHARS:
            return self._text.rfind(" ", 0, MOST_CHARS) + 1 or MOST_CHARS
        return 0


def speakable(text: str) -> str:
    """Without Markdown and pictures, on one line; empty when nothing is left to say."""
    plain = _MARKDOWN.sub(lambda found: found["text"] or "", text)
    plain = " ".join(_PICTURES.sub("", plain).split())
    return plain if _SPOKEN.search(plain) else ""
