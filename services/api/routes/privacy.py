"""HTTP: the proof that Solo connects to nobody it was not told to."""

from __future__ import annotations

import asyncio

from fastapi.responses import JSONResponse

from services.api.doors import Doors
from services.api.policy import Policy
from solo.privacy.proof import PrivacyReport, prove

router = Doors()
_ALONE = asyncio.Lock()
"""One proof at a time: each starts a process."""


@router.door(
    "POST",
    "/api/privacy",
    policy=Policy("daemon.control", rate="costly", audit=True),
    summary="Try to get out, from the daemon and from an engine's process, and tell what stopped it",
    response_model=PrivacyReport,
)
async def privacy() -> JSONResponse:
    """`proven` when every attempt was refused. They go to addresses and names that stand for nobody (RFC 5737, 3849,
    2606), so that even a proof that fails reaches no one."""
    async with _ALONE:
        return JSONResponse((await prove()).model_dump(mode="json"))
