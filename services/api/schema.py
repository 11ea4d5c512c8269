"""The OpenAPI document of all routes: what FastAPI knows of them, and what holds for every route alike."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

from services.api.documented import BODIES
from services.api.policy import SOCKET, RouteTable

_ANTHROPIC = "/v1/messages"
_OPENAI = "/v1/"


class Told(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    code: str
    """Stable, such as `api.not_found`; docs/errors.md lists them all."""
    message: str
    """What is wrong, for people."""
    hint: str
    """What to do about it; may be empty."""


class Problem(BaseModel):
    """How Solo's own routes say what went wrong."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"error": {"code": "api.not_found", "message": "there is none", "hint": ""}}]}
    )

    error: Told


class OpenAITold(BaseModel):
    message: str
    type: str
    param: str | None = None
    code: str | None = None


class OpenAIProblem(BaseModel):
    """How `/v1` says what went wrong, as OpenAI does."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"error": {"message": "There is none", "type": "not_found_error", "param": None, "code": "not_found"}}
            ]
        }
    )

    error: OpenAITold


class AnthropicTold(BaseModel):
    type: str
    message: str


class AnthropicProblem(BaseModel):
    """How `/v1/messages` says what went wrong, as Anthropic does."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"type": "error", "error": {"type": "not_found_error", "message": "There is none"}}]
        }
    )

    type: str
    error: AnthropicTold


_PROBLEMS: tuple[type[BaseModel], ...] = (Problem, OpenAIProblem, AnthropicProblem)
_RETRY_AFTER = {
    "description": "With 429 and 503: seconds after which trying again may help.",
    "schema": {"type": "integer", "minimum": 1},
}
_REQUEST_ID = {"description": "Names the request in the log.", "schema": {"type": "string"}}
_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key, an access token, or the owner's key."},
    "key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The same in another header."},
}
_TAGS = {
    "v1": "What clients of OpenAI's and Anthropic's interfaces ask for.",
    "turns": "Questions and their answers.",
    "chats": "What was said.",
    "memory": "Facts and documents.",
    "models": "Model files, and the models that answer.",
    "config": "Settings.",
    "jobs": "Long work.",
    "pages": "What a browser shows.",
    "status": "How the daemon is.",
}


def described(app: FastAPI) -> dict[str, Any]:
    """OpenAPI 3.1. Made once; FastAPI keeps what it made, so it is not changed here."""
    kept: dict[str, Any] | None = getattr(app.state, "openapi", None)
    if kept is None:
        kept = app.state.openapi = _completed(app.openapi(), app.state.table)
    return kept


def _completed(found: dict[str, Any], table: RouteTable) -> dict[str, Any]:
    document = {**found, "paths": {}}
    schemas = dict(found.get("components", {}).get("schemas", {}))
    for model in (*_PROBLEMS, *BODIES.values()):
        made = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= {name: schema for name, schema in made.pop("$defs", {}).items() if name not in schemas}
        schemas[model.__name__] = made
    document["components"] = {**found.get("components", {}), "schemas": schemas, "securitySchemes": _SECURITY}
    scopes = {(row.method.lower(), row.path.replace(":path}", "}")): row.policy.scope for row in table.rows}
    used: set[str] = set()
    for path, item in found["paths"].items():
        document["paths"][path] = {
            method: _operation(path, operation, scopes.get((method, path), "status.read"), used)
            for method, operation in item.items()
        }
    document["tags"] = [{"name": tag, "description": text} for tag, text in _TAGS.items() if tag in used] + [
        {"name": tag} for tag in sorted(used - _TAGS.keys())
    ]
    document["x-solo-websockets"] = [
        {"path": row.path, "summary": row.summary, "scope": row.policy.scope}
        for row in table.rows
        if row.method == SOCKET
    ]
    return document


def _operation(path: str, operation: dict[str, Any], scope: str | None, used: set[str]) -> dict[str, Any]:
    problem = (
        AnthropicProblem if path.startswith(_ANTHROPIC) else OpenAIProblem if path.startswith(_OPENAI) else Problem
    )
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{problem.__name__}"}}}
    headers = {"x-request-id": _REQUEST_ID}
    refused = {
        "description": "The request is refused",
        "headers": {**headers, "retry-after": _RETRY_AFTER},
        "content": content,
    }
    failed = {
        "description": "Solo cannot answer it now",
        "headers": {**headers, "retry-after": _RETRY_AFTER},
        "content": content,
    }
    tags = (operation.get("tags") or [_tag(path)])[-1:]  # of routers in routers the innermost says it
    used.update(tags)
    return {
        **operation,
        "tags": tags,
        "security": [] if scope is None else [{"bearer": []}, {"key": []}],
        "responses": {"4XX": refused, "5XX": failed, **_own(operation["responses"])},
    }


def _own(responses: dict[str, Any]) -> dict[str, Any]:
    """Without what FastAPI says of its own errors, which never leave the house."""
    return {
        status: response
        for status, response in responses.items()
        if not (status == "422" and "HTTPValidationError" in str(response))
    }


def _tag(path: str) -> str:
    parts = path.strip("/").split("/")
    return parts[1] if parts[0] == "api" and len(parts) > 1 else parts[0]
