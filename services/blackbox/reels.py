"""What was seen lately, by whose it is: a reel for each sound source and for each written turn. Pure."""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

from services.messages.audio import (
    BYTES_PER_SAMPLE,
    Attach,
    SoundCaptured,
    SoundHeard,
    SourceClosed,
    UtteranceHeard,
    UtterancePaused,
)
from services.messages.conversation import TurnFinished, TurnStarted
from services.messages.speech import ScoreSpeech
from services.messages.turntaking import SpeechGrew
from solo.bus import Message
from solo.bus.tap import Call, Published, Seen, weight

BEFORE_S = 6.0
"""Sound and facts kept from before a turn's first sign."""
AFTERWARDS_S = 60.0
"""An answer may be played for so long after its turn is over."""
MOST_S = 180.0
"""Nothing is kept for longer than this before its turn is over."""
MOST_BYTES = 24 * 1024 * 1024
"""Of one reel."""
MOST_REELS = 64
ALONE = "turn "
"""What the name of a written turn's reel begins with."""
WRITTEN = "text"
"""The source of turns that were typed: each is a reel of its own."""
SOUND = (SoundCaptured, SoundHeard, ScoreSpeech)
"""What comes all the time, whether or not there is a turn."""
_MOST_KNOWN = 512
_MOST_ORPHANS = 64
_MOST_HOUSE = 256
_WEIGH_EVERY = 256
_SWEEP_EVERY = 1024


@dataclass(slots=True)
class Reel:
    """The last seconds of one source, or one written turn."""

    name: str
    entries: deque[Seen] = field(default_factory=deque)
    attached: Call | None = None
    """The stream that the source holds open."""
    first: float | None = None
    """When the first sign of a turn since the last one was seen."""
    previous: float | None = None
    """When the first sign of the turn before was seen, while speech over its answer may still begin the next."""
    samples: int | None = None
    """Of the source so far; None: it was there before us."""
    profile: str | None = None
    """Whose it is; None: not known yet."""
    overflowed: bool = False
    """Something of the present turn had to go."""
    _calls: deque[Call] = field(default_factory=deque)
    _bytes: int = 0
    _calls_bytes: int = 0
    """Of the answers that calls have got so far."""
    _added: int = 0
    _over_at: float = 0.0

    def add(self, seen: Seen) -> None:
        self.entries.append(seen)
        self._bytes += _weight(seen)
        if isinstance(seen, Call):
            self._calls.append(seen)
        self._added += 1
        if self._added % _WEIGH_EVERY == 0:  # calls grow after they were added
            self._calls_bytes = sum(call.size for call in self._calls)
        if self.first is None and not isinstance(_message(seen), SOUND):
            self.first = seen.at
        self._trim(seen.at)

    def emptied(self) -> list[Seen]:
        """Everything, taken out."""
        entries = list(self.entries)
        self.entries.clear()
        self._calls.clear()
        self._bytes = self._calls_bytes = 0
        return entries

    def _trim(self, now: float) -> None:
        if self.first is not None and self.first < now - MOST_S:
            self.first = None  # what began then became no turn
        if self.previous is not None and (self.previous < now - MOST_S or self._over_at < now - AFTERWARDS_S):
            self.previous = None
        keep = min(one for one in (now, self.first, self.previous) if one is not None) - BEFORE_S
        while self.entries and (self.entries[0].at < keep or self._bytes + self._calls_bytes > MOST_BYTES):
            gone = self.entries.popleft()
            self._bytes -= _weight(gone)
            if self._calls and self._calls[0] is gone:
                self._calls_bytes = max(0, self._calls_bytes - self._calls.popleft().size)
            self.overflowed |= gone.at >= keep

    def over(self, at: float, begun: float) -> None:
        """The turn of before `at`, which began at `begun`, has been cut out; what came since belongs to the next."""
        self.overflowed = False
        self.previous = begun
        self._over_at = at
        self.first = next(
            (seen.at for seen in self.entries if seen.at > at and not isinstance(_message(seen), SOUND)), None
        )


class Reels:
    """Finds the reel of everything seen. What cannot be told to be somebody's is not kept."""

    def __init__(self) -> None:
        self._reels: OrderedDict[str, Reel] = OrderedDict()
        self._turns: OrderedDict[str, str] = OrderedDict()
        """Reel by turn."""
        self._calls: OrderedDict[str, str] = OrderedDict()
        """Reel by id of a question: what is asked while it is answered is of the same."""
        self._sounds: OrderedDict[bytes, str] = OrderedDict()
        """Reel by an utterance's sound."""
        self._orphans: OrderedDict[str, Call] = OrderedDict()
        """Questions of which it is not known yet whose they are, by id."""
        self._house: deque[Published] = deque(maxlen=_MOST_HOUSE)
        """What the machine says of itself: services that crash and come back."""
        self.unclaimed = 0
        self._seen = 0

    def see(self, seen: Seen) -> Reel | None:
        """The reel that it went to."""
        self._seen += 1
        if self._seen % _SWEEP_EVERY == 0:
            self._sweep(seen.at)
        message = _message(seen)
        name = self._name(message)
        if name is None and isinstance(seen, Call):
            name = self._of_profile(message)
        if name is None:
            if isinstance(seen, Call):
                _remember(self._orphans, message.id, seen, _MOST_ORPHANS)
            elif type(message).__module__.startswith("solo."):
                self._house.append(seen)
            self.unclaimed += 1
            return None
        reel = self._reel(name)
        if message.cause is not None and (asked := self._orphans.pop(message.cause, None)) is not None:
            _remember(self._calls, message.cause, name)
            reel.add(asked)  # a turn that began without a name
        reel.profile = getattr(message, "profile", None) or reel.profile
        if isinstance(seen, Call):
            _remember(self._calls, message.id, name)
            if isinstance(message, Attach):
                reel = self._anew(name, seen)
        elif isinstance(message, SoundCaptured) and reel.samples is not None:
            reel.samples += len(message.pcm) // BYTES_PER_SAMPLE
        elif isinstance(message, SpeechGrew | UtterancePaused | UtteranceHeard):
            _remember(self._sounds, _digest(message.pcm), name)
        reel.add(seen)
        return reel

    def house(self, since: float) -> list[Seen]:
        """What the machine said of itself."""
        return [seen for seen in self._house if seen.at >= since]

    def drop(self, name: str) -> None:
        self._reels.pop(name, None)

    def drop_closed(self, reel: Reel) -> None:
        """Unless its name has been taken by another meanwhile."""
        if self._reels.get(reel.name) is reel:
            self.drop(reel.name)

    def _sweep(self, now: float) -> None:
        """What was begun for turns that never came."""
        for name, reel in list(self._reels.items()):
            if reel.attached is None and (not reel.entries or reel.entries[-1].at < now - MOST_S):
                del self._reels[name]

    def _of_profile(self, question: Message) -> str | None:
        """What is asked on somebody's behalf while a turn of theirs, and of nobody else's name, is being made."""
        profile = getattr(question, "profile", None)
        if profile is None:
            return None
        begun = [reel for reel in self._reels.values() if reel.first is not None and reel.profile == profile]
        return begun[-1].name if begun else None

    def _name(self, message: Message) -> str | None:
        source = getattr(message, "source", None)
        if isinstance(message, TurnFinished):
            turn_id = message.turn_id or message.summary.turn_id
            return self._of_turn(turn_id, source or WRITTEN)
        if isinstance(message, TurnStarted) and message.turn_id is not None:
            return self._of_turn(message.turn_id, message.source)
        if message.turn_id is not None:
            return self._turns.get(message.turn_id) or self._of_turn(message.turn_id, source)
        if isinstance(source, str) and source != WRITTEN:
            return source
        if message.cause is not None and (name := self._calls.get(message.cause)) is not None:
            return name
        pcm = getattr(message, "pcm", None)
        if isinstance(pcm, bytes) and (name := self._sounds.get(_digest(pcm))) is not None:
            return name
        return None

    def _of_turn(self, turn_id: str, source: Any) -> str:
        """Also of what was done for the turn before it was known whose it would be."""
        alone = f"{ALONE}{turn_id}"
        before = self._turns.get(turn_id)
        name = source if isinstance(source, str) and source != WRITTEN else before or alone
        if before is not None and before != name and before == alone and before in self._reels:
            target = self._reel(name)
            for seen in sorted([*self._reels.pop(before).entries, *target.emptied()], key=lambda one: one.at):
                target.add(seen)
        _remember(self._turns, turn_id, name)
        return name

    def _reel(self, name: str) -> Reel:
        reel = self._reels.get(name)
        if reel is None:
            reel = self._reels[name] = Reel(name)
            while len(self._reels) > MOST_REELS:
                self._reels.popitem(last=False)
        self._reels.move_to_end(name)
        return reel

    def _anew(self, name: str, attach: Call) -> Reel:
        """Another one may have had this name before."""
        reel = self._reels[name] = Reel(
            name, attached=attach, samples=0, profile=getattr(attach.question, "profile", None)
        )
        return reel


def closes(seen: Seen) -> bool:
    return isinstance(seen, Published) and isinstance(seen.event, SourceClosed)


def _message(seen: Seen) -> Message:
    return seen.event if isinstance(seen, Published) else seen.question


def _weight(seen: Seen) -> int:
    return weight(_message(seen))


def _digest(pcm: bytes) -> bytes:
    return hashlib.blake2b(pcm, digest_size=16).digest()


def _remember(known: OrderedDict[Any, Any], key: Any, value: Any, most: int = _MOST_KNOWN) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > most:
        known.popitem(last=False)
