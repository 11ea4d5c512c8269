"""The events that a client may send, read and checked."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.api.openai.reading import invalid
from services.api.realtime.failures import BadRealtimeEvent

_ItemID = Annotated[str, Field(min_length=1, max_length=200)]


class _Said(BaseModel):
    """OpenAI's clients may send more than is known here."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    event_id: str | None = Field(default=None, max_length=512)
    """The client's own; comes back with the error that the event causes."""


class SessionUpdate(_Said):
    type: Literal["session.update"]
    session: dict[str, Any]


class SoundAppended(_Said):
    type: Literal["input_audio_buffer.append"]
    audio: str


class SoundCommitted(_Said):
    type: Literal["input_audio_buffer.commit"]


class SoundCleared(_Said):
    type: Literal["input_audio_buffer.clear"]


class ItemCreated(_Said):
    type: Literal["conversation.item.create"]
    item: dict[str, Any]
    previous_item_id: str | None = Field(default=None, max_length=200)


class ItemRetrieved(_Said):
    type: Literal["conversation.item.retrieve"]
    item_id: _ItemID


class ItemDeleted(_Said):
    type: Literal["conversation.item.delete"]
    item_id: _ItemID


class ItemTruncated(_Said):
    type: Literal["conversation.item.truncate"]
    item_id: _ItemID
    content_index: int = Field(ge=0, le=1000)
    audio_end_ms: int = Field(ge=0, le=2**31)


class ResponseAsked(_Said):
    type: Literal["response.create"]
    response: dict[str, Any] | None = None


class ResponseCancelled(_Said):
    type: Literal["response.cancel"]
    response_id: str | None = Field(default=None, max_length=200)


Event = (
    SessionUpdate | SoundAppended | SoundCommitted | SoundCleared | ItemCreated | ItemRetrieved | ItemDeleted
    | ItemTruncated | ResponseAsked | ResponseCancelled
)  # fmt: skip
_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])
CLIENT_EVENTS = tuple(kind.model_fields["type"].annotation.__args__[0] for kind in Event.__args__)
"""By their names, in the order of the table in docs/realtime.md."""


def parsed(message: dict[str, Any]) -> dict[str, Any]:
    """The JSON object of a frame. Raises BadRealtimeEvent."""
    text = message.get("text")
    if text is None:
        raise BadRealtimeEvent("The frame is not text", hint="Send JSON; sound goes in base64.")
    try:
        said: Any = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise BadRealtimeEvent("The frame is not JSON", hint="Send a JSON object.") from None
    if not isinstance(said, dict):
        raise BadRealtimeEvent("The frame is not an object", hint="Send a JSON object.")
    return said


def event_id_of(said: dict[str, Any]) -> str | None:
    """To be named in an error, also of an event that cannot be read."""
    name = said.get("event_id")
    return name[:512] if isinstance(name, str) else None


def event_of(said: dict[str, Any]) -> Event:
    """Raises BadRealtimeEvent."""
    kind = said.get("type")
    if kind not in CLIENT_EVENTS:
        hint = f"There are {', '.join(CLIENT_EVENTS)}."
        named = repr(kind[:100]) if isinstance(kind, str) else "without a type"
        raise BadRealtimeEvent(f"There is no event {named}", hint=hint, param="type")
    try:
        # `null` is as good as left out, as OpenAI's own clients send it.
        return _EVENT.validate_python({name: value for name, value in said.items() if value is not None})
    except ValidationError as error:
        found = invalid(error)
        param = (found.param or "").removeprefix(f"{kind}.")
        raise BadRealtimeEvent(found.message.removeprefix(f"{kind}."), param=param or None) from None


def _no_number(name: str) -> None:
    raise ValueError(f"JSON has no {name}")
