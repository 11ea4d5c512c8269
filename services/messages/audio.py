"""Sound on its way in and out. Everywhere inside Solo: s16le, mono; 16 kHz on the way in."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from services.messages.playback import Playback
from services.messages.profiles import OWNER
from solo.bus import Event, Request, StreamRequest

SAMPLE_RATE = 16_000
"""Hz of everything that is heard."""
BYTES_PER_SAMPLE = 2


class SoundCaptured(Event):
    """A source delivered the next piece of its sound."""

    source: str
    """Name of a source opened with `Attach`."""
    pcm: bytes
    """s16le mono 16 kHz, usually 20 or 40 ms."""


class SoundEnded(Event):
    """A source has no more sound (the end of a file, a released push-to-talk button)."""

    source: str
    """Name of the source."""


class SoundHeard(Event):
    """Continuous sound of a source that waits for its wake word, for whoever listens for one."""

    source: str
    """Name of the source."""
    pcm: bytes
    """s16le mono 16 kHz, about 160 ms."""
    start: int
    """Index of its first sample, counted from the source's first."""


class WakeWordHeard(Event):
    """A wake word was said to a source."""

    source: str
    """Name of the source."""
    word: str
    """The wake word's id, such as `okay_nabu`."""
    at: int
    """Index of the sample at which it was recognised, counted from the source's first."""


class SpeechStarted(Event):
    """Somebody began to speak to a source that is being listened to."""

    source: str
    """Name of the source."""
    talk: str
    """Whose history the question will belong to."""
    profile: str = OWNER
    """Whose history and memory that is."""


class UtterancePaused(Event):
    """The speaker may have finished: what was said so far, for work inside the silence."""

    source: str
    """Name of the source."""
    utterance: str
    """Id of the utterance; the same in `UtteranceHeard`."""
    pause: int
    """Counts the pauses of one utterance from 1."""
    pcm: bytes
    """As in `UtteranceHeard`."""
    wake_word: str | None
    """Id of the wake word in it; None when none was needed."""
    speech_end: float
    """Monotonic seconds at which the last speech sample arrived."""
    talk: str
    """Whose history the question belongs to."""
    profile: str = OWNER
    """Whose history and memory that is."""


class UtteranceHeard(Event):
    """A speaker has finished."""

    source: str
    """Name of the source."""
    utterance: str
    """Id of the utterance; the same as in its pauses."""
    pause: int
    """The last pause announced, when nothing was said since; 0 when there was none."""
    pcm: bytes
    """s16le mono 16 kHz, cut to the speech; after a wake word it begins before that word."""
    wake_word: str | None
    """Id of the wake word in it; None when none was needed."""
    speech_end: float
    """Monotonic seconds at which the last speech sample arrived."""
    talk: str
    """Whose history the question belongs to."""
    profile: str = OWNER
    """Whose history and memory that is."""
    decided: float
    """Monotonic seconds at which the end of speech was certain."""


class OnlyWakeWordHeard(Event):
    """An utterance held the wake word and nothing else: the question is still to come."""

    source: str
    """Name of the source."""
    word: str
    """The wake word's id."""


class NothingHeard(Event):
    """A source was listened to in vain."""

    source: str
    """Name of the source."""
    reason: Literal["no_wake", "no_speech"]
    """`no_wake`: the wake word was not said; `no_speech`: nothing was said."""
    profile: str = OWNER
    """Who was listened to."""


class SourceClosed(Event):
    """A source is gone; what is done for it may stop."""

    source: str
    """Name of the source."""


class SoundOut(BaseModel):
    """A piece of the answer, for the loudspeaker of a source."""

    model_config = ConfigDict(frozen=True)

    pcm: bytes
    """s16le mono."""
    sample_rate: int
    """Hz."""
    turn_id: str | None
    """The turn it answers."""
    last: bool
    """Nothing follows: the answer has been spoken (`pcm` is empty then)."""


class Attach(StreamRequest[SoundOut]):
    """Be a source: `SoundCaptured` of this name is listened to, and the answers come back here.

    Leaving the stream closes the source.
    """

    source: str
    """Unique among the sources attached."""
    wake: bool
    """True: listen only after a wake word, again and again. False: listen at once."""
    again: bool = False
    """Without a wake word: listen to one utterance after another, not to one alone."""
    manual: bool = False
    """The speaker says when an utterance begins and ends (`ListenNow`, `EndUtterance`); pauses decide nothing."""
    barge_in: bool = False
    """Speech while an answer is played holds the sound, and may end the answer. The source obeys `PlaybackPaused`,
    and is attached `again` or with `wake`."""
    room: str | None = None
    """Sources of one room hear the same wake word: the first one answers; None: it is alone."""
    talk: str = "default"
    """Which history its questions belong to."""
    profile: str = OWNER
    """Whose history and memory that is; the room's microphone is the owner's."""


class PlaySound(Request[None]):
    """Play this on a source's loudspeaker; answered when the source has taken it, at the pace of its playback."""

    source: str
    """Whose loudspeaker."""
    pcm: bytes
    """s16le mono."""
    sample_rate: int
    """Hz."""
    last: bool = False
    """The answer ends here."""


class StopSound(Request[Playback]):
    """Be silent at once: forget what has not been played yet. Answered with what was heard until then."""

    source: str
    """Whose loudspeaker."""


class PlaybackStopped(Event):
    """What was sent for this turn is not to be played any further."""

    source: str
    """Whose loudspeaker."""
    stopped_turn: str | None
    """Id of that turn."""


class SourceState(BaseModel):
    """What one source is doing, for `/status`."""

    model_config = ConfigDict(frozen=True)

    source: str
    """Name of the source."""
    state: Literal["waiting for wake word", "listening", "hearing speech", "answering", "closed"]
    """What it is doing."""
    wake: bool
    """It listens only after a wake word."""
    again: bool = False
    """It listens to one utterance after another."""
    heard_s: float
    """Seconds of sound so far."""
    dropped: int
    """Pieces of sound lost because nobody took them in time."""
    wait_ms: float = 0
    """Silence that ends this speaker's utterances, in milliseconds, as learnt from their pauses."""


class DescribeSources(Request[tuple[SourceState, ...]]):
    """Which sources are attached, and what are they doing?"""

    idempotent = True
