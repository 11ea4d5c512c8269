"""The input buffer of a session, and what is noticed in it: speech that begins, pauses and ends."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from services.api.realtime.converting import Converter
from services.api.realtime.failures import BadRealtimeEvent, BufferFull, NothingToCommit
from services.api.realtime.hearing.turns import CHUNK, RATE, START_MS, Decision, Turns
from services.api.realtime.hearing.words import WAITS_MS, Words
from services.api.realtime.shape import SAMPLES, Input, Samples, SemanticVad, ServerVad
from services.api.realtime.talk.items import new_id
from services.messages.speech import ScoreSpeech, Transcript
from solo.errors import SoloError
from solo.supervision import Context

HEARD = Samples(form="pcm", rate=RATE, bytes=2)
"""What Solo hears."""
MOST_S = 120
"""Longest sound that is taken without turn detection, as long as recognisers take."""
LEAST_MS = 100
"""Shortest sound that can be committed."""
_AFTER_MS = 200
"""Kept behind the last speech."""
_SCORE_WITHIN_S = 20.0
_PREFIX_MS = 300
"""Kept before speech where the client does not say."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """Sound that was committed, by the client or because its speaker has finished."""

    item: str
    pcm: bytes
    """s16le 16 kHz."""
    speech_end: float
    """Monotonic seconds at which its last speech sample came."""
    said: asyncio.Task[Transcript]


@dataclass(frozen=True, slots=True)
class Started:
    item: str
    """Of the item to come."""
    at_ms: int


@dataclass(frozen=True, slots=True)
class Paused:
    """What was said so far is being transcribed."""

    said: asyncio.Task[Transcript]


@dataclass(frozen=True, slots=True)
class Stopped:
    at_ms: int
    utterance: Utterance


Noticed = Started | Paused | Stopped


class Ear:
    def __init__(self, ctx: Context, source: str, words: Words, settings: Input) -> None:
        self._ctx = ctx
        self._source = source
        self._words = words
        self._buffer = bytearray()
        self._begin = 0
        """Index of the buffer's first sample, counted from the session's first."""
        self._unscored = bytearray()
        self._turns: Turns | None = None
        self._afresh = True
        self._item = new_id("item")
        self._guess: asyncio.Task[Transcript] | None = None
        self._settings = settings
        self._converter = Converter(ctx, SAMPLES[settings.format.type], HEARD)
        self._detect(settings)

    @property
    def position(self) -> int:
        """Samples heard since the session began."""
        return self._begin + len(self._buffer) // 2

    @property
    def speaking(self) -> bool:
        return self._turns is not None and self._turns.started_at is not None

    def use(self, settings: Input) -> None:
        """The session's settings have changed."""
        before, self._settings = self._settings, settings
        if settings.format != before.format:
            self._converter = Converter(self._ctx, SAMPLES[settings.format.type], HEARD)
        if settings.turn_detection != before.turn_detection:
            self._detect(settings)

    def clear(self) -> None:
        """Forget what is in the buffer."""
        self._begin = self.position
        self._buffer.clear()
        self._unscored.clear()
        if self._turns is not None:
            self._turns.position = self.position
        self._next()

    def commit(self) -> Utterance:
        """All of the buffer. Raises NothingToCommit."""
        if len(self._buffer) < LEAST_MS * RATE // 1000 * 2:
            held = len(self._buffer) * 1000 // 2 // RATE
            raise NothingToCommit(f"The buffer holds {held} ms of sound, less than {LEAST_MS}", hint="Append more.")
        pcm = bytes(self._buffer)
        utterance = Utterance(self._item, pcm, time.monotonic(), self._words.of(pcm, self._settings.transcription))
        self.clear()
        return utterance

    async def append(self, sound: bytes) -> list[Noticed]:
        """The next sound, in the session's format. Raises BadRealtimeEvent, BufferFull, or an engine's error."""
        size = SAMPLES[self._settings.format.type].bytes
        if len(sound) % size:
            raise BadRealtimeEvent(f"{len(sound)} bytes are no whole {size}-byte samples", param="audio")
        if self._turns is None and len(self._buffer) >= MOST_S * RATE * 2:
            raise BufferFull(f"The buffer holds {MOST_S} s of sound", hint="Commit or clear it.")
        pcm = await self._converter.feed(sound)
        self._buffer += pcm
        arrived = time.monotonic()
        if self._turns is None:
            return []
        self._unscored += pcm
        whole = len(self._unscored) - len(self._unscored) % (CHUNK * 2)
        if not whole:
            return []
        chunks = bytes(self._unscored[:whole])
        del self._unscored[:whole]
        question = ScoreSpeech(source=self._source, pcm=chunks, afresh=self._afresh)
        self._afresh = False
        try:
            scores = await self._ctx.request(question, within=_SCORE_WITHIN_S)
        except SoloError:
            self._turns.position += whole // 2  # unjudged, but the clock goes on
            raise
        noticed: list[Noticed] = []
        for score in scores:
            noticed += self._decided(self._turns, self._turns.feed(score), arrived)
        self._trim(self._turns)
        return noticed

    def _decided(self, turns: Turns, decision: Decision | None, arrived: float) -> list[Noticed]:
        if decision is Decision.STARTED:
            return [Started(self._item, self._from(turns) * 1000 // RATE)]
        if decision is Decision.PAUSED:
            pcm = self._spoken(turns)
            self._guess = said = self._words.of(pcm, self._settings.transcription)
            if isinstance(how := self._settings.turn_detection, SemanticVad):
                judged = self._words.wait_ms(pcm, said, how)
                judged.add_done_callback(lambda task: self._judged(turns, said, task))
            return [Paused(said)]
        if decision is Decision.RESUMED:
            self._drop_guess()
            self._patient(turns)
        if decision is not Decision.ENDED:
            return []
        end = turns.speech_end
        pcm = self._spoken(turns)
        said = self._guess or self._words.of(pcm, self._settings.transcription)
        self._guess = None  # it is the utterance's now
        ago = (self.position - end) / RATE
        stopped = Stopped(end * 1000 // RATE, Utterance(self._item, pcm, arrived - ago, said))
        keep = max(0, end - self._begin) * 2
        del self._buffer[:keep]
        self._begin += keep // 2
        self._next()
        return [stopped]

    def _judged(self, turns: Turns, said: asyncio.Task[Transcript], wait: asyncio.Task[float]) -> None:
        """Only while the pause that it was about goes on."""
        if said is self._guess and turns.paused and not wait.cancelled():
            turns.silence_ms = wait.result()

    def _detect(self, settings: Input) -> None:
        how = settings.turn_detection
        self._drop_guess()
        self._afresh = True
        self._unscored.clear()
        if how is None:
            self._turns = None
            return
        threshold = how.threshold if isinstance(how, ServerVad) else 0.5
        self._turns = Turns(threshold, 0.0, position=self.position)
        self._patient(self._turns)

    def _patient(self, turns: Turns) -> None:
        """As long as nobody has judged a pause."""
        how = self._settings.turn_detection
        turns.silence_ms = how.silence_duration_ms if isinstance(how, ServerVad) else 0.0
        if isinstance(how, SemanticVad):
            turns.silence_ms = WAITS_MS[how.eagerness][1]

    def _next(self) -> None:
        self._drop_guess()
        self._item = new_id("item")
        if self._turns is not None:
            self._turns.afresh()
            self._patient(self._turns)

    def _drop_guess(self) -> None:
        if self._guess is not None:
            self._guess.cancel()
            self._guess = None

    def _from(self, turns: Turns) -> int:
        """The sample at which the utterance under way begins."""
        how = self._settings.turn_detection
        prefix = how.prefix_padding_ms if isinstance(how, ServerVad) else _PREFIX_MS
        return max(self._begin, (turns.started_at or 0) - prefix * RATE // 1000)

    def _spoken(self, turns: Turns) -> bytes:
        end = turns.speech_end + _AFTER_MS * RATE // 1000
        return bytes(self._buffer[(self._from(turns) - self._begin) * 2 : max(0, end - self._begin) * 2])

    def _trim(self, turns: Turns) -> None:
        """While nobody speaks, only what may come before speech is kept."""
        if turns.started_at is not None:
            return
        how = self._settings.turn_detection
        prefix = how.prefix_padding_ms if isinstance(how, ServerVad) else _PREFIX_MS
        keep = (prefix + START_MS) * RATE // 1000 * 2 + len(self._unscored)
        if (surplus := len(self._buffer) - keep) > 0:
            surplus -= surplus % 2
            del self._buffer[:surplus]
            self._begin += surplus // 2
