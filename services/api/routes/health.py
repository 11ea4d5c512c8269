"""Is it alive, is it able, how is it, and please stop."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from services.api.documented import answers
from services.api.doors import Doors
from services.api.front import HEALTHZ, READYZ
from services.api.house import House, TheHouse, Who
from services.api.policy import Policy
from services.api.routes import config, jobs, prometheus
from services.api.schema import described
from services.messages.audio import DescribeSources, SourceState
from services.messages.conversation import TurnSummary
from services.messages.security import Principal
from solo.errors import SoloError
from solo.supervision import Describe, ServiceState, StopRequested, SystemState

router = Doors(tags=["status"])
_WITHIN_S = 2.0
_RETRY_AFTER = {"retry-after": "2"}


class Alive(BaseModel):
    status: Literal["alive"]


class Readiness(BaseModel):
    status: str
    waiting_for: tuple[str, ...]


class Audio(BaseModel):
    device: str
    state: str
    sources: tuple[SourceState, ...]


class Status(SystemState):
    audio: Audio
    turns: tuple[TurnSummary, ...]
    tokens_per_s: float | None


class Stopped(BaseModel):
    status: Literal["draining"]


@router.door(
    "GET",
    HEALTHZ,
    policy=Policy(None, rate="cheap"),
    summary="Alive: the event loop turns",
    responses=answers(Alive),
)
async def healthz() -> JSONResponse:
    """Answered by the front (`services.api.front`); here for the documentation."""
    return JSONResponse({"status": "alive"})


@router.door(
    "GET",
    READYZ,
    policy=Policy(None, rate="cheap"),
    summary="Ready: every service is; 503 with the reasons until then",
    responses=answers(Readiness) | answers(Readiness, 503),
)
async def readyz(house: TheHouse) -> JSONResponse:
    """Looks only: it wakes no sleeping model."""
    system = await house.ctx.request(Describe(), within=_WITHIN_S)
    # Names only: this route is public, and what failed may name files.
    waiting = [service.name for service in system.services if service.state not in {"ready", "degraded"}]
    body = {"status": system.state, "waiting_for": waiting}
    if waiting or system.state == "draining":
        return JSONResponse(body, status_code=503, headers=_RETRY_AFTER)
    return JSONResponse(body)


@router.door(
    "GET",
    "/status",
    policy=Policy("status.read", owner="profile", rate="cheap"),
    summary="Everything about the daemon in one snapshot",
    responses=answers(Status),
)
async def status(house: TheHouse, who: Who) -> Response:
    """The last turns in it are those of the caller; what sources of sound there are only an admin sees."""
    system = await house.ctx.request(Describe(), within=_WITHIN_S)
    whole = Status.model_construct(
        **dict(system),
        audio=await _audio(house, who, {service.name: service for service in system.services}),
        turns=tuple(house.recent.newest_first(who.profile)),
        tokens_per_s=house.recent.tokens_per_s(),
    )
    # Written once: as values first and as JSON then costs a third of the whole request.
    return Response(whole.model_dump_json(), media_type="application/json")


@router.door(
    "POST",
    "/api/stop",
    policy=Policy("daemon.control", audit=True),
    status_code=202,
    summary="Stop the daemon: it drains first",
    responses=answers(Stopped, 202),
)
async def stop(house: TheHouse) -> JSONResponse:
    house.ctx.publish(StopRequested(by="api"))
    return JSONResponse({"status": "draining"}, status_code=202)


async def _audio(house: House, who: Principal, services: dict[str, ServiceState]) -> Audio:
    device = services.get("device")
    sources: tuple[SourceState, ...] = ()
    if who.role == "admin":
        try:
            sources = await house.ctx.request(DescribeSources(), within=_WITHIN_S / 4)
        except SoloError:
            sources = ()  # the part is being restarted, or left out; the services say so
    return Audio(
        device=f"{device.engine.engine} {device.engine.model}" if device is not None and device.engine else "none",
        state=(device.note or device.state) if device is not None else "none",
        sources=sources,
    )


@router.door(
    "GET",
    "/openapi.json",
    policy=Policy("status.read"),
    summary="The HTTP routes as OpenAPI 3.1",
    responses=answers(dict[str, Any]),
)
async def openapi(request: Request) -> JSONResponse:
    return JSONResponse(described(request.app))


router.contain(prometheus.router)
router.contain(jobs.router)
router.contain(config.router)
