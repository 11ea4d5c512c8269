"""What every wake-word adapter does around its engine: sessions, blocks, positions, one detection per utterance."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from services.wake.engine import Detection
from solo.isolation.call import Call
from solo.isolation.engine import EngineError, ModelMissing
from solo.isolation.sessions import Blocks, Sessions, require_whole

T = TypeVar("T")

SAMPLE_BYTES = 2
SAMPLE_RATE = 16_000
REFRACTORY_SAMPLES = SAMPLE_RATE
"""A word does not count again within 1 s: nobody says it twice in that time, while scores stay high for some of it."""
ODDS_RANGE = 2.0
"""Log-odds between the middle and either end of the sensitivity scale, a factor of e^2 = 7.4 in the odds."""
STRICTEST = 0.995
"""Highest threshold: an 8-bit score ends at 255/256 = 0.996, and a threshold above that would never be passed."""


class Ear(Protocol):
    """One session's state in an engine."""

    def hear(self, block: bytes) -> Iterable[str]:
        """The words recognised at the end of this block, which has exactly the engine's step."""
        ...


E = TypeVar("E", bound=Ear)


class _Session:
    def __init__(self, ear: Ear, block_samples: int) -> None:
        self.ear = ear
        self.blocks = Blocks(block_samples * SAMPLE_BYTES)
        self.heard = 0
        """Samples of whole blocks so far."""
        self.last: dict[str, int] = {}


class Hearing:
    """The port's `feed` and `close` over an engine that hears `block_samples` at a time."""

    def __init__(self, open_ear: Callable[[], E], block_samples: int, *, end: Callable[[E], object] | None = None):
        self._block_samples = block_samples

        def give_back(session: _Session) -> None:
            if end is not None:
                end(session.ear)  # type: ignore[arg-type]  # made by open_ear

        self._sessions = Sessions(lambda: _Session(open_ear(), block_samples), end=give_back)

    def feed(self, call: Call, name: str, pcm: bytes) -> list[Detection]:
        """As in the port. Sound of a cancelled call is counted but not listened to, so that `at` stays true."""
        require_whole(pcm, SAMPLE_BYTES)
        session = self._sessions.use(name)
        found: list[Detection] = []
        for block in session.blocks.cut(pcm):
            session.heard += self._block_samples
            if call.cancelled:
                continue
            at = session.heard - 1
            for word in session.ear.hear(block):
                if at - session.last.get(word, -REFRACTORY_SAMPLES) >= REFRACTORY_SAMPLES:
                    session.last[word] = at
                    found.append({"word": word, "at": at})
        return found

    def close(self, name: str) -> None:
        self._sessions.close(name)


def threshold(default: float, sensitivity: float) -> float:
    """The score to exceed: `default` at sensitivity 0.5, its log-odds moved by up to `ODDS_RANGE` either way.

    Log-odds, because models are trained on them: 0.97 and 0.5 move by the same number of false alarms, roughly,
    where a straight line would leave the strict end of the one unusable.
    """
    odds = math.log(default / (1 - default)) + (0.5 - sensitivity) * 2 * ODDS_RANGE
    return min(STRICTEST, 1 / (1 + math.exp(-odds)))


def require_sensitivity(sensitivity: float) -> None:
    if not 0 <= sensitivity <= 1:
        raise EngineError(f"sensitivity {sensitivity} is not within 0 to 1", hint="Set SOLO_WAKE__SENSITIVITY to 0.5.")


class Sensitivity:
    """How easily each word wakes. Raises `EngineError` for one off the scale."""

    def __init__(self, usual: float, of_words: Mapping[str, float] | None) -> None:
        self._usual = usual
        self._of_words = dict(of_words or {})
        for each in (usual, *self._of_words.values()):
            require_sensitivity(each)

    def of(self, word: str) -> float:
        return self._of_words.get(word, self._usual)


def choose(words: Sequence[str] | None, available: Mapping[str, T]) -> dict[str, T]:
    """The asked-for entries of `available`; all of them for None. Raises `ModelMissing` with what there is."""
    missing = [word for word in words or () if word not in available]
    if missing:
        raise ModelMissing(
            f"no model for the wake word {missing[0]!r}",
            hint=f"Choose from {', '.join(sorted(available))}, or add your own to the engine's model_dir.",
        )
    if words is not None and not words:
        raise EngineError("no wake word to listen for", hint=f"Choose from {', '.join(sorted(available))}.")
    return dict(available) if words is None else {word: available[word] for word in words}
