"""Cuts text into passages of so many tokens, at the ends of paragraphs and sentences where there are any."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.memory.adapters import packaged
from solo.isolation.call import Call
from solo.isolation.engine import BadEngineInput

SECTION_CHARS_PER_TOKEN = 40
"""Of the text given to the splitter at once, in characters a token of a passage: about ten passages. Where nothing
parts a text its time grows with the square of the length (64 000 characters of Chinese without a line break: 8 s,
8 000: 0.3 s), and it cannot be stopped in between."""
MOST_CHARS_PER_TOKEN = 8
"""A generous bound for prose. A word of more than 100 letters is one token to WordPiece, and white space is none."""
_GAP = re.compile(r"\s{100,}")
"""White space that the splitter would go through again and again: 20 s for 16 000 empty lines."""


class Cutter:
    """`chunk_tokens`: most tokens of a passage, without the model's marks; `overlap_tokens`: said again in the next."""

    def __init__(self, tokenizer: str | None, chunk_tokens: int, overlap_tokens: int) -> None:
        self._path = tokenizer
        self._tokens = chunk_tokens
        self._overlap = overlap_tokens
        self._section = SECTION_CHARS_PER_TOKEN * chunk_tokens
        self._most_chars = MOST_CHARS_PER_TOKEN * chunk_tokens
        self._text: Any = None
        self._markdown: Any = None

    def load(self) -> None:
        """Raises `ModelMissing`, `ModelCorrupt` or `BadEngineInput`."""
        if not 0 <= self._overlap < self._tokens:
            raise BadEngineInput(
                f"Passages of {self._tokens} tokens cannot overlap by {self._overlap}.",
                hint="Let passages be longer than their overlap.",
            )
        from semantic_text_splitter import MarkdownSplitter, TextSplitter

        tokenizer = packaged.load_tokenizer(packaged.tokenizer() if self._path is None else Path(self._path))
        self._text = TextSplitter.from_huggingface_tokenizer(tokenizer, self._tokens, overlap=self._overlap)
        self._markdown = MarkdownSplitter.from_huggingface_tokenizer(tokenizer, self._tokens, overlap=self._overlap)

    def cut(self, call: Call, text: str, *, markdown: bool = False) -> Iterator[tuple[int, str]]:
        """(characters before it in `text`, passage), in order; ends early when the asker has left."""
        splitter = self._markdown if markdown else self._text
        start = 0
        while start < len(text) and not call.cancelled:
            gap = _GAP.search(text, start, start + self._section)
            if gap is not None and gap.start() == start:
                start = gap.end()
                continue
            end = min(len(text), start + self._section) if gap is None else gap.start()
            found: list[tuple[int, str]] = splitter.chunk_indices(text[start:end])
            if gap is None and end < len(text) and len(found) > 1 and found[-1][0] > 0:
                # The last one ends where the section does, so it is cut again with what follows.
                end = start + found.pop()[0]
            follows = [offset for offset, _ in found[1:]] + [end - start]
            for (offset, passage), next_offset in zip(found, follows, strict=False):
                for at, piece in self._bounded(start + offset, passage):
                    # Of a passage cut once more, the last piece may lie whole in the next passage, which overlaps.
                    if at < start + next_offset:
                        yield at, piece
            start = end

    def _bounded(self, offset: int, passage: str) -> Iterator[tuple[int, str]]:
        at = 0
        while len(passage) - at > self._most_chars:
            window = passage[at : at + self._most_chars]
            parts = window.rsplit(None, 1)
            size = len(parts[0]) if len(parts) == 2 else len(window)
            yield from _trimmed(offset + at, window[:size])
            at += size
        yield from _trimmed(offset + at, passage[at:])


def _trimmed(offset: int, passage: str) -> Iterator[tuple[int, str]]:
    if shown := passage.strip():
        yield offset + len(passage) - len(passage.lstrip()), shown
