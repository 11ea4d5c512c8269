"""The application: routes, and what each error looks like from outside."""

from __future__ import annotations

import math

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

import solo
from services.api.documented import fault
from services.api.guard import envelope
from services.api.house import House
from services.api.policy import RouteTable
from services.api.routes import (
    audit,
    auth,
    cache,
    chats,
    events,
    health,
    keys,
    listen,
    llm,
    memory,
    metrics,
    models,
    pages,
    privacy,
    say,
    timers,
    turns,
    users,
    v1,
    voice,
)
from solo.errors import SoloError

STATUS = {
    "api.bad_realtime_event": 400,
    "api.bad_request": 422,
    "api.buffer_full": 413,
    "api.forbidden": 403,
    "api.identity_unavailable": 503,
    "api.invalid_parameter": 400,
    "api.key_too_wide": 403,
    "api.no_chat": 404,
    "api.no_item": 404,
    "api.no_job": 404,
    "api.no_response": 404,
    "api.no_such_file": 404,
    "api.no_source": 404,
    "api.no_such_key": 404,
    "api.no_such_model": 404,
    "api.no_such_response": 404,
    "api.no_such_route": 404,
    "api.no_turn": 404,
    "api.no_voice": 404,
    "api.nothing_to_commit": 400,
    "api.origin_missing": 403,
    "api.refresh_missing": 401,
    "api.response_under_way": 409,
    "api.resume_gone": 410,
    "api.session_idle": 408,
    "api.stopping": 503,
    "api.too_large": 413,
    "api.too_many_chats": 503,
    "api.too_many_jobs": 429,
    "api.too_many_realtime": 503,
    "api.too_many_requests": 429,
    "api.turn_cancelled": 409,
    "api.turn_under_way": 409,
    "audio.source_taken": 409,
    "audio.source_unknown": 404,
    "audio.too_many_sources": 503,
    "bus.busy": 503,
    "bus.deadline": 504,
    "bus.handler_stopped": 503,
    "bus.no_handler": 503,
    "codec.session_lost": 503,
    "codec.too_long": 400,
    "codec.unreadable": 400,
    "config.bad_value": 422,
    "config.needs_restart": 409,
    "config.unknown": 404,
    "db.busy": 503,
    "db.full": 507,
    "db.timeout": 503,
    "db.unavailable": 503,
    "egress.bad_endpoint": 422,
    "egress.refused": 403,
    "engine.bad_input": 400,
    "engine.died": 503,
    "engine.hung": 503,
    "engine.model_corrupt": 422,
    "engine.model_missing": 404,
    "engine.not_started": 503,
    "engine.quarantined": 422,
    "llm.bad_grammar": 400,
    "llm.bad_schema": 400,
    "llm.busy": 503,
    "llm.in_use": 409,
    "llm.loading": 503,
    "llm.no_memory": 507,
    "llm.no_vision": 400,
    "llm.prompt_too_long": 400,
    "llm.remote_died": 502,
    "llm.remote_failed": 502,
    "llm.remote_forbidden": 502,
    "llm.remote_refused": 400,
    "llm.remote_slow": 504,
    "llm.remote_unavailable": 503,
    "llm.unavailable": 503,
    "llm.unknown_model": 404,
    "llm.unloaded": 503,
    "memory.fact_exists": 409,
    "memory.index_gone": 503,
    "memory.no_fact": 404,
    "memory.no_index": 503,
    "memory.nothing_named": 422,
    "memory.protected": 422,
    "memory.store_unavailable": 503,
    "memory.too_large": 413,
    "memory.unreadable": 422,
    "memory.unsupported": 415,
    "models.address_forbidden": 403,
    "models.bad_name": 422,
    "models.bad_source": 422,
    "models.busy": 409,
    "models.check_unavailable": 503,
    "models.checksum": 502,
    "models.exists": 409,
    "models.fetch_failed": 502,
    "models.loaded": 409,
    "models.no_space": 507,
    "models.protected": 403,
    "models.refused": 422,
    "models.too_large": 413,
    "models.unknown": 404,
    "models.unreadable": 422,
    "security.bad_login": 401,
    "security.bad_scope": 422,
    "security.busy": 503,
    "security.name_taken": 409,
    "security.no_key": 404,
    "security.no_user": 404,
    "security.owner_only": 403,
    "security.slow_down": 429,
    "security.unauthorized": 401,
    "security.unavailable": 503,
    "security.weak_password": 422,
    "skills.no_timer": 404,
    "skills.timers_unavailable": 503,
    "state.unusable": 507,
    "tts.unknown_voice": 404,
}
"""HTTP status of each error code; 500 for the others."""

ROUTES = (
    v1, health, turns, chats, memory, metrics, llm, cache, models, events, voice, auth, users, keys, audit,
    privacy, pages, timers, listen, say,
)  # fmt: skip
"""Modules whose routers make the door; routes are tried one by one, so first those that are asked most."""


_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")


class BadRequest(SoloError):
    """The request is not of the form that this route takes."""

    code = "api.bad_request"


class NotFound(SoloError):
    """There is nothing at this address."""

    code = "api.not_found"


def application(house: House) -> FastAPI:
    app = FastAPI(
        title="Solo",
        version=solo.__version__,
        description="The local door of Solo. Every route asks for a key, but for /healthz, /readyz, the log-in, the "
        "refresh and the page to log in on.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.house = house
    for routes in ROUTES:
        app.router.routes.extend(routes.router.routes)  # flat: an included router is asked one level at a time
    app.state.table = RouteTable(row for routes in ROUTES for row in routes.router.rows)
    app.add_exception_handler(SoloError, _solo_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.middleware_stack = app.build_middleware_stack()  # now, not at the first request
    return app


async def _solo_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SoloError)
    status = STATUS.get(error.code, 500)
    wait = getattr(error, "retry_after", 2.0)
    headers = {"retry-after": str(math.ceil(wait))} if status in {429, 503} else None
    return JSONResponse(envelope(error), status_code=status, headers=headers)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return JSONResponse(envelope(BadRequest(fault(error.errors()))), status_code=422)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    problem = NotFound() if error.status_code == 404 else BadRequest(str(error.detail))
    headers = dict(error.headers or {})
    if error.status_code == 405:  # each method is a route of its own, and Starlette knows the first one only
        table: RouteTable = request.app.state.table
        asked = [table.find({**request.scope, "method": method}) for method in _METHODS]
        rows = [row for row in asked if row is not None]
        named = [row for row in rows if row.path == request.url.path]  # before what a template would take it for
        headers = {"allow": ", ".join(row.method for row in named or rows)}
    return JSONResponse(envelope(problem), status_code=error.status_code, headers=headers)
