"""The forms in which models write calls of tools: how a call looks, and how it is read."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

MOST_CALLS = 64
"""Calls read out of one answer; what comes behind them is text."""


class Called(NamedTuple):
    """A tool and its arguments."""

    name: str
    arguments: dict[str, Any]


class CallForm(NamedTuple):
    """How calls are written: behind an opening, where there is one, and before a closing."""

    name: str
    opening: str
    closing: str
    arguments: str
    """The key of the arguments."""

    def scan(self, text: str) -> tuple[list[Called], int]:
        """The calls that a text begins with, without their opening, and where the last of them ends."""
        calls: list[Called] = []
        at = end = 0
        while len(calls) < MOST_CALLS:
            # Mistral's newer models repeat the opening between calls, Llama separates them by semicolons.
            begin = _BETWEEN.match(text, at)
            at = begin.end() if begin else at
            if calls and self.opening and text.startswith(self.opening, at):
                at += len(self.opening)
            named = _NAMED.match(text, at)
            value, length = _value(text[named.end() if named else at :])
            listed = value if isinstance(value, list) else [value]
            if named:
                found = [Called(named[1], item) if isinstance(item, dict) else None for item in listed]
            else:
                found = [_called(item) for item in listed]
            if None in found or not found:
                break
            calls += [call for call in found if call is not None]
            at = end = (named.end() if named else at) + length
        return calls, end

    def read(self, text: str) -> list[Called] | None:
        """The calls in what stands between opening and closing; None where it is something else."""
        calls, end = self.scan(text)
        return None if not calls or text[end:].strip(" \n\t;") else calls

    def write(self, calls: Sequence[Called]) -> str:
        """Calls as a model of this form writes them."""
        return "\n".join(
            f"{self.opening}\n{json.dumps({'name': call.name, self.arguments: call.arguments}, ensure_ascii=False)}\n"
            f"{self.closing}".strip()
            for call in calls
        )


HERMES = CallForm("hermes", "<tool_call>", "</tool_call>", "arguments")
"""Hermes, Qwen 2.5 and 3, and whatever model has no form of its own."""
MISTRAL = CallForm("mistral", "[TOOL_CALLS]", "", "arguments")
"""Mistral: a list behind the opening, or in newer models a name and an object."""
LLAMA = CallForm("llama", "", "", "parameters")
"""Llama 3.1 and later: a bare object, which is the whole answer."""
FORMS = (HERMES, MISTRAL, LLAMA)


def instruction(tools: Sequence[dict[str, Any]]) -> str:
    """What a model is told whose template knows no tools; calls are asked for in the form `HERMES`."""
    listed = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
    return (
        "You can call functions. There are these, described one to a line:\n"
        f"<tools>\n{listed}\n</tools>\n"
        "To call a function, write its name and a JSON object of its arguments, and nothing else, in this form:\n"
        '<tool_call>\n{"name": "the function\'s name", "arguments": {"an argument": "its value"}}\n</tool_call>\n'
        "What it returns comes between <tool_response> and </tool_response>. Call no function that is not needed."
    )


def answered(text: str) -> str:
    """What a tool has answered, for a model whose template knows no tools."""
    return f"<tool_response>\n{text}\n</tool_response>"


def arguments_of(text: str) -> dict[str, Any] | None:
    """A JSON object out of text; None where it is none."""
    value, end = _value(text.strip())
    return value if isinstance(value, dict) and not text.strip()[end:].strip() else None


def _called(item: Any) -> Called | None:
    if not isinstance(item, dict):
        return None
    item = item["function"] if isinstance(item.get("function"), dict) else item
    name = item.get("name", item.get("function"))
    arguments = item.get("arguments", item.get("parameters", {}))
    if isinstance(arguments, str):
        arguments = arguments_of(arguments)
    return Called(name, arguments) if isinstance(name, str) and isinstance(arguments, dict) else None


def _value(text: str) -> tuple[Any, int]:
    """The JSON value that a text begins with, and where it ends; None and 0 where there is none."""
    try:
        return _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None, 0


_BETWEEN = re.compile(r"[\s;,]*")
_NAMED = re.compile(r"([A-Za-z0-9_.-]{1,64})(?:\[CALL_ID\][A-Za-z0-9]*)?(?:\[ARGS\])?\s*(?=\{)")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
