"""What happens on the bus, in the words of `/ws/voice`."""

from __future__ import annotations

from services.api.voice.told import (
    BargeIn,
    Delta,
    Heard,
    Partial,
    Pause,
    Resume,
    Speech,
    Started,
    Told,
    Volume,
)
from services.messages.audio import SpeechStarted
from services.messages.conversation import AnswerGrew, QuestionHeard, TurnStarted
from services.messages.playback import PlaybackPaused, PlaybackResumed, VolumeChanged
from services.messages.turntaking import BargeInDecided, SpeechResumed, SpeechStopped, TranscriptGrew
from solo.bus import Event


def in_words(fact: Event) -> Told | None:
    """None: it is told by nobody, or the session tells it, which has to remember it too."""
    match fact:
        case SpeechStarted():
            return Speech(state="started")
        case SpeechStopped():
            return Speech(state="stopped")
        case SpeechResumed():
            return Speech(state="resumed")
        case TranscriptGrew():
            return Partial(committed=fact.committed, tentative=fact.tentative)
        case TurnStarted():
            return Started(turn=fact.turn_id or "")
        case QuestionHeard():
            return Heard(turn=fact.turn_id or "", text=fact.text)
        case AnswerGrew():
            return Delta(turn=fact.turn_id or "", text=fact.delta)
        case PlaybackPaused():
            return Pause()
        case PlaybackResumed():
            return Resume()
        case BargeInDecided():
            return BargeIn(verdict=fact.verdict, why=fact.why, decided_ms=fact.decided_ms)
        case VolumeChanged():
            return Volume(volume=fact.volume)
    return None
