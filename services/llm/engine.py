"""The port of language-model engines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Protocol, TypedDict

from solo.errors import SoloError
from solo.isolation.call import Call


class ChatMessage(TypedDict):
    role: Literal["system", "user", "assistant"]
    content: str


class Completed(TypedDict):
    """The last item of a completion."""

    finish: Literal["stop", "length", "cancelled"]
    prompt_tokens: int
    cached_tokens: int
    """How many of the prompt's tokens were still in the KV cache from an earlier call."""
    completion_tokens: int
    prefill_s: float
    decode_s: float
    zones: dict[str, int]
    """Tokens of the prompt by zone: `system`, `history`, `memory` (system messages behind the first), `question`,
    `template`."""
    dropped_messages: int
    """Messages of the history, oldest first, left out because they did not fit."""


class PromptTooLong(SoloError):
    """The question alone does not fit the model's context."""

    code = "llm.prompt_too_long"


class LLMEngine(Protocol):
    """Options: `model` (path of a GGUF; None: the packaged one), `context` (tokens), `threads`, `gpu_layers`.

    The last message is the user's.
    """

    def load(self) -> dict[str, Any]:
        """Load and warm up. Raises `ModelMissing` or `ModelCorrupt`."""
        ...

    def complete(
        self,
        call: Call,
        messages: list[ChatMessage],
        prefix: str = "",
        max_tokens: int = 256,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        stop: list[str] | None = None,
    ) -> Iterator[str | Completed]:
        """Pieces of the answer's text as they are decoded (whole characters only), then one `Completed`.

        `prefix` is the beginning of the assistant's answer, already said: generation goes on behind it and the
        prefix itself is not repeated. The oldest history is left out until prompt and `max_tokens` fit.
        """
        ...

    def prefill(self, call: Call, messages: list[ChatMessage]) -> int:
        """Evaluate a prompt's stable beginning into the cache; returns its tokens."""
        ...
