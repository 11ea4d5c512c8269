"""Gives every attached source an ear and a mouth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from services.audio.ear import Ear, EarPolicy
from services.audio.mouth import Mouth
from services.messages.audio import (
    Attach,
    DescribeSources,
    OnlyWakeWordHeard,
    PlaybackStopped,
    PlaySound,
    SoundCaptured,
    SoundEnded,
    SoundOut,
    SourceClosed,
    SourceState,
    StopSound,
    WakeWordHeard,
)
from services.messages.conversation import TurnFinished
from solo.bus import Overflow
from solo.errors import SoloError
from solo.supervision import Context

MOST_SOURCES = 16


class SourceTaken(SoloError):
    """A sound source of this name is attached already."""

    code = "audio.source_taken"


class TooManySources(SoloError):
    """No more sound sources can be attached."""

    code = "audio.too_many_sources"


class SourceUnknown(SoloError):
    """There is no such sound source (any more)."""

    code = "audio.source_unknown"


@dataclass(slots=True)
class Source:
    ear: Ear
    mouth: Mouth


class AudioService:
    name = "audio"

    def __init__(self, policy: EarPolicy) -> None:
        self._policy = policy
        self._sources: dict[str, Source] = {}

    async def run(self, ctx: Context) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hear(ctx))
            for kind in (SoundEnded, WakeWordHeard, OnlyWakeWordHeard, TurnFinished):
                tasks.create_task(self._follow(ctx, kind))
            tasks.create_task(ctx.answer(PlaySound, self._play, limit=MOST_SOURCES * 2))
            tasks.create_task(ctx.answer(StopSound, lambda question: self._stop(ctx, question)))
            tasks.create_task(ctx.answer(DescribeSources, self._describe))
            tasks.create_task(self._close_at_stop(ctx))
            await asyncio.sleep(0)  # they have subscribed by then
            ctx.ready()
            await ctx.answer(Attach, lambda question: self._attach(ctx, question), limit=MOST_SOURCES + 1)

    async def _attach(self, ctx: Context, question: Attach) -> AsyncGenerator[SoundOut, None]:
        name = question.source
        if name in self._sources:
            raise SourceTaken(f"a sound source named {name} is attached already")
        if len(self._sources) >= MOST_SOURCES:
            raise TooManySources(f"{MOST_SOURCES} sound sources are attached, which is the limit")
        ear = Ear(ctx, name, wake=question.wake, talk=question.talk, policy=self._policy, profile=question.profile)
        source = Source(ear, Mouth())
        self._sources[name] = source
        listening = asyncio.create_task(source.ear.run(), name=f"ear {name}")
        listening.add_done_callback(lambda task: _report(task, source.mouth))
        try:
            while (sound := await source.mouth.next()) is not None:
                yield sound
        finally:
            listening.cancel()
            del self._sources[name]
            ctx.publish(SourceClosed(source=name))

    async def _close_at_stop(self, ctx: Context) -> None:
        await ctx.stopping.wait()
        for source in self._sources.values():
            source.mouth.close()

    async def _hear(self, ctx: Context) -> None:
        # 4 s of 16 sources; an ear that falls behind loses old sound, which is counted.
        async with ctx.subscribe(SoundCaptured, limit=3200, overflow=Overflow.DROP_OLDEST) as sounds:
            async for sound in sounds:
                if (source := self._sources.get(sound.source)) is not None:
                    source.ear.hear(sound.pcm)

    async def _follow(
        self, ctx: Context, kind: type[SoundEnded | WakeWordHeard | OnlyWakeWordHeard | TurnFinished]
    ) -> None:
        async with ctx.subscribe(kind, limit=256, overflow=Overflow.FAIL) as events:
            async for event in events:
                if (source := self._sources.get(event.source)) is None:
                    continue
                if isinstance(event, SoundEnded):
                    source.ear.end()
                elif isinstance(event, WakeWordHeard):
                    source.ear.woken(event.word, event.at)
                elif isinstance(event, OnlyWakeWordHeard):
                    source.ear.listen_again(event.word)
                else:
                    source.ear.turn_over.set()

    async def _play(self, question: PlaySound) -> None:
        source = self._sources.get(question.source)
        if source is None:
            raise SourceUnknown(f"the sound source {question.source} is gone")
        await source.mouth.put(
            SoundOut(
                pcm=question.pcm,
                sample_rate=question.sample_rate,
                turn_id=question.turn_id,
                last=question.last,
            )
        )

    async def _stop(self, ctx: Context, question: StopSound) -> None:
        if (source := self._sources.get(question.source)) is not None:
            source.mouth.forget()
            ctx.publish(PlaybackStopped(source=question.source, stopped_turn=question.turn_id))

    async def _describe(self, _: DescribeSources) -> tuple[SourceState, ...]:
        return tuple(source.ear.state() for source in self._sources.values())


def _report(listening: asyncio.Task[None], mouth: Mouth) -> None:
    """An ear that fails ends its source with the reason; one that has heard everything goes on answering."""
    if not listening.cancelled() and (error := listening.exception()) is not None:
        mouth.close(error)
