"""What an engine is never given, however it was asked."""

from __future__ import annotations

from typing import Any

import pytest

from services.llm.adapters.requests import Asked, check_embedding
from solo.isolation.engine import BadEngineInput

RIGHT: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi"}]}
NAN, INFINITE = float("nan"), float("inf")


def test_the_least_that_can_be_asked() -> None:
    asked = Asked.check(RIGHT)
    assert (asked.max_tokens, asked.lane, asked.sampling, asked.stop) == (256, "chat", {}, [])


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_tokens": 0},
        {"max_tokens": -1},
        {"max_tokens": 1.5},
        {"logprobs": 21},
        {"logprobs": -1},
        {"lane": "fast"},
        {"stop": [""]},
        {"stop": ["x" * 257]},
        {"stop": ["x"] * 17},
        {"stop": [b"x"]},
        {"mirostat": 2},
        {"messages": []},
        {"prompt": "x"},
        {"prompt": "", "messages": []},
        {"prompt": b"x", "messages": []},
        {"messages": [{"role": "system", "content": "x"}]},
        {"messages": [{"role": "assistant", "content": "x"}]},
        {"messages": [{"role": "robot", "content": "x"}]},
        {"messages": [{"role": "user", "content": None}]},
        {"messages": [{"content": "x"}]},
        *({"sampling": {"temperature": value}} for value in (-0.1, 5.1, NAN, INFINITE, True, "1", None)),
        *({"sampling": {"top_p": value}} for value in (0, -1, 1.01, NAN)),
        *({"sampling": {"min_p": value}} for value in (-0.1, 1.1)),
        *({"sampling": {"top_k": value}} for value in (-1, 10_000_000)),
        *({"sampling": {"repeat_penalty": value}} for value in (0, -1, 11, NAN)),
        *({"sampling": {"presence_penalty": value}} for value in (-2.1, 2.1)),
        *({"sampling": {"frequency_penalty": value}} for value in (-2.1, INFINITE)),
        {"sampling": {"seed": 1.5}},
        {"sampling": {"seed": "1"}},
        {"sampling": {"typical_p": 1}},
    ],
    ids=str,
)
def test_wrong_parameters_name_what_to_use(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadEngineInput) as caught:
        Asked.check({**RIGHT, **wrong})
    assert caught.value.hint


def test_any_seed() -> None:
    for seed in (None, 0, -1, 2**63):
        Asked.check({**RIGHT, "sampling": {"seed": seed}})


def test_a_tools_answer_may_come_last() -> None:
    Asked.check({"messages": [*RIGHT["messages"], {"role": "tool", "content": "21 degrees"}]})


@pytest.mark.parametrize("texts", [[], ["x"] * 257, [b"x"]], ids=["none", "too many", "bytes"])
def test_texts_to_embed(texts: list[Any]) -> None:
    with pytest.raises(BadEngineInput):
        check_embedding(texts)
