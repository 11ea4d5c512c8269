"""What no engine should see is refused before one does, by a name."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from services.llm.child_runner import _completion, _key
from services.llm.engine import PromptTooLong
from services.llm.failures import NoVision
from services.llm.questions import LONGEST_STOP, MOST_MESSAGES, MOST_STOPS, MOST_TEXT, MOST_TOOLS, check, check_length
from services.messages.language import ChatMessage, Complete, Form, Sampling, Tool, ToolCall
from solo.errors import SoloError
from solo.isolation.engine import BadEngineInput
from tests.stubs.runners import ask

USER = ChatMessage(role="user", content="What?")
TOOL = Tool(name="look", parameters={"type": "object"})
DEEP: dict[str, Any] = {}
for _ in range(2000):
    DEEP = {"not": DEEP}


def test_an_ordinary_question_passes() -> None:
    check(ask(stop=("\n",), tools=(TOOL,), tool_choice="look", form=Form(json_schema={}), logprobs=3))
    check(Complete(prompt="One,"))
    check(Complete(messages=(USER, ChatMessage(role="tool", content="4", tool_call_id="1"))))


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        (Complete(messages=()), BadEngineInput),
        (Complete(prompt=""), BadEngineInput),
        (Complete(prompt="x", messages=(USER,)), BadEngineInput),
        (Complete(prompt="x", tools=(TOOL,)), BadEngineInput),
        (Complete(prompt="x", prefix="y"), BadEngineInput),
        (Complete(prompt="x" * (MOST_TEXT + 1)), PromptTooLong),
        (Complete(messages=(USER,) * (MOST_MESSAGES + 1)), BadEngineInput),
        (Complete(messages=(USER, ChatMessage(role="assistant", content="Well"))), BadEngineInput),
        (Complete(messages=(ChatMessage(role="system", content="Be."),)), BadEngineInput),
        (ask("x" * (MOST_TEXT + 1)), PromptTooLong),
        (ask(prefix="x" * (MOST_TEXT + 1)), PromptTooLong),
        (ask(stop=("",)), BadEngineInput),
        (ask(stop=("x" * (LONGEST_STOP + 1),)), BadEngineInput),
        (ask(stop=("x",) * (MOST_STOPS + 1)), BadEngineInput),
        (ask(sampling=Sampling(seed=2**63)), BadEngineInput),
        (ask(sampling=Sampling(seed=-(2**63) - 1)), BadEngineInput),
        (ask(form=Form()), BadEngineInput),
        (ask(form=Form(json_schema={}, grammar="root ::= 'x'")), BadEngineInput),
        (ask(tools=(TOOL, TOOL)), BadEngineInput),
        (ask(tools=tuple(Tool(name=f"t{number}") for number in range(MOST_TOOLS + 1))), BadEngineInput),
        (ask(tools=(TOOL,), tool_choice="leap"), BadEngineInput),
        (ask(tool_choice="required"), BadEngineInput),
        (
            Complete(messages=(ChatMessage(role="user", content="x", images=(b"x" * (33 * 1024**2),)),)),
            BadEngineInput,
        ),
    ],
)
def test_refused_by_name(question: Complete, kind: type[SoloError]) -> None:
    with pytest.raises(kind) as raised:
        check(question)
    assert raised.value.hint


@pytest.mark.parametrize(
    "options",
    [
        {"max_tokens": 0}, {"max_tokens": 10**9}, {"sampling": {"temperature": float("nan")}}, {"logprobs": 21},
        {"sampling": {"temperature": float("inf")}}, {"sampling": {"top_p": 0}}, {"sampling": {"top_k": -1}},
        {"sampling": {"heat": 1}}, {"lane": "fast"}, {"role": "cook"},
    ],
)  # fmt: skip
def test_numbers_out_of_range_never_become_a_question(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ask(**options)


def test_what_cannot_fit_is_refused_without_a_tokenizer() -> None:
    messages = (ChatMessage(role="system", content="x" * 10_000_000), USER)
    check_length(Complete(messages=messages), 256)  # what is before the question may be left out
    check_length(Complete(messages=(USER,)), None)
    check_length(Complete(prompt="x" * 256), 256)
    with pytest.raises(PromptTooLong, match="200000 characters"):
        check_length(Complete(messages=(ChatMessage(role="user", content="x" * 200_000),)), 256)
    with pytest.raises(PromptTooLong):
        check_length(Complete(prompt="x" * 200_000), 256)


class TestForTheChild:
    def test_what_is_usual_is_left_out(self) -> None:
        assert _completion(ask()) == {
            "messages": [{"role": "user", "content": "What?"}],
            "prefix": "",
            "max_tokens": 256,
            "sampling": {},
            "stop": [],
            "lane": "chat",
        }

    def test_what_is_not_is_told(self) -> None:
        call = ToolCall(id="1", name="look", arguments="{}")
        messages = (
            USER,
            ChatMessage(role="assistant", content="", tool_calls=(call,)),
            ChatMessage(role="tool", content="4", tool_call_id="1"),
        )
        told = _completion(
            Complete(
                messages=messages,
                sampling=Sampling(temperature=0.5, seed=7),
                tools=(TOOL,),
                tool_choice="look",
                form=Form(grammar="root ::= 'x'"),
                logprobs=0,
                lane="batch",
            )
        )
        assert told["messages"][1]["tool_calls"] == [{"id": "1", "name": "look", "arguments": "{}"}]
        assert told["messages"][2]["tool_call_id"] == "1"
        assert told["sampling"] == {"temperature": 0.5, "seed": 7}
        assert told["tools"] == [{"name": "look", "description": "", "parameters": {"type": "object"}}]
        assert (told["tool_choice"], told["form"], told["logprobs"]) == ("look", {"grammar": "root ::= 'x'"}, 0)

    @pytest.mark.parametrize("seed", [-1, 2**32 - 1, 2**40, -(2**63), 2**63 - 1])
    def test_every_seed_becomes_one_that_the_engine_has(self, seed: int) -> None:
        sampling = _completion(ask(sampling=Sampling(seed=seed)))["sampling"]
        assert 0 <= sampling["seed"] < 2**32 - 1

    def test_pictures_are_not_for_it(self) -> None:
        with pytest.raises(NoVision):
            _completion(Complete(messages=(USER.model_copy(update={"images": (b"x",)}),)))

    def test_a_continuation_is_the_same_input_again(self) -> None:
        assert _key(_completion(ask(prefix="One"))) == _key(_completion(ask(prefix="One two", max_tokens=3)))
        assert _key(_completion(ask("a"))) != _key(_completion(ask("b")))
        assert _key(_completion(ask())) != _key(_completion(ask(form=Form(grammar="root ::= 'x'"))))

    @pytest.mark.parametrize("schema", [{"maximum": 10**30}, DEEP, {"x": object()}, {"x": "\ud800"}, {"x": {1, 2}}])
    def test_what_does_not_cross_the_pipe_is_the_askers_fault(self, schema: dict[str, Any]) -> None:
        with pytest.raises(BadEngineInput):
            _key({"messages": [], "form": {"json_schema": schema}})
