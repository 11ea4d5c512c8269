"""What every engine promises of samples that go from one rate and form to another, asked of the fake and the real."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from typing import Any

import pytest

from services.codec.adapters.fake import FakeCodec
from services.codec.adapters.pyav import PyAV
from services.codec.engine import CodecEngine, SessionLost
from solo.isolation.call import Call
from solo.isolation.engine import BadEngineInput
from tests.contract.sounds import tone

MAKERS: dict[str, Callable[..., CodecEngine]] = {"fake": FakeCodec, "pyav": PyAV}
WAYS = [
    ("pcm", 24_000, "pcm", 16_000), ("pcm", 22_050, "pcm", 24_000), ("pcm", 16_000, "pcm", 16_000),
    ("pcmu", 8_000, "pcm", 16_000), ("pcm", 22_050, "pcma", 8_000), ("pcma", 8_000, "pcmu", 8_000),
]  # fmt: skip


@pytest.fixture(scope="module", params=MAKERS)
def codec(request: pytest.FixtureRequest) -> CodecEngine:
    engine = MAKERS[request.param]()
    engine.load()
    return engine


@pytest.fixture(scope="module")
def pyav() -> CodecEngine:
    engine = PyAV()
    engine.load()
    return engine


def convert(codec: CodecEngine, pcm: bytes, way: tuple[str, int, str, int], session: str = "a", **at: bool) -> bytes:
    form, rate, to_form, to_rate = way
    order: dict[str, Any] = {"first": False, "last": False} | at
    return codec.resample(Call(), session, pcm, form, rate, to_form, to_rate, **order)


def at_once(codec: CodecEngine, pcm: bytes, way: tuple[str, int, str, int]) -> bytes:
    return convert(codec, pcm, way, first=True, last=True)


class TestEvery:
    @pytest.mark.parametrize("way", WAYS)
    def test_as_long_as_it_was(self, codec: CodecEngine, way: tuple[str, int, str, int]) -> None:
        form, rate, to_form, to_rate = way
        size, to_size = (2 if kind == "pcm" else 1 for kind in (form, to_form))
        piece = bytes(rate // 10 * size)
        made = convert(codec, piece, way, first=True)
        made += b"".join(convert(codec, piece, way) for _ in range(8)) + convert(codec, piece, way, last=True)
        assert len(made) / to_size / to_rate == pytest.approx(1.0, abs=0.002)

    def test_sounds_stay_apart(self, codec: CodecEngine) -> None:
        way = WAYS[0]
        one = convert(codec, tone(0.2, rate=24_000), way, "one", first=True)
        two = convert(codec, tone(0.4, rate=24_000), way, "two", first=True)
        one += convert(codec, b"", way, "one", last=True)
        two += convert(codec, b"", way, "two", last=True)
        assert len(two) == pytest.approx(2 * len(one), rel=0.01)

    def test_what_cannot_be_is_refused(self, codec: CodecEngine) -> None:
        with pytest.raises(BadEngineInput):
            at_once(codec, b"\x00", WAYS[0])
        with pytest.raises(BadEngineInput):
            at_once(codec, b"\x00\x00", ("pcm", 24_000, "mp3", 16_000))
        with pytest.raises(SessionLost):
            convert(codec, b"\x00\x00", WAYS[0], "never begun")
        at_once(codec, b"\x00\x00", WAYS[0])
        with pytest.raises(SessionLost):
            convert(codec, b"\x00\x00", WAYS[0])


class TestPyAV:
    @pytest.mark.parametrize("way", WAYS)
    def test_a_tone_stays_a_tone(self, pyav: CodecEngine, way: tuple[str, int, str, int]) -> None:
        """There and back again: what is added or lost is far below it; G.711 itself adds some."""
        form, rate, to_form, to_rate = way
        pcm = tone(1.0, rate=rate)
        given = at_once(pyav, pcm, ("pcm", rate, form, rate))
        back = at_once(pyav, at_once(pyav, given, way), (to_form, to_rate, "pcm", rate))
        floor = 45 if {form, to_form} == {"pcm"} else 30
        assert signal_to_noise(pcm, back, rate) > floor

    def test_no_seam_between_pieces(self, pyav: CodecEngine) -> None:
        pcm, way = tone(1.0, rate=24_000), WAYS[0]
        whole = at_once(pyav, pcm, way)
        for samples in (1, 7, 479, 480, 2400):
            pieces = [pcm[start : start + 2 * samples] for start in range(0, len(pcm), 2 * samples)][:2000]
            made = b"".join(convert(pyav, piece, way, first=at == 0) for at, piece in enumerate(pieces))
            assert made == whole[: len(made)]
            assert len(made) > 0.9 * len(b"".join(pieces)) * 2 / 3 - 200

    def test_what_16_khz_cannot_hold_does_not_come_back_as_something_else(self, pyav: CodecEngine) -> None:
        made = array("h", at_once(pyav, tone(1.0, hertz=11_000, rate=24_000), WAYS[0]))
        middle = made[1600:-1600]
        assert 20 * math.log10(max(map(abs, middle)) / 8_000) < -40


def signal_to_noise(pcm: bytes, back: bytes, rate: int) -> float:
    """In dB, away from the edges."""
    one, two = array("h", pcm), array("h", back)
    assert len(one) == pytest.approx(len(two), abs=rate // 500)
    inner = range(rate // 10, rate * 9 // 10)
    signal = sum(one[at] ** 2 for at in inner)
    noise = sum((one[at] - two[at]) ** 2 for at in inner)
    return 10 * math.log10(signal / max(1, noise))
