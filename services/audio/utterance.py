"""One utterance while it is being listened to: where it began, what its pauses were, what is cut out of the sound."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from math import inf

from services.audio.endpointing import Endpointer, EndpointingPolicy
from services.audio.ring import Ring
from services.audio.waiting import WaitBounds
from services.messages.audio import SAMPLE_RATE, UtteranceHeard, UtterancePaused
from services.messages.turntaking import SpeechGrew


@dataclass(frozen=True, slots=True)
class EarPolicy:
    endpointing: EndpointingPolicy
    wait: WaitBounds = field(default_factory=lambda: WaitBounds(first=480, least=320, most=1200))
    """Silence that ends an utterance, as long as nobody knows better than this speaker's own pauses tell."""
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
    follow_up_s: float = 5.0
    """Silence after an answer that asked something back until the wake word is needed again."""
    look_ahead_s: float = 0.5
    """Speech between two looks at what was said so far; 0: none."""
    goes_on_within_s: float = 1.5
    """Speech this soon after an utterance, before anything of the answer was heard, belongs to it."""


@dataclass(frozen=True, slots=True)
class Start:
    """Why an utterance is listened to, and from where."""

    origin: int
    """Sample."""
    word: str | None = None
    """The wake word; None: it is listened to without one."""
    patience_s: float | None = None
    """Silence until the ear gives up; None: never."""
    hold: bool = False
    """The speaker says when it is over."""
    told: bool = True
    """That nothing was said is worth telling."""


@dataclass(slots=True)
class Utterance:
    source: str
    name: str
    talk: str
    profile: str
    start: Start
    policy: EarPolicy
    ends: Endpointer
    pauses: int = 0
    looked_at: int = 0
    released: bool = field(default=False)
    """The speaker has said that it is over."""
    dismissed: bool = field(default=False)
    """What it was listened to for was no wake word."""

    @property
    def origin(self) -> int:
        return self.start.origin

    @property
    def speech_end(self) -> int:
        """Sample behind the last speech, counted from the source's first."""
        return self.origin + self.ends.speech_end

    @property
    def silence_ms(self) -> float:
        """Before the speech that went on last."""
        return self.ends.resumed_after * 1000 / SAMPLE_RATE

    def begin(self) -> int:
        """First sample of what is cut out: the wake word too, when the speech follows it without a pause, so that no
        first word is lost."""
        policy = self.policy
        started = self.ends.started_at or 0
        if self.start.word and started < policy.follows_within_s * SAMPLE_RATE:
            return self.origin - int(policy.before_wake_s * SAMPLE_RATE)
        return self.origin + started - int(policy.before_speech_s * SAMPLE_RATE)

    def cut(self, ring: Ring) -> bytes:
        return ring.cut(self.begin(), self.speech_end + int(self.policy.after_speech_s * SAMPLE_RATE))

    def hold(self) -> None:
        """From now on the speaker says when it is over, and has as long to begin as somebody who was just called."""
        patience_s = self.ends.position / SAMPLE_RATE + self.policy.question_within_s
        self.start = replace(self.start, hold=True, patience_s=patience_s)
        self.ends.end_ms = inf

    def tries_patience(self) -> bool:
        """Nobody has spoken for too long."""
        ends, patience_s = self.ends, self.start.patience_s
        return ends.started_at is None and patience_s is not None and ends.position > patience_s * SAMPLE_RATE

    def is_worth_a_look(self) -> bool:
        """Somebody has been speaking for a while since the last look."""
        ends, every = self.ends, self.policy.look_ahead_s * SAMPLE_RATE
        if not every or ends.started_at is None or ends.silence_ms > 0:
            return False
        return ends.position - max(self.looked_at, ends.started_at) >= every

    # -- what is told of it ----------------------------------------------------------------------

    def grew(self, ring: Ring) -> SpeechGrew:
        self.looked_at = self.ends.position
        return SpeechGrew(
            source=self.source,
            utterance=self.name,
            pcm=ring.cut(self.begin(), ring.heard),
            wake_word=self.start.word,
            talk=self.talk,
            profile=self.profile,
        )

    def paused(self, ring: Ring) -> UtterancePaused:
        self.pauses += 1
        return UtterancePaused(
            source=self.source,
            utterance=self.name,
            pause=self.pauses,
            pcm=self.cut(ring),
            wake_word=self.start.word,
            speech_end=ring.arrival(self.speech_end),
            talk=self.talk,
            profile=self.profile,
        )

    def heard(self, ring: Ring, *, whole: bool) -> UtteranceHeard:
        """`whole`: it ended in a pause that was announced, so what was begun then is good."""
        return UtteranceHeard(
            source=self.source,
            utterance=self.name,
            pause=self.pauses if whole and self.ends.paused else 0,
            pcm=self.cut(ring),
            wake_word=self.start.word,
            speech_end=ring.arrival(self.speech_end),
            talk=self.talk,
            profile=self.profile,
            decided=time.monotonic(),
        )
