"""HTTP: the audit log."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from services.api.documented import NO_NUL, answers, json_list, json_of
from services.api.doors import Doors
from services.api.house import TheHouse
from services.api.policy import Policy
from services.messages.audit import AuditRow, AuditVerdict, ReadAudit, VerifyAudit

router = Doors(prefix="/api/audit")
_WITHIN_S = 5.0
_VERIFY_WITHIN_S = 600.0
"""Every row is looked at."""


class Entries(BaseModel):
    entries: tuple[AuditRow, ...]


@router.door(
    "GET",
    "",
    policy=Policy("audit.read", audit=True),
    summary="What happened, newest first",
    responses=answers(Entries),
)
async def entries(
    house: TheHouse,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many at most.")] = 100,
    before: Annotated[int | None, Query(ge=1, le=2**53, description="Only rows with a lower `seq`.")] = None,
    action: Annotated[str, Query(max_length=100, pattern=NO_NUL, description="Only actions that begin so.")] = "",
) -> JSONResponse:
    question = ReadAudit(limit=limit, before=before, action=action)
    found = await house.ctx.request(question, within=_WITHIN_S)
    return JSONResponse({"entries": json_list(found)})


@router.door(
    "GET",
    "/verify",
    policy=Policy("audit.read", rate="costly", audit=True),
    summary="Is the log whole?",
    responses=answers(AuditVerdict),
)
async def check(house: TheHouse) -> JSONResponse:
    """Recomputes every hash. A log that was tampered with is an answer too: `whole` is false."""
    return json_of(await house.ctx.request(VerifyAudit(), within=_VERIFY_WITHIN_S))
