"""JSON schemas of what requests hold that is read by hand: contents, tools, forms of the answer."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
_BASE64 = "[A-Za-z0-9+/]"
_IMAGE = (
    f"(/9j/|iVBORw0KGg[o-r]{_BASE64}|UklGR[g-v]{_BASE64}{{2}})({_BASE64}{{4}})*({_BASE64}{{2}}==|{_BASE64}{{3}}=)?$"
)
"""A JPEG, a PNG or a WebP file, by how it begins."""
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
TEXT: Schema = {"type": "string"}
OBJECT: Schema = {"type": "object"}
NULL: Schema = {"type": "null"}
PICTURE: Schema = {"type": "string", "pattern": f"^{_IMAGE}", "examples": [PIXEL]}
"""The file in base64."""
PICTURE_URL: Schema = {
    "type": "string",
    "pattern": f"^data:image/[^,]*;base64,{_IMAGE}",
    "examples": [f"data:image/png;base64,{PIXEL}"],
}


def thing(required: Schema, optional: Schema | None = None, *, closed: bool = False) -> Schema:
    """An object; `closed`: with nothing else in it."""
    shape = {"type": "object", "properties": {**required, **(optional or {})}, "required": list(required)}
    return {**shape, "additionalProperties": False} if closed else shape


def one_of(*shapes: Schema) -> Schema:
    return {"anyOf": list(shapes)}


def array(items: Schema, least: int = 0, most: int | None = None) -> Schema:
    shape: Schema = {"type": "array", "items": items}
    if least:
        shape["minItems"] = least
    return shape if most is None else {**shape, "maxItems": most}


def text(least: int = 0, most: int | None = None) -> Schema:
    shape: Schema = {"type": "string"}
    if least:
        shape["minLength"] = least
    return shape if most is None else {**shape, "maxLength": most}


def const(value: Any) -> Schema:
    return {"const": value}


def never(shape: Schema) -> Schema:
    """What fields may not be together."""
    return {"not": {"type": "object", **shape}}


_TEXTS = one_of(
    thing({"type": {"enum": ["text", "input_text", "output_text"]}, "text": TEXT}),
    thing({"type": const("refusal"), "refusal": TEXT}),
)
_IMAGES = one_of(
    thing({"type": const("image_url"), "image_url": one_of(thing({"url": PICTURE_URL}), PICTURE_URL)}),
    thing({"type": const("input_image"), "image_url": PICTURE_URL}),
)
CONTENT = one_of(TEXT, array(_TEXTS), NULL)
CONTENT_WITH_PICTURES = one_of(TEXT, array({"anyOf": [*_TEXTS["anyOf"], *_IMAGES["anyOf"]]}), NULL)
_CALL = thing({"id": text(0, 200), "function": thing({"name": text(1, 64)}, {"arguments": TEXT})})
_NO_CALLS = {"tool_calls": one_of(array(_CALL, most=0), NULL)}
_CALL_ID = {"tool_call_id": one_of(TEXT, NULL)}
CHAT_MESSAGES = array(
    one_of(
        thing({"role": {"enum": ["system", "developer"]}}, {"content": CONTENT, **_NO_CALLS, **_CALL_ID}),
        thing({"role": const("user")}, {"content": CONTENT_WITH_PICTURES, **_NO_CALLS, **_CALL_ID}),
        thing(
            {"role": const("assistant")},
            {"content": CONTENT, "tool_calls": one_of(array(_CALL), NULL), **_CALL_ID},
        ),
        thing({"role": const("tool"), "tool_call_id": text(1)}, {"content": CONTENT, **_NO_CALLS}),
    ),
    least=1,
)
CHAT_TOOL_CHOICE = one_of(
    {"enum": ["none", "auto", "required"]}, thing({"function": thing({"name": TEXT})}, {"type": {"type": "string"}})
)
_WORDS = {"enum": ["text"]}
RESPONSE_FORMAT = one_of(
    thing({}, {"type": _WORDS}),
    thing({"type": const("json_object")}, {"schema": OBJECT}),
    thing({"type": const("json_schema"), "json_schema": thing({"schema": OBJECT})}),
)
TEXT_FORMAT = thing(
    {},
    {
        "format": one_of(
            NULL,
            thing({"type": {"enum": ["text", "json_object"]}}),
            thing({"type": const("json_schema"), "schema": OBJECT}),
        )
    },
)
TOOL_NAME: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$"}
FUNCTIONS = array(
    thing(
        {"type": const("function"), "name": TOOL_NAME},
        {"description": one_of(text(0, 8192), NULL), "parameters": one_of(OBJECT, NULL)},
    ),
    most=128,
)
FUNCTION_CHOICE = one_of({"enum": ["none", "auto", "required"]}, thing({"type": const("function"), "name": TOOL_NAME}))
_CALL_OF = {"call_id": text(1, 200)}
INPUT = one_of(
    TEXT,
    array(
        one_of(
            thing(
                {"role": {"enum": ["system", "developer", "assistant"]}, "content": CONTENT},
                {"type": const("message")},
            ),
            thing({"role": const("user"), "content": CONTENT_WITH_PICTURES}, {"type": const("message")}),
            thing({"type": const("function_call"), **_CALL_OF, "name": text(1, 64)}, {"arguments": TEXT}),
            thing({"type": const("function_call_output"), **_CALL_OF, "output": CONTENT}),
        ),
        1,
        10_000,
    ),
)


def texts(most: int) -> Schema:
    """One text, or a list of them."""
    return one_of(text(1), array(text(1), 1, most))
