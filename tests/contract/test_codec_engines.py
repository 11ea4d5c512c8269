"""What every engine for sound files promises, asked of the fake and of the real one."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest

from services.codec.adapters.fake import FakeCodec
from services.codec.adapters.pyav import PyAV
from services.codec.engine import PCM_RATE, CodecEngine, SessionLost, SoundTooLong, SoundUnreadable
from solo.errors import SoloError
from solo.isolation.call import Call
from solo.isolation.engine import BadEngineInput, EngineError
from tests.contract.sounds import FORMATS, RATE, Hostile, encoded, hostile, tone, wav

MAKERS: dict[str, Callable[..., CodecEngine]] = {"fake": FakeCodec, "pyav": PyAV}


@dataclass(frozen=True)
class Loaded:
    engine: CodecEngine
    info: dict[str, Any]
    make: Callable[..., CodecEngine]

    def decode(self, content: bytes, piece_s: float = 28.0) -> list[Any]:
        return list(self.engine.decode(Call(), content, piece_s))

    def encode(self, pcm: bytes, *, session: str = "a", format: str = "pcm", rate: int = RATE, **at: bool) -> bytes:
        order = {"first": False, "last": False} | at
        return self.engine.encode(Call(), session, format, rate, pcm, **order)


@pytest.fixture(scope="module", params=MAKERS)
def codec(request: pytest.FixtureRequest) -> Loaded:
    engine = MAKERS[request.param]()
    return Loaded(engine, engine.load(), MAKERS[request.param])


@pytest.fixture(scope="module")
def pyav() -> Loaded:
    engine = PyAV()
    return Loaded(engine, engine.load(), PyAV)


class TestCodecEngine:
    def test_load_says_what_it_is(self, codec: Loaded) -> None:
        assert all(isinstance(codec.info[key], str) and codec.info[key] for key in ("engine", "model"))

    def test_what_went_in_comes_out(self, codec: Loaded) -> None:
        pcm = tone(1.5)
        assert codec.decode(wav(pcm)) == [{"start": 0.0, "pcm": pcm}]

    def test_long_sound_comes_in_pieces_without_gaps(self, codec: Loaded) -> None:
        pcm = tone(5)
        pieces = codec.decode(wav(pcm), 2.0)
        assert b"".join(piece["pcm"] for piece in pieces) == pcm
        at = 0
        for piece in pieces:
            assert piece["start"] == pytest.approx(at / 2 / RATE)
            assert 0 < len(piece["pcm"]) <= 2 * 2 * RATE
            at += len(piece["pcm"])

    @pytest.mark.parametrize("content", [b"", b"What is the capital of France?", wav(b"")])
    def test_what_is_no_sound_is_refused(self, codec: Loaded, content: bytes) -> None:
        with pytest.raises(SoundUnreadable) as refused:
            codec.decode(content)
        assert refused.value.hint

    def test_too_long_a_sound_is_refused(self, codec: Loaded) -> None:
        short = codec.make(most_s=1.0)
        short.load()
        assert list(short.decode(Call(), wav(tone(0.9)), 28.0))
        with pytest.raises(SoundTooLong):
            list(short.decode(Call(), wav(tone(1.1)), 28.0))

    def test_an_asker_who_leaves_gets_no_part(self, codec: Loaded) -> None:
        call = Call()
        pieces = codec.engine.decode(call, wav(tone(60)), 2.0)
        next(pieces)
        call.cancel()
        with pytest.raises(EngineError):
            list(pieces)

    @pytest.mark.parametrize("format", ["pcm", "mp3", "opus", "aac", "flac"])
    def test_a_file_is_made_piece_by_piece(self, codec: Loaded, format: str) -> None:
        made = codec.encode(tone(1), format=format, first=True)
        made += codec.encode(tone(1), format=format)
        assert made
        made += codec.encode(b"", format=format, last=True)
        with pytest.raises(SessionLost):
            codec.encode(tone(1), format=format)

    @pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 48_000])
    def test_pcm_has_one_rate(self, codec: Loaded, rate: int) -> None:
        made = codec.encode(tone(0.5, rate=rate), rate=rate, first=True)
        made += codec.encode(tone(0.5, rate=rate), rate=rate, last=True)
        assert len(made) / 2 / PCM_RATE == pytest.approx(1.0, abs=0.01)

    def test_files_made_side_by_side_stay_apart(self, codec: Loaded) -> None:
        one = codec.encode(tone(0.2), session="one", first=True)
        two = codec.encode(tone(0.4), session="two", first=True)
        one += codec.encode(b"", session="one", last=True)
        two += codec.encode(b"", session="two", last=True)
        assert len(two) == pytest.approx(2 * len(one), rel=0.02)

    def test_beginning_again_forgets_what_was(self, codec: Loaded) -> None:
        codec.encode(tone(3), first=True)
        made = codec.encode(tone(0.2), first=True) + codec.encode(b"", last=True)
        assert len(made) / 2 / PCM_RATE == pytest.approx(0.2, abs=0.01)

    def test_what_cannot_be_made_is_refused(self, codec: Loaded) -> None:
        with pytest.raises(BadEngineInput):
            codec.encode(tone(0.1), format="mp4", first=True)
        with pytest.raises(BadEngineInput):
            codec.encode(b"\x00", first=True)
        with pytest.raises(SessionLost):
            codec.encode(tone(0.1), session="never begun")


class TestPyAV:
    @pytest.mark.parametrize("name", FORMATS)
    def test_it_reads(self, pyav: Loaded, name: str) -> None:
        container, kind, rate = FORMATS[name]
        pcm = b"".join(piece["pcm"] for piece in pyav.decode(encoded(container, kind, rate)))
        assert len(pcm) / 2 / RATE == pytest.approx(1.0, abs=0.12)
        assert 4_000 < max(map(abs, array("h", pcm))) < 16_000
        assert crossings(pcm) == pytest.approx(880, rel=0.15)

    def test_two_channels_become_one(self, pyav: Loaded) -> None:
        (piece,) = pyav.decode(encoded("wav", "pcm_s16le", 44_100, channels=2))
        assert len(piece["pcm"]) / 2 / RATE == pytest.approx(1.0, abs=0.01)

    @pytest.mark.parametrize("format", ["mp3", "opus", "aac", "flac"])
    def test_it_reads_what_it_made(self, pyav: Loaded, format: str) -> None:
        made = pyav.encode(tone(1, rate=22_050), rate=22_050, format=format, first=True)
        early = len(made)
        made += pyav.encode(tone(1, rate=22_050), rate=22_050, format=format, last=True)
        assert early > len(made) / 4, "sound is sent while it is made"
        (piece,) = pyav.decode(made)
        assert len(piece["pcm"]) / 2 / RATE == pytest.approx(2.0, abs=0.12)
        assert crossings(piece["pcm"]) == pytest.approx(2 * 880, rel=0.1)

    def test_pieces_end_where_it_is_quiet(self, pyav: Loaded) -> None:
        pcm = tone(6) + bytes(2 * RATE) + tone(6)
        first, _ = pyav.decode(wav(pcm), 10.0)
        assert 6.0 < len(first["pcm"]) / 2 / RATE < 7.0

    def test_the_oldest_file_makes_room(self, pyav: Loaded) -> None:
        for number in range(65):
            pyav.encode(tone(0.1), session=f"many {number}", format="mp3", first=True)
        with pytest.raises(SessionLost):
            pyav.encode(tone(0.1), session="many 0", format="mp3")
        assert pyav.encode(tone(2), session="many 64", format="mp3")

    def test_there_are_enough_hostile_files(self) -> None:
        assert len(hostile()) >= 140
        assert len({case.content for case in hostile()}) >= 135

    @pytest.mark.parametrize("case", hostile(), ids=lambda case: case.name)
    def test_a_hostile_file(self, pyav: Loaded, case: Hostile) -> None:
        try:
            pieces = pyav.decode(case.content)
        except SoloError as error:
            assert isinstance(error, SoundUnreadable)
            assert error.hint and error.message and "\n" not in error.message
            assert len(error.message) < 200
        else:
            assert not case.never
            assert pieces and all(piece["pcm"] for piece in pieces)
            assert sum(len(piece["pcm"]) for piece in pieces) < 2 * RATE * 60


def crossings(pcm: bytes) -> int:
    """Changes of sign, but for those of what cannot be heard."""
    loud = [sample for sample in array("h", pcm) if abs(sample) > 500]
    return sum(1 for one, two in pairwise(loud) if (one < 0) != (two < 0))


def raw(seconds: float, rate: int, width: int, channels: int) -> bytes:
    """A tone of 440 Hz as samples of this form."""
    found = bytearray()
    for number in range(round(seconds * rate)):
        whole = int(0.5 * math.sin(2 * math.pi * 440 * number / rate) * 2 ** (8 * width - 1))
        sample = bytes([whole + 128]) if width == 1 else whole.to_bytes(width, "little", signed=True)
        found += sample * channels
    return bytes(found)


FORMS = [(16_000, 2, 1), (16_000, 2, 2), (44_100, 2, 2), (48_000, 3, 1), (48_000, 4, 6), (8_000, 1, 1), (22_050, 2, 1)]


class TestConverting:
    @pytest.mark.parametrize(("rate", "width", "channels"), FORMS)
    def test_any_form_becomes_ours(self, codec: Loaded, rate: int, width: int, channels: int) -> None:
        """Cut anywhere, also inside a sample."""
        given = raw(1.0, rate, width, channels)
        cuts = [given[at : at + 3001] for at in range(0, len(given), 3001)]
        found = b"".join(
            codec.engine.convert(Call(), "a", rate, width, channels, piece, piece is cuts[-1]) for piece in cuts
        )
        samples = array("h", found)
        assert len(samples) == pytest.approx(RATE, rel=0.01)
        assert max(samples) == pytest.approx(16_384, rel=0.1)
        assert min(samples) == pytest.approx(-16_384, rel=0.1)
        crossings = sum(before < 0 <= after for before, after in pairwise(samples))
        assert crossings == pytest.approx(440, abs=4)

    def test_two_sounds_do_not_mix_and_one_that_ended_begins_anew(self, codec: Loaded) -> None:
        one, two = raw(0.2, 48_000, 2, 1), bytes(len(raw(0.2, 48_000, 2, 1)))
        alone = codec.engine.convert(Call(), "one", 48_000, 2, 1, one, True)
        first = codec.engine.convert(Call(), "one", 48_000, 2, 1, one[:9601], False)
        silent = codec.engine.convert(Call(), "two", 48_000, 2, 1, two, True)
        assert first + codec.engine.convert(Call(), "one", 48_000, 2, 1, one[9601:], True) == alone
        assert not any(silent)

    def test_full_scale_does_not_wrap(self, codec: Loaded) -> None:
        for value in (0x7FFF, -0x8000):
            loud = value.to_bytes(2, "little", signed=True) * 3200
            found = array("h", codec.engine.convert(Call(), "a", 16_000, 2, 1, loud, True))
            assert set(found) == {value}

    def test_half_a_sample_and_nothing_at_all_are_taken(self, codec: Loaded) -> None:
        assert codec.engine.convert(Call(), "a", 44_100, 2, 2, b"\x01", True) == b""
        assert codec.engine.convert(Call(), "a", 44_100, 2, 2, b"", True) == b""


class TestPyAVConverting:
    def test_what_cannot_be_heard_at_our_rate_is_filtered_out(self, pyav: Loaded) -> None:
        """A tone of 11 kHz would come back as one of 5 kHz."""
        step = 2 * math.pi * 11_000 / 48_000
        given = array("h", (int(16_000 * math.sin(step * number)) for number in range(48_000))).tobytes()
        found = array("h", pyav.engine.convert(Call(), "a", 48_000, 2, 1, given, True))
        assert max(map(abs, found[800:-800])) < 160
