"""What a model's answer cost, as a turn tells it."""

from __future__ import annotations

from services.conversation.talks import Absent
from services.messages.conversation import Tokens
from services.messages.language import CompletionEnd, Receipt


def tokens_of(end: CompletionEnd) -> Tokens:
    return Tokens(
        prompt=end.prompt_tokens,
        cached=end.cached_tokens,
        completion=end.completion_tokens,
        per_second=round(end.completion_tokens / end.decode_s, 1) if end.decode_s > 0 else None,
    )


def receipt_of(end: CompletionEnd, absent: Absent) -> Receipt:
    """The model's, and what the talk itself left out or summarised."""
    counts = {
        "dropped_messages": end.receipt.dropped_messages + absent.gone,
        "summarised_messages": absent.summarised,
    }
    return end.receipt.model_copy(update=counts)
