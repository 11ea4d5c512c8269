"""Which questions are the same: every field of the question makes another key, nothing else does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.responses_key import BESIDE, key_of, wanted
from services.messages.language import ChatMessage, Complete, Form, Sampling, Tool, ToolCall

BASE: dict[str, Any] = {
    "messages": (
        ChatMessage(role="system", content="Be brief."),
        ChatMessage(role="user", content="Why?", images=(b"one",)),
        ChatMessage(role="assistant", content="", tool_calls=(ToolCall(id="1", name="look", arguments="{}"),)),
        ChatMessage(role="tool", content="Blue.", tool_call_id="1"),
        ChatMessage(role="user", content="And then?"),
    ),
    "tools": (Tool(name="look", description="Looks.", parameters={"type": "object", "properties": {}}),),
}


def question(**fields: Any) -> Complete:
    return Complete(**{**BASE, **fields})


def message(index: int, **fields: Any) -> dict[str, Any]:
    messages = list(BASE["messages"])
    messages[index] = messages[index].model_copy(update=fields)
    return {"messages": tuple(messages)}


CHANGES: dict[str, dict[str, Any]] = {
    "text": message(4, content="And then!"),
    "white space": message(4, content="And then? "),
    "role of a message": message(2, role="user"),
    "picture": message(1, images=(b"two",)),
    "one picture more": message(1, images=(b"one", b"one")),
    "call id": message(2, tool_calls=(ToolCall(id="2", name="look", arguments="{}"),)),
    "call name": message(2, tool_calls=(ToolCall(id="1", name="see", arguments="{}"),)),
    "call arguments": message(2, tool_calls=(ToolCall(id="1", name="look", arguments='{"a":1}'),)),
    "answer to a call": message(3, tool_call_id="2"),
    "one message less": {"messages": BASE["messages"][1:]},
    "prefix": {"prefix": "Well,"},
    "bare text": {"prompt": "One,"},
    "no text": {"prompt": ""},
    "length": {"max_tokens": 255},
    "temperature": {"sampling": Sampling(temperature=0.1)},
    "top_p": {"sampling": Sampling(top_p=0.9)},
    "top_k": {"sampling": Sampling(top_k=1)},
    "min_p": {"sampling": Sampling(min_p=0.1)},
    "repetition": {"sampling": Sampling(repeat_penalty=1.1)},
    "presence": {"sampling": Sampling(presence_penalty=0.1)},
    "frequency": {"sampling": Sampling(frequency_penalty=0.1)},
    "seed": {"sampling": Sampling(seed=0)},
    "stop": {"stop": ("\n",)},
    "stops in two": {"stop": ("a", "b")},
    "stops in one": {"stop": ("ab",)},
    "form": {"form": Form(json_schema={})},
    "another form": {"form": Form(json_schema={"type": "object"})},
    "order of a schema": {"form": Form(json_schema={"b": 1, "a": 2})},
    "other order of a schema": {"form": Form(json_schema={"a": 2, "b": 1})},
    "grammar": {"form": Form(grammar='root ::= "a"')},
    "no tools": {"tools": ()},
    "tool's words": {"tools": (Tool(name="look", description="Sees."),)},
    "tool's arguments": {"tools": (Tool(name="look", description="Looks.", parameters={"type": "object"}),)},
    "tool choice": {"tool_choice": "none"},
    "logprobs": {"logprobs": 0},
    "more logprobs": {"logprobs": 1},
    "profile": {"profile": "anna"},
}


def test_every_change_makes_another_key() -> None:
    keys = {name: key_of(question(**fields), "m") for name, fields in CHANGES.items()}
    keys["nothing"] = key_of(question(), "m")
    keys["model"] = key_of(question(), "n")
    assert len(set(keys.values())) == len(keys)
    assert {len(key) for key in keys.values()} == {32}


def test_every_field_is_in_the_key_or_named_as_beside_it() -> None:
    changed = {field for fields in CHANGES.values() for field in fields}
    assert changed | BESIDE == set(Complete.model_fields)
    assert changed & BESIDE == set()
    plain = Sampling()
    sampled = {
        name
        for fields in CHANGES.values()
        if "sampling" in fields
        for name, value in fields["sampling"]
        if value != getattr(plain, name)
    }
    assert sampled == set(Sampling.model_fields)


@pytest.mark.parametrize(
    "fields",
    [{"role": "fast"}, {"task": "summary"}, {"model": "big"}, {"lane": "batch"}, {"cached": True}, {"turn_id": "t"}],
)
def test_who_asks_whom_in_which_lane_does_not_count(fields: dict[str, Any]) -> None:
    assert key_of(question(**fields), "m") == key_of(question(), "m")


TEXT = st.text(max_size=20)
MESSAGES = st.lists(
    st.builds(
        ChatMessage,
        role=st.sampled_from(["system", "user", "assistant", "tool"]),
        content=TEXT,
        images=st.lists(st.binary(max_size=4), max_size=2).map(tuple),
        tool_call_id=TEXT,
    ),
    min_size=1,
    max_size=4,
).map(tuple)
FIELDS = st.fixed_dictionaries(
    {
        "messages": MESSAGES,
        "prefix": TEXT,
        "max_tokens": st.integers(1, 9),
        "sampling": st.builds(Sampling, temperature=st.floats(0, 5), seed=st.none() | st.integers()),
        "stop": st.lists(TEXT, max_size=2).map(tuple),
        "tool_choice": TEXT,
        "profile": TEXT,
    }
)


@given(FIELDS, st.randoms())
def test_the_order_in_which_fields_are_given_does_not_count(fields: dict[str, Any], random: Any) -> None:
    names = list(fields)
    random.shuffle(names)
    again = Complete(**{name: fields[name] for name in names})
    assert key_of(again, "m") == key_of(Complete(**fields), "m")
    assert key_of(Complete.model_validate(again.model_dump()), "m") == key_of(again, "m")


@given(FIELDS, FIELDS)
def test_two_questions_share_a_key_only_when_they_are_equal(one: dict[str, Any], two: dict[str, Any]) -> None:
    assert (key_of(Complete(**one), "m") == key_of(Complete(**two), "m")) == (one == two)


@given(TEXT, TEXT)
def test_texts_do_not_run_into_each_other(one: str, two: str) -> None:
    apart = key_of(question(prefix=one, tool_choice=two), "m")
    together = key_of(question(prefix=one + two, tool_choice=""), "m")
    assert (apart == together) == (not two)


SYSTEM, USER = ChatMessage(role="system", content="s"), ChatMessage(role="user", content="u")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"lane": "batch"}, True),
        ({"lane": "voice"}, False),
        ({"sampling": Sampling(temperature=0.1)}, False),
        ({"messages": (SYSTEM, SYSTEM, USER)}, False),
        ({"cached": False}, False),
        ({"cached": True, "lane": "voice"}, True),
        ({"cached": True, "sampling": Sampling(temperature=1)}, True),
        ({"cached": True, "messages": (SYSTEM, SYSTEM, USER)}, True),
    ],
)
def test_when_an_earlier_answer_will_do(fields: dict[str, Any], expected: bool) -> None:
    assert wanted(Complete(**{"messages": (SYSTEM, USER), **fields})) is expected
