"""What holds when several questions are asked at once: nobody's answer depends on anybody else."""

from __future__ import annotations

import functools
import json
import math
import struct
from typing import Any

import pytest

from services.llm.adapters.llama_cpp import packaged_model
from services.llm.engine import ChatMessage, LLMEngine
from solo.isolation.driving import Work
from tests.contract.llm_cases import (
    ADAPTERS,
    FRANCE,
    SEA,
    SYSTEM,
    Asking,
    ask,
    asked,
    begin,
    finish,
    load_once,
    prefill,
)

QUESTIONS = [
    asked(question)
    for question in (
        "What is the capital of France?",
        "Tell me a long story about the sea.",
        "List five animals and what they eat.",
        "Explain how a bicycle works.",
        "Why is the sky blue?",
    )
]
LONG = asked("Tell me what you think of this. " + "The cat sat on the mat while rain fell. " * 50)
"""Some 500 tokens."""
MOST = 40


@pytest.fixture(params=list(ADAPTERS))
def engine(request: pytest.FixtureRequest) -> LLMEngine:
    return load_once(request.param)


@functools.cache
def alone(engine: LLMEngine, number: int) -> str:
    return ask(engine, QUESTIONS[number], max_tokens=MOST).text


def begin_all(engine: LLMEngine, count: int, **options: Any) -> list[Asking]:
    return [begin(engine, "complete", messages=QUESTIONS[at], max_tokens=MOST, **options) for at in range(count)]


class TestTogether:
    def test_as_if_each_were_alone(self, engine: LLMEngine) -> None:
        expected = [alone(engine, number) for number in range(4)]
        askings = begin_all(engine, 4)
        finish(engine, *askings)
        assert [asking.text for asking in askings] == expected

    def test_joining_and_leaving_between_steps(self, engine: LLMEngine) -> None:
        expected = [alone(engine, number) for number in range(4)]
        askings: list[Asking] = []
        for number in range(4):
            askings.append(begin(engine, "complete", messages=QUESTIONS[number], max_tokens=MOST))
            for _ in range(5):
                engine.step()
        finish(engine, *askings)
        assert [asking.text for asking in askings] == expected

    def test_more_than_there_are_slots_wait_their_turn(self, engine: LLMEngine) -> None:
        askings = [*begin_all(engine, 5), *begin_all(engine, 5)]
        finish(engine, *askings)
        assert [asking.text for asking in askings] == 2 * [alone(engine, number) for number in range(5)]

    def test_a_neighbour_that_leaves_changes_nothing(self, engine: LLMEngine) -> None:
        expected = alone(engine, 1)
        for steps in (1, 3, 9):
            stays = begin(engine, "complete", messages=QUESTIONS[1], max_tokens=MOST)
            leaves = begin(engine, "complete", messages=QUESTIONS[2], max_tokens=MOST)
            for _ in range(steps):
                engine.step()
            leaves.work.cancel()
            engine.step()
            assert leaves.work.ended
            finish(engine, stays)
            assert stays.text == expected

    def test_an_asker_without_room_waits_and_others_go_on(self, engine: LLMEngine) -> None:
        slow = begin(engine, "complete", Work(room=2), messages=QUESTIONS[1], max_tokens=MOST)
        quick = begin(engine, "complete", messages=QUESTIONS[3], max_tokens=MOST)
        finish(engine, quick)
        assert quick.text == alone(engine, 3)
        assert not slow.work.ended and len(slow.pieces) <= 3
        assert not engine.step(), "busy with nobody's work"
        slow.work.room += 1000
        finish(engine, slow)
        assert slow.text == alone(engine, 1)

    def test_seeds_do_not_meet(self, engine: LLMEngine) -> None:
        options = {"temperature": 0.9, "top_p": 0.95, "max_tokens": 20}
        single = [ask(engine, SEA, seed=seed, **options).text for seed in range(4)]
        askings = [begin(engine, "complete", messages=SEA, seed=seed, **options) for seed in range(4)]
        finish(engine, *askings)
        assert [asking.text for asking in askings] == single

    def test_counting(self, engine: LLMEngine) -> None:
        counted = begin(engine, "count", messages=FRANCE).value
        assert counted == {"tokens": ask(engine, FRANCE, max_tokens=1).done["prompt_tokens"], "context": 2048}

    def test_vectors(self, engine: LLMEngine) -> None:
        texts = ["A cat sits.", "A cat sits.", "Interest rates rose sharply this year, said the bank."]
        asking = begin(engine, "embed", texts=texts)
        beside = begin(engine, "complete", messages=FRANCE, max_tokens=5)
        finish(engine, asking, beside)
        vectors = [struct.unpack(f"<{len(raw) // 4}f", raw) for raw in asking.value["vectors"]]
        assert vectors[0] == vectors[1] != vectors[2]
        assert all(math.isclose(sum(part * part for part in vector), 1.0, rel_tol=1e-3) for vector in vectors)
        assert asking.value["tokens"] > 10

    def test_logprobs(self, engine: LLMEngine) -> None:
        plain = ask(engine, FRANCE, max_tokens=8)
        asking = ask(engine, FRANCE, max_tokens=8, logprobs=3)
        assert asking.text == plain.text
        tokens = [token for piece in asking.pieces for token in piece["logprobs"]]
        assert len(tokens) == asking.done["completion_tokens"]
        assert all(token["logprob"] <= 1e-6 and token["top"] for token in tokens)
        assert all(token["top"][0][1] >= token["logprob"] - 1e-6 for token in tokens)


class TestLlamaCppTogether:
    @pytest.fixture
    def real(self) -> LLMEngine:
        return load_once("llama_cpp")

    def test_a_long_prompt_is_read_between_the_others_words(self, real: LLMEngine) -> None:
        expected = alone(real, 1)
        writer = begin(real, "complete", messages=QUESTIONS[1], max_tokens=MOST)
        while len(writer.pieces) < 3:
            real.step()
        long = begin(real, "complete", messages=LONG, max_tokens=3)
        before = len(writer.pieces)
        for _ in range(10):
            real.step()
        assert len(writer.pieces) >= before + 8, "a word came with less than every step"
        assert not long.pieces
        finish(real, writer, long)
        assert writer.text == expected

    def test_how_a_prompt_is_cut_does_not_change_its_answer(self, real: LLMEngine) -> None:
        ask(real, FRANCE, max_tokens=1)
        first = ask(real, LONG, max_tokens=12).text
        long = begin(
            real, "complete", messages=[*LONG, *SEA[1:]][-1:] and asked("Hm. " + LONG[1]["content"]), max_tokens=1
        )
        finish(real, long)
        writer = begin(real, "complete", messages=QUESTIONS[3], max_tokens=MOST)
        while not writer.pieces:
            real.step()
        again = begin(real, "complete", messages=LONG, max_tokens=12)
        finish(real, writer, again)
        assert again.text == first
        assert ask(real, LONG, max_tokens=12).text == first

    def test_one_that_leaves_while_prompts_are_read_together(self, real: LLMEngine) -> None:
        expected = [alone(real, number) for number in range(2)]
        staying = [begin(real, "complete", messages=QUESTIONS[number], max_tokens=MOST) for number in range(2)]
        leaving = begin(real, "complete", messages=asked("Something else altogether, please?"), max_tokens=MOST)
        runtime = real._runtime  # type: ignore[attr-defined]
        decode = runtime.decode

        def decode_and_leave(rows: Any, abandon: Any = None) -> bool:
            leaving.work.cancel()
            return bool(decode(rows, abandon))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(runtime, "decode", decode_and_leave)
            finish(real, leaving, *staying)
        assert [one.text for one in staying] == expected
        assert leaving.done["finish"] == "cancelled"

    def test_spoken_turns_have_a_slot_of_their_own(self, real: LLMEngine) -> None:
        askings = [*begin_all(real, 5, lane="chat"), *begin_all(real, 5, lane="batch")]
        for _ in range(3):
            real.step()
        spoken = begin(real, "complete", messages=FRANCE, max_tokens=3, lane="voice")
        finish(real, spoken)
        assert sum(asking.work.ended for asking in askings) == 0
        finish(real, *askings)

    def test_chat_goes_before_batch(self, real: LLMEngine) -> None:
        running = begin_all(real, 4)
        batch = begin(real, "complete", messages=SEA, max_tokens=2, lane="batch")
        chat = begin(real, "complete", messages=SEA, max_tokens=2, lane="chat")
        finish(real, chat)
        assert not batch.work.ended
        finish(real, batch, *running)

    def test_a_shared_beginning_is_evaluated_once(self, real: LLMEngine) -> None:
        system: ChatMessage = {"role": "system", "content": "You are a guide. " + "Be kind and brief. " * 30}
        talks = [[system, {"role": "user", "content": f"Question {number}?"}] for number in range(4)]
        first = begin(real, "complete", messages=talks[0], max_tokens=30)
        while not first.pieces:
            real.step()
        others = [begin(real, "complete", messages=talk, max_tokens=5) for talk in talks[1:]]
        finish(real, first, *others)
        head = begin(real, "count", messages=talks[0]).value["tokens"] - 12
        assert all(other.done["cached_tokens"] >= head for other in others)

    def test_a_conversation_comes_back_from_main_memory(self, real: LLMEngine) -> None:
        first = ask(real, LONG, max_tokens=5)
        for number in range(8):
            ask(real, asked(f"Number {number}. " + "Something quite different. " * 10), max_tokens=1)
        again = ask(real, LONG, max_tokens=5)
        assert again.done["cached_tokens"] >= first.done["prompt_tokens"] - 2
        assert again.text == first.text

    def test_a_prompt_read_ahead_goes_on_as_the_question(self, real: LLMEngine) -> None:
        ask(real, FRANCE, max_tokens=1)
        ahead = begin(real, "prefill", messages=asked("Ahead. " + LONG[1]["content"]))
        real.step()
        assert not ahead.work.ended
        question = begin(real, "complete", messages=asked("Ahead. " + LONG[1]["content"] + "Yes?"), max_tokens=3)
        finish(real, question)
        assert ahead.value > 20
        assert question.done["cached_tokens"] >= ahead.value - 1

    @pytest.mark.parametrize("draft", ["ngram", str(packaged_model())], ids=["ngram", "a small model"])
    def test_guessing_ahead_changes_no_answer(self, draft: str, monkeypatch: pytest.MonkeyPatch) -> None:
        guessing = load_once("llama_cpp", draft=draft)
        messages = asked("Repeat after me three times: the quick brown fox jumps over the lazy dog.")
        accepted = 0
        for options in ({"max_tokens": 80}, {"max_tokens": 40, "temperature": 0.7, "seed": 5}):
            guessed = ask(guessing, messages, **options)
            assert guessed.done["accepted_tokens"] <= guessed.done["drafted_tokens"]
            accepted += guessed.done["accepted_tokens"]
            with monkeypatch.context() as without:
                without.setattr(guessing._batches, "_drafter", None)
                plain = ask(guessing, messages, **options)
            assert guessed.text == plain.text
        assert accepted > 0  # in one of them; what the model repeats depends on the processor's rounding

    def test_json_of_a_schema(self, real: LLMEngine) -> None:
        schema = {
            "type": "object",
            "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
            "required": ["city", "people"],
        }
        beside = begin(real, "complete", messages=QUESTIONS[1], max_tokens=MOST)
        asking = ask(real, FRANCE, form={"json_schema": schema}, max_tokens=80)
        said = json.loads(asking.text)
        assert isinstance(said["city"], str) and isinstance(said["people"], int)
        for most in (1, 4, 9):
            assert set(json.loads(ask(real, FRANCE, form={"json_schema": schema}, max_tokens=most).text)) >= {"city"}
        finish(real, beside)
        assert beside.text == alone(real, 1)

    def test_a_grammar(self, real: LLMEngine) -> None:
        asking = ask(real, FRANCE, form={"grammar": 'root ::= "yes" | "no"'}, max_tokens=10)
        assert asking.text in {"yes", "no"}
        assert asking.done["finish"] == "stop"

    def test_a_tool_that_must_be_called(self, real: LLMEngine) -> None:
        tool = {
            "name": "get_weather",
            "description": "Tells the weather.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        }
        asking = ask(
            real, asked("How is the weather in Paris?"), tools=[tool], tool_choice="get_weather", max_tokens=80
        )
        [call] = asking.done["tool_calls"]
        assert call["name"] == "get_weather" and isinstance(json.loads(call["arguments"])["city"], str)
        assert asking.done["finish"] == "tool_calls"
        assert asking.text.strip() == ""

    def test_reading_ahead_needs_no_slot_where_all_is_there(self, real: LLMEngine) -> None:
        prefill(real, [SYSTEM])
        assert prefill(real, [SYSTEM]) > 10
