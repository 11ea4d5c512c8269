"""What every runner keeps to: one class for servers of others asked by URL, and for an engine in a child process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from services.llm.adapters.openai_server import OpenAIServerMaker
from services.llm.engine import PromptTooLong
from services.llm.runner import Runner
from services.messages.language import (
    ChatMessage,
    Complete,
    CompletionEnd,
    CountTokens,
    EmbedTexts,
    Form,
    Prefill,
    Sampling,
    TextDelta,
    TokenLogprob,
    Tool,
)
from tests.contract.runner_cases import CASES, CONTEXT, FRANCE, SEA, SYSTEM, Case, ask, history
from tests.peers import packaged_model, xllamacpp_server

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}, "size": {"type": "integer"}},
    "required": ["city", "size"],
    "additionalProperties": False,
}
WEATHER = Tool(
    name="weather",
    description="The weather in a city",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
CYCLES = 20


@pytest.fixture(
    scope="module",
    params=[name if name.startswith("fake") else pytest.param(name, marks=pytest.mark.engine) for name in CASES],
)
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    with CASES[request.param]() as case:
        yield case


@pytest_asyncio.fixture
async def runner(case: Case) -> AsyncIterator[Runner]:
    async with case.maker.running() as runner:
        yield runner


class TestRunner:
    async def test_names_what_runs_it(self, runner: Runner) -> None:
        state = runner.state()
        assert runner.name and state.engine and state.model

    async def test_answers_and_accounts_for_it(self, runner: Runner) -> None:
        pieces, end = await ask(runner, FRANCE)
        assert "Paris" in "".join(pieces)
        assert end.finish in {"stop", "length"}
        assert end.completion_tokens >= len(pieces) > 1
        assert end.prefill_s >= 0 and end.decode_s >= 0 and end.waited_s >= 0
        spent = end.receipt
        zones = spent.system + spent.history + spent.memory + spent.question + spent.tools + spent.template
        assert zones == end.prompt_tokens
        assert min(spent.system, spent.question, spent.template) > 0
        assert spent.dropped_messages == 0
        assert 0 <= end.cached_tokens <= end.prompt_tokens

    async def test_greedy_answers_repeat(self, runner: Runner) -> None:
        first, _ = await ask(runner, SEA)
        await ask(runner, FRANCE, max_tokens=2)
        assert "".join((await ask(runner, SEA))[0]) == "".join(first)

    async def test_a_seed_repeats_its_answer(self, runner: Runner) -> None:
        sampling = Sampling(temperature=0.9, top_p=0.95, top_k=50, min_p=0.02, repeat_penalty=1.1, seed=7)
        first, _ = await ask(runner, SEA, sampling=sampling)
        again, _ = await ask(runner, SEA, sampling=sampling)
        assert "".join(first) == "".join(again)

    @pytest.mark.parametrize("seed", [0, -1, 2**32, 2**62])
    async def test_any_seed_is_taken(self, runner: Runner, seed: int) -> None:
        _, end = await ask(runner, FRANCE, sampling=Sampling(temperature=1, seed=seed), max_tokens=2)
        assert end.completion_tokens <= 2

    async def test_ends_at_the_length_asked_for(self, runner: Runner) -> None:
        pieces, end = await ask(runner, SEA, max_tokens=3)
        assert end.finish == "length"
        assert len(pieces) <= end.completion_tokens == 3

    async def test_ends_before_a_stop_string(self, runner: Runner) -> None:
        whole = "".join((await ask(runner, FRANCE))[0])
        stop = whole.split()[2]
        text, end = await ask(runner, FRANCE, stop=(stop,))
        assert "".join(text) == whole[: whole.index(stop)]
        assert end.finish == "stop"

    async def test_goes_on_behind_a_beginning(self, runner: Runner) -> None:
        whole = "".join((await ask(runner, FRANCE))[0])
        beginning = " ".join(whole.split()[:3])
        text = "".join((await ask(runner, FRANCE, prefix=beginning + " "))[0])
        assert text and not text.startswith((" ", beginning))

    async def test_several_at_once(self, runner: Runner) -> None:
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(ask(runner, messages, max_tokens=8)) for messages in (FRANCE, SEA, FRANCE)]
        assert all("".join(task.result()[0]) for task in asked)

    async def test_leaving_frees_it(self, runner: Runner) -> None:
        for cycle in range(CYCLES):
            async with runner.complete(Complete(messages=SEA, max_tokens=400)) as parts:
                if cycle % 2:
                    assert isinstance(await anext(aiter(parts)), TextDelta)
        async with asyncio.timeout(20):
            assert (await ask(runner, FRANCE, max_tokens=2))[0]

    async def test_a_cancelled_asker_frees_it(self, runner: Runner) -> None:
        for _ in range(CYCLES // 4):
            begun = asyncio.Event()

            async def reading(begun: asyncio.Event = begun) -> None:
                async with runner.complete(Complete(messages=SEA, max_tokens=400)) as parts:
                    async for _ in parts:
                        begun.set()

            task = asyncio.create_task(reading())
            await begun.wait()
            task.cancel()
            await asyncio.wait({task})
        async with asyncio.timeout(20):
            assert (await ask(runner, FRANCE, max_tokens=2))[0]

    async def test_a_prompt_that_is_too_long(self, runner: Runner) -> None:
        long = (ChatMessage(role="user", content="word " * 2 * CONTEXT),)
        with pytest.raises(PromptTooLong) as caught:
            await ask(runner, long)
        assert caught.value.hint
        assert (await ask(runner, FRANCE, max_tokens=2))[0]

    async def test_a_history_that_is_too_long_is_shortened_and_told(self, runner: Runner) -> None:
        messages = (SYSTEM, *history(60), FRANCE[-1])
        pieces, end = await ask(runner, messages, max_tokens=8)
        assert pieces
        assert 0 < end.receipt.dropped_messages < len(messages) - 2
        assert end.receipt.dropped_tokens > 0
        assert end.prompt_tokens <= CONTEXT

    async def test_counts_a_prompt(self, runner: Runner, case: Case) -> None:
        counted = await runner.count(CountTokens(messages=FRANCE))
        _, end = await ask(runner, FRANCE, max_tokens=1)
        if case.counts:
            assert counted.tokens == end.prompt_tokens
            assert counted.context == CONTEXT
        assert 0.5 < counted.tokens / end.prompt_tokens < 2

    async def test_prefill_tells_how_much(self, runner: Runner) -> None:
        assert 0 <= await runner.prefill(Prefill(messages=(SYSTEM,))) < CONTEXT

    async def test_a_schema_is_kept_to(self, runner: Runner, case: Case) -> None:
        if not case.grammars:
            pytest.skip("this engine knows no forms")
        pieces, end = await ask(runner, FRANCE, form=Form(json_schema=SCHEMA), max_tokens=120)
        assert end.finish == "stop"
        assert set(json.loads("".join(pieces))) == {"city", "size"}

    async def test_a_grammar_is_kept_to(self, runner: Runner, case: Case) -> None:
        if not case.grammars:
            pytest.skip("this engine knows no forms")
        pieces, _ = await ask(runner, FRANCE, form=Form(grammar='root ::= "yes" | "no"'))
        assert "".join(pieces) in {"yes", "no"}

    async def test_logprobs(self, runner: Runner, case: Case) -> None:
        if not case.logprobs:
            pytest.skip("this engine knows no logprobs")
        found: list[TokenLogprob] = []
        async with runner.complete(Complete(messages=FRANCE, logprobs=2, max_tokens=3)) as parts:
            async for part in parts:
                if isinstance(part, TextDelta):
                    found += part.logprobs
        assert found
        assert all(token.logprob <= 0 and 1 <= len(token.top) <= 2 for token in found)
        assert all(token.top[0][1] >= token.top[-1][1] for token in found)

    async def test_a_tool_is_called(self, runner: Runner, case: Case) -> None:
        if not case.calls:
            pytest.skip("this engine cannot be made to")
        question = (ChatMessage(role="user", content="How is the weather in Paris?"),)
        _, end = await ask(runner, question, tools=(WEATHER,), tool_choice="weather", max_tokens=80)
        assert end.finish == "tool_calls"
        (call,) = end.tool_calls
        assert call.id and call.name == "weather"
        assert isinstance(json.loads(call.arguments), dict)

    async def test_every_item_serialises(self, runner: Runner) -> None:
        async with runner.complete(Complete(messages=FRANCE, max_tokens=4)) as parts:
            async for part in parts:
                assert type(part).model_validate_json(part.model_dump_json()) == part
        assert isinstance(part, CompletionEnd)


@pytest.mark.engine
async def test_vectors_of_the_bare_server() -> None:
    with xllamacpp_server(packaged_model(), context=CONTEXT, embedding=True) as url:
        async with OpenAIServerMaker(url, "").running() as runner:
            made = await runner.embed(EmbedTexts(texts=("A cat.", "A kitten.", "Stock markets fell.")))
    cat, kitten, markets = made.vectors
    assert all(abs(sum(number * number for number in vector) - 1) < 1e-6 for vector in made.vectors)
    assert sum(map(float.__mul__, cat, kitten)) > sum(map(float.__mul__, cat, markets))
    assert made.tokens > 3
