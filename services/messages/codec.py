"""Sound files into samples, and samples into sound files."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from solo.bus import Request

SoundFormat = Literal["mp3", "opus", "aac", "flac", "pcm"]
"""opus comes in Ogg, aac as an ADTS stream, pcm as s16le mono 24 kHz without a header."""


SampleForm = Literal["pcm", "pcmu", "pcma"]
"""pcm is s16le; pcmu and pcma are G.711, a byte a sample (mu-law and A-law)."""


class SoundPiece(BaseModel):
    """A stretch of a longer sound, cut where it is quiet."""

    model_config = ConfigDict(frozen=True)

    start: float
    """Seconds from the beginning of the whole sound."""
    pcm: bytes
    """s16le mono 16 kHz."""


class DecodedSound(BaseModel):
    """What was in a sound file."""

    model_config = ConfigDict(frozen=True)

    seconds: float
    """Length of the whole."""
    pieces: tuple[SoundPiece, ...]
    """In order, without gaps."""


class DecodeSound(Request[DecodedSound]):
    """What sound is in this file?"""

    content: bytes
    """WAV, FLAC, Ogg (Opus, Vorbis, FLAC), MP3, AAC, MP4/M4A, WebM/Matroska; what it is shows from its content."""
    piece_s: float = Field(default=28.0, ge=1, le=120)
    """Longest piece, seconds."""


class EncodeSound(Request[bytes]):
    """The next bytes of a sound file that is made while its sound is; may be none yet."""

    session: str
    """Names the file; what belongs to it comes in order, one question after the other."""
    format: SoundFormat
    """Of the file."""
    sample_rate: int = Field(ge=8_000, le=48_000)
    """Hz of `pcm`; the file has the rate that suits its format."""
    pcm: bytes
    """s16le mono; may be empty."""
    first: bool = False
    """Begins the file."""
    last: bool = False
    """Ends it: what the encoder still holds comes out."""


class ConvertSound(Request[bytes]):
    """Raw samples of somebody else's as Solo has them, piece by piece: s16le mono 16 kHz; may be none yet."""

    session: str
    """Names the sound; what belongs to it comes in order, one question after the other."""
    rate: int = Field(ge=4_000, le=192_000)
    """Hz of `pcm`."""
    width: int = Field(ge=1, le=4)
    """Bytes of a sample of `pcm`: little-endian, signed unless it is one byte."""
    channels: int = Field(ge=1, le=8)
    """Interleaved in `pcm`; they are mixed into one."""
    pcm: bytes
    """The next piece, cut anywhere; may be empty."""
    last: bool = False
    """Ends it: what is still held back comes out."""


class ResampleSound(Request[bytes]):
    """The next samples of a sound that comes in at one rate and goes on at another; a few are held back meanwhile."""

    session: str
    """Names the sound; what belongs to it comes in order, one question after the other."""
    pcm: bytes
    """Mono samples in the form `form`; may be empty."""
    form: SampleForm = "pcm"
    """Of what comes."""
    rate: int = Field(ge=8_000, le=48_000)
    """Hz of what comes."""
    to_form: SampleForm = "pcm"
    """Of the answer."""
    to_rate: int = Field(ge=8_000, le=48_000)
    """Hz of the answer."""
    first: bool = False
    """Begins the sound."""
    last: bool = False
    """Ends it: what was held back comes out."""
