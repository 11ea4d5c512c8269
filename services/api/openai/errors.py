"""Failures in OpenAI's envelope: what its clients look for in an error."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from solo.errors import SoloError

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    501: "not_supported_error",
    503: "unavailable_error",
}
"""OpenAI's types by status, and llama-server's for what OpenAI does not have; other 4xx are `invalid_request_error`,
other 5xx `server_error`."""
_CODES = {
    "api.unauthorized": "invalid_api_key",
    "llm.prompt_too_long": "context_length_exceeded",
    "llm.unknown_model": "model_not_found",
    "models.unknown": "model_not_found",
}
"""Codes that clients look for; the others are Solo's own."""


class InvalidParameter(SoloError):
    """A field of the request is not what this route takes."""

    code = "api.invalid_parameter"

    def __init__(self, message: str | None = None, *, hint: str = "", param: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.param = param
        """Which, such as `messages.0.content`."""


class NotSupported(SoloError):
    """Solo does not have this part of OpenAI's API."""

    code = "api.not_supported"


class NoSuchRoute(SoloError):
    """OpenAI's API, as far as Solo has it, has no such route."""

    code = "api.no_such_route"


class NoSuchModel(SoloError):
    """There is no model of this name."""

    code = "api.no_such_model"


_STATUS = {"api.invalid_parameter": 400, "api.not_supported": 501, "api.no_such_route": 404, "api.no_such_model": 404}


def envelope(error: SoloError, status: int) -> dict[str, Any]:
    """`{"error": {"message", "type", "param", "code"}}`."""
    said = error.message if not error.hint else f"{error.message.rstrip('.')}. {error.hint}"
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    code = "model_not_found" if isinstance(error, NoSuchModel) else _CODES.get(error.code, error.code)
    return {"error": {"message": said, "type": kind, "param": getattr(error, "param", None), "code": code}}


async def refusal(request: Request, error: SoloError) -> JSONResponse:
    """Status and headers are those that the house gives this error everywhere; only the envelope is another."""
    if (status := _STATUS.get(error.code)) is not None:
        return JSONResponse(envelope(error, status), status_code=status)
    handler: Callable[[Request, Exception], Awaitable[Response]] = request.app.exception_handlers[SoloError]
    usual = await handler(request, error)
    headers = {name: value for name, value in usual.headers.items() if name == "retry-after"}
    return JSONResponse(envelope(error, usual.status_code), status_code=usual.status_code, headers=headers)


class OpenAIRoute(APIRoute):
    """A route whose endpoint takes the bare request, reads it itself, and whose errors leave in OpenAI's envelope."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint

        async def answer(request: Request) -> Response:
            try:
                return await endpoint(request)
            except SoloError as error:
                return await refusal(request, error)

        return answer
