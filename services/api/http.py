"""The application: routes, and what each error looks like from outside."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

import solo
from services.api.guard import envelope
from services.api.house import House
from services.api.policy import RouteTable
from services.api.routes import cache, chats, events, health, llm, memory, metrics, models, turns, v1, voice
from solo.errors import SoloError

STATUS = {
    "api.bad_request": 422,
    "api.invalid_parameter": 400,
    "api.no_such_model": 404,
    "api.no_such_route": 404,
    "api.not_supported": 501,
    "api.too_large": 413,
    "audio.source_taken": 409,
    "audio.source_unknown": 404,
    "audio.too_many_sources": 503,
    "bus.busy": 503,
    "bus.deadline": 504,
    "bus.no_handler": 503,
    "bus.handler_stopped": 503,
    "db.busy": 503,
    "db.full": 507,
    "db.timeout": 503,
    "db.unavailable": 503,
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
    "state.unusable": 507,
}
"""HTTP status of each error code; 500 for the others."""

ROUTES = (v1, health, turns, chats, memory, metrics, llm, cache, models, events, voice)
"""Modules whose routers make the door; routes are tried one by one, so first those that are asked most."""


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
        description="The local door of Solo. Every route but /healthz and /readyz asks for the owner's key.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.house = house
    for routes in ROUTES:
        app.include_router(routes.router)
    app.state.table = RouteTable(row for routes in ROUTES for row in routes.router.rows)
    app.add_exception_handler(SoloError, _solo_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.middleware_stack = app.build_middleware_stack()  # now, not at the first request
    return app


async def _solo_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SoloError)
    status = STATUS.get(error.code, 500)
    headers = {"retry-after": "2"} if status == 503 else None
    return JSONResponse(envelope(error), status_code=status, headers=headers)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return JSONResponse(envelope(BadRequest(f"{where}: {first['msg']}")), status_code=422)


async def _http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    problem = NotFound() if error.status_code == 404 else BadRequest(str(error.detail))
    return JSONResponse(envelope(problem), status_code=error.status_code, headers=error.headers)
