"""Sound files, good and bad: each is decoded, or refused in one line."""

from __future__ import annotations

import io
import struct
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from solo import sound
from solo.sound import BadSoundFile, read_pcm, write_wav

RATE = 16_000
TONE = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE).astype(np.float32) * 0.5


def encoded(samples: np.ndarray, rate: int = RATE, subtype: str = "PCM_16", form: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype=subtype, format=form)
    return file.getvalue()


def at(rate: int) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)).astype(np.float32)


def header(
    *, channels: int = 1, rate: int = RATE, bits: int = 16, kind: int = 1, data: bytes = b"", size: int | None = None
) -> bytes:
    block = max(1, channels * bits // 8) & 0xFFFF
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, kind, channels, rate, (rate * block) & 0xFFFFFFFF, block, bits)
    body = b"WAVE" + form + struct.pack("<4sI", b"data", len(data) if size is None else size) + data
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def with_value(value: float) -> bytes:
    samples = TONE.copy()
    samples[100:200] = value
    return encoded(samples, subtype="FLOAT")


GOOD: dict[str, tuple[Callable[[], bytes], float]] = {
    "16-bit mono 16 kHz": (lambda: encoded(TONE), 1.0),
    "8-bit": (lambda: encoded(TONE, subtype="PCM_U8"), 1.0),
    "24-bit": (lambda: encoded(TONE, subtype="PCM_24"), 1.0),
    "32-bit": (lambda: encoded(TONE, subtype="PCM_32"), 1.0),
    "float": (lambda: encoded(TONE, subtype="FLOAT"), 1.0),
    "double": (lambda: encoded(TONE, subtype="DOUBLE"), 1.0),
    "a-law": (lambda: encoded(TONE, subtype="ALAW"), 1.0),
    "stereo 48 kHz": (lambda: encoded(np.stack([at(48_000)] * 2, axis=1), 48_000), 1.0),
    "44.1 kHz": (lambda: encoded(at(44_100), 44_100), 1.0),
    "8 kHz": (lambda: encoded(at(8_000), 8_000), 1.0),
    "six channels": (lambda: encoded(np.stack([TONE] * 6, axis=1)), 1.0),
    "flac": (lambda: encoded(TONE, form="FLAC"), 1.0),
    "ogg": (lambda: encoded(TONE, subtype="VORBIS", form="OGG"), 1.0),
    "too loud": (lambda: encoded(TONE * 8, subtype="FLOAT"), 1.0),
    "NaN inside": (lambda: with_value(float("nan")), 1.0),
    "infinity inside": (lambda: with_value(float("inf")), 1.0),
    "minus infinity inside": (lambda: with_value(float("-inf")), 1.0),
}

ODD: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "one byte": lambda: b"R",
    "one sample": lambda: encoded(TONE[:1]),
    "one sample at 48 kHz": lambda: encoded(TONE[:1], 48_000),
    "no samples": lambda: encoded(TONE[:0]),
    "header only": lambda: encoded(TONE)[:44],
    "half a header": lambda: encoded(TONE)[:20],
    "truncated": lambda: encoded(TONE)[:9999],
    "all NaN": lambda: encoded(np.full(RATE, np.nan, dtype=np.float32), subtype="FLOAT"),
    "65535 channels": lambda: header(channels=65_535, data=bytes(2 * 65_535)),
    "65 channels": lambda: encoded(np.stack([TONE[:100]] * 65, axis=1)),
    "no channels": lambda: header(channels=0, data=bytes(100)),
    "rate 0": lambda: header(rate=0, data=bytes(100)),
    "rate 1": lambda: header(rate=1, data=bytes(100)),
    "rate of four billion": lambda: header(rate=0xFFFFFFFF, data=bytes(100)),
    "0 bits": lambda: header(bits=0, data=bytes(100)),
    "odd bits": lambda: header(bits=13, data=bytes(100)),
    "unknown codec": lambda: header(kind=0x4242, data=bytes(100)),
    "data said to be huge": lambda: header(data=bytes(100), size=0xFFFFFFFF),
    "data of an odd length": lambda: header(data=bytes(101)),
    "longer than half an hour": lambda: encoded(np.zeros(1801 * 1000, dtype=np.float32), 1000, "PCM_U8"),
    "text": lambda: b"This is no sound at all.\n" * 100,
    "zeros": lambda: bytes(10_000),
    "a picture": lambda: b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 10,
    "an mp3 tag": lambda: b"ID3\x04\x00\x00\x00\x00\x00\x00" + bytes(1000),
    "a flac that breaks off": lambda: encoded(TONE, form="FLAC")[:1000],
    "an ogg that breaks off": lambda: encoded(TONE, subtype="VORBIS", form="OGG")[:1000],
}


def decoded(path: Path) -> np.ndarray:
    return np.frombuffer(read_pcm(path), dtype="<i2")


@pytest.mark.parametrize("name", GOOD)
def test_good_sound_is_decoded(name: str, tmp_path: Path) -> None:
    make, seconds = GOOD[name]
    path = tmp_path / "sound"
    path.write_bytes(make())
    samples = decoded(path)
    assert abs(len(samples) - seconds * RATE) <= 2
    # It is still a tone of 440 Hz.
    spectrum = np.abs(np.fft.rfft(samples.astype(np.float64)))
    assert abs(int(spectrum.argmax()) - 440) <= 1
    assert np.abs(samples.astype(np.int32)).max() > 10_000


@pytest.mark.parametrize("name", ODD)
def test_odd_sound_is_decoded_or_refused_in_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(ODD[name]())
    try:
        pcm = read_pcm(path)
    except BadSoundFile as error:
        line = error.line()
        assert "\n" not in line
        assert str(path) in line
        assert line.endswith("[sound.bad_file]")
        assert error.hint
    else:
        assert isinstance(pcm, bytes)
        assert len(pcm) % 2 == 0
        assert pcm


@pytest.mark.parametrize(
    "name",
    [
        "empty",
        "no samples",
        "header only",
        "65535 channels",
        "65 channels",
        "rate 0",
        "longer than half an hour",
        "text",
        "zeros",
    ],
)
def test_what_cannot_be_sound_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(ODD[name]())
    with pytest.raises(BadSoundFile):
        read_pcm(path)


def test_every_sample_of_a_16_bit_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "ramp.wav"
    ramp = np.arange(-32_768, 32_767, 7, dtype=np.int16)
    path.write_bytes(encoded(ramp))
    assert np.abs(decoded(path).astype(int) - ramp).max() <= 1


def test_stereo_is_the_mean_of_both(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    path.write_bytes(encoded(np.stack([TONE, -TONE], axis=1)))
    assert np.abs(decoded(path).astype(int)).max() <= 1


@pytest.mark.parametrize("kind", ["missing", "directory", "device"])
def test_what_is_no_file(kind: str, tmp_path: Path) -> None:
    path = {"missing": tmp_path / "nowhere.wav", "directory": tmp_path, "device": Path("/dev/zero")}[kind]
    with pytest.raises(BadSoundFile, match="there is no sound file"):
        read_pcm(path)


class TestWriting:
    def test_is_read_back(self, tmp_path: Path) -> None:
        path = tmp_path / "out.wav"
        pcm = (TONE * 32767).astype("<i2").tobytes()
        write_wav(path, pcm, 22_050)
        with wave.open(str(path)) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 22_050)
            assert file.readframes(file.getnframes()) == pcm

    def test_where_it_cannot_is_one_line(self, tmp_path: Path) -> None:
        with pytest.raises(BadSoundFile, match="cannot write") as caught:
            write_wav(tmp_path / "nowhere" / "out.wav", b"", 16_000)
        assert "--out" in caught.value.hint


def test_the_daemon_can_import_it_without_numpy() -> None:
    assert not {"np", "numpy", "soundfile", "soxr"} & set(vars(sound))
