"""Bodies of requests: JSON that fits, or the name of what does not."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from services.api.guard import TooLarge
from services.api.openai.errors import InvalidParameter

M = TypeVar("M", bound=BaseModel)
_DEEPEST = 100
"""Levels of lists and objects in a body; deeper ones would exhaust the stack of whoever walks through them."""


async def read(request: Request, kind: type[M]) -> M:
    """Raises `InvalidParameter`, `TooLarge`."""
    try:
        content = await request.body()
    except ClientDisconnect as error:  # so the guard ends a body that grows too large; one who left hears nothing
        raise TooLarge(hint="Send less at once.") from error
    try:
        body: Any = json.loads(content.decode(), parse_constant=_no_number)
        if b"\\u" in content:  # half a character can be written so, and nobody could write it down again
            json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise InvalidParameter("The body is not JSON", hint="Send a JSON object.") from error
    if not isinstance(body, dict):
        raise InvalidParameter("The body is not an object", hint="Send a JSON object.")
    if content.count(b"[") + content.count(b"{") > _DEEPEST and _too_deep(body):
        raise InvalidParameter(f"The body is nested more than {_DEEPEST} levels deep", hint="Make it simpler.")
    try:
        # `null` is as good as left out, as OpenAI's own clients send it.
        return kind.model_validate({name: value for name, value in body.items() if value is not None})
    except ValidationError as error:
        raise invalid(error) from error


def _too_deep(body: object) -> bool:
    level = [body]
    for _ in range(_DEEPEST):
        level = [
            part
            for one in level
            for part in (one.values() if isinstance(one, dict) else one)  # type: ignore[attr-defined]
            if isinstance(part, dict | list)
        ]
        if not level:
            return False
    return True


def _no_number(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


def invalid(error: ValidationError, under: str = "") -> InvalidParameter:
    """The first thing that does not fit, by its place in the body."""
    first = error.errors(include_url=False, include_input=False)[0]
    param = ".".join(str(part) for part in (under, *first["loc"]) if part != "")
    message = first["msg"].removeprefix("Value error, ")
    return InvalidParameter(f"{param}: {message}" if param else message, param=param or None)
