"""Long work under way and done."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from services.api.documented import answers
from services.api.doors import Doors
from services.api.house import Who
from services.api.jobs import MOST_KEPT, Job, jobs_of
from services.api.policy import Policy

router = Doors(prefix="/api/jobs", tags=["jobs"])

JobId = Annotated[
    str,
    Path(
        pattern=r"^[0-9a-f]{32}$",
        description="Id of a job, as the answer 202 said it.",
        examples=["00112233445566778899aabbccddeeff"],
    ),
]


class Listed(BaseModel):
    jobs: tuple[Job, ...]


@router.door(
    "GET",
    "",
    policy=Policy("status.read", owner="profile", rate="cheap"),
    summary="Jobs since the start, newest first",
    responses=answers(Listed),
)
async def jobs(
    request: Request,
    who: Who,
    limit: Annotated[int, Query(ge=1, le=MOST_KEPT, description="How many at most.")] = 50,
) -> JSONResponse:
    """Remembered until the daemon stops, the newest of each profile."""
    found = jobs_of(request.app).listed(who.profile, limit)
    return JSONResponse({"jobs": [job.model_dump(mode="json") for job in found]})


@router.door(
    "GET",
    "/{job_id}",
    policy=Policy("status.read", owner="profile", rate="cheap"),
    summary="One job: state, progress, result or error",
    responses=answers(Job),
)
async def job(job_id: JobId, request: Request, who: Who) -> JSONResponse:
    return JSONResponse(jobs_of(request.app).find(who.profile, job_id).model_dump(mode="json"))


@router.door(
    "DELETE",
    "/{job_id}",
    policy=Policy("models.manage", owner="profile", audit=True),
    summary="Cancel a job; one that is over stays as it is",
    responses=answers(Job),
)
async def cancel(job_id: JobId, request: Request, who: Who) -> JSONResponse:
    """What a cancelled pull has fetched is gone on with by the next one. A new index of the memory goes on being made:
    only the job that watches it ends."""
    return JSONResponse((await jobs_of(request.app).cancel(who.profile, job_id)).model_dump(mode="json"))
