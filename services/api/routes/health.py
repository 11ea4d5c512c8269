"""Is it alive, is it able, how is it, and please stop."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from services.api.doors import Doors
from services.api.front import HEALTHZ, READYZ
from services.api.house import House, TheHouse
from services.api.policy import Policy
from services.messages.audio import DescribeSources
from solo.errors import SoloError
from solo.supervision import Describe, StopRequested

router = Doors()
_WITHIN_S = 2.0


@router.door("GET", HEALTHZ, policy=Policy(None, rate="cheap"), summary="Alive: the event loop turns")
async def healthz() -> JSONResponse:
    """Answered by the front (`services.api.front`); here for the documentation."""
    return JSONResponse({"status": "alive"})


@router.door(
    "GET", READYZ, policy=Policy(None, rate="cheap"), summary="Ready: every service is; 503 with the reasons until then"
)
async def readyz(house: TheHouse) -> JSONResponse:
    system = await house.ctx.request(Describe(), within=_WITHIN_S)
    # Names only: this route is public, and what failed may name files.
    waiting = [service.name for service in system.services if service.state not in {"ready", "degraded"}]
    body = {"status": system.state, "waiting_for": waiting}
    return JSONResponse(body, status_code=503 if waiting or system.state == "draining" else 200)


@router.door(
    "GET", "/status", policy=Policy("status.read", rate="cheap"), summary="Everything about the daemon in one snapshot"
)
async def status(house: TheHouse) -> JSONResponse:
    system = await house.ctx.request(Describe(), within=_WITHIN_S)
    body = {
        **system.model_dump(mode="json"),
        "audio": await _audio(house, {service.name: service for service in system.services}),
        "turns": [turn.model_dump(mode="json") for turn in house.recent.newest_first()],
        "tokens_per_s": house.recent.tokens_per_s(),
    }
    return JSONResponse(body)


@router.door(
    "POST",
    "/api/stop",
    policy=Policy("daemon.control", audit=True),
    status_code=202,
    summary="Stop the daemon: it drains first",
)
async def stop(house: TheHouse) -> JSONResponse:
    house.ctx.publish(StopRequested(by="api"))
    return JSONResponse({"status": "draining"}, status_code=202)


async def _audio(house: House, services: dict[str, Any]) -> dict[str, Any]:
    device = services.get("device")
    try:
        sources = await house.ctx.request(DescribeSources(), within=_WITHIN_S / 4)
    except SoloError:
        sources = ()  # the part is being restarted, or left out; the services say so
    return {
        "device": f"{device.engine.engine} {device.engine.model}" if device is not None and device.engine else "none",
        "state": (device.note or device.state) if device is not None else "none",
        "sources": [source.model_dump(mode="json") for source in sources],
    }


@router.door("GET", "/openapi.json", policy=Policy("status.read"), summary="The HTTP routes as OpenAPI")
async def openapi(request: Request) -> JSONResponse:
    return JSONResponse(request.app.openapi())
