"""Embeddings: texts in, vectors out."""

from __future__ import annotations

import array
import base64
import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from services.api.openai.asking import DEFAULTS, ROLES, Asking, NotOffered
from services.api.openai.shapes import texts
from services.messages.language import EmbedTexts

_MOST_TEXTS = 256


def _texts(value: object) -> object:
    if isinstance(value, list) and value and not all(isinstance(text, str) for text in value):
        raise ValueError("is not text: Solo takes no tokens here")
    return [value] if isinstance(value, str) else value


class EmbeddingsRequest(Asking):
    """`POST /v1/embeddings`."""

    input: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...],
        BeforeValidator(_texts),
        Field(min_length=1, max_length=_MOST_TEXTS),
        WithJsonSchema(texts(_MOST_TEXTS)),
    ]
    """One text, or up to 256."""
    model: str = Field(default="", max_length=1000)
    """A model's name; `solo` and roles' names are as good as none."""
    encoding_format: Literal["float", "base64"] = "float"
    """Numbers, or little-endian 32-bit floats in base64."""
    dimensions: NotOffered = None
    """Not offered: a vector is as long as the model makes it."""

    def question(self) -> EmbedTexts:
        named = self.model not in DEFAULTS and self.model not in ROLES
        return EmbedTexts(texts=self.input, model=self.model if named else "")

    def written(self, vectors: Sequence[tuple[float, ...]], model: str, tokens: int) -> bytes:
        """The answer; `model`: who made the vectors."""
        data = [
            {"object": "embedding", "index": index, "embedding": self._written(vector)}
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        answer: dict[str, Any] = {"object": "list", "data": data, "model": model, "usage": usage}
        return json.dumps(answer, separators=(",", ":")).encode()

    def _written(self, vector: tuple[float, ...]) -> str | list[float]:
        if self.encoding_format == "float":
            return list(vector)
        numbers = array.array("f", vector)
        if sys.byteorder == "big":
            numbers.byteswap()
        return base64.b64encode(numbers.tobytes()).decode()
