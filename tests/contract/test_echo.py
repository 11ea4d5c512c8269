"""WebRTC's echo canceller in a simulated room, as the sound device uses it."""

from __future__ import annotations

import numpy as np
import pytest

from services.audio.adapters.echo import EchoCanceller
from tests.contract.speech import say
from tests.room import RATE, Sound, echo, power_db

pytestmark = pytest.mark.engine

FRAME = 640
"""40 ms, as the device hears."""
FAR = "The weather in Madrid is sunny today, and the train leaves at nine. Bring an umbrella all the same."
NEAR = "Stop. I would like to know something else."


def floats(pcm: bytes) -> Sound:
    return np.frombuffer(pcm, "<i2").astype(np.float64) / 32768


def s16(sound: Sound) -> bytes:
    return bytes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())


def cleaned(canceller: EchoCanceller, played: Sound, heard: Sound, delay_ms: float, rate: int = RATE) -> Sound:
    """Loudspeaker and microphone side by side; `played` is at `rate`."""
    out = bytearray()
    step = FRAME * rate // RATE
    for number in range(len(heard) // FRAME):
        canceller.reference(s16(played[number * step : (number + 1) * step]), rate, delay_ms / 1000)
        out += canceller.clean(s16(heard[number * FRAME : (number + 1) * FRAME]))
    return floats(bytes(out))


@pytest.fixture(scope="module")
def far() -> Sound:
    spoken = floats(say(FAR))
    return np.tile(spoken / np.abs(spoken).max() * 0.7, 2)


@pytest.mark.parametrize("delay_ms", [20, 60, 120])
@pytest.mark.parametrize("drive", [0.01, 4.0], ids=["linear", "overdriven"])
def test_echo_falls_by_18_db(far: Sound, delay_ms: float, drive: float) -> None:
    heard = echo(far, delay_ms, drive=drive)
    left = cleaned(EchoCanceller(), far, heard, delay_ms)
    settled = slice(2 * RATE, len(left))
    assert power_db(heard[settled]) - power_db(left[settled]) > 18


def test_speech_at_the_microphone_survives_the_echo(far: Sound) -> None:
    near = np.zeros_like(far)
    spoken = floats(say(NEAR))
    begin = 6 * RATE
    near[begin : begin + len(spoken)] = spoken / np.abs(spoken).max() * 0.5
    heard = echo(far, 60) + near
    left = cleaned(EchoCanceller(), far, heard, 60)
    there = slice(begin, begin + len(spoken) - len(spoken) % FRAME)
    assert power_db(left[there]) > power_db(near[there]) - 8
    # It is that speech and not the echo: the two go up and down together.
    assert np.corrcoef(_loudness(left[there]), _loudness(near[there]))[0, 1] > 0.7


def test_another_rate_of_the_loudspeaker_is_brought_to_the_microphones(far: Sound) -> None:
    rate = 22_050
    at = np.linspace(0, len(far) - 1, int(len(far) * rate / RATE))
    played = np.interp(at, np.arange(len(far)), far)
    heard = echo(far, 60)
    left = cleaned(EchoCanceller(), played, heard, 60, rate)
    settled = slice(2 * RATE, len(left))
    assert power_db(heard[settled]) - power_db(left[settled]) > 18


def test_while_nothing_is_played_sound_passes_untouched(far: Sound) -> None:
    canceller = EchoCanceller()
    silence = np.zeros_like(far)
    heard = s16(far[: len(far) // FRAME * FRAME])
    assert np.array_equal(cleaned(canceller, silence, far, 60), floats(heard))
    assert canceller.passed == len(far) // FRAME * 4


def test_after_a_rest_it_still_knows_the_room(far: Sound) -> None:
    canceller = EchoCanceller()
    heard = echo(far, 60)
    cleaned(canceller, far, heard, 60)
    rest = np.zeros(RATE * 10)
    cleaned(canceller, rest, rest + 1e-4, 60)
    assert canceller.passed > 0
    left = cleaned(canceller, far, heard, 60)
    first = slice(0, RATE)
    assert power_db(heard[first]) - power_db(left[first]) > 15


def _loudness(sound: Sound) -> Sound:
    whole = len(sound) // FRAME * FRAME
    return np.sqrt(np.mean(sound[:whole].reshape(-1, FRAME) ** 2, axis=1))
