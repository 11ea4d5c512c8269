"""OpenAI's sound: transcriptions, translations and speech for every client that speaks it."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from services.api.documented import answers, takes
from services.api.doors import Doors
from services.api.house import House
from services.api.openai.errors import OpenAIRoute
from services.api.openai.reading import read
from services.api.policy import Policy
from services.api.sound import shapes, speaking
from services.api.sound.flow import EVENTS, Flow, Made
from services.api.sound.form import MOST_FILE_BYTES, OVERHEAD_BYTES, read_form
from services.api.sound.hearing import Hearing, wanted
from services.api.sound.speaking import MEDIA_TYPES, SpeechRequest

router = Doors(route_class=OpenAIRoute)
SOUND = Policy("audio", rate="costly", body=MOST_FILE_BYTES + OVERHEAD_BYTES)


@router.door(
    "POST",
    "/v1/audio/transcriptions",
    policy=SOUND,
    summary="What was said in a sound file: JSON, text, SRT, VTT, or server-sent events",
    responses=shapes.transcripts(stream=True),
    openapi_extra=shapes.form(),
)
async def transcriptions(request: Request) -> Response:
    asked, content = wanted(await read_form(request))
    ctx, hearing = _house(request).ctx, _hearing(request)
    if asked.stream:
        return Flow(request, lambda: hearing.events(ctx, asked, content), EVENTS)
    return Made(request, lambda: hearing.whole(ctx, asked, content))


@router.door(
    "POST",
    "/v1/audio/translations",
    policy=SOUND,
    summary="What was said in a sound file, in English, where the speech model knows several languages",
    responses=shapes.transcripts(stream=False),
    openapi_extra=shapes.form(translate=True),
)
async def translations(request: Request) -> Response:
    asked, content = wanted(await read_form(request), translate=True)
    ctx, hearing = _house(request).ctx, _hearing(request)
    return Made(request, lambda: hearing.whole(ctx, asked, content))


@router.door(
    "POST",
    "/v1/audio/speech",
    policy=Policy("audio", rate="costly"),
    summary="A text spoken, as a sound file that is sent while it is made",
    response_class=Response,
    responses=shapes.sounds(),
    openapi_extra=takes(SpeechRequest, {"input": "Good morning.", "voice": "alloy", "response_format": "wav"}),
)
async def speech(request: Request) -> Response:
    asked = await read(request, SpeechRequest)
    ctx = _house(request).ctx
    await speaking.check(ctx, asked)
    if asked.stream_format == "sse":
        return Flow(request, lambda: speaking.events(ctx, asked), EVENTS)
    headers = {"content-type": MEDIA_TYPES[asked.response_format], "cache-control": "no-store"}
    return Flow(request, lambda: speaking.file(ctx, asked), headers)


@router.door(
    "GET",
    "/v1/audio/voices",
    policy=Policy("audio", rate="cheap"),
    summary="The voices that can be asked to speak, and the names that stand for the first of them",
    responses=answers(shapes.Voices),
)
async def voices(request: Request) -> Response:
    known = await speaking.voices(_house(request).ctx)
    listed = [{"id": voice.name, "object": "voice", **voice.model_dump()} for voice in known]
    return JSONResponse({"object": "list", "data": listed, "aliases": sorted(speaking.ALIASES - {""})})


def _house(request: Request) -> House:
    house: House = request.app.state.house
    return house


def _hearing(request: Request) -> Hearing:
    """One for each application."""
    state = request.app.state
    if not hasattr(state, "hearing"):
        state.hearing = Hearing()
    hearing: Hearing = state.hearing
    return hearing
