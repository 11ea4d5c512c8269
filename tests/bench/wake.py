"""Wake words through the wake service, piece by piece as from an ear, against the bare engine on the same sound."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

from services.messages.audio import SoundHeard, WakeWordHeard
from services.messages.waking import WakeWordConfirmed, WakeWordRejected
from services.stt.service import STTService
from services.wake import service
from services.wake.service import WakeService
from solo.bus import Bus, Event, Overflow
from solo.isolation.process import EngineSpec
from solo.supervision import Context
from tests.bench.sounds import pcm, recorded
from tests.contract.speech import say

WORD = "alexa"
SAMPLES = 2560
TAIL = bytes(2 * 16_000)
_SPEC = EngineSpec("services.wake.adapters.microwakeword:MicroWakeWord")
_STT = EngineSpec("services.stt.adapters.moonshine.adapter:Moonshine", {"threads": 1})
_NOT = ("command-*.wav", "noise-*.wav", "wake-jarvis-*.wav", "wake-computer-*.wav")


def measure() -> dict[str, Any]:
    said = [(name, pcm(sound) + TAIL) for name, sound in recorded(f"wake-{WORD}-*.wav")]
    said = said or [("packaged voice", TAIL + say("Alexa.") + TAIL)]
    other = [(name, pcm(sound) + TAIL) for pattern in _NOT for name, sound in recorded(pattern)]
    bare_said, bare_other = _bare(said), _bare(other)
    ours_said, checked_said = asyncio.run(_through(said))
    ours_other, checked_other = asyncio.run(_through(other))
    return {
        "clips with the word": len(said),
        "hits, bare engine": bare_said,
        "hits, wake service": ours_said,
        "hits, after the second look": checked_said,
        "clips without it": len(other),
        "false wakes, bare engine": bare_other,
        "false wakes, wake service": ours_other,
        "false wakes, after the second look": checked_other,
    }


def _bare(clips: list[tuple[str, bytes]]) -> int:
    """The library alone, each clip at once; other words than the one that was said are false, too."""
    vendor = importlib.import_module("pymicro_wakeword")
    found = 0
    for _, sound in clips:
        heard = set()
        features = vendor.MicroWakeWordFeatures()
        detectors = {model.value: vendor.MicroWakeWord.from_builtin(model) for model in vendor.Model}
        for feature in features.process_streaming(sound):
            heard |= {word for word, detector in detectors.items() if detector.process_streaming(feature)}
        found += bool(heard)
    return found


async def _through(clips: list[tuple[str, bytes]]) -> tuple[int, int]:
    """How many clips woke, and how many stood the second look."""
    bus, facts = Bus(), []
    service.VERIFY_WITHIN_S = 60.0  # what recognition says counts here, not how soon
    ctx = Context(bus, "wake", on_state=lambda _state, _note: None)

    async def watch() -> None:
        async with bus.subscribe(Event, limit=100_000, overflow=Overflow.FAIL, owner="bench") as box:
            async for fact in box:
                facts.append(fact)  # noqa: PERF401  # looked at meanwhile

    recognition = Context(bus, "stt", on_state=lambda _state, _note: None)
    async with asyncio.TaskGroup() as tasks:
        work = [
            tasks.create_task(watch()),
            tasks.create_task(STTService(_STT).run(recognition)),
            tasks.create_task(WakeService(_SPEC).run(ctx)),
        ]
        while any((state := each.engine()) is None or not state.pid for each in (ctx, recognition)):
            await asyncio.sleep(0.05)
        for name, sound in clips:
            for at in range(0, len(sound), SAMPLES * 2):
                bus.publish(SoundHeard(source=name, pcm=sound[at : at + SAMPLES * 2], start=at // 2))
                while any(box.waiting for box in bus.statistics().mailboxes if box.kind == "SoundHeard"):
                    await asyncio.sleep(0.002)
        kinds = (WakeWordConfirmed, WakeWordRejected)
        while _count(facts, WakeWordHeard) > sum(_count(facts, kind) for kind in kinds):
            await asyncio.sleep(0.05)
        for task in work:
            task.cancel()
    woke = {fact.source for fact in facts if isinstance(fact, WakeWordHeard)}
    stood = {fact.source for fact in facts if isinstance(fact, WakeWordConfirmed)}
    return len(woke), len(stood)


def _count(facts: list[Any], kind: type[Event]) -> int:
    return sum(isinstance(fact, kind) for fact in facts)
