"""Reads a sound file as s16le mono. Decodes foreign bytes: for commands and engine children, never for the daemon."""

from __future__ import annotations

import wave
from pathlib import Path

from solo.errors import SoloError

SAMPLE_RATE = 16_000
MOST_SECONDS = 1800
MOST_CHANNELS = 64


class BadSoundFile(SoloError):
    """The file holds no sound that can be used."""

    code = "sound.bad_file"


def read_pcm(path: Path) -> bytes:
    """The file as s16le mono 16 kHz, whatever its rate, width and channels. Raises BadSoundFile."""
    import numpy as np  # not at the top: commands that need no sound start without it
    import soundfile
    import soxr

    hint = "Give a WAV or FLAC file with speech, such as 16-bit PCM."
    if not path.is_file():
        raise BadSoundFile(f"there is no sound file {path}", hint="Check the path.")
    if path.stat().st_size == 0:
        raise BadSoundFile(f"{path} is empty", hint=hint)
    try:
        with soundfile.SoundFile(path) as file:
            if not 0 < file.channels <= MOST_CHANNELS or not 1000 <= file.samplerate <= 768_000:
                raise BadSoundFile(
                    f"{path} says it has {file.channels} channels at {file.samplerate} Hz, which cannot be right",
                    hint=hint,
                )
            if file.frames > MOST_SECONDS * file.samplerate:
                raise BadSoundFile(f"{path} is longer than {MOST_SECONDS // 60} minutes", hint="Cut it first.")
            samples = file.read(dtype="float32", always_2d=True)
            rate = file.samplerate
    except (soundfile.LibsndfileError, OSError, ValueError, MemoryError) as error:
        raise BadSoundFile(f"{path} cannot be read as sound: {_reason(error)}", hint=hint) from error
    mono = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0).mean(axis=1)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE)
    if len(mono) == 0:
        raise BadSoundFile(f"{path} holds no samples", hint=hint)
    pcm: bytes = (np.clip(mono, -1.0, 1.0) * 32767).astype("<i2").tobytes()
    return pcm


def write_wav(path: Path, pcm: bytes, sample_rate: int) -> None:
    """s16le mono into a WAV file."""
    try:
        with path.open("wb") as raw, wave.open(raw, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(sample_rate)
            file.writeframes(pcm)
    except OSError as error:
        raise BadSoundFile(f"cannot write {path}: {error.strerror}", hint="Choose another place with --out.") from error


def _reason(error: BaseException) -> str:
    return str(error).rpartition(": ")[2].rstrip(".") or type(error).__name__
