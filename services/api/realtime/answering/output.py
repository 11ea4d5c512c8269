"""One output item of a response while it is made, and the events that tell of it."""

from __future__ import annotations

import base64
from typing import Any

from services.api.openai.chunks import fragments
from services.api.realtime.line import Line
from services.api.realtime.talk.items import Item, Items, Part, new_id
from services.messages.language import ToolCall


class Output:
    """`items`: the conversation that its items belong to; None: they belong to none."""

    def __init__(self, line: Line, response: str, items: Items | None) -> None:
        self.done: list[Item] = []
        self._line = line
        self._response = response
        self._items = items
        self._open: Item | None = None

    @property
    def part(self) -> Part | None:
        """The part under way."""
        return self._open.parts[0] if self._open is not None and self._open.parts else None

    @property
    def item_id(self) -> str:
        return "" if self._open is None else self._open.id

    def begin(self, *, spoken: bool) -> Part:
        """A message, spoken or written."""
        part = Part("output_audio" if spoken else "output_text")
        self._open = item = Item("message", new_id("item"), "assistant", "in_progress")
        self._added(item)
        item.parts.append(part)
        told = {"type": "audio", "transcript": ""} if spoken else {"type": "text", "text": ""}
        self._say("response.content_part.added", content_index=0, part=told)
        return part

    def text(self, delta: str) -> None:
        part = self.part
        assert part is not None
        part.text += delta
        kind = "response.output_audio_transcript.delta" if part.kind == "output_audio" else "response.output_text.delta"
        self._say(kind, content_index=0, delta=delta)

    def sound(self, piece: bytes) -> None:
        self._say("response.output_audio.delta", content_index=0, delta=base64.b64encode(piece).decode())

    def end(self, *, whole: bool = True) -> None:
        """The message is over; `whole`: it was finished."""
        item, part = self._open, self.part
        if item is None:
            return
        if part is not None and part.kind == "output_audio":
            self._say("response.output_audio.done", content_index=0)
            self._say("response.output_audio_transcript.done", content_index=0, transcript=part.text)
            told = {"type": "audio", "transcript": part.text}
            self._say("response.content_part.done", content_index=0, part=told)
        elif part is not None:
            self._say("response.output_text.done", content_index=0, text=part.text)
            self._say("response.content_part.done", content_index=0, part={"type": "text", "text": part.text})
        self._over(item, whole)

    def call(self, call: ToolCall) -> None:
        """A whole item of its own."""
        item = Item("function_call", new_id("item"), "assistant", "in_progress", call_id=call.id, name=call.name)
        self._open = item
        self._added(item)
        for piece in fragments(call.arguments):
            self._say("response.function_call_arguments.delta", call_id=call.id, delta=piece)
        item.arguments = call.arguments
        self._say("response.function_call_arguments.done", call_id=call.id, name=call.name, arguments=call.arguments)
        self._over(item, True)

    def _added(self, item: Item) -> None:
        self._line.say("response.output_item.added", response_id=self._response, output_index=len(self.done),
                       item=item.told())  # fmt: skip
        if self._items is not None:
            before, gone = self._items.add(item)
            for name in gone:
                self._line.say("conversation.item.deleted", item_id=name)
            self._line.say("conversation.item.added", previous_item_id=before, item=item.told())

    def _over(self, item: Item, whole: bool) -> None:
        item.status = "completed" if whole else "incomplete"
        index = len(self.done)
        self._line.say("response.output_item.done", response_id=self._response, output_index=index, item=item.told())
        if self._items is not None:
            self._line.say("conversation.item.done", previous_item_id=self._before(item), item=item.told())
        self.done.append(item)
        self._open = None

    def _before(self, item: Item) -> str | None:
        before: str | None = None
        for other in self._items or ():
            if other is item:
                return before
            before = other.id
        return None

    def _say(self, kind: str, **body: Any) -> None:
        index = len(self.done)
        self._line.say(kind, response_id=self._response, item_id=self.item_id, output_index=index, **body)
