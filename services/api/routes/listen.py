"""The microphone listens now: a hot-key, a button, push-to-talk."""

from __future__ import annotations

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from services.api.documented import NO_NUL, Body, answers, json_of
from services.api.doors import Doors
from services.api.house import House, TheHouse
from services.api.policy import Policy
from services.messages.audio import DescribeSources, SourceState
from services.messages.turntaking import EndUtterance, ListenNow
from solo.errors import SoloError

router = Doors(prefix="/api/listen", tags=["voice"])
_WITHIN_S = 5.0
_ONE = "microphone"


class NoSource(SoloError):
    """There is no such sound source that waits to be listened to."""

    code = "api.no_source"


class Source(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"source": _ONE}]})

    source: str = Field(default=_ONE, min_length=1, max_length=200, pattern=NO_NUL)
    """Name of a sound source; by itself the microphone of this machine."""


class Listening(Source):
    hold: bool = False
    """Push-to-talk: it goes on until `POST /api/listen/end`, whatever pauses there are."""


class Listened(BaseModel):
    source: SourceState
    """As it was a moment before."""


@router.door(
    "POST",
    "",
    policy=Policy("daemon.control", rate="cheap", audit=True),
    status_code=202,
    summary="Listen now, without the wake word",
    responses=answers(Listened, 202),
)
async def listen(asked: Listening, house: TheHouse) -> JSONResponse:
    """What is understood, and the answer, are told by `/ws/events` and spoken by the source's loudspeaker."""
    source = await _source(house, asked.source)
    house.ctx.publish(ListenNow(source=asked.source, hold=asked.hold))
    return json_of(Listened(source=source), 202)


@router.door(
    "POST",
    "/end",
    policy=Policy("daemon.control", rate="cheap"),
    status_code=202,
    summary="The speaker has finished",
    responses=answers(Listened, 202),
)
async def end(asked: Source, house: TheHouse) -> JSONResponse:
    """Without it the end is known by silence, unless `hold` was asked for."""
    source = await _source(house, asked.source)
    house.ctx.publish(EndUtterance(source=asked.source))
    return json_of(Listened(source=source), 202)


async def _source(house: House, name: str) -> SourceState:
    sources = await house.ctx.request(DescribeSources(), within=_WITHIN_S)
    for source in sources:
        if source.source == name:
            return source
    known = ", ".join(source.source for source in sources)
    raise NoSource(
        f"there is no sound source {name!r}",
        hint=f"There is {known}." if known else "Connect a microphone; `solo status` tells what is missing.",
    )
