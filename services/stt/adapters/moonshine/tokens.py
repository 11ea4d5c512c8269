"""Moonshine's tokens as text: the file lists them in order, each with its length in front."""

from __future__ import annotations

import re
from collections.abc import Sequence

BEGIN = 1
END = 2
_SPECIAL = 3
"""Tokens below are no text."""
_OLD_SPELLING = re.compile(r"\b([Tt]o)-(day|night|morrow)\b")
"""The books that it learnt from are old; nobody who reads the text expects that."""
_SPACE = "\N{LOWER ONE EIGHTH BLOCK}"


class Tokens:
    def __init__(self, content: bytes) -> None:
        """`content`: of `tokenizer.bin`. Raises ValueError when it is none."""
        self._known: list[bytes] = []
        at = 0
        while at < len(content):
            length = content[at]
            at += 1
            if length >= 0x80:  # two bytes, the low seven bits first
                if at >= len(content):
                    raise ValueError("its last token is cut off")
                length = content[at] * 0x80 + length - 0x80
                at += 1
            if at + length > len(content):
                raise ValueError("its last token is cut off")
            self._known.append(content[at : at + length])
            at += length
        if len(self._known) <= END or self._known[BEGIN] != b"<s>" or self._known[END] != b"</s>":
            raise ValueError("it lists no tokens of Moonshine's")

    def text(self, tokens: Sequence[int]) -> str:
        """Trimmed. Numbers without a token, which the network has too, are nothing."""
        parts = (self._known[token] for token in tokens if _SPECIAL <= token < len(self._known))
        text = b"".join(parts).decode(errors="replace").replace(_SPACE, " ").strip()
        return _OLD_SPELLING.sub(r"\1\2", text)
