"""Items as clients write them, read and checked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.api.openai.contents import image_of
from services.api.openai.reading import invalid
from services.api.realtime.failures import BadRealtimeEvent
from services.api.realtime.talk.items import MOST_CHARS, Item, Part, Status, new_id

MOST_PARTS = 32
_Text = Annotated[str, Field(max_length=MOST_CHARS)]


class _Written(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Content(_Written):
    type: Literal["input_text", "input_audio", "input_image", "output_text", "output_audio"]
    text: _Text | None = None
    transcript: _Text | None = None
    audio: str | None = None
    image_url: str | None = None


class _Named(_Written):
    id: str | None = Field(default=None, min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")
    status: Status | None = None


class Message(_Named):
    type: Literal["message"]
    role: Literal["system", "user", "assistant"]
    content: tuple[_Content, ...] = Field(min_length=1, max_length=MOST_PARTS)


class FunctionCall(_Named):
    type: Literal["function_call"]
    name: str = Field(min_length=1, max_length=64)
    arguments: _Text
    call_id: str = Field(default="", max_length=200)


class FunctionCallOutput(_Named):
    type: Literal["function_call_output"]
    call_id: str = Field(min_length=1, max_length=200)
    output: _Text


_KINDS = ("message", "function_call", "function_call_output")
_WRITTEN: TypeAdapter[Message | FunctionCall | FunctionCallOutput] = TypeAdapter(
    Annotated[Message | FunctionCall | FunctionCallOutput, Field(discriminator="type")]
)
_ALLOWED = {
    "system": {"input_text"},
    "user": {"input_text", "input_audio", "input_image"},
    "assistant": {"output_text", "output_audio"},
}


def item_of(body: dict[str, Any], param: str = "item") -> tuple[Item, dict[int, str]]:
    """The item, and the sound (base64, in the session's format) of those of its parts that have only that.

    Raises BadRealtimeEvent, InvalidParameter.
    """
    kind = body.get("type")
    if kind not in _KINDS:
        raise BadRealtimeEvent("Solo does not take such an item", param=f"{param}.type", hint=f"There are {_KINDS}.")
    try:
        # `null` is as good as left out.
        written = _WRITTEN.validate_python({name: value for name, value in body.items() if value is not None})
    except ValidationError as error:
        found = invalid(error, param)
        where = (found.param or param).replace(f"{param}.{kind}", param, 1)
        raise BadRealtimeEvent(found.message.replace(f"{param}.{kind}", param, 1), param=where) from None
    name = written.id or new_id("item")
    if isinstance(written, FunctionCall):
        call_id = written.call_id or new_id("call")
        return Item("function_call", name, "assistant", call_id=call_id, name=written.name,
                    arguments=written.arguments), {}  # fmt: skip
    if isinstance(written, FunctionCallOutput):
        return Item("function_call_output", name, call_id=written.call_id, output=written.output), {}
    item = Item("message", name, written.role)
    sounds: dict[int, str] = {}
    for place, content in enumerate(written.content):
        item.parts.append(_part(written.role, content, f"{param}.content.{place}"))
        if content.type == "input_audio" and content.audio and content.transcript is None:
            sounds[place] = content.audio
    return item, sounds


def _part(role: str, content: _Content, param: str) -> Part:
    if content.type not in _ALLOWED[role]:
        hint = f"It takes {', '.join(sorted(_ALLOWED[role]))}."
        raise BadRealtimeEvent(f"A message of the {role} has no {content.type}", param=f"{param}.type", hint=hint)
    if content.type == "input_image":
        url = content.image_url or ""
        return Part(content.type, image=image_of(url, f"{param}.image_url"), image_url=url)
    spoken = content.type in {"input_audio", "output_audio"}
    text = content.transcript if spoken else content.text
    if text is None and not content.audio:
        raise BadRealtimeEvent("There is nothing in it", param=f"{param}.{'transcript' if spoken else 'text'}")
    return Part(content.type, text=text or "")
