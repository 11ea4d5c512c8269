"""Documents into passages: text, Markdown, HTML, PDF and Word documents, in a child process with limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from services.memory.adapters.cutting import Cutter
from services.memory.adapters.formats import docx, html, pdf, plain
from services.memory.adapters.formats.plain import Page
from services.memory.adapters.formats.sniffing import MEDIA_TYPES, Kind, kind_of
from services.memory.engines import DocumentTooLarge, DocumentUnreadable, ReadChunk, ReadResult
from solo.errors import SoloError
from solo.isolation.call import Call
from solo.isolation.engine import EngineError

_MOST_REASON = 160
"""Characters of a library's own words."""
_BYTES_PER_CHAR = 4
"""Of UTF-8 and UTF-32, at most."""


class DocumentReader:
    """Options as in the port.

    Offsets count characters of the text as it was read: with `\\n` between lines and without control characters.
    """

    def __init__(
        self,
        tokenizer: str | None = None,
        chunk_tokens: int = 200,
        overlap_tokens: int = 32,
        max_chars: int = 5_000_000,
        max_pages: int = 5_000,
    ) -> None:
        self._cutter = Cutter(tokenizer, chunk_tokens, overlap_tokens)
        self._chunk_tokens = chunk_tokens
        self._overlap_tokens = overlap_tokens
        self._max_chars = max_chars
        self._max_pages = max_pages

    def load(self) -> dict[str, Any]:
        self._cutter.load()
        # What is not installed shows now, and the first document need not wait.
        import docx
        import pypdfium2
        import selectolax.lexbor

        return {
            "engine": "document reader",
            "model": ", ".join(module.__name__.split(".")[0] for module in (pypdfium2, docx, selectolax.lexbor)),
            "chunk_tokens": self._chunk_tokens,
            "overlap_tokens": self._overlap_tokens,
        }

    def read(self, call: Call, name: str, content: bytes) -> ReadResult:
        """As the port says. Raises `EngineError` when the asker has left: a part must not pass for the whole."""
        try:
            return self._read(call, name, content)
        except SoloError:
            raise
        except MemoryError as error:
            raise DocumentTooLarge("Reading the document takes more memory than it may.", hint="Split it.") from error
        except Exception as error:  # what parsers raise over broken input is not for them to say
            reason = " ".join(plain.clean(f"{type(error).__name__}: {error}").split())[:_MOST_REASON]
            raise DocumentUnreadable(
                f"The document is damaged: {reason}", hint="Check that it opens elsewhere, and save it again there."
            ) from error

    def _read(self, call: Call, name: str, content: bytes) -> ReadResult:
        kind = kind_of(name, content)
        chunks: list[ReadChunk] = []
        number: int | None = None
        left = self._max_chars
        for number, text in self._pages(call, kind, content):
            left -= len(text)
            if left < 0:
                raise self._too_large()
            for offset, passage in self._cutter.cut(call, text, markdown=kind == "markdown"):
                chunks.append({"text": passage, "page": number, "offset": offset})
        if call.cancelled:
            raise EngineError("The reading was broken off before its end.")
        return {"media_type": MEDIA_TYPES[kind], "pages": number, "chunks": chunks}

    def _pages(self, call: Call, kind: Kind, content: bytes) -> Iterator[Page]:
        match kind:
            case "pdf":
                return pdf.pages(call, content, self._max_chars, self._max_pages)
            case "docx":
                return docx.pages(call, content)
            case "html":
                return html.pages(call, content)
            case _:
                if len(content) > _BYTES_PER_CHAR * (self._max_chars + 1):
                    raise self._too_large()
                return iter([Page(None, plain.clean(plain.decode(content)))])

    def _too_large(self) -> DocumentTooLarge:
        return DocumentTooLarge(f"The document has more than {self._max_chars} characters.", hint="Split it.")
