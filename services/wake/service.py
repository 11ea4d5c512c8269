"""Listens for the wake word in the sound of every source that waits for one, and looks again at what it found."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from services.messages.audio import BYTES_PER_SAMPLE, SAMPLE_RATE, SoundHeard, SourceClosed, WakeWordHeard
from services.messages.speech import Transcribe
from services.messages.waking import WakeWordConfirmed, WakeWordRejected
from services.wake.verifying import PreRoll, Verdict, judge, phrase
from solo.bus import Overflow
from solo.errors import SoloError
from solo.isolation.process import EngineProcess, EngineSpec
from solo.supervision import Context

WITHIN_S = 15.0
"""Longer than it takes to notice that the engine hangs, so that this is what the asker hears."""
VERIFY_WITHIN_S = 2.0
"""Later than this the question is being answered."""
_MOST_SOURCES = 16
"""As many as an engine keeps sessions; the one unheard for longest goes, here and there."""
_MOST_LOOKS = 4
"""Second looks at a time: a room full of false alarms must not keep recognition from its work."""


@dataclass(slots=True)
class _Source:
    fed: int = 0
    """Samples given to this engine so far: it counts those, and pieces may have been dropped."""
    woke: int | None = None
    """Where it was woken last."""
    pre_roll: PreRoll = field(default_factory=PreRoll)


@dataclass(slots=True)
class WakeService:
    engine: EngineSpec
    cooldown_s: float = 1.0
    """After a wake word others are ignored for so long: one utterance may sound like two of them."""
    verify: bool = True
    name: str = "wake"

    async def run(self, ctx: Context) -> None:
        async with EngineProcess(self.engine).running() as engine:
            ctx.engine = engine.state
            ctx.ready()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(ctx, engine, tasks))
                tasks.create_task(_forget_closed(ctx, engine))

    async def _listen(self, ctx: Context, engine: EngineProcess, tasks: asyncio.TaskGroup) -> None:
        sources: dict[str, _Source] = {}
        looks: set[asyncio.Task[None]] = set()
        # 8 s of sound: what is older than that would wake up too late anyway.
        async with ctx.subscribe(SoundHeard, limit=50, overflow=Overflow.DROP_OLDEST) as sounds:
            async for sound in sounds:
                source = sources.pop(sound.source, None) or _Source()
                sources[sound.source] = source
                if self.verify:
                    source.pre_roll.add(sound.start, sound.pcm)
                for found in await engine.call("feed", within=WITHIN_S, session=sound.source, pcm=sound.pcm):
                    at = sound.start + found["at"] - source.fed
                    if source.woke is not None and at - source.woke < self.cooldown_s * SAMPLE_RATE:
                        continue
                    source.woke = at
                    heard = WakeWordHeard(source=sound.source, word=found["word"], at=at)
                    ctx.publish(heard)
                    if self.verify:
                        pcm = source.pre_roll.before(at) if len(looks) < _MOST_LOOKS else b""
                        look = tasks.create_task(_look_again(ctx, heard, pcm))
                        looks.add(look)
                        look.add_done_callback(looks.discard)
                source.fed += len(sound.pcm) // BYTES_PER_SAMPLE
                if len(sources) > _MOST_SOURCES:
                    sources.pop(next(iter(sources)))


async def _look_again(ctx: Context, heard: WakeWordHeard, pcm: bytes) -> None:
    """The ear listens meanwhile, so a word that was really said loses nothing by this."""
    begin = time.monotonic()
    text, verdict = "", None
    if pcm:
        try:
            transcript = await ctx.request(
                Transcribe(pcm=pcm, prompt=phrase(heard.word), partial=True), within=VERIFY_WITHIN_S
            )
            text, verdict = transcript.text, judge(transcript.text, heard.word)
        except SoloError as error:
            ctx.log.debug("a wake word was not looked at again", why=error.line())
    known = {"source": heard.source, "word": heard.word, "at": heard.at, "text": text}
    after_ms = round((time.monotonic() - begin) * 1000, 1)
    if verdict is Verdict.OTHER:
        ctx.publish(WakeWordRejected.model_validate(known | {"after_ms": after_ms}))
    else:
        why = "unavailable" if verdict is None else verdict.value
        ctx.publish(WakeWordConfirmed.model_validate(known | {"after_ms": after_ms, "why": why}))


async def _forget_closed(ctx: Context, engine: EngineProcess) -> None:
    async with ctx.subscribe(SourceClosed, limit=64, overflow=Overflow.DROP_OLDEST) as closed:
        async for event in closed:
            await engine.call("close", within=WITHIN_S, session=event.source)
