"""faster-whisper's segments and words in the port's form, never later than the sound ends."""

from __future__ import annotations

from typing import Any

from services.stt.engine import Segment


def spoken(segment: Any, text: str, seconds: float) -> Segment:
    """`segment`: the library's; `text`: what is believed of it; `seconds`: length of the sound."""

    def within(moment: float) -> float:
        # The library times what it was given, and that is padded to a whole window.
        return round(min(max(0.0, float(moment)), seconds), 3)

    return {
        "start": within(segment.start),
        "end": within(segment.end),
        "text": text,
        "tokens": [int(token) for token in segment.tokens],
        "temperature": float(segment.temperature or 0.0),
        "avg_logprob": float(segment.avg_logprob),
        "compression_ratio": float(segment.compression_ratio),
        "no_speech_prob": float(segment.no_speech_prob),
        "words": [
            {"word": word.word.strip(), "start": within(word.start), "end": within(word.end)}
            for word in segment.words or ()
        ],
    }
