"""One source's ear: waits for the wake word, listens to one utterance, waits for the turn, and again."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from services.audio.endpointing import CHUNK_SAMPLES, Decision, Endpointer, EndpointingPolicy
from services.messages.audio import (
    BYTES_PER_SAMPLE,
    SAMPLE_RATE,
    NothingHeard,
    SoundHeard,
    SourceState,
    SpeechStarted,
    UtteranceHeard,
    UtterancePaused,
)
from services.messages.profiles import OWNER
from services.messages.speech import ScoreSpeech
from solo.bus import Mailbox, Overflow
from solo.supervision import Context

_INBOX = 1500
"""Pieces of 20 to 40 ms: at least 30 s may wait while an engine is being restarted."""
_BACK_S = 5.0
"""Sound kept while an utterance is being transcribed, in case it was the wake word alone."""
_WAKE_SAMPLES = SAMPLE_RATE * 160 // 1000
"""The wake word is looked for in pieces of 160 ms: a fraction of the cost of 20 ms, day and night; what is said
meanwhile is in the ring, so nothing is lost by it."""


@dataclass(frozen=True, slots=True)
class EarPolicy:
    endpointing: EndpointingPolicy
    before_wake_s: float = 1.5
    """Sound kept from before the wake word was recognised (it takes the word itself to recognise it)."""
    before_speech_s: float = 0.3
    """Sound kept from before speech was detected, so that no first word is cut."""
    after_speech_s: float = 0.2
    wake_tail_s: float = 0.25
    """Speech this soon after a wake word is its own end."""
    follows_within_s: float = 0.7
    """A question that begins later than this after the wake word is cut off from it: recognisers lose what comes
    behind a long silence."""
    question_within_s: float = 6.0
    """Silence after the wake word until the ear gives up."""


class Ear:
    def __init__(
        self, ctx: Context, source: str, *, wake: bool, talk: str, policy: EarPolicy, profile: str = OWNER
    ) -> None:
        self.source = source
        self.wake = wake
        self.talk = talk
        self.profile = profile
        self.turn_over = asyncio.Event()
        self._ctx = ctx
        self._policy = policy
        self._inbox: Mailbox[bytes] = Mailbox(f"ear {source}", bytes, limit=_INBOX, overflow=Overflow.DROP_OLDEST)
        self._ring = bytearray()
        self._ring_start = 0
        self._heard = 0
        self._arrived = time.monotonic()
        self._woken: tuple[str, int] | None = None
        self._ended = False
        self._doing = "waiting for wake word" if wake else "listening"
        self._utterances = 0
        self._utterance_end = 0

    # -- from outside ----------------------------------------------------------------------------

    def hear(self, pcm: bytes) -> None:
        self._inbox.offer(pcm)

    def end(self) -> None:
        """No more sound will come."""
        self._inbox.close()

    def woken(self, word: str, at: int) -> None:
        if self.wake:
            self._woken = (word, at)

    def listen_again(self, word: str) -> None:
        """Only the wake word was said: the question may have begun meanwhile, so listen from its end on."""
        if self._ended:
            self._ctx.publish(NothingHeard(source=self.source, reason="no_speech", profile=self.profile))
        else:
            self._woken = (word, self._utterance_end)

    def state(self) -> SourceState:
        return SourceState.model_validate(
            {
                "source": self.source,
                "state": self._doing,
                "wake": self.wake,
                "heard_s": round(self._heard / SAMPLE_RATE, 2),
                "dropped": self._inbox.dropped,
            }
        )

    # -- its life --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until the sound ends; a source without wake word is listened to once."""
        while not self._ended:
            woken = await self._wait_for_wake() if self.wake else None
            if self.wake and woken is None:
                self._ctx.publish(NothingHeard(source=self.source, reason="no_wake", profile=self.profile))
                return
            self.turn_over.clear()
            if await self._listen(woken):
                self._doing = "answering"
            else:
                self._doing = "closed"
                self._ctx.publish(NothingHeard(source=self.source, reason="no_speech", profile=self.profile))
            self._woken = None
            if not self.wake:
                return

    async def _wait_for_wake(self) -> tuple[str, int] | None:
        """While an answer is spoken too: the wake word then interrupts it."""
        unsent = bytearray()
        start = self._heard
        while True:
            if self._woken is not None:
                woken, self._woken = self._woken, None
                return woken
            if self._doing != "answering" or self.turn_over.is_set():
                self._doing = "waiting for wake word"
            pcm = await self._next(keep_s=self._policy.before_wake_s + _BACK_S)
            if pcm is None:
                self._tell(unsent, start)
                return await self._late_wake()
            unsent += pcm
            if len(unsent) >= _WAKE_SAMPLES * BYTES_PER_SAMPLE:
                self._tell(unsent, start)
                unsent.clear()
                start = self._heard

    async def _late_wake(self) -> tuple[str, int] | None:
        """The sound has ended; the wake engine may still be busy with its last piece."""
        for _ in range(20):
            if self._woken is not None:
                return self._woken
            await asyncio.sleep(0.05)
        return None

    def _tell(self, pcm: bytearray, start: int) -> None:
        if pcm:
            self._ctx.publish(SoundHeard(source=self.source, pcm=bytes(pcm), start=start))

    async def _listen(self, woken: tuple[str, int] | None) -> bool:
        """Until the end of one utterance, which is published; False when nobody spoke."""
        policy = self._policy
        self._doing = "listening"
        self._utterances += 1
        name = f"{self.source}-{self._utterances}"
        word, origin = woken or (None, self._heard)
        origin = max(origin, self._ring_start)
        ignore = int(policy.wake_tail_s * SAMPLE_RATE) if woken else 0
        ends = Endpointer(policy.endpointing, ignore_before=ignore)
        pauses = 0
        afresh = True
        unscored = bytearray(self._cut(origin, self._heard))  # what came between the wake word and its recognition
        while True:
            # Whole chunks only: the detector then holds nothing that its death could lose.
            whole = len(unscored) - len(unscored) % (CHUNK_SAMPLES * BYTES_PER_SAMPLE)
            scores = await self._score(bytes(unscored[:whole]), afresh=afresh) if whole or afresh else ()
            del unscored[:whole]
            afresh = False
            for score in scores:
                decision = ends.feed(score)
                if decision is Decision.STARTED:
                    self._doing = "hearing speech"
                    self._ctx.publish(SpeechStarted(source=self.source, talk=self.talk, profile=self.profile))
                elif decision is Decision.PAUSED:
                    pauses += 1
                    self._ctx.publish(
                        UtterancePaused(
                            source=self.source,
                            utterance=name,
                            pause=pauses,
                            pcm=self._utterance(origin, ends, woken),
                            wake_word=word,
                            talk=self.talk,
                            profile=self.profile,
                        )
                    )
                elif decision is Decision.ENDED:
                    self._publish_utterance(name, pauses, origin, ends, woken)
                    return True
            if ends.started_at is None and woken and ends.position > policy.question_within_s * SAMPLE_RATE:
                return False
            pcm = await self._next(keep_s=policy.endpointing.most_ms / 1000 + policy.before_wake_s + 5.0)
            if pcm is None:
                if ends.started_at is None:
                    return False
                self._publish_utterance(name, 0, origin, ends, woken)
                return True
            unscored += pcm

    async def _score(self, pcm: bytes, *, afresh: bool) -> tuple[float, ...]:
        return await self._ctx.request(ScoreSpeech(source=self.source, pcm=pcm, afresh=afresh), within=20)

    def _publish_utterance(
        self, name: str, pauses: int, origin: int, ends: Endpointer, woken: tuple[str, int] | None
    ) -> None:
        self._utterance_end = origin + ends.speech_end
        self._ctx.publish(
            UtteranceHeard(
                source=self.source,
                utterance=name,
                pause=pauses if ends.paused else 0,
                pcm=self._utterance(origin, ends, woken),
                wake_word=woken[0] if woken else None,
                speech_end=self._arrived - (self._heard - origin - ends.speech_end) / SAMPLE_RATE,
                talk=self.talk,
                profile=self.profile,
                decided=time.monotonic(),
            )
        )

    def _utterance(self, origin: int, ends: Endpointer, woken: tuple[str, int] | None) -> bytes:
        """The speech, with the wake word in front when it follows without a pause, so that no first word is cut."""
        policy = self._policy
        started = ends.started_at or 0
        if woken and started < policy.follows_within_s * SAMPLE_RATE:
            begin = origin - int(policy.before_wake_s * SAMPLE_RATE)
        else:
            begin = origin + started - int(policy.before_speech_s * SAMPLE_RATE)
        return self._cut(begin, origin + ends.speech_end + int(policy.after_speech_s * SAMPLE_RATE))

    # -- the ring --------------------------------------------------------------------------------

    async def _next(self, *, keep_s: float) -> bytes | None:
        """The next piece of sound, also kept in the ring; None when it has ended."""
        try:
            pcm = await anext(self._inbox)
        except StopAsyncIteration:
            self._ended = True
            return None
        self._ring += pcm
        self._heard += len(pcm) // BYTES_PER_SAMPLE
        self._arrived = time.monotonic()
        # Cut in lots of a second: cutting a little every time would move the whole ring every time.
        surplus = len(self._ring) - int(keep_s * SAMPLE_RATE) * BYTES_PER_SAMPLE
        if surplus > SAMPLE_RATE * BYTES_PER_SAMPLE:
            del self._ring[:surplus]
            self._ring_start += surplus // BYTES_PER_SAMPLE
        return pcm

    def _cut(self, begin: int, end: int) -> bytes:
        begin = max(begin, self._ring_start)
        end = min(max(end, begin), self._heard)
        offset = self._ring_start
        return bytes(self._ring[(begin - offset) * BYTES_PER_SAMPLE : (end - offset) * BYTES_PER_SAMPLE])
