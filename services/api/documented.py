"""What routes say of themselves in the OpenAPI document: answers, limits of what is asked, pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC
from typing import Annotated, Any

from fastapi import Path, Query
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

NO_NUL = r"^[^\x00]*$"
"""PostgreSQL's text holds every character but this one."""
_MOST_TOLD = 300
"""Characters of what is wrong: it repeats what was sent, which may be long."""
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
EVENTS = "text/event-stream"
EVENT: dict[str, Any] = {
    "type": "object",
    "description": "Each of the server-sent events.",
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
    "required": ["data"],
}
BODIES: dict[str, type[BaseModel]] = {}
"""Models of bodies that routes read by hand, by the name that the OpenAPI document knows them by."""


class Body(BaseModel):
    """Of a request: what it does not know is refused, and what is of another type (0 is not false).

    Whole numbers say `strict=False`: JSON knows no difference between 3 and 3.0."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


def answers(model: Any, status: int = 200, *, stream: str = "") -> dict[int | str, dict[str, Any]]:
    """`responses` of a route that answers with `model`; `stream`: an example of its server-sent events instead."""
    answer: dict[str, Any] = {"model": model}
    if stream:
        answer["content"] = {EVENTS: {"schema": EVENT, "example": stream}}
    return {status: answer}


def takes(model: type[BaseModel], example: Any, media_type: str = "application/json") -> dict[str, Any]:
    """`openapi_extra` of a route that reads its body by hand: what `model` says of it, and an example."""
    known = BODIES.setdefault(model.__name__, model)
    if known is not model:
        raise ValueError(f"two models are named {model.__name__}")
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema, "example": example}}}}


def path_of(told: str, example: str, longest: int) -> dict[str, Any]:
    """`openapi_extra` of a route that reads `name` from its path by hand."""
    schema = {"type": "string", "minLength": 1, "maxLength": longest}
    name = {"name": "name", "in": "path", "required": True, "description": told, "schema": schema, "example": example}
    return {"parameters": [name]}


def fault(errors: Sequence[Any]) -> str:
    """The first of pydantic's errors, and where it is."""
    where = ".".join(str(part) for part in errors[0]["loc"])
    told = f"{where}: {errors[0]['msg']}" if where else str(errors[0]["msg"])
    return told if len(told) <= _MOST_TOLD else f"{told[: _MOST_TOLD // 2]} ... {told[-_MOST_TOLD // 2 :]}"


def json_of(answer: Any, status: int = 200) -> JSONResponse:
    return JSONResponse(answer.model_dump(mode="json"), status_code=status)


def json_list(answers: Any) -> list[dict[str, Any]]:
    return [answer.model_dump(mode="json") for answer in answers]


def _iso(before: Any) -> Any:
    """Numbers are not taken for seconds since 1970."""
    if isinstance(before, str) and not _DATE.match(before):
        raise ValueError("is no time as ISO 8601 writes it")
    return before


def _in_utc(before: AwareDatetime) -> AwareDatetime:
    try:
        return before.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


Before = Annotated[
    AwareDatetime | None,
    BeforeValidator(_iso),
    AfterValidator(lambda before: None if before is None else _in_utc(before)),
    Query(
        description="Only what began before this time (ISO 8601 with its offset): the next page.",
        examples=["2026-01-31T12:00:00Z"],
    ),
]
TalkName = Annotated[str, Field(min_length=1, max_length=100, pattern=NO_NUL)]
TalkPath = Annotated[
    str, Path(min_length=1, max_length=100, pattern=NO_NUL, description="Name of the chat.", examples=["default"])
]
