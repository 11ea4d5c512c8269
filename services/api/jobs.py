"""Long work that is answered with 202: what is under way for whom, how far it is, and what became of it."""

from __future__ import annotations

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Header, Query
from pydantic import BaseModel, ConfigDict
from starlette.responses import JSONResponse

from services.api.house import House
from solo.bus import HandlerCrashed
from solo.errors import SoloError

MOST_KEPT = 200
"""Jobs remembered of each profile; the oldest of those that are over goes first."""
MOST_OPEN = 32
"""Of each profile that wait or run."""
MOST_RUNNING = 4
"""At a time, of all profiles; the others wait."""
MOST_PROFILES = 64
"""Profiles of which jobs are remembered."""

Report = Callable[[float], None]
"""Says how far the work is, 0 to 1."""
Work = Callable[[Report], Awaitable[Any]]
"""The answer is the job's result: JSON."""
JobState = Literal["queued", "running", "done", "failed", "cancelled"]


class TooManyJobs(SoloError):
    """Too many jobs wait or run already."""

    code = "api.too_many_jobs"


class NoJob(SoloError):
    """There is no such job, or it is no longer remembered."""

    code = "api.no_job"


class JobError(BaseModel):
    """Why a job failed."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    hint: str


class Job(BaseModel):
    """One piece of long work. Remembered until the daemon stops, not longer."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    id: str
    """Names it."""
    kind: str
    """What is done, such as `models.pull`."""
    state: JobState
    """Where it is."""
    progress: float
    """0 to 1; 0 also where nobody can say."""
    created_at: str
    """ISO 8601 UTC."""
    finished_at: str | None = None
    """ISO 8601 UTC; null: it is not over."""
    result: Any = None
    """What it came to, when it is done."""
    error: JobError | None = None
    """When it failed."""


@dataclass(slots=True)
class _Entry:
    job: Job
    task: asyncio.Task[None] | None = field(default=None)

    @property
    def is_open(self) -> bool:
        return self.job.finished_at is None


class Jobs:
    """Nothing of it is durable: work that has to survive a restart is not done here."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._entries: OrderedDict[str, OrderedDict[str, _Entry]] = OrderedDict()
        self._slots = asyncio.Semaphore(MOST_RUNNING)

    def start(self, profile: str, kind: str, work: Work) -> Job:
        """Begin it, or raise TooManyJobs."""
        entries = self._entries.setdefault(profile, OrderedDict())
        self._entries.move_to_end(profile)
        if sum(entry.is_open for entry in entries.values()) >= MOST_OPEN:
            raise TooManyJobs(f"{MOST_OPEN} jobs wait or run", hint="Cancel one, or wait until one is done.")
        job = Job(id=uuid.uuid4().hex, kind=kind, state="queued", progress=0.0, created_at=_now())
        entry = entries[job.id] = _Entry(job)
        entry.task = asyncio.create_task(self._do(entry, work), name=f"job {kind}")
        self._forget(entries)
        return job

    def listed(self, profile: str, limit: int) -> tuple[Job, ...]:
        """Newest first."""
        entries = list(self._entries[profile].values()) if profile in self._entries else []
        return tuple(entry.job for entry in reversed(entries[-limit:]))

    def find(self, profile: str, job_id: str) -> Job:
        """Raises NoJob, also for one of another profile."""
        return self._entry(profile, job_id).job

    async def cancel(self, profile: str, job_id: str) -> Job:
        """What is over stays as it is. Raises NoJob."""
        entry = self._entry(profile, job_id)
        if entry.task is not None and entry.is_open:
            entry.task.cancel()
            await asyncio.wait({entry.task})
            if entry.is_open:  # it was cancelled before its first step
                self._over(entry, "cancelled")
        return entry.job

    def _entry(self, profile: str, job_id: str) -> _Entry:
        entries = self._entries.get(profile)
        entry = None if entries is None else entries.get(job_id)
        if entry is None:
            raise NoJob(f"there is no job {job_id!r}", hint="GET /api/jobs lists them; a restart forgets them.")
        return entry

    def _forget(self, entries: OrderedDict[str, _Entry]) -> None:
        for job_id, entry in list(entries.items()):
            if len(entries) <= MOST_KEPT:
                break
            if not entry.is_open:
                del entries[job_id]
        for profile, others in list(self._entries.items()):
            if len(self._entries) <= MOST_PROFILES:
                break
            if not any(entry.is_open for entry in others.values()):
                del self._entries[profile]

    async def _do(self, entry: _Entry, work: Work) -> None:
        """Until it is done or cancelled; Solo's stop cancels it."""

        def report(progress: float) -> None:
            entry.job = entry.job.model_copy(update={"progress": round(min(max(progress, 0.0), 1.0), 4)})

        try:
            async with asyncio.TaskGroup() as tasks:
                stopping = tasks.create_task(self._cancel_at_stop(entry))
                async with self._slots:
                    entry.job = entry.job.model_copy(update={"state": "running"})
                    try:
                        self._over(entry, "done", result=await work(report), progress=1.0)
                    except SoloError as error:
                        why = JobError(code=error.code, message=error.message, hint=error.hint)
                        self._over(entry, "failed", error=why)
                stopping.cancel()
        except asyncio.CancelledError:
            if entry.is_open:
                self._over(entry, "cancelled")
            raise
        except ExceptionGroup as crash:  # a bug in the work is told to its asker and to the log, and ends nothing else
            self._house.ctx.log.error("a job crashed", kind=entry.job.kind, exc_info=crash)
            self._over(
                entry, "failed", error=JobError(code=HandlerCrashed.code, message="it crashed", hint="See the log.")
            )

    async def _cancel_at_stop(self, entry: _Entry) -> None:
        await self._house.ctx.stopping.wait()
        if entry.task is not None:
            entry.task.cancel()

    def _over(self, entry: _Entry, state: JobState, **what: Any) -> None:
        entry.job = entry.job.model_copy(update={"state": state, "finished_at": _now(), **what})


def jobs_of(app: FastAPI) -> Jobs:
    """Those of this application."""
    jobs: Jobs | None = getattr(app.state, "jobs", None)
    if jobs is None:
        jobs = app.state.jobs = Jobs(app.state.house)
    return jobs


async def _in_background(
    background: Annotated[
        bool, Query(description="Answer at once with 202 and a job (see /api/jobs), and work in the background.")
    ] = False,
    prefer: Annotated[str, Header(max_length=200, description="`respond-async` asks for the same (RFC 7240).")] = "",
) -> bool:
    return background or "respond-async" in {part.strip().lower() for part in prefer.split(",")}


InBackground = Annotated[bool, Depends(_in_background)]


def accepted(job: Job) -> JSONResponse:
    headers = {"location": f"/api/jobs/{job.id}", "preference-applied": "respond-async"}
    return JSONResponse(job.model_dump(mode="json"), status_code=202, headers=headers)


def _now() -> str:
    return datetime.now(UTC).isoformat()
