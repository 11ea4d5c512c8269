"""One turn cut out of a reel: from before its first sign to its end, with what was decided in it. Pure."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import solo
from services.blackbox.reels import BEFORE_S, SOUND, WRITTEN, Reel
from services.messages.audio import BYTES_PER_SAMPLE, SoundCaptured, SoundHeard, WakeWordHeard
from services.messages.conversation import TurnSummary
from services.messages.invariants import InvariantViolated
from services.messages.turntaking import BargeInDecided, BargeInStarted
from solo.bus import Event
from solo.bus.tap import Call, Published, Seen
from solo.replay import Manifest

LIVE = ("audio", "conversation")
"""Services that run again when a recording is played: what they are told and answered is all in it."""
BULK = ("SoundCaptured", "SoundHeard")
DECISIONS = (
    "WakeWordHeard", "ListenNow", "EndUtterance", "SpeechStarted", "SpeechStopped", "SpeechResumed", "UtterancePaused",
    "PauseJudged", "UtteranceHeard", "OnlyWakeWordHeard", "NothingHeard", "TranscriptGrew", "Speculated",
    "BargeInStarted", "BargeInDecided", "PlaybackPaused", "PlaybackResumed", "PlaybackStopped", "InvariantViolated",
    "ServiceStateChanged",
)  # fmt: skip
"""Kinds of facts that say why a turn went as it did."""
JUDGED = ("JudgeTurnEnd", "JudgeInterruption", "MatchSkill")
"""Questions whose answers do."""
_SETTINGS = tuple(f"{name}." for name in LIVE)
_LEFT_OUT = frozenset(
    {
        "id",
        "turn_id",
        "cause",
        "monotonic",
        "wall",
        "pcm",
        "source",
        "profile",
        "talk",
        "summary",
        "speech_end",
        "decided",
    }
)
_MOST_DECISIONS = 400


@dataclass(frozen=True, slots=True)
class Cut:
    """All of a bundle, still as objects."""

    manifest: Manifest
    seen: tuple[Seen, ...]
    origin: float


def cut(reel: Reel, summary: TurnSummary, house: Sequence[Seen], settings: Mapping[str, Any]) -> Cut:
    """The turn that `summary` tells of. What goes on in it is copied as it is now."""
    end = reel.entries[-1].at if reel.entries else 0.0
    begun = begin(reel)
    origin = max(begun - BEFORE_S, reel.entries[0].at if reel.entries else begun)
    attached = [reel.attached] if reel.attached is not None else []
    lines = [one for one in reel.entries if one is not reel.attached and (one.at >= begun or _is_sound(one, origin))]
    skipped = _skipped(reel, lines)
    seen = sorted([*attached, *lines, *(one for one in house if one.at >= begun)], key=lambda one: one.at)
    copies = tuple(_rebased(one, skipped, origin) for one in seen)
    facts = [one for one in copies if isinstance(one, Published)]
    manifest = Manifest(
        solo=solo.__version__,
        id=summary.turn_id,
        at=summary.at,
        profile=summary.profile,
        source=summary.source,
        seconds=round(end - origin, 3),
        summary=summary.model_dump(mode="json"),
        violations=tuple(one.event.invariant for one in facts if isinstance(one.event, InvariantViolated)),
        decisions=tuple(_decisions(copies, origin))[:_MOST_DECISIONS],
        settings={path: value for path, value in settings.items() if path.startswith(_SETTINGS)},
        live=LIVE,
        bulk=BULK,
        machine={"python": platform.python_version(), "platform": platform.platform(terse=True)},
        missing=_missing(reel, summary),
    )
    return Cut(manifest, copies, origin)


def begin(reel: Reel) -> float:
    """When the first sign of its turn was seen: of the turn before, when speech over its answer began this one."""
    last = reel.entries[-1].at if reel.entries else 0.0
    first = reel.first if reel.first is not None else last
    if reel.previous is not None and any(_is_barge_in(one) for one in reel.entries):
        return min(first, reel.previous)
    return first


def _skipped(reel: Reel, lines: Iterable[Seen]) -> int:
    """Samples of the source before the recording's first: its facts count from there."""
    if reel.samples is None:
        return 0
    pieces = (one.event for one in lines if isinstance(one, Published))
    kept = sum(len(piece.pcm) // BYTES_PER_SAMPLE for piece in pieces if isinstance(piece, SoundCaptured))
    return reel.samples - kept


def _rebased(seen: Seen, skipped: int, origin: float) -> Seen:
    if isinstance(seen, Call):
        copy = seen.copy()
        copy.forget_before(origin)
        return copy
    event: Event = seen.event
    if isinstance(event, WakeWordHeard):
        event = event.model_copy(update={"at": event.at - skipped})
    elif isinstance(event, SoundHeard):
        event = event.model_copy(update={"start": event.start - skipped})
    else:
        return seen
    return Published(seen.at, event, seen.by)


def _missing(reel: Reel, summary: TurnSummary) -> str:
    if reel.overflowed:
        return "it was longer than what is kept of a turn"
    if summary.source != WRITTEN and reel.attached is None:
        return "its source was attached before the recorder was there"
    return ""


def _decisions(seen: Iterable[Seen], origin: float) -> Iterable[dict[str, Any]]:
    for one in seen:
        message = one.event if isinstance(one, Published) else one.question
        kind = type(message).__name__
        if isinstance(one, Published) and kind in DECISIONS:
            yield {"t": round(one.at - origin, 3), "kind": kind, **_told(message)}
        elif isinstance(one, Call) and kind in JUDGED:
            answered = one.items[-1] if one.items else None
            at = answered.at if answered is not None else one.ended
            said = _told(answered.answer) if answered is not None else {"error": str(one.error)}
            yield {"t": round((at or one.at) - origin, 3), "kind": kind, **said}


def _told(message: Any) -> dict[str, Any]:
    if message is None or not hasattr(message, "model_dump"):
        return {}
    told: dict[str, Any] = message.model_dump(mode="json", exclude=set(_LEFT_OUT))
    return {name: value for name, value in told.items() if value is not None}


def _is_sound(seen: Seen, origin: float) -> bool:
    """Of what was before the turn's first sign, what was heard is wanted, and nothing of the turn before."""
    return seen.at >= origin and isinstance(seen.event if isinstance(seen, Published) else seen.question, SOUND)


def _is_barge_in(seen: Seen) -> bool:
    return isinstance(seen, Published) and isinstance(seen.event, BargeInStarted | BargeInDecided)
