"""One source's ear: waits for its turn to listen, listens to one utterance, waits for the answer, and again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from math import inf
from typing import Literal

from services.audio.endpointing import CHUNK_SAMPLES, Decision, Endpointer
from services.audio.hearing import Hearing
from services.audio.mouth import Mouth
from services.audio.overlap import KEEP_S, Onset, Overlap
from services.audio.utterance import EarPolicy, Start, Utterance
from services.audio.waiting import LearntWait
from services.audio.wake_feed import WakeFeed
from services.messages.audio import SAMPLE_RATE, Attach, NothingHeard, SourceState, SpeechStarted
from services.messages.turntaking import PauseJudged, SpeechResumed, SpeechStopped, Verdict
from solo.supervision import Context


class Ear:
    def __init__(self, ctx: Context, attached: Attach, policy: EarPolicy, mouth: Mouth) -> None:
        self.source = attached.source
        self._attached = attached
        self._ctx = ctx
        self._policy = policy
        self._mouth = mouth
        self._hearing = Hearing(ctx, attached.source)
        self._wait = LearntWait(policy.wait)
        self._called: Start | None = None
        self._turn_over = True
        self._follow_up = False
        self._doing = "listening" if self._listens_once else "waiting for wake word"
        self._utterances = 0
        self._utterance: Utterance | None = None

    # -- from outside ----------------------------------------------------------------------------

    def hear(self, pcm: bytes) -> None:
        self._hearing.inbox.offer(pcm)

    def end(self) -> None:
        """No more sound will come."""
        self._hearing.inbox.close()

    def woken(self, word: str, at: int) -> None:
        if self._attached.wake:
            self._call(Start(at, word, self._policy.question_within_s))

    def dismissed(self, at: int) -> None:
        """What was heard there was no wake word after all: nobody is listened to because of it."""
        if self._called is not None and self._called.word and self._called.origin == at:
            self._called = None
        one = self._utterance
        if one is not None and one.start.word and one.origin == at and self._doing != "answering":
            one.dismissed = True
            self._hearing.nudge()

    def called(self, *, hold: bool) -> None:
        """Listen now, without a wake word; where it listens already, `hold` leaves the end to the speaker."""
        if self._listens_once:
            return
        if self._doing in {"listening", "hearing speech"} and self._utterance is not None:
            if hold:
                self._utterance.hold()
            return
        self._call(Start(self._hearing.ring.heard, None, self._policy.question_within_s, hold=hold))

    def release(self) -> None:
        """The speaker says that they have finished."""
        if self._utterance is not None:
            self._utterance.released = True
            self._hearing.nudge()

    def listen_again(self, word: str) -> None:
        """Only the wake word was said: the question may have begun meanwhile, so listen from its end on."""
        if self._hearing.ended:
            self._nothing("no_speech")
        elif self._utterance is not None:
            self._call(Start(self._utterance.speech_end, word, self._policy.question_within_s))

    def turn_over(self, utterance: str | None) -> None:
        """The answer to this utterance has been given; None: whatever was being answered."""
        if utterance is None or (self._utterance is not None and self._utterance.name == utterance):
            self._turn_over = True
            self._hearing.nudge()

    def follow_up(self) -> None:
        """The answer asks something back."""
        self._follow_up = True

    def judged(self, judgement: PauseJudged) -> None:
        """Somebody knows more of a pause than how long it is."""
        one = self._utterance
        if one is None or (one.name, one.pauses) != (judgement.utterance, judgement.pause) or one.start.hold:
            return
        if one.ends.paused:
            one.ends.end_ms = judgement.wait_ms
            self._hearing.nudge()

    def state(self) -> SourceState:
        return SourceState.model_validate(
            {
                "source": self.source,
                "state": self._doing,
                "wake": self._attached.wake,
                "again": self._attached.again or self._attached.manual,
                "heard_s": round(self._hearing.ring.heard / SAMPLE_RATE, 2),
                "dropped": self._hearing.inbox.dropped,
                "wait_ms": round(self._wait.ms),
            }
        )

    @property
    def _listens_once(self) -> bool:
        attached = self._attached
        return not (attached.wake or attached.again or attached.manual)

    def _call(self, start: Start) -> None:
        self._called = start
        self._hearing.nudge()

    def _nothing(self, reason: Literal["no_wake", "no_speech"]) -> None:
        self._ctx.publish(NothingHeard(source=self.source, reason=reason, profile=self._attached.profile))

    # -- its life --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until the sound ends; a source that listens once also until its answer is over."""
        attached = self._attached
        begin: Start | Utterance | None = None
        if not (attached.wake or attached.manual):
            begin = Start(self._hearing.ring.heard)
        while begin is not None or (begin := await self._until_called()) is not None:
            one = begin if isinstance(begin, Utterance) else await self._afresh(begin)
            begin = None
            heard = await self._follow(one)
            self._called = None
            if heard:
                self._doing = "answering"
                continue
            if one.start.told and not one.dismissed:
                self._nothing("no_speech")
            if self._hearing.ended or self._listens_once:
                break
            self._doing = "waiting for wake word"
        self._doing = "closed"

    async def _until_called(self) -> Start | Utterance | None:
        """Until somebody may speak: by the wake word, a button, an answer that is over; None: never again.

        Or until somebody goes on with an utterance that seemed to be over.
        """
        feed = WakeFeed(self._ctx, self.source, self._hearing.ring.heard)
        onset = Onset()
        while True:
            if self._called is not None:
                called, self._called = self._called, None
                return called
            if self._doing != "answering" or self._is_over():
                if self._listens_once:
                    return None
                if (invited := self._invited()) is not None:
                    return invited
            pcm = await self._hearing.next(keep_s=KEEP_S)
            if pcm is None:
                feed.flush()
                return await self._late_wake()
            if self._attached.wake:
                feed.add(pcm)
            if self._doing == "answering" and (begun := await self._spoken_over(pcm, onset)) is not None:
                return begun

    def _is_over(self) -> bool:
        """The answer was given, and what was given of it was heard: nobody is listened to while Solo can be heard."""
        return self._turn_over and (self._listens_once or self._mouth.silent)

    def _invited(self) -> Start | None:
        """Nobody has to be called to speak in a talk that goes on."""
        answered = self._doing == "answering"
        self._doing = "waiting for wake word"
        asked_back, self._follow_up = self._follow_up and answered, False
        now = self._hearing.ring.heard
        if self._attached.again and not self._attached.manual:
            return Start(now)
        return Start(now, patience_s=self._policy.follow_up_s, told=False) if asked_back else None

    async def _late_wake(self) -> Start | None:
        """The sound has ended; the wake engine may still be busy with its last piece."""
        if self._attached.wake and self._doing != "answering":
            for _ in range(20):
                if self._called is not None:
                    return self._called
                await asyncio.sleep(0.05)
            self._nothing("no_wake")
        return None

    # -- one utterance ---------------------------------------------------------------------------

    async def _afresh(self, start: Start) -> Utterance:
        """What came since it began, such as between a wake word and its recognition, is listened to as well."""
        self._utterances += 1
        start = replace(start, origin=max(start.origin, self._hearing.ring.start))
        ignore = int(self._policy.wake_tail_s * SAMPLE_RATE) if start.word else 0
        ends = Endpointer(self._policy.endpointing, ignore_before=ignore)
        attached = self._attached
        name = f"{self.source}-{self._utterances}"
        self._utterance = Utterance(self.source, name, attached.talk, attached.profile, start, self._policy, ends)
        self._usual_wait(self._utterance)
        self._follow_up = False
        self._doing = "listening"
        await self._hearing.afresh(start.origin)
        await self._hearing.score(b"")
        return self._utterance

    async def _follow(self, one: Utterance) -> bool:
        """Until its end, which is published; False when nobody spoke."""
        ends = one.ends
        keep_s = self._policy.endpointing.most_ms / 1000 + self._policy.before_wake_s + KEEP_S
        while not one.dismissed:
            for score in self._hearing.scores():
                if (decision := ends.feed(score)) is Decision.ENDED:
                    return self._finish(one, whole=True)
                self._take(one, decision)
            if one.released or (ends.paused and ends.over):
                return self._finish(one, whole=True)
            if one.is_worth_a_look():
                self._ctx.publish(one.grew(self._hearing.ring))
            if one.tries_patience():
                return False
            pcm = await self._hearing.next(keep_s=keep_s)
            if pcm is None:
                return self._finish(one, whole=False)
            await self._hearing.score(pcm)
        return False

    def _take(self, one: Utterance, decision: Decision | None) -> None:
        """Tell what happened: that somebody is silent is one fact, that they may have finished another."""
        if decision is Decision.STARTED:
            self._doing = "hearing speech"
            attached = self._attached
            self._ctx.publish(SpeechStarted(source=self.source, talk=attached.talk, profile=attached.profile))
        elif decision is Decision.PAUSED:
            self._ctx.publish(SpeechStopped(source=self.source, utterance=one.name))
            self._ctx.publish(one.paused(self._hearing.ring))
        elif decision is Decision.RESUMED:
            self._wait.paused(one.silence_ms)
            self._resumed(one)

    def _resumed(self, one: Utterance) -> None:
        self._usual_wait(one)
        event = SpeechResumed(source=self.source, utterance=one.name, silence_s=one.silence_ms / 1000)
        self._ctx.publish(event)

    def _usual_wait(self, one: Utterance) -> None:
        one.ends.end_ms = inf if one.start.hold else self._wait.ms

    def _finish(self, one: Utterance, *, whole: bool) -> bool:
        if one.ends.started_at is None:
            return False
        if one.pauses <= 1:
            self._wait.fluent()
        self._turn_over = False
        self._mouth.expect()
        self._ctx.publish(one.heard(self._hearing.ring, whole=whole))
        return True

    # -- while Solo answers ----------------------------------------------------------------------

    async def _spoken_over(self, pcm: bytes, onset: Onset) -> Start | Utterance | None:
        """Somebody speaks: they go on with what they were saying, or want to interrupt, or neither."""
        one, hearing = self._utterance, self._hearing
        may_go_on = one is not None and self._may_go_on(one)
        if one is None or not (may_go_on or self._attached.barge_in):
            hearing.skip()
            return None
        await hearing.score(pcm)
        for score in hearing.scores():
            one.ends.feed(score)
            if not onset.feed(score):
                continue
            if may_go_on and not one.start.hold:
                self._wait.cut_off(one.silence_ms)
                self._resumed(one)
                self._doing = "hearing speech"
                return one
            if self._attached.barge_in and self._mouth.state().state == "playing":
                at = hearing.position - 2 * CHUNK_SAMPLES
                overlap = Overlap(self._ctx, self.source, self._attached.profile, self._mouth, hearing, at)
                if await overlap.decided() is Verdict.INTERRUPT:
                    return Start(at - int(self._policy.before_speech_s * SAMPLE_RATE))
                onset.ignore()
        return None

    def _may_go_on(self, one: Utterance) -> bool:
        """Nothing of the answer has been heard, and the utterance was not long ago."""
        reach = self._policy.goes_on_within_s * SAMPLE_RATE
        return self._hearing.ring.heard - one.speech_end < reach and not self._mouth.began
