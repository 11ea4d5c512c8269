"""What of a model's tokens is said: text, calls of tools, JSON made whole."""

from __future__ import annotations

import json

import pytest

from services.formats.call_forms import HERMES
from services.llm.adapters.constrain import constraint
from services.llm.adapters.reply import Reply
from services.llm.adapters.tool_calls import ToolReader

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["city", "people"],
}


def said(reply: Reply, whole: str, size: int = 3) -> str:
    raw = whole.encode()
    return "".join(reply.add(raw[at : at + size]) for at in range(0, len(raw), size)) + reply.rest()


def test_calls_are_taken_out() -> None:
    reply = Reply((), "", (), ToolReader(HERMES, ["get"]), None)
    text = said(reply, 'Let me see.\n<tool_call>{"name": "get", "arguments": {"at": 1}}</tool_call>')
    assert text == "Let me see."
    [call] = reply.calls
    assert (call["name"], json.loads(call["arguments"])) == ("get", {"at": 1})


@pytest.mark.parametrize("cut", range(0, 34, 3))
def test_json_that_was_cut_is_made_whole(cut: int) -> None:
    form = constraint({"json_schema": SCHEMA}, [], "auto")
    whole = '{"city": "Rome", "people": 2800000}'
    text = said(Reply((), "", (), None, form), whole[:cut])
    found = json.loads(text)
    assert isinstance(found["city"], str) and isinstance(found["people"], int)
    assert text.startswith(whole[:cut])


def test_thoughts_are_left_out() -> None:
    assert said(Reply((), "", (), None, None, thinking=True), "Hm, Paris?</think>\n\nParis.") == "Paris."


def test_another_turn_ends_it() -> None:
    reply = Reply((), "", ("<|im_end|>", "<|im_start|>"), None, None)
    assert said(reply, "Paris.<|im_start|>user\nAnd Rome?") == "Paris."
    assert reply.stopped
