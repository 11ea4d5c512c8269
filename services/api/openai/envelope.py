"""How an error looks to OpenAI's clients. Apart from what needs FastAPI: the guard stands before that."""

from __future__ import annotations

from typing import Any

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
    "api.too_many_requests": "rate_limit_exceeded",
    "api.no_such_model": "model_not_found",
    "api.no_item": "item_not_found",
    "api.no_response": "response_cancel_not_active",
    "api.nothing_to_commit": "input_audio_buffer_commit_empty",
    "api.response_under_way": "conversation_already_has_active_response",
    "api.session_idle": "session_expired",
    "api.unauthorized": "invalid_api_key",
    "llm.prompt_too_long": "context_length_exceeded",
    "llm.unknown_model": "model_not_found",
    "models.unknown": "model_not_found",
}
"""Codes that clients look for; the others are Solo's own."""


def envelope(error: SoloError, status: int) -> dict[str, Any]:
    """`{"error": {"message", "type", "param", "code"}}`."""
    said = error.message if not error.hint else f"{error.message.rstrip('.')}. {error.hint}"
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    code = _CODES.get(error.code, error.code)
    return {"error": {"message": said, "type": kind, "param": getattr(error, "param", None), "code": code}}
