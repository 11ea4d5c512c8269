"""Where the bytes of a recording are: a few long sounds, which its lines point into."""

from __future__ import annotations

import io
import wave
from collections.abc import Mapping
from typing import Any

from solo.bus import Message

REFERENCE = "$sound"
"""`{"$sound": [name, first byte, number of bytes]}` stands for bytes."""
HEARD = "heard"
"""What came in: 16 kHz."""
OTHER = "other"
"""Bytes that are part of no other sound."""
HEARD_RATE = 16_000


class Sounds:
    """Grows while a recording is written; each sound is kept once."""

    def __init__(self) -> None:
        self.books: dict[str, bytearray] = {}
        self._known: dict[bytes, tuple[str, int]] = {}

    def keep(self, pcm: bytes, owner: Any) -> dict[str, list[Any]]:
        """A reference to these bytes, which `owner` (a message, or a part of one) holds."""
        if not pcm:
            return {REFERENCE: [OTHER, 0, 0]}
        rate = getattr(owner, "sample_rate", None)
        if isinstance(rate, int):
            return self._kept(pcm, f"spoken-{rate}")
        if isinstance(owner, Message) and hasattr(owner, "source"):
            heard = self.books.setdefault(HEARD, bytearray())
            if type(owner).__name__ == "SoundCaptured":
                heard += pcm
                return {REFERENCE: [HEARD, len(heard) - len(pcm), len(pcm)]}
        return self._kept(pcm, OTHER)

    def _kept(self, pcm: bytes, name: str) -> dict[str, list[Any]]:
        known = self._known.get(pcm)
        if known is None:
            at = self.books[HEARD].find(pcm) if name == OTHER and HEARD in self.books else -1
            if at >= 0:
                known = (HEARD, at)
            else:
                book = self.books.setdefault(name, bytearray())
                known = (name, len(book))
                book += pcm
            self._known[pcm] = known
        return {REFERENCE: [known[0], known[1], len(pcm)]}


def as_wav(name: str, pcm: bytes | bytearray) -> bytes:
    """So that people can listen to it."""
    rate = int(name.rpartition("-")[2]) if name.startswith("spoken-") else HEARD_RATE
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(bytes(pcm))
    return file.getvalue()


def from_wav(content: bytes) -> bytes:
    """Raises wave.Error or EOFError."""
    with wave.open(io.BytesIO(content), "rb") as sound:
        return sound.readframes(sound.getnframes())


def with_sounds(value: Any, books: Mapping[str, bytes]) -> Any:
    """References replaced by the bytes that they mean. Raises LookupError or ValueError."""
    if isinstance(value, dict):
        if set(value) == {REFERENCE}:
            name, at, length = value[REFERENCE]
            pcm = books[name][at : at + length] if length else b""
            if len(pcm) != length:
                raise ValueError(f"the sound {name} is too short")
            return pcm
        return {key: with_sounds(each, books) for key, each in value.items()}
    if isinstance(value, list):
        return [with_sounds(each, books) for each in value]
    return value
