"""What a client wants of one response, read and checked."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.api.openai.errors import InvalidParameter
from services.api.openai.reading import invalid
from services.api.realtime.answering.answer import Wanted
from services.api.realtime.failures import BadRealtimeEvent
from services.api.realtime.shape import Settings, patched
from services.api.realtime.talk.items import Item, Items
from services.api.realtime.talk.reading import item_of
from services.api.sound.speaking import ALIASES, voices
from solo.supervision import Context

_SETTINGS = frozenset(
    {"instructions", "output_modalities", "audio", "tools", "tool_choice", "max_output_tokens", "temperature", "prompt"}
)
MOST_INPUTS = 512


class _Response(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    conversation: str = Field(default="auto", max_length=100)
    metadata: dict[str, str] | None = Field(default=None, max_length=16)
    input: list[dict[str, Any]] | None = Field(default=None, max_length=MOST_INPUTS)


async def wanted(ctx: Context, session: Settings, items: Items, response: dict[str, Any]) -> Wanted:
    """Raises InvalidParameter, NoItem."""
    try:
        asked = _Response.model_validate({name: value for name, value in response.items() if value is not None})
    except ValidationError as error:
        raise invalid(error, "response") from None
    if any(len(name) > 64 or len(value) > 512 for name, value in (asked.metadata or {}).items()):
        raise BadRealtimeEvent("A name has at most 64 characters, its value 512", param="response.metadata")
    patch = {name: value for name, value in response.items() if name in _SETTINGS}
    if isinstance(audio := patch.get("audio"), dict):
        patch["audio"] = {name: value for name, value in audio.items() if name == "output"}
    settings = patched(session, patch, "response")
    await check_voice(ctx, settings, session, "response")
    read = list(items) if asked.input is None else [_input(items, body, at) for at, body in enumerate(asked.input)]
    return Wanted(settings, read, asked.metadata, in_conversation=asked.conversation != "none")


async def check_voice(ctx: Context, settings: Settings, before: Settings, under: str) -> None:
    """Raises InvalidParameter for a voice that there is not."""
    voice = settings.audio.output.voice
    if voice == before.audio.output.voice or voice.lower() in ALIASES:
        return
    names = {known.name for known in await voices(ctx)}
    if voice not in names:
        listed = ", ".join(sorted(names) + sorted(ALIASES - {""}))
        raise InvalidParameter(
            f"There is no voice {voice!r}", hint=f"There are {listed}.", param=f"{under}.audio.output.voice"
        )


def _input(items: Items, body: dict[str, Any], place: int) -> Item:
    param = f"response.input.{place}"
    if body.get("type") == "item_reference":
        name = body.get("id")
        if not isinstance(name, str):
            raise BadRealtimeEvent("A reference names an item", param=f"{param}.id")
        return items.find(name)
    item, sounds = item_of(body, param)
    if sounds:
        raise BadRealtimeEvent("Sound belongs into the conversation", param=param, hint="Send its transcript.")
    return item
