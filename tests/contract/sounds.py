"""Sound files that are well, and some 150 that are not: the same on every run."""

from __future__ import annotations

import math
import random
import struct
from array import array
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any

RATE = 16_000
U32 = 0xFFFFFFFF


def tone(seconds: float, hertz: float = 440.0, rate: int = RATE) -> bytes:
    """s16le mono."""
    step = 2 * math.pi * hertz / rate
    return array("h", (int(8_000 * math.sin(step * n)) for n in range(round(seconds * rate)))).tobytes()


def wav(
    data: bytes,
    *,
    tag: int = 1,
    channels: int = 1,
    rate: int = RATE,
    bits: int = 16,
    align: int | None = None,
    data_size: int | None = None,
    riff_size: int | None = None,
    before: bytes = b"",
) -> bytes:
    """A WAV file whose header says what it is told to; `before`: chunks between the header and the sound."""
    align = channels * bits // 8 if align is None else align
    form = struct.pack("<HHIIHH", tag, channels & 0xFFFF, rate & U32, rate * align & U32, align & 0xFFFF, bits)
    head = b"WAVE" + b"fmt " + struct.pack("<I", len(form)) + form + before
    head += b"data" + struct.pack("<I", len(data) if data_size is None else data_size)
    return b"RIFF" + struct.pack("<I", len(head) + len(data) if riff_size is None else riff_size) + head + data


@cache
def encoded(container: str, codec: str, rate: int = 48_000, seconds: float = 1.0, channels: int = 1) -> bytes:
    """A sound file as FFmpeg makes it."""
    import av
    import numpy as np

    sink = BytesIO()
    layout = "mono" if channels == 1 else "stereo"
    with av.open(sink, "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=rate, layout=layout)
        samples = np.frombuffer(tone(seconds, rate=rate), "<i2")[None].repeat(channels, axis=1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="s16", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return sink.getvalue()


FORMATS: dict[str, tuple[str, str, int]] = {
    "wav": ("wav", "pcm_s16le", 44_100),
    "wav float": ("wav", "pcm_f32le", 48_000),
    "wav 24 bit": ("wav", "pcm_s24le", 96_000),
    "wav a-law": ("wav", "pcm_alaw", 8_000),
    "flac": ("flac", "flac", 44_100),
    "ogg opus": ("ogg", "libopus", 48_000),
    "ogg flac": ("ogg", "flac", 44_100),
    "mp3": ("mp3", "libmp3lame", 44_100),
    "m4a": ("ipod", "aac", 44_100),
    "aac": ("adts", "aac", 44_100),
    "webm": ("webm", "libopus", 48_000),
}
"""Container, codec and rate by name."""


@dataclass(frozen=True)
class Hostile:
    name: str
    content: bytes
    never: bool = True
    """It can only be refused; otherwise what little sound is in it may be taken, but nothing else may happen."""


def hostile() -> list[Hostile]:
    return [*_headers(), *_chunks(), *_others(), *_broken()]


def _headers() -> list[Hostile]:
    sound = tone(0.3)
    found = [
        Hostile("no sound", wav(b"")),
        Hostile("half a sample", wav(b"\x01")),
        Hostile("10 h without sound", wav(b"", data_size=10 * 3600 * 2 * RATE)),
        Hostile("rate 0", wav(sound, rate=0)),
        Hostile("rate 1", wav(sound, rate=1)),
        Hostile("rate 2^32-1", wav(sound, rate=U32)),
        Hostile("rate 2^31-1", wav(sound, rate=2**31 - 1)),
        Hostile("no channel", wav(sound, channels=0, align=2)),
        Hostile("65535 channels", wav(sound, channels=65_535, align=2)),
        Hostile("1000 channels", wav(sound, channels=1_000, align=2_000)),
        Hostile("0 bits", wav(sound, bits=0, align=2), never=False),
        Hostile("a codec of 16 bits that is none", wav(sound, tag=0xBEEF)),
        Hostile("a hidden MPEG picture", wav(sound, tag=0x10)),
        Hostile("WMA", wav(sound, tag=0x161)),
    ]
    found += [Hostile(f"data size {size:#x}", wav(sound, data_size=size), never=False)
              for size in (0, 1, 3, len(sound) - 1, len(sound) + 1, 2**31 - 1, 2**31, U32 - 1, U32)]  # fmt: skip
    found += [Hostile(f"RIFF size {size:#x}", wav(sound, riff_size=size), never=False) for size in (0, 1, 36, U32)]
    found += [Hostile(f"align {align}", wav(sound, align=align), never=False) for align in (0, 1, 3, 7, 65_535)]
    found += [Hostile(f"bits {bits}", wav(sound, bits=bits), never=False) for bits in (1, 7, 12, 31, 64, 65_535)]
    found += [Hostile(f"ADPCM {tag:#x}", wav(sound, tag=tag, bits=4, align=align), never=False)
              for tag in (2, 0x11, 0x69, 0x61, 0x62) for align in (0, 1, 36, 256)]  # fmt: skip
    for bits, name in ((32, "f"), (64, "d")):
        for value in (math.nan, math.inf, -math.inf, 1e30):
            samples = array(name, [value if n % 3 else 0.1 for n in range(4_800)]).tobytes()
            found.append(Hostile(f"{value} in {bits} bits", wav(samples, tag=3, bits=bits), never=False))
    return found


def _chunks() -> list[Hostile]:
    sound = tone(0.1)
    empty = struct.pack("<4sI", b"junk", 0)
    huge = struct.pack("<4sI", b"junk", U32)
    return [
        Hostile("100 000 empty chunks", wav(sound, before=empty * 100_000), never=False),
        Hostile("a chunk without end", wav(sound, before=huge)),
        Hostile(
            "a chunk that points at itself", wav(sound, before=struct.pack("<4sI", b"LIST", 2**32 - 8)), never=False
        ),
        Hostile("a header in a header", wav(wav(sound)), never=False),
        Hostile("two formats", wav(sound, before=wav(b"")[12:36]), never=False),
        Hostile("chunks alone", b"RIFF" + struct.pack("<I", U32) + b"WAVE" + empty * 10_000),
        Hostile("no format", b"RIFF" + struct.pack("<I", U32) + b"WAVEdata" + struct.pack("<I", U32) + sound),
        Hostile("another RIFF file", b"RIFF" + struct.pack("<I", 100) + b"AVI " + sound),
        Hostile(
            "tags of 1 MB",
            wav(sound, before=struct.pack("<4sI", b"LIST", 1 << 20) + b"INFO" + bytes((1 << 20) - 4)),
            never=False,
        ),
    ]


def _others() -> list[Hostile]:
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"
    contents = {
        "nothing": b"",
        "one byte": b"R",
        "PNG": b"\x89PNG\r\n\x1a\n" + bytes(500),
        "JPEG": b"\xff\xd8\xff\xe0" + bytes(500),
        "ZIP": b"PK\x03\x04" + bytes(500),
        "PDF": b"%PDF-1.7\n" + bytes(500),
        "ELF": b"\x7fELF" + bytes(500),
        "text": b"What is the capital of France?\n" * 20,
        "a play list": playlist,
        "a concat list": b"ffconcat version 1.0\nfile /etc/hostname\n",
        "a play list as MP3": b"ID3\x04\x00\x00\x00\x00\x00\x00" + playlist,
        "a session description": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n",
        "zeros": bytes(100_000),
        "a tag without sound": b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f",
        "Ogg of zeros": b"OggS" + bytes(5_000),
        "FLAC of zeros": b"fLaC" + bytes(5_000),
        "MP4 of zeros": b"\x00\x00\x00\x18ftypM4A " + bytes(5_000),
        "MP4 of boxes without end": b"\x00\x00\x00\x18ftypM4A " + struct.pack(">I4s", 8, b"moov") * 10_000,
        "WebM of zeros": b"\x1aE\xdf\xa3" + bytes(5_000),
        "AAC alone": b"\xff\xf1" + bytes(5_000),
        "MP3 sync alone": b"\xff\xfb" + bytes(5_000),
    }
    return [Hostile(name, content) for name, content in contents.items()]


def _broken() -> list[Hostile]:
    """Good files cut short, and with some bytes thrown."""
    dice = random.Random(7)
    found = []
    for name, (container, codec, rate) in FORMATS.items():
        good = encoded(container, codec, rate, 0.5)
        found += [Hostile(f"{name} cut at {share}", good[: int(len(good) * share)], never=False)
                  for share in (0.02, 0.3, 0.7)]  # fmt: skip
        for throw in range(3):
            damaged = bytearray(good)
            for _ in range(1 + len(good) // (20, 200, 2_000)[throw]):
                damaged[dice.randrange(4, len(good))] = dice.randrange(256)
            found.append(Hostile(f"{name} thrown {throw}", bytes(damaged), never=False))
    return found
