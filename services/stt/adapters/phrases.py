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
        "the end",
        "music",
        "applause",
        "laughter",
        "silence",
        "blankaudio",
    }
)
_DOUBT = 0.5


def is_invented(text: str, doubt: float) -> bool:
    """Whether `text` is such a sentence, and the engine's own numbers do not speak for it either.

    `doubt`: as the engine's adapter weighs its numbers; people do say "thank you", which stays below 0.35 in both.
    """
    plain = re.sub(r"[^\w ]", "", text).casefold().strip()
    return plain in _INVENTED and doubt > _DOUBT
