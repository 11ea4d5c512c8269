"""JSON schemas of what Anthropic's messages hold that is read by hand."""

from __future__ import annotations

from services.api.openai.shapes import (
    NULL,
    OBJECT,
    PICTURE,
    TEXT,
    TOOL_NAME,
    array,
    const,
    one_of,
    text,
    thing,
)

_TEXT = thing({"type": const("text"), "text": TEXT})
SYSTEM = one_of(TEXT, array(_TEXT))
_IMAGE = thing({"type": const("image"), "source": thing({"type": const("base64"), "data": PICTURE})})
_RESULT = thing({"type": const("tool_result"), "tool_use_id": text(1, 200)}, {"content": SYSTEM})
_USE = thing({"type": const("tool_use"), "id": text(1, 200), "name": text(1, 64), "input": OBJECT})
_THOUGHT = thing({"type": {"enum": ["thinking", "redacted_thinking"]}})
MESSAGES = array(
    one_of(
        thing({"role": const("user"), "content": one_of(TEXT, array(one_of(_TEXT, _IMAGE, _RESULT)))}),
        thing({"role": const("assistant"), "content": one_of(TEXT, array(one_of(_TEXT, _USE, _THOUGHT)))}),
    ),
    1,
    10_000,
)
TOOLS = array(
    thing(
        {"name": TOOL_NAME, "input_schema": OBJECT},
        {"type": one_of(const("custom"), NULL), "description": one_of(text(0, 8192), NULL)},
    ),
    most=128,
)
TOOL_CHOICE = one_of(
    thing({"type": {"enum": ["auto", "any", "none"]}}), thing({"type": const("tool"), "name": TOOL_NAME})
)
OUTPUT = thing({}, {"format": one_of(NULL, thing({"type": const("json_schema"), "schema": OBJECT}))})
