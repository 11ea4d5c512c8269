"""The items of a conversation, in their order, and as the model reads them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from services.api.realtime.failures import BadRealtimeEvent, NoItem
from services.messages.language import ChatMessage, ToolCall
from services.messages.speech import Transcript

MOST_ITEMS = 512
MOST_CHARS = 1_000_000
"""Of all items of a conversation together; the oldest leave, as they leave the model's context."""
GO_ON = "Go on."
"""What stands in the prompt where nobody has said anything since the last answer."""
Status = Literal["completed", "incomplete", "in_progress"]
PartKind = Literal["input_text", "input_audio", "input_image", "output_text", "output_audio"]


def new_id(kind: str) -> str:
    return f"{kind}_{uuid.uuid4().hex[:20]}"


@dataclass(slots=True)
class Part:
    """One part of a message."""

    kind: PartKind
    text: str = ""
    """Its text, or the transcript of its sound."""
    image: bytes = b""
    image_url: str = ""
    sound_ms: float = 0.0
    heard: asyncio.Task[Transcript] | None = None
    """What will say what was said in it."""
    marks: list[tuple[float, str]] = field(default_factory=list)
    """Of spoken text: where in the sound each phrase ends, in ms, and the phrase."""
    sent_at: float = 0.0
    """Monotonic seconds at which the first of that sound was given out; nobody can have heard more than since then."""

    @property
    def until_ms(self) -> float:
        """Where the last phrase ends."""
        return self.marks[-1][0] if self.marks else 0.0

    def cut(self, ms: float) -> None:
        """Nothing behind this was heard, so nothing behind it was said."""
        if self.marks and ms < self.sound_ms:
            self.text = self.until(ms)

    def until(self, ms: float) -> str:
        """The words that had been heard by then."""
        heard: list[str] = []
        begin = 0.0
        for end, phrase in self.marks:
            if end <= ms:
                heard.append(phrase)
            elif ms > begin:
                words = phrase.split()
                heard.append(" ".join(words[: int(len(words) * (ms - begin) / (end - begin))]))
                break
            begin = end
        return " ".join(piece for piece in heard if piece)


@dataclass(slots=True)
class Item:
    kind: Literal["message", "function_call", "function_call_output"]
    id: str
    role: Literal["system", "user", "assistant"] = "user"
    status: Status = "completed"
    parts: list[Part] = field(default_factory=list)
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    output: str = ""

    @property
    def chars(self) -> int:
        pictures = sum(len(part.image) // 8 + len(part.image_url) for part in self.parts)
        return len(self.arguments) + len(self.output) + sum(len(part.text) for part in self.parts) + pictures

    @property
    def text(self) -> str:
        return "\n".join(part.text for part in self.parts if part.text)

    def told(self) -> dict[str, Any]:
        """As the events have it."""
        body: dict[str, Any] = {"id": self.id, "object": "realtime.item", "type": self.kind, "status": self.status}
        if self.kind == "message":
            return body | {"role": self.role, "content": [_told(part) for part in self.parts]}
        if self.kind == "function_call":
            return body | {"call_id": self.call_id, "name": self.name, "arguments": self.arguments}
        return body | {"call_id": self.call_id, "output": self.output}

    def message(self) -> ChatMessage | None:
        """As the model reads it; None: there is nothing in it."""
        if self.kind == "function_call":
            call = ToolCall(id=self.call_id, name=self.name, arguments=self.arguments)
            return ChatMessage(role="assistant", content="", tool_calls=(call,))
        if self.kind == "function_call_output":
            return ChatMessage(role="tool", content=self.output, tool_call_id=self.call_id)
        images = tuple(part.image for part in self.parts if part.image)
        return ChatMessage(role=self.role, content=self.text, images=images) if self.text or images else None


def _told(part: Part) -> dict[str, Any]:
    if part.kind == "input_image":
        return {"type": part.kind, "image_url": part.image_url}
    if part.kind in {"input_audio", "output_audio"}:
        return {"type": part.kind, "transcript": None if part.heard is not None and not part.text else part.text}
    return {"type": part.kind, "text": part.text}


class Items:
    def __init__(self) -> None:
        self._items: list[Item] = []

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def last_id(self) -> str | None:
        return self._items[-1].id if self._items else None

    def find(self, name: str) -> Item:
        """Raises NoItem."""
        for item in self._items:
            if item.id == name:
                return item
        raise NoItem(f"The conversation has no item {name!r}")

    def add(self, item: Item, after: str | None = None) -> tuple[str | None, list[str]]:
        """Behind the item `after`; `root`: as the first; None: as the last.

        Says which item stands before it, and which of the oldest had to leave. Raises BadRealtimeEvent, NoItem.
        """
        if any(item.id == other.id for other in self._items):
            raise BadRealtimeEvent(f"There is an item {item.id!r} already", param="item.id")
        if item.chars > MOST_CHARS:
            raise BadRealtimeEvent(f"The item is longer than {MOST_CHARS} characters", param="item")
        place = len(self._items)
        if after == "root":
            place = 0
        elif after is not None:
            place = self._items.index(self.find(after)) + 1
        self._items.insert(place, item)
        return (self._items[place - 1].id if place else None), self.trim(item)

    def trim(self, newest: Item | None = None) -> list[str]:
        """Those that had to leave, so that a session cannot grow for ever."""
        gone: list[str] = []
        chars = sum(item.chars for item in self._items)
        while len(self._items) > MOST_ITEMS or chars > MOST_CHARS:
            oldest = next((item for item in self._items if item is not newest), None)
            if oldest is None:
                break
            self._items.remove(oldest)
            chars -= oldest.chars
            gone.append(oldest.id)
        return gone

    def delete(self, name: str) -> Item:
        """Raises NoItem."""
        item = self.find(name)
        self._items.remove(item)
        return item


def messages(instructions: str, items: Iterator[Item] | list[Item]) -> tuple[ChatMessage, ...]:
    """A prompt: the most stable part first, so that it stays in the model's cache."""
    said = [ChatMessage(role="system", content=instructions)] if instructions else []
    said += [message for item in items if (message := item.message()) is not None]
    if said and said[-1].role == "assistant":  # models answer somebody; this one is asked to speak again
        said.append(ChatMessage(role="user", content=GO_ON))
    return tuple(said)
