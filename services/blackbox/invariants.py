"""What must be true of every turn, as a machine of states over the facts of the bus. Pure: facts and times in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from services.messages.audio import (
    NothingHeard,
    OnlyWakeWordHeard,
    SourceClosed,
    SpeechStarted,
    UtteranceHeard,
    WakeWordHeard,
)
from services.messages.conversation import TurnFinished, TurnStarted
from services.messages.invariants import Invariant
from services.messages.playback import Playback, PlaybackResumed
from services.messages.turntaking import BargeInDecided, BargeInStarted, ListenNow, SpeechResumed
from services.messages.waking import WakeWordRejected
from solo.bus import Event
from solo.supervision import ServiceStateChanged, State

Heal = Literal["cancel", "silence", "end", "resume"]
"""cancel: end the turn; silence: forget the sound; end: take what was said for the utterance; resume: play on."""
OWNERS = frozenset({"audio", "conversation"})
"""Services whose crash ends, by a named error, everything that was under way."""
TOGETHER_S = 2.0
"""Wake words of several sources within so many seconds may be one, heard in one room: one of them answers."""
OVERLAP_S = 3.0
"""A turn that is cancelled by the next one has so long to say that it is over."""
AFTERWARDS_S = 120.0
"""Sound may be played for so long after its turn is over."""


@dataclass(frozen=True, slots=True)
class Budgets:
    """Seconds that each state may take, with room for an engine that dies and comes back."""

    woken: float = 31.0
    """From the wake word to the first word: 6 s of silence, 20 s for the detector's next start, and some."""
    speaking: float = 70.0
    """From the first word to the last: 30 s, and the detector."""
    held: float = 240.0
    """The same while a button is held."""
    heard: float = 70.0
    """From the last word to the turn: two attempts at a transcription."""
    turn: float = 90.0
    """From one sign of life of a turn to the next: two attempts at a token, or at a sound."""
    clock: float = 6.0
    """From one move of the playback clock to the next, while something is played."""
    barge_in: float = 10.0
    """From held sound to the decision on it."""


@dataclass(frozen=True, slots=True)
class Violation:
    invariant: Invariant
    source: str
    turn: str | None
    detail: str
    heal: Heal


@dataclass(slots=True)
class _Phase:
    """What a source is in the middle of, before there is a turn."""

    name: Literal["woken", "speaking", "held", "heard"]
    since: float


@dataclass(slots=True)
class _Turn:
    source: str
    started: float
    moved: float


@dataclass(slots=True)
class _Clock:
    turn: str | None
    played_s: float
    playing: bool
    moved: float


@dataclass(slots=True)
class Watch:
    budgets: Budgets = field(default_factory=Budgets)
    seen: int = 0
    """Turns so far."""
    _phases: dict[str, _Phase] = field(default_factory=dict)
    _turns: dict[str, _Turn] = field(default_factory=dict)
    _clocks: dict[str, _Clock] = field(default_factory=dict)
    _held: dict[str, float] = field(default_factory=dict)
    """Since when a source's sound is held for somebody who speaks over it."""
    _woken: dict[str, float] = field(default_factory=dict)
    _last: float = float("-inf")
    """When the last turn was over."""

    @property
    def open(self) -> int:
        """Listenings and turns that are under way."""
        return len(self._phases) + len(self._turns)

    def is_busy(self, now: float) -> bool:
        """There is something to look at."""
        return bool(self._phases or self._turns or self._held) or now - self._last < AFTERWARDS_S

    def see(self, event: Event, now: float) -> None:
        """A fact, when it is heard of."""
        source = getattr(event, "source", None)
        if isinstance(source, str) and event.turn_id in self._turns:
            self._turns[event.turn_id].moved = now
        match event:
            case WakeWordHeard(source=source):
                self._woken = {name: at for name, at in self._woken.items() if now - at < TOGETHER_S}
                self._phases[source] = _Phase("woken", now)
                self._woken[source] = now
            case ListenNow(source=source, hold=hold):
                self._phases[source] = _Phase("held" if hold else "woken", now)
            case OnlyWakeWordHeard(source=source):
                self._phases[source] = _Phase("woken", now)
            case SpeechStarted(source=source) | SpeechResumed(source=source):
                if source not in self._phases or self._phases[source].name != "held":
                    self._phases[source] = _Phase("speaking", now)
            case UtteranceHeard(source=source):
                self._phases[source] = _Phase("heard", now)
            case NothingHeard(source=source) | WakeWordRejected(source=source):
                self._phases.pop(source, None)
            case TurnStarted(source=source, turn_id=str(turn)):
                self._phases.pop(source, None)
                self._turns[turn] = _Turn(source, now, now)
                self.seen += 1
            case TurnFinished():
                self._turns.pop(event.turn_id or event.summary.turn_id, None)
                self._last = now
            case SourceClosed(source=source):
                self._forget(source)
            case BargeInStarted(source=source):
                self._held[source] = now
            case BargeInDecided(source=source) | PlaybackResumed(source=source):
                self._held.pop(source, None)
            case ServiceStateChanged(name=name, state=State.BACKOFF | State.FAILED) if name in OWNERS:
                for known in {*self._phases, *self._held, *(one.source for one in self._turns.values())}:
                    self._forget(known)
            case _:
                pass

    def playing(self, playbacks: Iterable[Playback], now: float) -> None:
        """What every source plays just now."""
        clocks: dict[str, _Clock] = {}
        for one in playbacks:
            before = self._clocks.get(one.source)
            moved = before is not None and (before.turn, before.played_s) != (one.turn_id, one.played_s)
            if one.turn_id in self._turns and moved:
                self._turns[one.turn_id].moved = now
            stands = before is not None and before.playing and not moved and one.state == "playing"
            since = before.moved if stands and before is not None else now
            clocks[one.source] = _Clock(one.turn_id, one.played_s, one.state == "playing", since)
        self._clocks = clocks

    def due(self, now: float) -> Iterator[Violation]:
        """What is not true now. Each is told once: what it is about is taken for over."""
        yield from self._stuck_listening(now)
        yield from self._stuck_turns(now)
        yield from self._two_answers(now)
        for source, clock in list(self._clocks.items()):
            if clock.playing and (still := now - clock.moved) > self.budgets.clock:
                del self._clocks[source]
                detail = f"{still:.0f} s of playing, and the clock stands at {clock.played_s:.1f} s"
                yield Violation("clock_moves", source, clock.turn, detail, "silence")
        for source, since in list(self._held.items()):
            if now - since > self.budgets.barge_in:
                del self._held[source]
                detail = f"sound is held for {now - since:.0f} s, and nobody decides what was said over it"
                yield Violation("turn_moves", source, None, detail, "resume")

    def _stuck_listening(self, now: float) -> Iterator[Violation]:
        for source, phase in list(self._phases.items()):
            budget: float = getattr(self.budgets, phase.name)
            if now - phase.since <= budget:
                continue
            del self._phases[source]
            if not self._heard_by_another(source, phase):
                detail = (
                    f"{phase.name} for {now - phase.since:.0f} s, of {budget:.0f} s at most, and no turn came of it"
                )
                yield Violation("wake_ends", source, None, detail, "end")

    def _heard_by_another(self, source: str, phase: _Phase) -> bool:
        """It may have been the same word in the same room: the other source answers."""
        others = (at for name, at in self._woken.items() if name != source)
        return phase.name == "woken" and any(abs(at - phase.since) < TOGETHER_S for at in others)

    def _stuck_turns(self, now: float) -> Iterator[Violation]:
        for turn, one in list(self._turns.items()):
            if now - one.moved > self.budgets.turn:
                del self._turns[turn]
                detail = f"no sign of life for {now - one.moved:.0f} s, of {self.budgets.turn:.0f} s at most"
                yield Violation("turn_moves", one.source, turn, detail, "cancel")

    def _two_answers(self, now: float) -> Iterator[Violation]:
        newest: dict[str, float] = {}
        for one in self._turns.values():
            newest[one.source] = max(one.started, newest.get(one.source, one.started))
        for turn, one in list(self._turns.items()):
            since = newest[one.source]
            if one.source != "text" and one.started < since and now - since > OVERLAP_S:
                del self._turns[turn]
                detail = f"another answer of this source began {now - since:.0f} s ago, and this one goes on"
                yield Violation("one_answer", one.source, turn, detail, "cancel")

    def _forget(self, source: str) -> None:
        """It ends by a named error of its own."""
        self._phases.pop(source, None)
        self._held.pop(source, None)
        self._clocks.pop(source, None)
        for turn in [turn for turn, one in self._turns.items() if one.source == source and source != "text"]:
            del self._turns[turn]
