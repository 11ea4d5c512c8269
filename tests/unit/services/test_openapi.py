"""The OpenAPI document: whole, valid, and nothing in it without words, limits and examples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from services.api.house import House
from services.api.http import application
from services.api.policy import SOCKET
from services.api.recent import RecentTurns
from services.api.schema import described
from solo.bus import Bus
from solo.supervision import Context

WITHOUT_BODY = {
    "/api/stop",
    "/api/auth/logout",
    "/api/auth/ticket",
    "/api/privacy",
    "/api/turns/{turn_id}/cancel",
    "/api/memory/reindex",
    "/api/models/{name}/verify",
    "/v1/responses/{name}/cancel",
}
"""Routes that change something and need nothing to be told."""
Operation = tuple[str, str, dict[str, Any]]


def _document() -> dict[str, Any]:
    ctx = Context(Bus(), "test", on_state=lambda _state, _note: None)
    app = application(House(ctx, RecentTurns(), set()))
    document = described(app)
    document["x-table"] = sorted((row.method, row.path) for row in app.state.table.rows if row.method != SOCKET)
    return document


DOCUMENT = _document()
TABLE = DOCUMENT.pop("x-table")


def operations() -> Iterator[Operation]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: dict[str, Any] = DOCUMENT["components"]["schemas"][reference.removeprefix("#/components/schemas/")]
    return found


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for each in part.values():
            yield from references(each)
    elif isinstance(part, list):
        for each in part:
            yield from references(each)


def is_limited(schema: dict[str, Any]) -> bool:
    """It says what is too much."""
    schema = resolved(schema)
    if "anyOf" in schema:
        return all(is_limited(each) for each in schema["anyOf"])
    kind = schema.get("type")
    if kind == "string":
        return bool({"maxLength", "enum", "const", "format", "pattern"} & schema.keys())
    if kind in {"integer", "number"}:
        return bool({"maximum", "exclusiveMaximum"} & schema.keys())
    return kind in {"boolean", "null"} or "enum" in schema


def name(operation: Operation) -> str:
    return f"{operation[0]} {operation[1]}"


every = pytest.mark.parametrize("operation", list(operations()), ids=name)


def test_is_openapi_31() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    errors = [error.message for error in OPENAPI_31_VALIDATOR.iter_errors(json.loads(json.dumps(DOCUMENT)))]
    assert errors == []
    assert {each for each in references(DOCUMENT) if not each.startswith("#/components/schemas/")} == set()
    assert {each.rsplit("/", 1)[1] for each in references(DOCUMENT)} <= DOCUMENT["components"]["schemas"].keys()


def test_has_every_route_of_the_table() -> None:
    documented = sorted((method.upper(), path) for method, path, _ in operations())
    assert documented == [(method, path.replace(":path}", "}")) for method, path in TABLE]


def test_ids_are_different() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(ids)) == len(ids)


@every
def test_says_what_it_is(operation: Operation) -> None:
    _, path, found = operation
    assert found["summary"]
    assert len(found["tags"]) == 1
    assert found["x-solo-policy"]["scope"]
    assert (found["security"] == []) == (found["x-solo-policy"]["scope"] == "public"), path


@every
def test_says_what_it_answers(operation: Operation) -> None:
    _, path, found = operation
    good = [response for status, response in found["responses"].items() if status.startswith("2")]
    assert good
    for response in good:
        content = response.get("content", {})
        assert content or response["description"] != "Successful Response", "nothing is said of the answer"
        for media_type, media in content.items():
            assert media.get("schema") or media.get("example"), f"{media_type} is not described"
    problem = (
        "AnthropicProblem"
        if path.startswith("/v1/messages")
        else "OpenAIProblem"
        if path.startswith("/v1/")
        else "Problem"
    )
    for status in ("4XX", "5XX"):
        schema = found["responses"][status]["content"]["application/json"]["schema"]
        assert schema == {"$ref": f"#/components/schemas/{problem}"}


@every
def test_says_what_it_takes(operation: Operation) -> None:
    method, path, found = operation
    for parameter in found.get("parameters", []):
        assert parameter.get("description"), f"{parameter['name']} is not described"
        assert is_limited(parameter["schema"]), f"{parameter['name']} has no limit"
    named = {parameter["name"] for parameter in found.get("parameters", []) if parameter["in"] == "path"}
    assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}
    body = found.get("requestBody")
    if method in {"post", "put", "patch"} and path not in WITHOUT_BODY:
        assert body is not None, "the body is not described"
    assert body is None or method in {"post", "put", "patch", "delete"}
    for media in (body or {}).get("content", {}).values():
        schema = resolved(media["schema"])
        assert "example" in media or "examples" in media or schema.get("examples"), "the body has no example"
