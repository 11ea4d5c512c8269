"""What a response took: for its client as usage, for everybody who watches Solo as a turn."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from services.messages.conversation import Engines, Failed, Latency, Outcome, Tokens, TurnSummary
from services.messages.language import CompletionEnd


@dataclass(slots=True)
class Account:
    turn_id: str
    source: str
    profile: str
    origin: float
    """Monotonic seconds of the last speech sample, or of the question."""
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    heard: str = ""
    said: str = ""
    outcome: Outcome = "cancelled"
    error: Failed | None = None
    audio_s: float = 0.0
    stt: str | None = None
    tts: str | None = None
    end: CompletionEnd | None = None
    _marks: dict[str, float] = field(default_factory=dict)

    def mark(self, point: str) -> None:
        """The first time it is reached."""
        self._marks.setdefault(point, (time.monotonic() - self.origin) * 1000)

    def summary(self) -> TurnSummary:
        end = self.end
        return TurnSummary(
            turn_id=self.turn_id,
            at=self.at,
            source=self.source,
            talk=self.source,
            profile=self.profile,
            heard=self.heard,
            said=self.said.strip(),
            outcome=self.outcome,
            error=self.error,
            latency_ms=Latency(**{name: round(ms, 1) for name, ms in self._marks.items()}),
            tokens=None if end is None else _tokens(end),
            engines=Engines(stt=self.stt, llm=None if end is None else end.engine, tts=self.tts),
            receipt=None if end is None else end.receipt,
            audio_s=round(self.audio_s, 3),
        )

    def usage(self) -> dict[str, Any] | None:
        """None: the model did not say, since it was not let finish."""
        end = self.end
        if end is None:
            return None
        cached = {"text_tokens": end.cached_tokens, "audio_tokens": 0, "image_tokens": 0}
        return {
            "total_tokens": end.prompt_tokens + end.completion_tokens,
            "input_tokens": end.prompt_tokens,
            "output_tokens": end.completion_tokens,
            "input_token_details": {
                "text_tokens": end.prompt_tokens,
                "audio_tokens": 0,
                "image_tokens": 0,
                "cached_tokens": end.cached_tokens,
                "cached_tokens_details": cached,
            },
            "output_token_details": {"text_tokens": end.completion_tokens, "audio_tokens": 0},
        }


def _tokens(end: CompletionEnd) -> Tokens:
    speed = end.completion_tokens / end.decode_s if end.decode_s > 0 and end.completion_tokens else None
    return Tokens(
        prompt=end.prompt_tokens,
        cached=end.cached_tokens,
        completion=end.completion_tokens,
        per_second=None if speed is None else round(speed, 1),
    )
