"""Gives every attached source an ear and a mouth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from services.audio.ear import Ear
from services.audio.mouth import Mouth
from services.audio.rooms import Rooms
from services.audio.utterance import EarPolicy
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
from services.messages.playback import (
    DescribePlayback,
    PausePlayback,
    Playback,
    PlaybackPaused,
    PlaybackResumed,
    ResumePlayback,
    SetVolume,
    SoundPlayed,
    VolumeChanged,
)
from services.messages.turntaking import AnswerAwaited, EndUtterance, ListenNow, PauseJudged
from services.messages.waking import WakeWordRejected
from solo.bus import Event, Overflow
from solo.errors import SoloError
from solo.supervision import Context, ServiceStateChanged, State

MOST_SOURCES = 16
ANSWERS = (
    Attach, PlaySound, StopSound, DescribeSources, DescribePlayback, PausePlayback, ResumePlayback, SetVolume,
)  # fmt: skip
_FOLLOWED = (
    SoundEnded, WakeWordHeard, OnlyWakeWordHeard, TurnFinished, PauseJudged, ListenNow, EndUtterance, AnswerAwaited,
    SoundPlayed, WakeWordRejected,
)  # fmt: skip


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
    attached: Attach
    ear: Ear
    mouth: Mouth


class AudioService:
    name = "audio"

    def __init__(self, policy: EarPolicy) -> None:
        self._policy = policy
        self._sources: dict[str, Source] = {}
        self._rooms = Rooms()

    async def run(self, ctx: Context) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hear(ctx))
            for kind in _FOLLOWED:
                tasks.create_task(self._follow(ctx, kind))
            tasks.create_task(self._follow_conversation(ctx))
            tasks.create_task(ctx.answer(StopSound, lambda question: self._stop(ctx, question)))
            tasks.create_task(ctx.answer(PausePlayback, lambda question: self._pause(ctx, question)))
            tasks.create_task(ctx.answer(ResumePlayback, lambda question: self._resume(ctx, question)))
            tasks.create_task(ctx.answer(SetVolume, lambda question: self._set_volume(ctx, question)))
            tasks.create_task(ctx.answer(DescribeSources, self._describe))
            tasks.create_task(ctx.answer(DescribePlayback, self._describe_playback))
            tasks.create_task(ctx.answer(PlaySound, self._play, limit=MOST_SOURCES * 2))
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
        mouth = Mouth(name)
        source = Source(question, Ear(ctx, question, self._policy, mouth), mouth)
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

    async def _follow(self, ctx: Context, kind: type[Event]) -> None:
        async with ctx.subscribe(kind, limit=256, overflow=Overflow.FAIL) as events:
            async for event in events:
                if (source := self._sources.get(getattr(event, "source", ""))) is not None:
                    self._take(source, event)

    def _take(self, source: Source, event: Event) -> None:
        ear = source.ear
        match event:
            case SoundEnded():
                ear.end()
            case WakeWordHeard():
                if self._rooms.is_first(source.attached.room, event):
                    ear.woken(event.word, event.at)
            case WakeWordRejected():
                ear.dismissed(event.at)
            case OnlyWakeWordHeard():
                ear.listen_again(event.word)
            case PauseJudged():
                ear.judged(event)
            case ListenNow():
                ear.called(hold=event.hold)
            case EndUtterance():
                ear.release()
            case AnswerAwaited():
                ear.follow_up()
            case SoundPlayed():
                source.mouth.clock.told(event.played_turn, event.played_s)
            case TurnFinished() if event.summary.outcome != "continued":
                ear.turn_over(event.summary.utterance)

    async def _follow_conversation(self, ctx: Context) -> None:
        """A conversation that crashed has lost its turns: nobody waits for their ends."""
        async with ctx.subscribe(ServiceStateChanged, limit=256, overflow=Overflow.DROP_OLDEST) as changes:
            async for change in changes:
                if (change.name, change.state) == ("conversation", State.BACKOFF):
                    for source in self._sources.values():
                        source.ear.turn_over(None)

    async def _play(self, question: PlaySound) -> None:
        source = self._find(question.source)
        await source.mouth.put(
            SoundOut(
                pcm=question.pcm,
                sample_rate=question.sample_rate,
                turn_id=question.turn_id,
                last=question.last,
            )
        )
        if question.last and source.attached.barge_in:
            await source.mouth.heard_out()  # until then the answer can be interrupted

    async def _stop(self, ctx: Context, question: StopSound) -> Playback:
        if (source := self._sources.get(question.source)) is None:
            return Playback(source=question.source, state="silent")
        heard = source.mouth.forget()
        ctx.publish(PlaybackStopped(source=question.source, stopped_turn=question.turn_id))
        return heard

    async def _pause(self, ctx: Context, question: PausePlayback) -> Playback:
        source = self._find(question.source)
        source.mouth.pause()
        ctx.publish(PlaybackPaused(source=question.source))
        return source.mouth.state()

    async def _resume(self, ctx: Context, question: ResumePlayback) -> Playback:
        source = self._find(question.source)
        source.mouth.resume()
        ctx.publish(PlaybackResumed(source=question.source))
        return source.mouth.state()

    async def _set_volume(self, ctx: Context, question: SetVolume) -> float:
        mouth = self._find(question.source).mouth
        volume = mouth.volume + question.change if question.volume is None else question.volume
        mouth.volume = round(min(max(volume, 0.0), 1.0), 3)
        ctx.publish(VolumeChanged(source=question.source, volume=mouth.volume))
        return mouth.volume

    async def _describe(self, _: DescribeSources) -> tuple[SourceState, ...]:
        return tuple(source.ear.state() for source in self._sources.values())

    async def _describe_playback(self, _: DescribePlayback) -> tuple[Playback, ...]:
        return tuple(source.mouth.state() for source in self._sources.values())

    def _find(self, name: str) -> Source:
        if (source := self._sources.get(name)) is None:
            raise SourceUnknown(f"the sound source {name} is gone")
        return source


def _report(listening: asyncio.Task[None], mouth: Mouth) -> None:
    """An ear that fails ends its source with the reason; one that has heard everything goes on answering."""
    if not listening.cancelled() and (error := listening.exception()) is not None:
        mouth.close(error)
