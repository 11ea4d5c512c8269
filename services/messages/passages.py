"""Documents into passages, passages into vectors."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from solo.bus import Request


class Chunk(BaseModel):
    """A passage of a document, cut by tokens."""

    model_config = ConfigDict(frozen=True)

    text: str
    """The passage."""
    page: int | None
    """From 1; None without pages."""
    offset: int
    """Characters before it on its page, or in the document."""


class DocumentRead(BaseModel):
    """The text of a document, cut into passages."""

    model_config = ConfigDict(frozen=True)

    media_type: str
    """What it was taken for."""
    pages: int | None
    """None where the format has none."""
    chunks: tuple[Chunk, ...]
    """In order; empty: it holds no text."""


class ReadDocument(Request[DocumentRead]):
    """Text out of a file's bytes, in a process of its own."""

    name: str
    """Its ending tells the format where the bytes do not."""
    content: bytes
    """The file's bytes."""


class Vectors(BaseModel):
    """Texts as vectors of length 1."""

    model_config = ConfigDict(frozen=True)

    model: str
    """Name of the embedder's model."""
    dimensions: int
    """Of each vector."""
    data: bytes
    """float32, little-endian, one row a text."""


class Embed(Request[Vectors]):
    """Texts into vectors; texts longer than the model can read are cut."""

    idempotent = True

    texts: tuple[str, ...] = Field(min_length=1, max_length=256)
    """One vector each."""
    background: bool = False
    """True: may wait for those that do not."""
