"""The language model beside speech recognition and the voice, on the same cores: what each loses to the other."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import soundfile

from solo.isolation.process import EngineProcess, EngineSpec

THREADS = 2
STRETCH_S = 6.0
SPEECH = Path(__file__).parents[2] / "solo" / "cli" / "selftest.wav"
LLM = EngineSpec("services.llm.adapters.llama_cpp:LlamaCpp", {"threads": THREADS, "slots": 4}, THREADS, load_within=60)
STT = EngineSpec("services.stt.adapters.faster_whisper:FasterWhisper", {"threads": THREADS}, THREADS)
TTS = EngineSpec("services.tts.adapters.piper:Piper", {"threads": THREADS}, THREADS)
STORY = [{"role": "user", "content": "Tell me a long story about the sea. Write many sentences."}]
CLAUSE = "The weather will be fine tomorrow, with a little wind from the west."

Work = Callable[[], Awaitable[int]]


async def _for_a_while(work: Work) -> float:
    """Units of work a second."""
    began = time.perf_counter()
    done = 0
    while time.perf_counter() - began < STRETCH_S:
        done += await work()
    return done / (time.perf_counter() - began)


async def _measure() -> dict[str, Any]:
    sound, _ = soundfile.read(SPEECH, dtype="int16")
    pcm = sound.tobytes()
    async with (
        EngineProcess(LLM).running() as llm,
        EngineProcess(STT).running() as stt,
        EngineProcess(TTS).running() as tts,
    ):

        async def write() -> int:
            count = 0
            async with llm.stream("complete", within=30, ahead=200, messages=STORY, max_tokens=40) as items:
                async for _ in items:
                    count += 1
            return count - 1

        async def hear() -> int:
            await stt.call("transcribe", within=30, pcm=pcm)
            return 1

        async def speak() -> int:
            async with tts.stream("synthesize", within=30, text=CLAUSE) as sounds:
                async for _ in sounds:
                    pass
            return 1

        for work in (write, hear, speak):
            await work()
        table: dict[str, Any] = {}
        for name, other in (("speech recognition", hear), ("the voice", speak)):
            rounds = []
            for _ in range(3):
                alone = await _for_a_while(write), await _for_a_while(other)
                beside = await asyncio.gather(_for_a_while(write), _for_a_while(other))
                rounds.append([both / one for both, one in zip(beside, alone, strict=True)])
            model, engine = (statistics.median(column) for column in zip(*rounds, strict=True))
            table[f"beside {name}, of its speed alone"] = (
                f"the language model {model:.2f}, {name} {engine:.2f}, together {model + engine:.2f} "
                "(1 would be two programs that take turns)"
            )
    return table


def measure() -> dict[str, Any]:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure())
