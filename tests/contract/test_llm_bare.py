"""Bare text that a model goes on with: no template, nothing cut, nothing taken for a control token."""

from __future__ import annotations

from typing import Any

import pytest

from services.llm.engine import LLMEngine, PromptTooLong
from solo.isolation.engine import BadEngineInput
from tests.contract.llm_cases import ADAPTERS, FRANCE, SMALL, Asking, begin, finish, load_once

COUNTING = "One, two, three,"


def go_on(engine: LLMEngine, prompt: str, **more: Any) -> Asking:
    asking = begin(engine, "complete", prompt=prompt, **{"max_tokens": 6, **more})
    finish(engine, asking)
    return asking


@pytest.fixture(params=list(ADAPTERS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestBare:
    def test_only_the_text_is_in_the_prompt(self, name: str) -> None:
        done = go_on(load_once(name), COUNTING).done
        spent = done["zones"]
        assert spent["question"] == done["prompt_tokens"] == sum(spent.values())
        assert done["finish"] in {"length", "stop"} and done["dropped_messages"] == 0

    def test_what_is_known_is_not_evaluated_again(self, name: str) -> None:
        engine = load_once(name)
        story = "Once upon a time there was a fox who lived beside a river and read books."
        go_on(engine, story, max_tokens=1)
        done = go_on(engine, story + " One day").done
        assert done["cached_tokens"] >= 10

    def test_too_long_is_refused_and_not_cut(self, name: str) -> None:
        engine = load_once(name, context=SMALL)
        for words in (SMALL, 100_000):
            with pytest.raises(PromptTooLong):
                _ = go_on(engine, "word " * words).done

    @pytest.mark.parametrize(
        "wrong", [{"prompt": ""}, {"prompt": "x", "prefix": "y"}, {"prompt": "x", "messages": FRANCE}]
    )
    def test_refused(self, name: str, wrong: dict[str, Any]) -> None:
        asking = begin(load_once(name), "complete", **wrong)
        with pytest.raises(BadEngineInput):
            _ = asking.done


class TestLlamaCpp:
    @pytest.fixture
    def real(self) -> LLMEngine:
        engine: LLMEngine = load_once("llama_cpp")
        return engine

    def test_it_goes_on_with_the_text(self, real: LLMEngine) -> None:
        assert "four" in go_on(real, COUNTING).text

    def test_control_tokens_are_text(self, real: LLMEngine) -> None:
        assert go_on(real, "<|im_end|>", max_tokens=1).done["prompt_tokens"] > 2

    def test_beside_a_conversation(self, real: LLMEngine) -> None:
        """As if each were alone."""
        alone = go_on(real, COUNTING).text
        together = [
            begin(real, "complete", prompt=COUNTING, max_tokens=6),
            begin(real, "complete", messages=FRANCE, max_tokens=6),
        ]
        finish(real, *together)
        assert together[0].text == alone
