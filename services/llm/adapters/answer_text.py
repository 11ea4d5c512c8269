"""Turns an answer's tokens into text that may be said: whole characters, up to a stop string or another's turn."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from typing import Literal

from services.formats.turn_marks import PLAIN

OPEN, CLOSE = "<think>", "</think>"
"""Around thoughts, at an answer's beginning: DeepSeek R1, Qwen 3, SmolLM 3 and those made after them."""
BLANKS = 8
"""How many blanks may follow a mark of the end for it still to be the very end."""
LONGEST_THOUGHT = 1024 * 1024
"""Characters kept of thoughts."""


class AnswerText:
    """Takes bytes as they are decoded and gives back text that no later byte can change.

    Held back are the bytes of an unfinished character and any text that may be the beginning of a stop string, of a
    mark that ends the turn. A block of thoughts at the beginning is left out.
    """

    def __init__(
        self,
        stop: Sequence[str] = (),
        skip: str = "",
        marks: Sequence[str] = (),
        thinking: bool = False,
        bare: bool = False,
    ) -> None:
        """`skip`: leading text to leave out where the answer begins with it (it has been said already); `marks`:
        `ChatTemplate.marks()`, where a model that writes them as plain text has gone on to another turn; `thinking`:
        the answer begins within a block of thoughts; `bare`: it goes on with a text, and nothing in it is thought.

        For an answer in a prescribed form leave `marks` out: it cannot run away, and may have to quote them.
        """
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._skip = skip
        self._tails = tuple(mark for mark in marks if PLAIN.fullmatch(mark))
        ends = (*stop, *(mark for mark in marks if mark not in self._tails))
        self._end = re.compile("|".join(map(re.escape, ends)) or "(?!)")
        # Every text that may be the beginning of one of them; blanks may follow a mark at the answer's end.
        self._beginnings = {mark[:length] for mark in ends for length in range(1, len(mark))}
        self._beginnings |= {mark[:length] for mark in self._tails for length in range(1, len(mark))}
        self._firsts = {beginning[0] for beginning in self._beginnings}
        self._longest = max(map(len, (*self._beginnings, *self._tails)), default=0) + BLANKS
        self._held = ""
        self._at: Literal["begin", "thought", "behind", "answer"] = "thought" if thinking else "begin"
        if bare:
            self._at = "answer"
        self.thought = ""
        """What was thought, where the model thinks aloud."""
        self.stopped = False
        """A stop string or another's turn has come: the answer is over."""

    def add(self, data: bytes) -> str:
        """The text that `data` makes certain; may be empty."""
        if self.stopped:
            return ""
        text = self._decoder.decode(data)
        if self._skip and text:
            text, self._skip = self._without_skip(text), ""
        self._held += text
        if self._at != "answer" and not self._past_thoughts():
            return ""
        if end := self._end.search(self._held):
            self.stopped = True
            said, self._held = self._held[: end.start()], ""
            return said
        certain = self._certain()
        said, self._held = self._held[:certain], self._held[certain:]
        return said

    def rest(self) -> str:
        """What was held back for something that did not come. An unfinished character is dropped, and so is a mark of
        the answer's end that the model has spelled out."""
        said, self._held = self._held, ""
        if self._at == "thought":
            self.thought += said
            said = ""
        for tail in self._tails:
            if said.rstrip().endswith(tail):
                said = said.rstrip().removesuffix(tail)
        return said

    def _without_skip(self, text: str) -> str:
        same = 0
        while same < min(len(text), len(self._skip)) and text[same] == self._skip[same]:
            same += 1
        return text[same:]

    def _past_thoughts(self) -> bool:
        """Whether the held text is part of the answer itself; what was thought is taken out of it."""
        if self._at == "begin":
            begun = self._held.lstrip()
            if OPEN.startswith(begun):
                return False
            self._at = "thought" if begun.startswith(OPEN) else "answer"
            self._held = begun.removeprefix(OPEN) if self._at == "thought" else self._held
        if self._at == "thought":
            thought, closed, behind = self._held.partition(CLOSE)
            if not closed:  # all but what may become the closing is thought
                thought, behind = self._held[: -len(CLOSE)], self._held[-len(CLOSE) :]
            self.thought += thought[: LONGEST_THOUGHT - len(self.thought)]
            self._at, self._held = ("behind" if closed else "thought"), behind
        if self._at == "behind":
            self._held = self._held.lstrip()
            self._at = "answer" if self._held else "behind"
        return self._at == "answer"

    def _certain(self) -> int:
        """How much of the held text no later text can make part of a stop string or a mark."""
        held = self._held
        for start in range(max(0, len(held) - self._longest), len(held)):
            if held[start] in self._firsts:
                end = held[start:]
                if end in self._beginnings or end.rstrip() in self._tails:
                    return start
        return len(held)
