"""What recognisers write when nobody spoke: sentences that end the videos and the books they learnt from."""

from __future__ import annotations

import re

_INVENTED = frozenset(
    {
        "thank you",
        "thank you very much",
        "thank you for watching",
        "thanks for watching",
        "thank you for listening",
        "thanks for listening",
        "please subscribe",
        "please subscribe to my channel",
        "subscribe",
        "like and subscribe",
        "dont forget to subscribe",
        "see you next time",
        "see you in the next video",
        "subtitles by the amaraorg community",
        "subtitles by",
        "transcription by",
        "end of chapter",
        "end of section",
        "you",
        "bye",
        "the end",
        "music",
        "applause",
        "laughter",
        "silence",
        "blankaudio",
    }
)
_WEAK_NO_SPEECH = 0.25
_WEAK_LOGPROB = -0.5


def is_invented(text: str, avg_logprob: float, no_speech_prob: float = 0.0) -> bool:
    """Whether `text` is such a sentence, and the engine's own numbers do not speak for it either.

    People do say "thank you", and then the numbers say so: above -0.3, and next to no doubt that somebody spoke.
    """
    plain = re.sub(r"[^\w ]", "", text).casefold().strip()
    return plain in _INVENTED and (avg_logprob < _WEAK_LOGPROB or no_speech_prob > _WEAK_NO_SPEECH)
