"""HTTP: the audit log."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from fastapi.responses import JSONResponse

from services.api.doors import Doors
from services.api.house import TheHouse
from services.api.policy import Policy
from services.messages.audit import ReadAudit, VerifyAudit

router = Doors(prefix="/api/audit")
_WITHIN_S = 5.0
_VERIFY_WITHIN_S = 600.0
"""Every row is looked at."""


@router.door("GET", "", policy=Policy("audit.read", audit=True), summary="What happened, newest first")
async def entries(
    house: TheHouse,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many at most.")] = 100,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="Only rows with a lower `seq`.")] = None,
    action: Annotated[str, Query(max_length=100, description="Only actions that begin so.")] = "",
) -> JSONResponse:
    question = ReadAudit(limit=limit, before=before, action=action.replace("\0", ""))
    found = await house.ctx.request(question, within=_WITHIN_S)
    return JSONResponse({"entries": [row.model_dump(mode="json") for row in found]})


@router.door("GET", "/verify", policy=Policy("audit.read", rate="costly", audit=True), summary="Is the log whole?")
async def check(house: TheHouse) -> JSONResponse:
    """Recomputes every hash. A log that was tampered with is an answer too: `whole` is false."""
    verdict = await house.ctx.request(VerifyAudit(), within=_VERIFY_WITHIN_S)
    return JSONResponse(verdict.model_dump(mode="json"))
