"""One connected satellite: a sound source whose microphone, loudspeaker and lights are somewhere else."""

from __future__ import annotations

import asyncio
from typing import Literal

from wyoming.asr import Transcribe, Transcript
from wyoming.error import Error
from wyoming.event import Event
from wyoming.handle import Handled
from wyoming.pipeline import PipelineStage, RunPipeline
from wyoming.satellite import PauseSatellite, RunSatellite
from wyoming.tts import Synthesize
from wyoming.vad import VoiceStarted, VoiceStopped
from wyoming.wake import Detect, Detection

from services.formats.wyoming.frames import BadEvent, read, text_of
from services.formats.wyoming.sounds import SOLO
from services.messages.announcing import Announce
from services.messages.audio import (
    Attach,
    DescribeSources,
    NothingHeard,
    OnlyWakeWordHeard,
    PlaybackStopped,
    SoundCaptured,
    SoundOut,
    SpeechStarted,
    UtteranceHeard,
    WakeWordHeard,
)
from services.messages.conversation import AnswerGrew, QuestionHeard, TurnFinished
from services.messages.playback import PlaybackPaused, PlaybackResumed, VolumeChanged
from services.messages.turntaking import AnswerAwaited, ListenNow
from services.messages.waking import WakeWordRejected
from services.wyoming.link import Link, first_of
from services.wyoming.listening import Incoming
from services.wyoming.satellites.playing import Loudspeaker
from services.wyoming.satellites.timers import shown_timer
from services.wyoming.satellites.told import Told, free_name
from solo.bus import Event as Fact
from solo.bus import Mailbox, Overflow
from solo.errors import SoloError
from solo.supervision import Context

State = Literal["waiting", "listening", "answering"]
_FOREVER_S = 86_400.0
_DESCRIBE_WITHIN_S = 5.0
_ANNOUNCE_WITHIN_S = 60.0
_TEXT_MOST = 4000
_GAP = bytes(int(0.8 * SOLO.bytes_a_second))
"""Put where a satellite begins to send again: what it sent before is another sentence."""
_QUIET_S = 0.1
_QUIET = bytes(int(_QUIET_S * SOLO.bytes_a_second))
_NOTICED_AFTER_S = 1.5
"""By then Solo listens to a satellite that was woken, or does not, since another one of its room was."""
_SILENT_AFTER_S = 2.0
"""A satellite that is listened to and sends nothing for so long is silent: its turn has to end some time."""
_BURST_S = 3.0
"""Sound that may come at once; what comes faster than it is spoken is taken at that pace."""


class SourceEnded(SoloError):
    """Solo's ears have ended this sound source; the satellite may connect again."""

    code = "wyoming.source_ended"


class Session:
    """`take` what the satellite says, while `run` is running. `satellites`: those connected, by name; it is one."""

    def __init__(
        self, ctx: Context, link: Link, told: Told, satellites: dict[str, Session], profile: str, name: str = ""
    ) -> None:
        self._ctx = ctx
        self._link = link
        self._told = told
        self._satellites = satellites
        self._profile = profile
        self.name = name or free_name(told.name, satellites)
        self.source = f"satellite-{self.name}"
        self.state: State = "waiting"
        self.streaming = False
        self.turns = 0
        self._incoming = Incoming(ctx)
        self._loudspeaker = Loudspeaker(ctx, link, self.source)
        self._heard = 0
        self._last_sound = 0.0
        self._word: str | None = None
        """The wake word that the satellite has recognised by itself."""
        self._answer = ""
        self._spoke = False
        self._attached = asyncio.Event()
        self._awaited = False
        """Solo has asked something back."""
        self._due = 0.0
        """By when what was heard would have been spoken."""
        self._over = asyncio.Event()
        """No turn is under way."""
        self._over.set()
        self._announcing: set[asyncio.Task[None]] = set()

    async def run(self, *first: Event) -> None:
        """Until the satellite or Solo leaves; a turn that has begun is finished in any case. `first`: said already."""
        self._satellites[self.name] = self
        attach = Attach(
            source=self.source, wake=True, room=self._told.area, talk=self.source, profile=self._profile, barge_in=False
        )
        try:
            async with (
                self._ctx.subscribe(Fact, limit=2048, overflow=Overflow.DROP_OLDEST, through_drain=True) as facts,
                self._ctx.stream(attach, within=_FOREVER_S, ahead=1) as sounds,
            ):
                await asyncio.sleep(0)  # it is a sound source by then, and what is heard is counted from here
                self._attached.set()
                await self._link.send(RunSatellite().event())
                for event in first:
                    await self.take(event)
                async with asyncio.TaskGroup() as tasks:
                    work = [
                        tasks.create_task(self._play(sounds)),
                        tasks.create_task(self._follow(facts)),
                        tasks.create_task(self._be_silent()),
                    ]
                    await self._ctx.stopping.wait()
                    await self._over.wait()
                    await self._loudspeaker.over.wait()
                    await self._link.send(PauseSatellite().event())
                    for task in work:
                        task.cancel()
        except ExceptionGroup as group:
            raise first_of(group) from group
        finally:
            for task in self._announcing:
                task.cancel()
            del self._satellites[self.name]

    async def take(self, event: Event) -> None:
        """What the satellite says. Raises `BadEvent` for what it should not have said."""
        await self._attached.wait()
        if event.type == "audio-chunk":
            if self.streaming:
                self._hear(await self._incoming.convert(event))
                self._due = max(self._due, _now()) + self._incoming.seconds(event)
                await asyncio.sleep(max(0.0, self._due - _now() - _BURST_S))
        elif event.type in {"audio-stop", "streaming-stopped"}:
            self._hear(await self._incoming.stop())
            self.streaming = False
        elif event.type == "run-pipeline":
            await self._run_pipeline(read(RunPipeline, event))
        elif event.type == "detection":
            named = read(Detection, event).name
            self._word = None if named is None else text_of(named, "the wake word", 100)
        elif event.type == "played":
            self._loudspeaker.played()

    # -- what it hears -----------------------------------------------------------------------------

    async def _run_pipeline(self, asked: RunPipeline) -> None:
        self._loudspeaker.mute = asked.end_stage is not PipelineStage.TTS
        word, self._word = asked.wake_word_name or self._word, None
        if asked.start_stage is PipelineStage.TTS:
            text = text_of(asked.announce_text, "the text", _TEXT_MOST)
            announcing = asyncio.create_task(self._announce(text), name=f"announcement on {self.source}")
            self._announcing.add(announcing)
            announcing.add_done_callback(self._announcing.discard)
            return
        self.streaming = True
        if asked.start_stage is PipelineStage.WAKE:
            self._hear(_GAP)
            await self._link.send(Detect().event())
        elif asked.start_stage is PipelineStage.ASR:
            # Told before the gap, so that what was heard before it is not taken for the beginning of the question.
            if word is None:
                self._ctx.publish(ListenNow(source=self.source))
            else:
                word = text_of(word, "the wake word", 100)
                self._ctx.publish(WakeWordHeard(source=self.source, word=word, at=self._heard))
            self.state = "listening"
            self._hear(_GAP)
            await self._link.send(Transcribe().event())
        else:
            raise BadEvent(f"a pipeline that begins with {asked.start_stage.value} has nothing to begin with")

    def _hear(self, pcm: bytes) -> None:
        if pcm:
            self._heard += len(pcm) // 2
            self._last_sound = _now()
            self._ctx.publish(SoundCaptured(source=self.source, pcm=pcm))

    async def _be_silent(self) -> None:
        """A satellite that stops sending in mid-utterance has closed its microphone: then silence is heard."""
        since = _now()
        asked = False
        while True:
            await asyncio.sleep(_QUIET_S)
            if self.state != "listening":
                since, asked = _now(), False
                continue
            if not asked and _now() - since > _NOTICED_AFTER_S:
                asked = True
                if not await self._is_listened_to():
                    self.state = "waiting"
                    await self._link.send(Error(text="Another one listens.", code="not_first").event())
                    continue
            if not self.streaming or _now() - self._last_sound > _SILENT_AFTER_S:
                last = self._last_sound
                self._hear(_QUIET)
                self._last_sound = last

    async def _is_listened_to(self) -> bool:
        sources = await self._ctx.request(DescribeSources(), within=_DESCRIBE_WITHIN_S)
        return all(each.state != "waiting for wake word" for each in sources if each.source == self.source)

    async def _announce(self, text: str) -> None:
        try:
            await self._ctx.request(
                Announce(text=text, source=self.source, profile=self._profile), within=_ANNOUNCE_WITHIN_S
            )
        except SoloError as error:
            await self._link.refuse(error)

    # -- what it plays and shows -------------------------------------------------------------------

    async def _play(self, sounds: object) -> None:
        async for sound in sounds:  # type: ignore[attr-defined]
            if isinstance(sound, SoundOut):
                if sound.pcm and self._answer and not self._spoke:
                    self._spoke = True
                    await self._link.send(Synthesize(text=self._answer).event())
                await self._loudspeaker.take(sound)
        raise SourceEnded()

    async def _follow(self, facts: Mailbox[Fact]) -> None:
        async for fact in facts:
            if (event := shown_timer(fact, self._profile)) is not None:
                await self._link.send(event)
            if getattr(fact, "source", None) != self.source:
                continue
            if isinstance(fact, PlaybackStopped):
                self._loudspeaker.stop(fact.stopped_turn)
            elif isinstance(fact, PlaybackPaused | PlaybackResumed):
                self._loudspeaker.hold(isinstance(fact, PlaybackPaused))
            elif isinstance(fact, VolumeChanged):
                self._loudspeaker.volume = fact.volume
            elif (event := self._shown(fact)) is not None:
                await self._link.send(event)

    def _shown(self, fact: Fact) -> Event | None:
        """What a satellite is told of it; None: nothing."""
        shown: Event | None = None
        if isinstance(fact, WakeWordHeard):
            if self.state != "listening":  # else the satellite has said so itself
                shown = Detection(name=fact.word, timestamp=self._ms(fact.at)).event()
            self.state = "listening"
        elif isinstance(fact, SpeechStarted):
            shown = VoiceStarted(timestamp=self._ms(self._heard)).event()
        elif isinstance(fact, UtteranceHeard):
            shown = VoiceStopped(timestamp=self._ms(self._heard)).event()
            self.state = "answering"
            self._over.clear()
        elif isinstance(fact, OnlyWakeWordHeard):
            self.state = "listening"
            self._over.set()
        elif isinstance(fact, WakeWordRejected) and self.state == "listening":
            self.state = "waiting"
            shown = Error(text="That was no wake word.", code="rejected").event()
        elif isinstance(fact, QuestionHeard):
            self._answer, self._spoke = "", False
            shown = Transcript(text=fact.text).event()
        elif isinstance(fact, AnswerGrew):
            self._answer = (self._answer + fact.delta)[:_TEXT_MOST]
        elif isinstance(fact, NothingHeard):
            self.state = "waiting"
            shown = Error(text="Nothing was said.", code=fact.reason).event()
        elif isinstance(fact, AnswerAwaited):
            self._awaited = True
        elif isinstance(fact, TurnFinished) and fact.summary.outcome != "continued":
            self.state = "listening" if self._awaited else "waiting"
            self._awaited = False
            self._over.set()
            self.turns += 1
            summary = fact.summary
            if summary.outcome == "failed" and summary.error is not None:
                shown = Error(text=summary.error.message, code=summary.error.code).event()
            elif summary.outcome == "answered" and self._loudspeaker.mute:
                shown = Handled(text=summary.said).event()
        return shown

    def _ms(self, sample: int) -> int:
        return sample * 1000 // SOLO.rate


def _now() -> float:
    return asyncio.get_running_loop().time()
