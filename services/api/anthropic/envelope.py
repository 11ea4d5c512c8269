"""How an error looks to Anthropic's clients. Apart from what needs FastAPI: the guard stands before that."""

from __future__ import annotations

from typing import Any

from solo.errors import SoloError

PATH = "/v1/messages"
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
"""Anthropic's types by status; other 4xx are `invalid_request_error`, other 5xx `api_error`."""


def is_asked(path: str) -> bool:
    """Whether errors of this path are to be said so."""
    return path == PATH or path.startswith(PATH + "/")


def envelope(error: SoloError, status: int, request_id: str) -> dict[str, Any]:
    """`{"type": "error", "error": {"type", "message", "details"}, "request_id"}`; Solo's own code is
    `details.error_code`."""
    said = error.message if not error.hint else f"{error.message.rstrip('.')}. {error.hint}"
    if param := getattr(error, "param", None):
        said = said if said.startswith(f"{param}:") else f"{param}: {said}"
    kind = _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    details = {"error_code": error.code}
    inside = {"type": kind, "message": said, "details": details}
    return {"type": "error", "error": inside, "request_id": request_id}
