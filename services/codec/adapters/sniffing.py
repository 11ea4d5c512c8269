"""What kind of sound file this is, by its first bytes; what is none is named."""

from __future__ import annotations

from services.codec.engine import SoundUnreadable

_SOUNDS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"RIFF", "wav"),
    (0, b"RIFX", "wav"),
    (0, b"RF64", "wav"),
    (0, b"fLaC", "flac"),
    (0, b"OggS", "ogg"),
    (4, b"ftyp", "mov"),
    (0, b"\x1aE\xdf\xa3", "matroska"),
    (0, b"ID3", "mp3"),
)
"""Offset and bytes there, and FFmpeg's name of the demuxer."""
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"%PDF", "a PDF document"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)
_HINT = "Send WAV, FLAC, Ogg, MP3, AAC, M4A or WebM."


def kind_of(content: bytes) -> str:
    """FFmpeg's name of the one demuxer that may read it. Raises `SoundUnreadable`.

    Never left to FFmpeg: among its demuxers are play lists, which read whatever file they name.
    """
    if not content:
        raise SoundUnreadable("The file is empty.", hint=_HINT)
    for offset, mark, kind in _SOUNDS:
        if content[offset : offset + len(mark)] == mark:
            if kind == "wav" and content[8:12] != b"WAVE":
                raise SoundUnreadable("The file is no sound but another RIFF file.", hint=_HINT)
            return "aac" if kind == "mp3" and _is_adts(_behind_id3(content)) else kind
    if _is_adts(content):
        return "aac"
    if len(content) > 1 and content[0] == 0xFF and content[1] & 0xE0 == 0xE0:
        return "mp3"
    for mark, what in _OTHERS:
        if content.startswith(mark):
            raise SoundUnreadable(f"The file is no sound but {what}.", hint=_HINT)
    raise SoundUnreadable("The file is of no sound format that Solo knows.", hint=_HINT)


def _is_adts(head: bytes) -> bool:
    """AAC's frames differ from MP3's in the two bits of the layer, which are 0 in AAC."""
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0


def _behind_id3(content: bytes) -> bytes:
    """The bytes behind an ID3v2 tag, whose length is four times seven bits."""
    if len(content) < 10:
        return b""
    length = 0
    for byte in content[6:10]:
        length = length << 7 | byte & 0x7F
    return content[10 + length : 12 + length]
