"""Speaks the clauses of an answer, and knows which of its words have been heard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from services.conversation.clauses import Clauses
from services.conversation.gate import Gate
from services.messages.audio import BYTES_PER_SAMPLE, PlaySound, StopSound
from services.messages.playback import Playback
from services.messages.speech import Synthesize
from solo.errors import SoloError
from solo.supervision import Context

_SOUND_WITHIN_S = 20.0
_PLAY_WITHIN_S = 60.0
"""A loudspeaker takes sound at its own pace."""
_HEARD_WITHIN_S = 600.0
"""The longest answer, until its end has been heard."""
_SILENT_WITHIN_S = 2.0


@dataclass(slots=True)
class Speaker:
    """For one turn. `source` None: nobody listens, and nothing is spoken."""

    ctx: Context
    gate: Gate
    source: str | None
    turn: str
    mark: Callable[[str], None]
    """Told when a point of the turn was reached."""
    voice: str | None = None
    language: str | None = None
    audio_s: float = 0.0
    """Seconds of sound so far."""
    engine: str | None = None
    _sample_rate: int = 0
    _spoken: list[tuple[str, float]] = field(default_factory=list)
    """Each clause, and the second at which its sound ends."""

    async def say(self, clause: str) -> None:
        """One clause; a voice that dies says it again, without what was played already."""
        if self.source is None:
            return
        played = 0
        self._spoken.append((clause, self.audio_s))
        for last_try in (False, True):
            try:
                question = Synthesize(text=clause, voice=self.voice, language=self.language)
                async with self.ctx.stream(question, within=_SOUND_WITHIN_S) as sounds:
                    made = 0
                    async for sound in sounds:
                        # The same words sound the same, but where their pieces end depends on how busy the voice is.
                        pcm = sound.pcm[max(0, played - made) :]
                        made += len(sound.pcm)
                        if not pcm:
                            continue
                        self.mark("first_audio")
                        self.engine = sound.engine
                        await self.gate.passed()
                        await self.ctx.request(
                            PlaySound(source=self.source, pcm=pcm, sample_rate=sound.sample_rate),
                            within=_PLAY_WITHIN_S,
                        )
                        self.mark("voice_to_voice")
                        self._sample_rate = sound.sample_rate
                        played += len(pcm)
                        self.audio_s += len(pcm) / BYTES_PER_SAMPLE / sound.sample_rate
                        self._spoken[-1] = (clause, self.audio_s)
                return
            except SoloError as error:
                if last_try or not error.retryable:
                    raise
                self.ctx.log.warning("saying it again", turn_id=self.turn, error=error.line())

    async def say_all(self, text: str) -> None:
        """A whole text, and that it is all."""
        clauses = Clauses(whole=True)
        for clause in (*clauses.feed(text), *clauses.flush()):
            await self.say(clause)
        await self.end()

    async def end(self) -> None:
        """Tell the source that it has everything; one that can be interrupted says when it has been heard."""
        if self.source is not None and self._sample_rate:
            last = PlaySound(source=self.source, pcm=b"", sample_rate=self._sample_rate, last=True)
            await self.ctx.request(last, within=_HEARD_WITHIN_S)

    async def be_silent(self) -> str:
        """What has not been heard is not said any more; the words that were."""
        if self.source is None:
            return ""
        playback = await self.ctx.request(StopSound(source=self.source), within=_SILENT_WITHIN_S)
        return self.heard(playback)

    def heard(self, playback: Playback) -> str:
        """Whole clauses, and the words of the one that was being spoken, by their share of its time."""
        if playback.turn_id != self.turn:
            return ""
        words: list[str] = []
        began = 0.0
        for clause, end in self._spoken:
            share = (playback.played_s - began) / (end - began) if end > began else 0.0
            spoken = clause.split()
            words += spoken[: int(len(spoken) * min(max(share, 0.0), 1.0) + 0.001)]
            began = end
        return " ".join(words)

    def saying(self) -> str:
        """Everything that was given to the voice."""
        return " ".join(clause for clause, _ in self._spoken)
