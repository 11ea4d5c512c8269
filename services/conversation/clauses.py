"""A stream of text into pieces that can be spoken: the first one early, the others by sentence. Pure."""

from __future__ import annotations

import re

FIRST_WORDS = 5
"""Words after which the first piece is spoken even without punctuation, where the last does not lean on the next."""
MOST_FIRST_WORDS = 8
"""Words after which it is spoken whatever they are."""
MOST_CHARS = 240
"""A sentence longer than this is spoken in pieces."""

# A mark ends something only when a space follows: "3.14" and "e.g" go on.
_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]*_]*\s|\n+")
_CLAUSE_END = re.compile(r"[,;:.!?…–—]+[\"'”’)\]*_]*\s|\n+")
_ABBREVIATION = re.compile(
    r"\b(?:Dr|Mr|Mrs|Ms|Prof|St|No|vs|e\.g|i\.e|approx|ca|z\.B|d\.h|Nr|[A-Z])\.\s$|(?:^|\n)\s*\d+\.\s$"
)
# These end a sentence when a capital letter follows.
_MAY_END = re.compile(r"\b(?:[ap]\.m|etc|Inc|Ltd|Jr|Sr|U\.S|usw)\.\s$")
_FENCE = "```"
_LEANING_WORDS = """
a an the my your his her its our their this that these those some any no every each of to in on at by for from with
about into over than as and or but so if is are was were be been has have had do does did will would can could should
may might must not very more most i you he she it we they there which who when where
der die das ein eine einen dem den des und oder ist sind war mit von zu im auf für nicht
le la les un une du de et ou est sont à au aux en pour avec el los las una y o es son por con para
"""
_LEANING = frozenset(_LEANING_WORDS.split())
"""Words behind which nobody makes a pause."""
_SPOKEN = re.compile(r"\w")
_CELLS = re.compile(r"(?<=\w)\s*\|\s*(?=\w)")
_MARKDOWN = re.compile(
    r"^[ \t|:-]*--[ \t|:-]*$|^\s*(?:[#>]+\s*)+|"
    r"`+|(?<!\d)\*+|\*+(?!\d)|(?<!\w)_+|_+(?!\w)|~~+|\|+|\[(?P<text>[^\]]*)\]\([^)]*\)",
    re.MULTILINE,
)
# Emoji and other pictures have no sound.
_PICTURES = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\ufe0f\u200d]")


class Clauses:
    """Feed it what the model says; it gives back what can be spoken already."""

    def __init__(self, *, whole: bool = False) -> None:
        """`whole`: all of the text is there at once, so no piece has to be early."""
        self._text = ""
        self._first = not whole
        self._code = False

    def feed(self, delta: str) -> list[str]:
        self._text += delta
        ready: list[str] = []
        while (fence := self._text.find(_FENCE)) >= 0:
            # Nobody wants to hear a program; what was said before it is complete.
            if not self._code:
                self._speak(self._text[:fence] + "\n", ready)
            self._text = self._text[fence + len(_FENCE) :]
            self._code = not self._code
        if self._code:
            self._text = self._text[-len(_FENCE) + 1 :]
            return ready
        while (cut := self._cut()) > 0:
            self._take(cut, ready)
        return ready

    def _speak(self, text: str, ready: list[str]) -> None:
        self._text, rest = text, self._text
        while (cut := self._cut()) > 0:
            self._take(cut, ready)
        self._take(len(self._text), ready)
        self._text = rest

    def flush(self) -> list[str]:
        """The rest, at the end."""
        ready: list[str] = []
        if self._code:
            self._text = ""
        self._take(len(self._text), ready)
        return ready

    def _take(self, cut: int, ready: list[str]) -> None:
        piece, self._text = self._text[:cut], self._text[cut:]
        if spoken := speakable(piece):
            ready.append(spoken)
            self._first = False

    def _cut(self) -> int:
        """Where the next piece ends; 0 when more text is needed."""
        for end in (_CLAUSE_END if self._first else _SENTENCE_END).finditer(self._text):
            before, behind = self._text[: end.end()], self._text[end.end() :].lstrip()
            if _MAY_END.search(before) and not behind[:1].isupper():
                if behind:
                    continue
                break  # the next letter will tell
            if not _ABBREVIATION.search(before) and _SPOKEN.search(before):
                return end.end()
        if self._first:
            return self._words()
        if len(self._text) > MOST_CHARS:
            return self._text.rfind(" ", 0, MOST_CHARS) + 1 or MOST_CHARS
        return 0

    def _words(self) -> int:
        """The same for a beginning without punctuation."""
        words = list(re.finditer(r"\S+\s", self._text))
        for word in words[FIRST_WORDS - 1 : MOST_FIRST_WORDS - 1]:
            if word[0].strip().lower() not in _LEANING:
                return word.end()
        return words[MOST_FIRST_WORDS - 1].end() if len(words) >= MOST_FIRST_WORDS else 0


def speakable(text: str) -> str:
    """Without Markdown and pictures, on one line; empty when nothing is left to say.

    Numbers, signs and addresses are left to the voice, which says them in its language.
    """
    plain = _MARKDOWN.sub(lambda found: found["text"] or "", _CELLS.sub(", ", text))
    plain = " ".join(_PICTURES.sub("", plain).split())
    return plain if _SPOKEN.search(plain) else ""
