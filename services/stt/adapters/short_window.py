"""Decides how much sound Whisper's encoder sees, how long an answer may get, and when an answer is not to be trusted.

Whisper was trained on 30 s windows and is normally given silence up to that length, which a two-second command
pays in full. Its encoder also takes fewer frames, at the price of two failures: below about 10 s it invents words,
and with a short window it is more inclined to repeat itself. Hence the floor, the token limit and the retries here.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from services.stt.adapters.phrases import is_invented

FULL_WINDOW_S = 30.0
"""What Whisper was trained on; the last resort."""
SHORTEST_WINDOW_S = 12.0
LONGEST_SPEECH_S = 29.0
"""Longer sound does not fit one window with its margin."""
MARGIN_S = 1.0
TOKENS_AT_LEAST = 8
TOKENS_PER_SECOND = 7
"""Fast English is 5 words, about 6.5 tokens, a second."""
TOKENS_AT_MOST = 220
"""Whisper's decoder holds 448 positions, of which its authors leave half to the answer."""
REPETITIVE = 2.4
"""Compression ratio above which Whisper's authors take a text for a loop."""
UNSURE = -0.7
"""Average log probability below which an answer of several words deserves a look at the full window."""
UNSURE_FROM_TOKENS = 6
"""The average over fewer tokens says little: good one-word answers reach -1.2."""

_NO_SPEECH_ALONE = 0.6
_NO_SPEECH_JOINT = 0.85
_DOUBT_WEIGHT = 0.4


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one decoding pass gave."""

    tokens: tuple[int, ...]
    text: str
    avg_logprob: float
    """Natural logarithm, per token and the end mark."""
    no_speech_prob: float
    window_s: float
    limit: int
    """The most tokens it was allowed."""


def windows(seconds: float) -> tuple[float, ...]:
    """Encoder windows to try in turn for `seconds` of sound, in steps of the encoder's 20 ms."""
    first = min(FULL_WINDOW_S, max(SHORTEST_WINDOW_S, _whole_steps(seconds + MARGIN_S)))
    second = min(FULL_WINDOW_S, _whole_steps(first * 1.5))
    return tuple(sorted({first, second, FULL_WINDOW_S}))


def token_limit(seconds: float, attempt: int = 0) -> int:
    """Most tokens for `seconds` of sound; doubled with every further attempt, since some speech is denser."""
    return min(TOKENS_AT_MOST, int(TOKENS_AT_LEAST + TOKENS_PER_SECOND * seconds) << attempt)


def is_silent(no_speech_prob: float, avg_logprob: float) -> bool:
    """Whether the two numbers together say that nobody spoke.

    Measured with tiny.en and base on kitchen noise, white noise, hum, tones and clicks against 50 single words,
    40 commands and both under noise at 10 and 0 dB: speech stays below 0.53 in the first number alone and below
    0.81 in the weighted sum, while invented text lies above one or the other, but for one in thirty.
    """
    return no_speech_prob > _NO_SPEECH_ALONE or doubt(no_speech_prob, avg_logprob) > _NO_SPEECH_JOINT


def doubt(no_speech_prob: float, avg_logprob: float) -> float:
    """The weighted sum of both numbers."""
    return no_speech_prob - _DOUBT_WEIGHT * avg_logprob


def is_unspoken(text: str, no_speech_prob: float, avg_logprob: float) -> bool:
    """Whether nobody spoke, or nobody said this."""
    return is_silent(no_speech_prob, avg_logprob) or is_invented(text, doubt(no_speech_prob, avg_logprob))


def repeats(items: Sequence[object]) -> bool:
    """Whether some stretch of `items` is said over and over: one item 5 times on end, two 4, three 3, longer twice."""
    return any(_run_of(items, size, times) is not None for size, times in _loops(len(items)))


def compression_ratio(text: str) -> float:
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw)) if raw else 0.0


def is_runaway(attempt: Attempt) -> bool:
    """Whether the decoder did not find the end, or went round in circles."""
    return (
        len(attempt.tokens) >= attempt.limit or repeats(attempt.tokens) or compression_ratio(attempt.text) > REPETITIVE
    )


def next_window(tried: Sequence[Attempt], seconds: float) -> float | None:
    """The window to try after `tried` (not empty), or None when its last attempt will do or no window is left.

    A repetition that a second window hears in the same words was really said. Doubt goes straight to the full
    window, because a slightly longer one rarely dispels it.
    """
    last = tried[-1]
    if is_silent(last.no_speech_prob, last.avg_logprob):
        return None
    left = [window for window in windows(seconds) if window > last.window_s]
    if not left:
        return None
    if is_runaway(last):
        confirmed = len(tried) > 1 and tried[-2].text == last.text and len(last.tokens) < last.limit
        return None if confirmed else left[0]
    if last.avg_logprob < UNSURE and len(last.tokens) >= UNSURE_FROM_TOKENS:
        return FULL_WINDOW_S
    return None


def best(tried: Sequence[Attempt]) -> Attempt:
    """The attempt to believe: the last when it was confirmed or heard silence, else the surest that is no runaway."""
    last = tried[-1]
    if is_silent(last.no_speech_prob, last.avg_logprob) or (len(tried) > 1 and tried[-2].text == last.text):
        return last
    sound = [attempt for attempt in tried if not is_runaway(attempt)]
    return max(sound, key=lambda attempt: attempt.avg_logprob) if sound else last


def without_loops(tokens: Sequence[int]) -> list[int]:
    """`tokens` with every stretch that `repeats` would complain of left in once."""
    kept = list(tokens)
    for size, times in _loops(len(kept)):
        while (start := _run_of(kept, size, times)) is not None:
            end = start + size
            while kept[end : end + size] == kept[start : start + size]:
                del kept[end : end + size]
    return kept


def _loops(length: int) -> list[tuple[int, int]]:
    """Sizes of a repeated stretch with the number of times that makes it a loop."""
    return [(size, max(2, 6 - size)) for size in range(1, length // 2 + 1)]


def _run_of(items: Sequence[object], size: int, times: int) -> int | None:
    """Where the first stretch of `size` items begins that is repeated `times` times on end; None if there is none."""
    run = 0
    for index in range(size, len(items)):
        run = run + 1 if items[index] == items[index - size] else 0
        if run >= size * (times - 1):
            return index - size * times + 1
    return None


def _whole_steps(seconds: float) -> float:
    return math.ceil(round(seconds * 50, 6)) / 50
