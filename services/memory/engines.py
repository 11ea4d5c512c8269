"""The ports of the engines that memory needs: an embedder, a reader of documents, and, if wanted, a reranker."""

from __future__ import annotations

from typing import Any, Protocol, TypedDict

from solo.errors import SoloError
from solo.isolation.call import Call


class ReadChunk(TypedDict):
    text: str
    page: int | None
    """From 1; None where the format has no pages."""
    offset: int
    """Characters before it on its page, or in the document."""


class ReadResult(TypedDict):
    media_type: str
    pages: int | None
    chunks: list[ReadChunk]


class DocumentUnreadable(SoloError):
    """The document cannot be read."""

    code = "memory.unreadable"


class DocumentUnsupported(SoloError):
    """Documents of this format cannot be read."""

    code = "memory.unsupported"


class DocumentTooLarge(SoloError):
    """The document is larger than what is taken in."""

    code = "memory.too_large"


class DocumentProtected(SoloError):
    """The document is protected with a password."""

    code = "memory.protected"


class EmbeddingEngine(Protocol):
    """Options: `model` (path of an ONNX file; None: the packaged all-MiniLM-L6-v2), `tokenizer` (path of its
    tokenizer.json), `threads`, `max_tokens` (longer texts are cut)."""

    def load(self) -> dict[str, Any]:
        """Also says `dimensions` (of a vector) and `max_tokens`. Raises `ModelMissing` or `ModelCorrupt`."""
        ...

    def embed(self, call: Call, texts: list[str]) -> bytes:
        """float32 little-endian, one row of length 1 (L2) a text, in the order of the texts."""
        ...


class ReadingEngine(Protocol):
    """Options: `tokenizer` (path of the embedder's tokenizer.json; None: the packaged one), `chunk_tokens`,
    `overlap_tokens`, `max_chars` (of text, at most), `max_pages`."""

    def load(self) -> dict[str, Any]: ...

    def read(self, call: Call, name: str, content: bytes) -> ReadResult:
        """Text, Markdown, PDF, HTML and DOCX, known by their bytes first and by the ending of `name` second.

        Raises `DocumentUnreadable`, `DocumentUnsupported`, `DocumentTooLarge` or `DocumentProtected`, each with the
        reason. A document without text gives no chunks.
        """
        ...


class RerankingEngine(Protocol):
    """Says how well passages answer a query; slower and better than the likeness of vectors.

    Options: `model` (path of an ONNX file), `tokenizer` (path of its tokenizer.json; None: beside the model),
    `threads`, `max_tokens` (of query and text together; longer ones are cut)."""

    def load(self) -> dict[str, Any]:
        """Raises `ModelMissing` or `ModelCorrupt`."""
        ...

    def rerank(self, call: Call, query: str, texts: list[str]) -> list[float]:
        """A score for each text, 0 to 1, higher is better; none at all for an asker who has left."""
        ...
