"""What every sound device promises, asked of those that are none and of PortAudio's adapter over a stub of it."""

from __future__ import annotations

import struct
import threading
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from services.audio.adapters import portaudio, sounddevice
from services.audio.adapters.fake import FakeDevice
from services.audio.adapters.playout import Playout
from services.audio.adapters.sounddevice import SoundDevice
from services.audio.adapters.wav_file import WavFile
from services.audio.device import NoSoundDevice
from solo.isolation.call import Call
from tests.stubs.portaudio import PortAudio

RATE = 16_000
COUNT = struct.pack("<4000h", *range(1, 4001))
"""A quarter of a second in which every sample is another."""


@dataclass
class Case:
    device: Any
    heard: Callable[[], bytes]
    """Everything that has come out of the loudspeaker, silence too."""

    def said(self) -> bytes:
        """Without the silence around it."""
        return self.heard().strip(b"\0")


@pytest.fixture(params=["fake", "wav", "portaudio"])
def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    if request.param == "fake":
        fake = FakeDevice()
        yield Case(fake, lambda: bytes(fake.heard))
    elif request.param == "wav":
        with wave.open(str(tmp_path / "said.wav"), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(COUNT * 4)
        heard = bytearray()

        class Listening(WavFile):
            def _aired(self, pcm: bytes, sample_rate: int) -> None:
                heard.extend(pcm)

        yield Case(Listening(str(tmp_path / "said.wav")), lambda: bytes(heard))
    else:
        vendor = PortAudio()
        monkeypatch.setattr(sounddevice, "library", lambda: vendor)
        yield Case(SoundDevice(echo="off"), lambda: bytes(vendor.heard))
        for stream in vendor.streams:
            stream.close()


def until(condition: Callable[[], object], within: float = 10.0) -> None:
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


class TestAudioDevice:
    def test_it_says_what_it_is(self, case: Case) -> None:
        info = case.device.load()
        assert info["engine"] and info["model"] and info["input"] and info["output"]
        assert info["fallback_input"] is info["fallback_output"] is False
        assert info["echo"] in {"webrtc", "off", "none"}

    def test_it_hears_pieces_of_40_ms_and_counts_them(self, case: Case) -> None:
        case.device.load()
        pieces = case.device.capture(Call())
        for _ in range(5):
            assert len(next(pieces)) == 1280
        figures = case.device.figures(Call())
        assert figures["received"] >= 5 * 640
        assert figures["lost"] == figures["xruns_in"] == figures["xruns_out"] == 0
        assert figures["still_s"] == 0
        assert figures["output"] is True

    def test_what_is_played_is_heard_and_the_clock_ends_with_it(self, case: Case) -> None:
        case.device.load()
        case.device.play(Call(), "one", COUNT, RATE)
        assert case.device.finish(Call()) is True
        assert case.said() == COUNT.strip(b"\0")
        place = case.device.position(Call())
        assert (place["turn"], place["played_s"], place["queued_s"]) == ("one", 0.25, 0.0)
        until(lambda: case.device.position(Call())["state"] == "silent")

    def test_it_is_held_at_a_sample_and_goes_on_from_it(self, case: Case) -> None:
        case.device.load()
        case.device.play(Call(), "one", COUNT * 2, RATE)
        until(lambda: case.device.position(Call())["played_s"] > 0.1)
        held = case.device.pause(Call())
        assert held["state"] == "paused"
        assert 0.1 < held["played_s"] < 0.5
        until(lambda: case.device.position(Call())["played_s"] == held["played_s"])
        assert case.device.position(Call())["queued_s"] == pytest.approx(0.5 - held["played_s"], abs=1e-3)
        assert len(case.said()) <= round(held["played_s"] * RATE) * 2
        assert case.device.resume(Call())["played_s"] == held["played_s"]
        assert case.device.finish(Call()) is True
        # Whatever silence lay between, not one sample is missing and none came twice.
        heard = [sample for (sample,) in struct.iter_unpack("<h", case.heard()) if sample]
        assert heard == list(range(1, 4001)) * 2

    def test_silence_forgets_what_waits_and_that_it_was_held(self, case: Case) -> None:
        case.device.load()
        case.device.play(Call(), "one", COUNT * 2, RATE)
        case.device.pause(Call())
        place = case.device.silence(Call())
        assert place["queued_s"] == 0
        assert place["state"] != "paused"
        case.device.play(Call(), "two", COUNT, RATE)
        assert case.device.finish(Call()) is True
        assert case.device.position(Call())["turn"] == "two"
        assert case.device.position(Call())["played_s"] == 0.25

    def test_silence_ends_a_wait_of_play(self, case: Case) -> None:
        case.device.load()
        playing = threading.Thread(target=case.device.play, args=(Call(), "one", COUNT * 40, RATE))
        playing.start()
        until(lambda: case.device.position(Call())["state"] == "playing")
        case.device.silence(Call())
        playing.join(5)
        assert not playing.is_alive()

    def test_volume_multiplies_amplitudes(self, case: Case) -> None:
        case.device.load()
        case.device.loudness(Call(), 0.5)
        case.device.play(Call(), "one", COUNT, RATE)
        case.device.finish(Call())
        heard = [sample for (sample,) in struct.iter_unpack("<h", case.heard()) if sample]
        assert heard == [sample // 2 for sample in range(2, 4001)]
        case.device.loudness(Call(), 0.0)
        case.device.play(Call(), "two", COUNT, RATE)
        assert case.device.finish(Call()) is True
        assert case.device.position(Call())["played_s"] == 0.25
        assert len([1 for (sample,) in struct.iter_unpack("<h", case.heard()) if sample]) == len(heard)

    def test_another_sample_rate_waits_for_the_one_before(self, case: Case) -> None:
        case.device.load()
        case.device.play(Call(), "one", COUNT, RATE)
        case.device.play(Call(), "one", COUNT, 22_050)
        assert case.device.finish(Call()) is True
        assert case.device.position(Call())["played_s"] == pytest.approx(0.25 + 4000 / 22_050, abs=1e-3)
        heard = [sample for (sample,) in struct.iter_unpack("<h", case.heard()) if sample]
        assert heard == list(range(1, 4001)) * 2

    def test_a_cancelled_play_does_not_wait(self, case: Case) -> None:
        case.device.load()
        call = Call()
        call.cancel()
        case.device.play(call, "one", COUNT * 40, RATE)
        assert case.device.finish(call) is False
        case.device.silence(Call())


class TestPlayout:
    def test_what_is_still_on_its_way_through_the_device_has_not_been_heard(self) -> None:
        playout = Playout()
        playout.rate = RATE
        playout.put("one", COUNT)
        now = time.monotonic()
        playout.take(len(COUNT), now + 100)
        assert playout.place()["played_s"] == 0
        assert playout.place()["state"] == "playing"
        assert playout.hold()["played_s"] == 0.25  # that is where it will go on

    def test_the_end_of_one_turn_is_heard_before_the_next(self) -> None:
        playout = Playout()
        playout.rate = RATE
        playout.put("one", COUNT)
        playout.put("two", COUNT)
        now = time.monotonic()
        playout.take(len(COUNT), now - 1)
        playout.take(len(COUNT), now + 100)
        assert (playout.place()["turn"], playout.place()["played_s"]) == ("one", 0.25)


class TestPortAudio:
    @pytest.fixture
    def vendor(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[PortAudio]:
        vendor = PortAudio(latency_s=0.05)
        monkeypatch.setattr(sounddevice, "library", lambda: vendor)
        monkeypatch.setattr(portaudio, "library", lambda: vendor)
        yield vendor
        for stream in vendor.streams:
            stream.close()

    def test_another_microphone_stands_in_for_one_that_is_away(self, vendor: PortAudio) -> None:
        device = SoundDevice(microphone="headset", echo="off")
        info = device.load()
        assert (info["input"], info["fallback_input"]) == ("desk microphone", True)

    def test_one_that_does_not_do_16_khz_is_resampled(self, vendor: PortAudio) -> None:
        device = SoundDevice(microphone="spare microphone", echo="off")
        assert device.load()["fallback_input"] is False
        pieces = device.capture(Call())
        for _ in range(10):
            assert len(next(pieces)) % 320 == 0
        assert device.figures(Call())["received"] == pytest.approx(10 * 640, abs=5 * 640)

    def test_an_avoided_one_is_taken_last(self, vendor: PortAudio) -> None:
        info = SoundDevice(echo="off", avoid="desk microphone").load()
        assert (info["input"], info["fallback_input"]) == ("spare microphone", True)

    def test_without_any_device_it_says_so(self, vendor: PortAudio) -> None:
        vendor.devices.clear()
        with pytest.raises(NoSoundDevice):
            SoundDevice(echo="off").load()

    def test_a_loudspeaker_alone_will_do(self, vendor: PortAudio) -> None:
        del vendor.devices[0], vendor.devices[2]
        info = SoundDevice(echo="off").load()
        assert (info["input"], info["output"]) == ("", "desk loudspeaker")

    def test_xruns_and_stillness_are_counted(self, vendor: PortAudio) -> None:
        vendor.sound = lambda samples: bytes(samples * 2)
        vendor.overflow = True
        device = SoundDevice(echo="off")
        device.load()
        until(lambda: device.figures(Call())["xruns_in"] > 2)
        assert device.figures(Call())["still_s"] > 0
        vendor.sound = lambda samples: b"\x01\x00\xff\xff" * (samples // 2)
        until(lambda: device.figures(Call())["still_s"] == 0)

    def test_sound_that_nobody_takes_is_lost_and_counted(self, vendor: PortAudio) -> None:
        device = SoundDevice(echo="off")
        device.load()
        until(lambda: device.figures(Call())["lost"] > 0)

    def test_a_microphone_that_was_pulled_out_ends_the_capture(
        self, vendor: PortAudio, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sounddevice, "_LOST_AFTER_S", 0.2)
        device = SoundDevice(echo="off")
        device.load()
        pieces = device.capture(Call())
        next(pieces)
        vendor.unplugged.add(0)
        with pytest.raises(NoSoundDevice):
            for _ in pieces:
                pass

    def test_a_look_tells_what_could_be_opened(self, vendor: PortAudio) -> None:
        vendor.devices[2]["broken"] = True
        found = portaudio.Look(microphone="spare microphone").load()
        assert (found["wanted_input"], found["input"]) == (False, True)
        assert (found["wanted_output"], found["output"]) == (True, True)
        del vendor.devices[1]
        assert portaudio.Look().load()["output"] is False
