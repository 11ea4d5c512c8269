"""Kept answers as text with a version, and those in memory, bounded by bytes."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from services.messages.language import CompletionEnd, TextDelta

MOST_BYTES = 1024**2
"""A longer answer is not kept, as JSON."""
MOST_DELTAS = 8
"""In so many deltas at most an answer is given again."""
OVERHEAD_BYTES = 400
"""What an entry takes in memory besides its value and names: measured 359 bytes (tracemalloc, CPython 3.11)."""


class Kept(BaseModel):
    """An answer as it is kept."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    """Of this format; one of another version is a miss."""
    deltas: tuple[TextDelta, ...]
    """Its text, in a few pieces."""
    end: CompletionEnd
    """Its end, as it was said then."""

    def parts(self) -> Iterator[TextDelta | CompletionEnd]:
        """The answer again: nothing was evaluated or decoded for it."""
        yield from self.deltas
        end = self.end
        yield end.model_copy(
            update={
                "cached_tokens": end.prompt_tokens,
                "receipt": end.receipt.model_copy(update={"cached": end.prompt_tokens}),
                "prefill_s": 0.0,
                "decode_s": 0.0,
                "waited_s": 0.0,
                "drafted_tokens": 0,
                "accepted_tokens": 0,
                "from_cache": True,
            }
        )


def worth_keeping(parts: Sequence[TextDelta | CompletionEnd]) -> Kept | None:
    """None for an answer that was cut off, is empty, is an earlier one already, or another model's than was asked."""
    end = parts[-1]
    deltas = [part for part in parts if isinstance(part, TextDelta)]
    if not isinstance(end, CompletionEnd) or end.finish == "cancelled" or end.from_cache or end.fallback:
        return None
    if not end.tool_calls and not any(delta.text for delta in deltas):
        return None
    return Kept(deltas=tuple(_few(deltas)), end=end)


def to_text(kept: Kept) -> str:
    """JSON; a logprob may be infinite, which pydantic's own writer loses."""
    return json.dumps(kept.model_dump(), ensure_ascii=False, separators=(",", ":"))


def from_text(text: str | bytes) -> Kept | None:
    """None for what cannot be read, such as another version's."""
    try:
        return Kept.model_validate_json(text)
    except ValidationError:
        return None


def _few(deltas: Sequence[TextDelta]) -> Iterator[TextDelta]:
    size = -(-len(deltas) // MOST_DELTAS) or 1
    for start in range(0, len(deltas), size):
        some = deltas[start : start + size]
        logprobs = tuple(logprob for delta in some for logprob in delta.logprobs)
        yield TextDelta(text="".join(delta.text for delta in some), logprobs=logprobs)


@dataclass(frozen=True, slots=True)
class Entry:
    value: bytes
    """JSON, as UTF-8: its length is what it takes."""
    profile: str
    model: str
    until: float
    """Loop time from which on it is not used."""

    @property
    def bytes(self) -> int:
        return len(self.value) + len(self.profile) + len(self.model) + OVERHEAD_BYTES


class Memory:
    """Answers at hand; the one not used for longest makes room."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> Entry | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.until <= asyncio.get_running_loop().time():
            self.drop(key)
            return None
        self._entries.move_to_end(key)
        return entry

    def put(self, key: bytes, entry: Entry) -> None:
        self.drop(key)
        if entry.bytes > self.limit:
            return
        self._entries[key] = entry
        self.bytes += entry.bytes
        while self.bytes > self.limit:
            self.drop(next(iter(self._entries)))

    def drop(self, key: bytes) -> None:
        if (entry := self._entries.pop(key, None)) is not None:
            self.bytes -= entry.bytes

    def clear(self, model: str, profile: str) -> list[bytes]:
        """The keys of those that went; an empty name means every."""
        gone = [
            key for key, entry in self._entries.items() if model in ("", entry.model) and profile in ("", entry.profile)
        ]
        for key in gone:
            self.drop(key)
        return gone
