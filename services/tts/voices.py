"""Answers `Synthesize`: chooses the voice, and says at once what was said before, whatever has become of its engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from services.messages.speech import ListVoices, SoundChunk, Synthesize, Voice
from services.messages.voices import KeepReady, SpeakUsual
from services.tts.cache import Clause, ClauseCache
from services.tts.shelf import OtherVoice, chosen
from services.tts.speaking import spoken
from solo.errors import SoloError
from solo.isolation.on_demand import OnDemandEngine
from solo.supervision import Context, EngineState

IDLE_S = 600.0
"""Seconds after which a voice that nobody wanted gives its memory back."""
_USUAL_WITHIN_S = 60.0
"""Seconds for the next piece of the usual voice, which may be starting again; the asker's own limit comes before."""
_UNUSABLE = {"engine.model_missing", "engine.model_corrupt", "engine.not_started", "engine.failed"}


@dataclass(frozen=True, slots=True)
class VoicesService:
    usual: Voice
    others: Sequence[OtherVoice]
    cache: ClauseCache
    """Kept over restarts."""
    most_loaded: int = 2
    """Voices beside the usual one in memory at once."""
    name: str = "voices"

    async def run(self, ctx: Context) -> None:
        engines = {other.voice.name: OnDemandEngine(other.engine, idle_s=IDLE_S) for other in self.others}
        async with asyncio.TaskGroup() as owners:
            owned = [owners.create_task(engine.run(), name=f"voice {name}") for name, engine in engines.items()]
            floor = Floor(self, ctx, engines)
            ctx.engine = floor.state
            ctx.ready()
            async with asyncio.TaskGroup() as answering:
                answering.create_task(ctx.answer(Synthesize, floor.synthesize, restarts=False))
                answering.create_task(ctx.answer(ListVoices, floor.voices))
                answering.create_task(ctx.answer(KeepReady, floor.keep_ready, restarts=False))
            for owner in owned:
                owner.cancel()


class Floor:
    """Who has the word."""

    def __init__(self, service: VoicesService, ctx: Context, engines: dict[str, OnDemandEngine]) -> None:
        self._service = service
        self._ctx = ctx
        self._engines = engines
        self._recent: list[str] = []
        """Voices beside the usual one, the latest last."""

    def state(self) -> EngineState:
        loaded = [name for name, engine in self._engines.items() if engine.state() is not None]
        figures = self._service.cache.figures()
        return EngineState(
            engine="voices",
            model=", ".join([self._service.usual.name, *loaded]),
            info={f"cache_{name}": value for name, value in figures.items()},
        )

    async def synthesize(self, question: Synthesize) -> AsyncGenerator[SoundChunk, None]:
        """Where only a language was asked for and its voice cannot be had, the usual one speaks."""
        usual = self._service.usual
        other = chosen(usual, self._service.others, question.voice, question.language)
        if other is not None:
            begun = False
            try:
                async with aclosing(self._said(other.voice.name, question, self._other(other, question))) as sounds:
                    async for sound in sounds:
                        begun = True
                        yield sound
                return
            except SoloError as error:
                if begun or question.voice is not None or error.code not in _UNUSABLE:
                    raise
                self._ctx.log.warning("the usual voice speaks instead", voice=other.voice.name, error=error.line())
        async with aclosing(self._said(usual.name, question, self._usual(question))) as sounds:
            async for sound in sounds:
                yield sound

    async def voices(self, _: ListVoices) -> tuple[Voice, ...]:
        return (self._service.usual, *(other.voice for other in self._service.others))

    async def keep_ready(self, question: KeepReady) -> int:
        cache, ready = self._service.cache, 0
        for text in question.texts:
            clause = Clause(self._service.usual.name, 1.0, text)
            if not cache.holds(clause):
                async with aclosing(self._usual(Synthesize(text=text))) as sounds:
                    cache.keep(clause, [sound async for sound in sounds])
            ready += cache.pin(clause)
        return ready

    async def _said(
        self, name: str, question: Synthesize, sounds: AsyncGenerator[SoundChunk, None]
    ) -> AsyncGenerator[SoundChunk, None]:
        """What was said before, or else `sounds`, which are kept once they are complete."""
        cache, clause = self._service.cache, Clause(name, question.speed, question.text)
        async with aclosing(sounds):
            if (kept := cache.find(clause)) is not None:
                for sound in kept:
                    yield sound
                return
            made: list[SoundChunk] = []
            async for sound in sounds:
                made.append(sound)
                yield sound
            cache.keep(clause, made)

    async def _usual(self, question: Synthesize) -> AsyncGenerator[SoundChunk, None]:
        asked = SpeakUsual(text=question.text, speed=question.speed)
        async with self._ctx.stream(asked, within=_USUAL_WITHIN_S) as sounds:
            async for sound in sounds:
                yield sound

    async def _other(self, other: OtherVoice, question: Synthesize) -> AsyncGenerator[SoundChunk, None]:
        async with (
            self._take(other.voice.name).using() as engine,
            aclosing(spoken(engine, question.text, question.speed)) as sounds,
        ):
            async for sound in sounds:
                yield sound

    def _take(self, name: str) -> OnDemandEngine:
        """It is the latest now; the one that was wanted longest ago makes room."""
        self._recent = [*(other for other in self._recent if other != name), name]
        while len(self._recent) > self._service.most_loaded:
            self._engines[self._recent.pop(0)].dismiss()
        return self._engines[name]
