"""The daemon's figures in Prometheus' text form."""

from __future__ import annotations

from typing import TypeVar

from fastapi import Request, Response

from services.api.doors import Doors
from services.api.exposition import CONTENT_TYPE, Snapshot, exposition
from services.api.figures import KEY
from services.api.house import House, TheHouse
from services.api.policy import Policy
from services.messages.pool import DescribePool
from services.messages.responses import DescribeCache
from solo.bus import Request as Question
from solo.errors import SoloError
from solo.supervision import Describe

T = TypeVar("T")

router = Doors(tags=["status"])
_WITHIN_S = 2.0
_EXAMPLE = '# HELP solo_up The daemon answers.\n# TYPE solo_up gauge\nsolo_up{version="1.0"} 1.0\n'


@router.door(
    "GET",
    "/metrics",
    policy=Policy("status.read", rate="cheap"),
    summary="Figures for Prometheus, all with the prefix solo_",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": _EXAMPLE}}}},
)
async def metrics(request: Request, house: TheHouse) -> Response:
    """Looks only: it wakes no sleeping model. A part that is away is left out. Labels hold no words of users."""
    pool = await _asked(house, DescribePool())
    cache = await _asked(house, DescribeCache())
    snapshot = Snapshot(
        system=await house.ctx.request(Describe(), within=_WITHIN_S),
        pool=pool,
        cache=cache,
        figures=house.recent.figures,
        traffic=request.scope.get(KEY),
        voice=house.recent.voice,
    )
    return Response(exposition(snapshot), media_type=CONTENT_TYPE)


async def _asked(house: House, question: Question[T]) -> T | None:
    """None: that part is away."""
    try:
        return await house.ctx.request(question, within=_WITHIN_S)
    except SoloError:
        return None
