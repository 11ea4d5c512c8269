"""What turn-taking did since the start, for /metrics: guesses in pauses, interruptions, what judged a pause."""

from __future__ import annotations

from collections import Counter

from services.api.figures import Histogram
from services.messages.turntaking import BargeInDecided, BargeInStarted, PauseJudged, Speculated
from solo.bus import Event

FOLLOWED = (Speculated, BargeInStarted, BargeInDecided, PauseJudged)


class VoiceFigures:
    def __init__(self) -> None:
        self.speculations: Counter[str] = Counter()
        """`hit`: the pause was the end and the work was used; `miss`: thrown away."""
        self.saved_s = 0.0
        """Work that was done before the turn was decided."""
        self.spent_s = 0.0
        """Work thrown away."""
        self.interruptions: Counter[tuple[str, str]] = Counter()
        """Speech over answers, by verdict and reason."""
        self.paused = Histogram()
        """Seconds from the onset of speech to the held sound."""
        self.decided = Histogram()
        """Seconds from the onset of speech to the decision."""
        self.judgements: Counter[str] = Counter()
        """Pauses that something besides their length was known of, by who knew it."""

    def take(self, event: Event) -> None:
        match event:
            case Speculated():
                self.speculations["hit" if event.hit else "miss"] += 1
                self.saved_s += event.saved_ms / 1000
                self.spent_s += event.spent_ms / 1000
            case BargeInStarted():
                self.paused.observe(event.paused_ms / 1000)
            case BargeInDecided():
                self.interruptions[event.verdict.value, event.why] += 1
                self.decided.observe(event.decided_ms / 1000)
            case PauseJudged():
                self.judgements["words" if event.by == "words" else "skill" if event.by == "skill" else "model"] += 1
