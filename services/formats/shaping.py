"""The shapes in which a conversation is put to a chat template that does not take it as it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from services.formats.call_forms import HERMES, Called, answered, arguments_of, instruction
from services.formats.marking import Marks, Zone

Message = Mapping[str, Any]
"""`role`, `content`, perhaps `tool_calls` (each `id`, `name`, `arguments`) and `tool_call_id`."""
ROLES = ("system", "user", "assistant", "tool")
Folding = Literal["none", "later", "all"]
"""Which system messages are said at the head of the user's next message instead: those behind the first, or all."""
TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
KEYWORDS = frozenset(
    {"type", "properties", "required", "items", "enum", "const", "anyOf", "oneOf", "allOf", "additionalProperties"}
    | {"description", "title", "default", "format", "minimum", "maximum", "minLength", "maxLength", "pattern"}
    | {"minItems", "maxItems", "$ref", "$defs", "definitions", "examples", "nullable"}
)
"""Words of JSON schema, which templates look for and nobody can fill with anything else."""


class Tools(NamedTuple):
    """How tools are shown to a template: in the variables it has for them, or as plain text of our own."""

    native: bool = False
    as_text: bool = False
    """A call's arguments are handed over as text, not as an object."""


class Shape(NamedTuple):
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None


def message_zones(messages: Sequence[Message]) -> list[Zone]:
    """The zone of every message: the last of the user and what follows it is volatile, and so are system messages
    directly before it (but not the very first)."""
    asked = max((index for index, message in enumerate(messages) if message["role"] == "user"), default=len(messages))
    while asked > 1 and messages[asked - 1]["role"] == "system":
        asked -= 1
    zones: list[Zone] = ["session"] * len(messages)
    zones[asked:] = ["volatile"] * (len(messages) - asked)
    if messages and messages[0]["role"] == "system":
        zones[0] = "frozen"
    return zones


def shaped(
    messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], marks: Marks, how: Tools, folding: Folding
) -> Shape:
    """Messages and tools as a template sees them: marks in place of whatever anybody could have written."""
    zones = message_zones(messages)
    out: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for index, (message, zone) in enumerate(zip(messages, zones, strict=True)):
        role, calls = message["role"], message.get("tool_calls") or ()
        if role not in ROLES:
            raise ValueError(f"message {index} has an unknown role")
        names.update({call["id"]: call["name"] for call in calls})
        if role == "tool" and not how.native:
            _add_answer(out, marks.put(index, answered(message["content"]), zone))
            continue
        # An empty text is shown as such where calls stand for it: templates ask whether there is one.
        content = marks.put(index, message["content"], zone) if message["content"] or not calls else ""
        shown: dict[str, Any] = {"role": role, "content": content}
        if calls and how.native:
            shown["tool_calls"] = [_native(call, index, zone, marks, how.as_text) for call in calls]
        elif calls:
            written = HERMES.write([Called(call["name"], arguments_of(call["arguments"]) or {}) for call in calls])
            shown["content"] += ("\n" if content else "") + marks.put(index, written, zone)
        elif role == "tool":
            called = message.get("tool_call_id", "")
            shown |= {"tool_call_id": _short(called), "name": marks.word(index, names.get(called, ""), zone)}
        elif role == "user" and out and out[-1].get("answers"):
            _add_answer(out, content)  # two messages of the user in a row are too much for many a template
            continue
        out.append(shown)
    listed = [_listed(tool, marks) for tool in tools] if tools and how.native else None
    if tools and not how.native:
        told = marks.put(-1, instruction([_plain(tool) for tool in tools]), "frozen")
        if out and out[0]["role"] == "system":
            out[0]["content"] += "\n\n" + told
        else:
            out.insert(0, {"role": "system", "content": told})
    for message in out:
        message.pop("answers", None)
    return Shape(_folded(out, folding), listed)


def marked_json(value: Any, marks: Marks, message: int, zone: Zone) -> Any:
    """A value of JSON with marks in place of every text in it, names of properties included."""
    if isinstance(value, str):
        return marks.word(message, value, zone)
    if isinstance(value, dict):
        return {marks.word(message, key, zone): marked_json(item, marks, message, zone) for key, item in value.items()}
    if isinstance(value, list):
        return [marked_json(item, marks, message, zone) for item in value]
    return value


def _add_answer(out: list[dict[str, Any]], content: str) -> None:
    if out and out[-1].get("answers"):
        out[-1]["content"] += "\n" + content
    else:
        out.append({"role": "user", "content": content, "answers": True})


def _native(call: Mapping[str, str], message: int, zone: Zone, marks: Marks, as_text: bool) -> dict[str, Any]:
    arguments: Any = arguments_of(call["arguments"]) or {}
    if as_text:
        arguments = marks.put(message, json.dumps(arguments, ensure_ascii=False), zone)
    else:
        arguments = marked_json(arguments, marks, message, zone)
    function = {"name": marks.put(message, call["name"], zone), "arguments": arguments}
    return {"id": _short(call["id"]), "type": "function", "function": function}


def _short(name: str) -> str:
    """A call's id as nine letters and digits, which is what Mistral's templates insist on."""
    return hashlib.sha256(name.encode(errors="replace")).hexdigest()[:9]


def _plain(tool: Mapping[str, Any]) -> dict[str, Any]:
    described = {key: tool[key] for key in ("name", "description", "parameters") if tool.get(key)}
    return {"type": "function", "function": described}


def _listed(tool: Mapping[str, Any], marks: Marks) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": marks.put(-1, tool["name"], "frozen"),
            "description": marks.word(-1, tool.get("description", ""), "frozen"),
            "parameters": _marked_schema(tool.get("parameters") or {"type": "object", "properties": {}}, marks),
        },
    }


def _marked_schema(schema: Any, marks: Marks, named: bool = False) -> Any:
    """JSON schema with its own words left as they are. `named`: the keys are names of properties."""
    if isinstance(schema, list):
        return [_marked_schema(item, marks) for item in schema]
    if not isinstance(schema, dict):
        return marks.word(-1, schema, "frozen") if isinstance(schema, str) else schema
    out: dict[str, Any] = {}
    for key, value in schema.items():
        if not named and key == "type":
            kinds = value if isinstance(value, list) else [value]
            if all(isinstance(kind, str) and kind in TYPES for kind in kinds):
                out[key] = value
                continue
        shown = key if key in KEYWORDS and not named else marks.word(-1, key, "frozen")
        out[shown] = _marked_schema(value, marks, named=not named and key in ("properties", "$defs", "definitions"))
    return out


def _folded(messages: Iterable[dict[str, Any]], folding: Folding) -> list[dict[str, Any]]:
    """System messages put before the content of the user's message that follows them, so that what stays the same in
    every prompt stays at its head."""
    said = ""
    rest: list[dict[str, Any]] = []
    for index, message in enumerate(messages):
        if message["role"] == "system" and (folding == "all" or (folding == "later" and index)):
            said += message["content"] + "\n\n"
        elif message["role"] == "user":
            rest.append({**message, "content": said + message["content"]})
            said = ""
        else:
            rest.append(message)
    if said:
        rest.append({"role": "user", "content": said.removesuffix("\n\n")})
    return rest
