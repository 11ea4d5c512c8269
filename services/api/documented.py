"""What routes say of themselves in the OpenAPI document: answers, limits of what is asked, pages."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Any

from fastapi import Path, Query
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

NO_NUL = r"^[^\x00]*$"
"""PostgreSQL's text holds every character but this one."""
BODIES: dict[str, type[BaseModel]] = {}
"""Models of bodies that routes read by hand, by the name that the OpenAPI document knows them by."""


class Body(BaseModel):
    """Of a request: what it does not know is refused."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


def answers(model: Any, status: int = 200, *, stream: str = "") -> dict[int | str, dict[str, Any]]:
    """`responses` of a route that answers with `model`; `stream`: an example of its server-sent events instead."""
    answer: dict[str, Any] = {"model": model}
    if stream:
        answer["content"] = {"text/event-stream": {"schema": {"type": "string"}, "example": stream}}
    return {status: answer}


def takes(model: type[BaseModel], example: Any, media_type: str = "application/json") -> dict[str, Any]:
    """`openapi_extra` of a route that reads its body by hand: what `model` says of it, and an example."""
    known = BODIES.setdefault(model.__name__, model)
    if known is not model:
        raise ValueError(f"two models are named {model.__name__}")
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema, "example": example}}}}


def json_of(answer: Any, status: int = 200) -> JSONResponse:
    return JSONResponse(answer.model_dump(mode="json"), status_code=status)


def json_list(answers: Any) -> list[dict[str, Any]]:
    return [answer.model_dump(mode="json") for answer in answers]


def _in_utc(before: AwareDatetime) -> AwareDatetime:
    try:
        return before.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


Before = Annotated[
    AwareDatetime | None,
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
