"""Failures in OpenAI's envelope: what its clients look for in an error."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from services.api.anthropic import envelope as anthropic
from services.api.openai.envelope import envelope
from solo.errors import SoloError


class InvalidParameter(SoloError):
    """A field of the request is not what this route takes."""

    code = "api.invalid_parameter"

    def __init__(self, message: str | None = None, *, hint: str = "", param: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.param = param
        """Which, such as `messages.0.content`."""


class NoSuchRoute(SoloError):
    """OpenAI's API, as far as Solo has it, has no such route."""

    code = "api.no_such_route"


class NoSuchModel(SoloError):
    """There is no model of this name."""

    code = "api.no_such_model"


class NoSuchResponse(SoloError):
    """There is no response of this id: none was stored, it was deleted, or its day is over."""

    code = "api.no_such_response"


async def refusal(
    request: Request, error: SoloError, status: int | None = None, more: Mapping[str, str] | None = None
) -> JSONResponse:
    """Status and headers are those that the house gives this error everywhere; only the envelope is another, that of
    the API that was asked. `status` and `more` headers where the house knows no better."""
    handler: Callable[[Request, Exception], Awaitable[Response]] = request.app.exception_handlers[SoloError]
    usual = await handler(request, error)
    status = status or usual.status_code
    headers = dict(more or {}) | {name: value for name, value in usual.headers.items() if name == "retry-after"}
    if anthropic.is_asked(request.url.path):
        tag = request.scope.get("request_id", "")
        said = anthropic.envelope(error, status, tag)
        headers["request-id"] = tag
    else:
        said = envelope(error, status)
    return JSONResponse(said, status_code=status, headers=headers)


class OpenAIRoute(APIRoute):
    """A route whose endpoint takes the bare request, reads it itself, and whose errors leave in the envelope of the
    API that was asked."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint

        async def answer(request: Request) -> Response:
            try:
                return await endpoint(request)
            except SoloError as error:
                return await refusal(request, error)

        return answer
