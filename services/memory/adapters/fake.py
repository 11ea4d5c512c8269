"""An embedder, a reader and a reranker without a model: for tests, and for machines too small for one."""

from __future__ import annotations

import math
import re
import struct
from typing import Any
from zlib import crc32

from services.memory.adapters.formats import plain
from services.memory.engines import DocumentTooLarge, DocumentUnsupported, ReadChunk, ReadResult
from solo.isolation.call import Call
from solo.isolation.engine import EngineError

_WORD = re.compile(r"\w+")
_PARAGRAPH = re.compile(r"\S(?:.*?\S)??(?=\s*\n\s*\n|\s*\Z)", re.DOTALL)
_BINARY = (b"%PDF-", b"PK\x03\x04")


class FakeEmbedder:
    """Each word pushes one of the dimensions up or down: texts are alike as far as they share words.

    `dimensions`: of a vector. The other options are as in the port; `model`, `tokenizer` and `threads` are unused.
    """

    def __init__(
        self,
        model: str | None = None,
        tokenizer: str | None = None,
        threads: int = 1,
        max_tokens: int = 256,
        dimensions: int = 384,
    ) -> None:
        self._max_tokens = max_tokens
        self._dimensions = dimensions

    def load(self) -> dict[str, Any]:
        return {
            "engine": "fake",
            "model": f"bag of words {self._dimensions}",
            "dimensions": self._dimensions,
            "max_tokens": self._max_tokens,
        }

    def embed(self, call: Call, texts: list[str]) -> bytes:
        """As the port says; no bytes at all for an asker who has left. A token is a word."""
        rows: list[bytes] = []
        for text in texts:
            if call.cancelled:
                return b""
            rows.append(self._row(words(text)[: self._max_tokens]))
        return b"".join(rows)

    def _row(self, found: list[str]) -> bytes:
        row = [0.0] * self._dimensions
        for word in found:
            mixed = crc32(word.encode("utf-8", "replace"))
            row[(mixed >> 1) % self._dimensions] += 1.0 if mixed & 1 else -1.0
        length = math.sqrt(sum(value * value for value in row))
        if length == 0:  # no words, or words that cancel each other
            row[0] = length = 1.0
        return struct.pack(f"<{self._dimensions}f", *(value / length for value in row))


class FakeReader:
    """Plain text only; each paragraph is a chunk.

    Options are as in the port; `tokenizer`, `chunk_tokens`, `overlap_tokens` and `max_pages` are unused.
    """

    def __init__(
        self,
        tokenizer: str | None = None,
        chunk_tokens: int = 200,
        overlap_tokens: int = 32,
        max_chars: int = 5_000_000,
        max_pages: int = 5_000,
    ) -> None:
        self._max_chars = max_chars

    def load(self) -> dict[str, Any]:
        return {"engine": "fake", "model": "paragraphs"}

    def read(self, call: Call, name: str, content: bytes) -> ReadResult:
        """As the port says, for plain text."""
        if content.startswith(_BINARY) or (b"\x00" in content and not plain.has_wide_mark(content)):
            raise DocumentUnsupported("The file is not plain text.", hint="Save it as plain text.")
        text = plain.clean(plain.decode(content))
        if len(text) > self._max_chars:
            raise DocumentTooLarge(f"The document has more than {self._max_chars} characters.", hint="Split it.")
        chunks: list[ReadChunk] = []
        for found in _PARAGRAPH.finditer(text):
            if call.cancelled:
                raise EngineError("The reading was broken off before its end.")
            chunks.append({"text": found[0], "page": None, "offset": found.start()})
        return {"media_type": "text/plain", "pages": None, "chunks": chunks}


class FakeReranker:
    """Scores by the share of the query's words that are in a text. Options are as in the port, and unused."""

    def __init__(
        self, model: str | None = None, tokenizer: str | None = None, threads: int = 1, max_tokens: int = 512
    ) -> None:
        pass

    def load(self) -> dict[str, Any]:
        return {"engine": "fake", "model": "shared words"}

    def rerank(self, call: Call, query: str, texts: list[str]) -> list[float]:
        """As the port says."""
        wanted = set(words(query))
        scores: list[float] = []
        for text in texts:
            if call.cancelled:
                return []
            scores.append(len(wanted & set(words(text))) / len(wanted) if wanted else 0.0)
        return scores


def words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
