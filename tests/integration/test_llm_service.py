"""The service of the language models over a real child process: answered, cancelled, killed, stopped."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.llm.pool import PoolPolicy
from services.llm.roles import Roles
from services.llm.service import ANSWERS, LLMPlan, LLMService
from services.llm.spec import LLMSettings, _making, machine_bytes
from services.messages.language import ChatMessage, Complete, CompletionEnd, CountTokens, EmbedTexts, Prefill, TextDelta
from services.messages.pool import DescribePool, PoolState
from solo.bus import Bus
from solo.isolation.engine import EngineDied, InputQuarantined, ModelMissing
from solo.settings import MachineSettings
from solo.supervision import ServiceSpec, State
from tests.stubs.runners import NoCache, ask
from tests.stubs.services import House, supervised

MIB = 1024**2
ANSWER = "Paris is the capital of France, and this is all that a fake model knows to say."


@asynccontextmanager
async def running(
    bus: Bus, state_dir: Path, *, ready: bool = True, options: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[House]:
    """`options`: of the fake engine, beyond those that settings have."""
    chosen = LLMSettings(**{"engine": "fake", **settings})
    making = _making(chosen, MachineSettings(state_dir=state_dir, _env_file=None))
    plan = LLMPlan(
        policy=PoolPolicy(
            default=chosen.model or "",
            keep_alive_s=60,
            load_wait_s=15,
            queue=64,
            queue_s=60,
            remote_streams=8,
            budget_bytes=4096 * MIB,
            beside={},
        ),
        making=replace(making, options={**making.options, **(options or {})}),
        roles=lambda: Roles({}, chosen.model or "", {}, state_dir),
        cache=NoCache(),
    )
    spec = ServiceSpec(name="llm", make=lambda: LLMService(plan), ready_within=60, answers=ANSWERS)
    async with supervised(bus, spec) as house:
        if ready:
            await house.reaches("llm", State.READY)
        yield house


async def said(bus: Bus, question: Complete | None = None) -> tuple[str, CompletionEnd]:
    text = ""
    async with bus.stream(question or ask(), within=30) as parts:
        async for part in parts:
            if not isinstance(part, TextDelta):
                return text, part
            text += part.text
    raise AssertionError("an answer without an end")


async def pool(bus: Bus) -> PoolState:
    return await bus.request(DescribePool(), within=5)


def pid(house: House) -> int:
    engine = house.state("llm").engine
    assert engine is not None
    assert engine.pid is not None
    return engine.pid


async def test_every_question(bus: Bus, tmp_path: Path) -> None:
    async with running(bus, tmp_path) as house:
        text, end = await said(bus)
        assert (text, end.engine, end.model, end.role) == (ANSWER, "fake fake", "fake", "dialog")
        messages = (ChatMessage(role="user", content="What is it?"),)
        assert (await bus.request(CountTokens(messages=messages), within=5)).tokens > 3
        assert await bus.request(Prefill(messages=messages), within=5) > 0
        vectors = (await bus.request(EmbedTexts(texts=("a", "b")), within=5)).vectors
        assert [pytest.approx(1, abs=1e-5)] * 2 == [sum(number**2 for number in vector) for vector in vectors]
        text, _ = await said(bus, ask(logprobs=2))
        assert text == ANSWER
        state = await pool(bus)
        assert (state.status, state.models[0].pid) == ("ok", pid(house))


async def test_many_streams_at_once(bus: Bus, tmp_path: Path) -> None:
    async with running(bus, tmp_path, slots=32, options={"delay_s": 0.01}):
        answers = await asyncio.gather(*(said(bus, ask(f"Number {number}?")) for number in range(48)))
    assert {text for text, _ in answers} == {ANSWER}


async def test_who_leaves_frees_the_place(bus: Bus, tmp_path: Path) -> None:
    async with running(bus, tmp_path, slots=1, options={"delay_s": 0.05}) as house:
        before = pid(house)
        for _ in range(20):
            async with bus.stream(ask(), within=30) as parts:
                async for _ in parts:
                    break
        text, end = await said(bus, ask(max_tokens=2))
        assert (text, end.finish) == ("Paris is", "length")
        assert pid(house) == before
        (model,) = (await pool(bus)).models
        assert (model.busy, model.waiting) == (0, 0)


async def test_killed_in_the_middle_it_comes_back(bus: Bus, tmp_path: Path) -> None:
    async with running(bus, tmp_path, options={"delay_s": 0.05}) as house:
        before = pid(house)
        heard = ""
        with pytest.raises(EngineDied):
            async with bus.stream(ask(), within=30) as parts:
                async for part in parts:
                    assert isinstance(part, TextDelta)
                    heard += part.text
                    if heard == "Paris is":
                        os.kill(before, signal.SIGKILL)
        await house.reaches("llm", State.READY)
        assert pid(house) != before
        assert house.state("llm").restarts == 0
        text, _ = await said(bus, ask(prefix=heard))
        assert heard + text == ANSWER


async def test_killed_before_the_first_word_nobody_hears_of_it(bus: Bus, tmp_path: Path) -> None:
    async with running(bus, tmp_path, options={"delay_s": 0.5}) as house:
        asking = asyncio.create_task(said(bus, ask(max_tokens=2)))
        while not (await pool(bus)).models[0].busy:
            await asyncio.sleep(0.01)
        os.kill(pid(house), signal.SIGKILL)
        assert (await asking)[0] == "Paris is"


async def test_a_question_that_ends_it_again_and_again_is_not_given_to_it_any_more(bus: Bus, tmp_path: Path) -> None:
    async with running(bus, tmp_path, options={"delay_s": 5}) as house:
        for kind in (EngineDied, InputQuarantined):
            asking = asyncio.create_task(said(bus))
            deaths = 0
            while not asking.done():
                state = house.state("llm").engine
                if deaths < 2 and state is not None and state.pid and (await pool(bus)).models[0].busy:
                    os.kill(state.pid, signal.SIGKILL)
                    deaths += 1
                    while house.state("llm").engine == state:
                        await asyncio.sleep(0.01)
                await asyncio.sleep(0.01)
            with pytest.raises(kind):
                await asking
        await house.reaches("llm", State.READY)


async def test_a_model_that_is_not_there_is_named(bus: Bus, tmp_path: Path) -> None:
    missing = tmp_path / "none.gguf"
    async with running(bus, tmp_path, ready=False, engine="llama-cpp", model=str(missing)) as house:
        with pytest.raises(ModelMissing, match=r"none\.gguf"):
            await said(bus)
        await house.reaches("llm", State.BACKOFF)


def test_this_machine_has_memory() -> None:
    assert machine_bytes() > 256 * MIB
