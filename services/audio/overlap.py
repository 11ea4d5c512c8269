"""Somebody speaks while Solo does: hold the sound at once, then find out what it was."""

from __future__ import annotations

import time
from dataclasses import dataclass

from services.audio.endpointing import CHUNK_SAMPLES
from services.audio.hearing import Hearing
from services.audio.mouth import Mouth
from services.messages.audio import SAMPLE_RATE
from services.messages.playback import PlaybackPaused, PlaybackResumed
from services.messages.turntaking import (
    BargeInDecided,
    BargeInStarted,
    Interruption,
    JudgeInterruption,
    Verdict,
)
from solo.errors import SoloError
from solo.supervision import Context

ONSET = 0.6
"""Probability of speech from which a chunk counts; above that of a question, since a loudspeaker is on."""
ONSET_MS = 64
"""Speech in a row that holds the sound: holding costs nothing that cannot be taken back."""
LISTEN_MS = 320
"""Speech from its onset that the decision is made on."""
DECIDE_MS = 500
"""From the onset; later the speaker has noticed that nobody listens, or the listener that nobody speaks."""
_SILENCE_MS = 160
"""Silence after which it is not waited for more speech."""
_AGAIN_MS = 600
"""Speech that goes on so long after it was taken for nothing is looked at again."""
_BEFORE_S = 0.3
KEEP_S = 6.5
"""Sound kept while Solo answers: what is said over the answer is the beginning of what is said behind it."""
_LEAST_S = 0.05
"""For the judge, however late it is."""


class Onset:
    """Where speech over an answer begins. Pure: probabilities in."""

    def __init__(self) -> None:
        self._run = 0
        self._blind = 0

    def feed(self, probability: float) -> bool:
        """True once for each onset."""
        if probability < ONSET:
            self._run = self._blind = 0
            return False
        if self._blind > 0:
            self._blind -= CHUNK_SAMPLES
            return False
        self._run += CHUNK_SAMPLES
        if self._run * 1000 < ONSET_MS * SAMPLE_RATE:
            return False
        self._run = 0
        return True

    def ignore(self) -> None:
        """What is being said was nothing; look again when it has gone on for a while, or begins anew."""
        self._blind = _AGAIN_MS * SAMPLE_RATE // 1000


@dataclass(slots=True)
class Overlap:
    """One time that somebody speaks over an answer."""

    ctx: Context
    source: str
    profile: str
    mouth: Mouth
    hearing: Hearing
    onset: int
    """Sample at which the speech began."""

    async def decided(self) -> Verdict:
        """The sound is held meanwhile; it goes on unless they want to be listened to."""
        began = self.hearing.ring.arrival(self.onset)
        self.mouth.pause()
        self.ctx.publish(PlaybackPaused(source=self.source))
        self.ctx.publish(BargeInStarted(source=self.source, paused_ms=_since(began)))
        speaking = await self._listen()
        found = await self._judge(speaking, within=max(_LEAST_S, DECIDE_MS / 1000 - (time.monotonic() - began)))
        if found.verdict is Verdict.RESUME:
            self.mouth.resume()
            self.ctx.publish(PlaybackResumed(source=self.source))
        self.ctx.publish(
            BargeInDecided(source=self.source, verdict=found.verdict, why=found.why, decided_ms=_since(began))
        )
        return found.verdict

    async def _listen(self) -> bool:
        """Until there is enough to decide on; whether they are still speaking."""
        silence = 0
        while (self.hearing.position - self.onset) * 1000 < LISTEN_MS * SAMPLE_RATE:
            pcm = await self.hearing.next(keep_s=KEEP_S)
            if pcm is None:
                return False
            await self.hearing.score(pcm)
            for score in self.hearing.scores():
                silence = 0 if score >= ONSET else silence + CHUNK_SAMPLES
            if silence * 1000 >= _SILENCE_MS * SAMPLE_RATE:
                return False
        return silence == 0

    async def _judge(self, speaking: bool, *, within: float) -> Interruption:
        """Who speaks on is listened to when nobody can tell in time what was said."""
        ring = self.hearing.ring
        pcm = ring.cut(self.onset - int(_BEFORE_S * SAMPLE_RATE), ring.heard)
        question = JudgeInterruption(source=self.source, pcm=pcm, speaking=speaking, profile=self.profile)
        try:
            return await self.ctx.request(question, within=within)
        except SoloError as error:
            self.ctx.log.debug("an interruption is not judged", source=self.source, code=error.code)
            verdict = Verdict.INTERRUPT if speaking else Verdict.RESUME
            return Interruption(verdict=verdict, why="timeout")


def _since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)
