"""Says something aloud in the room: a script's message, a doorbell."""

from __future__ import annotations

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from services.api.documented import NO_NUL, Body, answers, json_of
from services.api.doors import Doors
from services.api.house import House, TheHouse, Who
from services.api.policy import Policy
from services.api.routes.listen import NoSource
from services.messages.announcing import Announce
from services.messages.audio import DescribeSources
from services.messages.speech import ListVoices
from solo.errors import SoloError

router = Doors(prefix="/api/say", tags=["voice"])
_LOOK_WITHIN_S = 5.0
_SAY_WITHIN_S = 420.0
"""An answer may be under way, and 4000 characters take about four minutes."""


class NoVoice(SoloError):
    """There is no voice of that name."""

    code = "api.no_voice"


class Saying(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "Dinner is ready."}]})

    text: str = Field(min_length=1, max_length=4000, pattern=NO_NUL)
    """What to say."""
    source: str | None = Field(default=None, min_length=1, max_length=200, pattern=NO_NUL)
    """Name of a sound source; by itself all that go on listening say it."""
    voice: str | None = Field(default=None, min_length=1, max_length=200, pattern=NO_NUL)
    """One of GET /v1/audio/voices; by itself the usual one."""
    language: str | None = Field(default=None, pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z]{2,4})?$")
    """ISO 639-1 of the text: a voice of that language says it, where there is one."""


class Said(BaseModel):
    said_to: tuple[str, ...]
    """Sources that said it to the end; empty when nobody is attached, or all were interrupted."""


@router.door(
    "POST",
    "",
    policy=Policy("audio", owner="profile", rate="costly", body=64 * 1024, audit=True),
    summary="Say something aloud",
    responses=answers(Said),
)
async def say(asked: Saying, house: TheHouse, who: Who) -> JSONResponse:
    """Behind an answer that is being spoken. Answered when it has been said."""
    if asked.voice is not None:
        await _check_voice(house, asked.voice)
    announcement = Announce(**asked.model_dump(), profile=who.profile)
    said_to = await house.ctx.request(announcement, within=_SAY_WITHIN_S)
    if not said_to and asked.source is not None:
        await _check_source(house, asked.source)
    return json_of(Said(said_to=said_to))


async def _check_voice(house: House, name: str) -> None:
    names = [voice.name for voice in await house.ctx.request(ListVoices(), within=_LOOK_WITHIN_S)]
    if name not in names:
        raise NoVoice(f"there is no voice {name!r}", hint=f"There is {', '.join(names)}.")


async def _check_source(house: House, name: str) -> None:
    names = [state.source for state in await house.ctx.request(DescribeSources(), within=_LOOK_WITHIN_S)]
    if name not in names:
        known = f"There is {', '.join(names)}." if names else "None is attached."
        raise NoSource(f"there is no sound source {name!r}", hint=known)
