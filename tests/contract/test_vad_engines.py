"""What every voice-activity detector promises, asked of the fake and of the real one."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from services.vad.engine import CHUNK_SAMPLES
from solo.isolation.engine import BadEngineInput
from tests.contract.child import Child
from tests.contract.speech import RATE, noise, pieces, say, silence

CASES = {
    "fake": "services.vad.adapters.fake:FakeVAD",
    "silero": "services.vad.adapters.silero:SileroVAD",
}
SPEECH = "The weather in Madrid is sunny today, and the train leaves at nine."


@pytest.fixture(scope="class", params=CASES)
def engine(request: pytest.FixtureRequest) -> Iterator[Child]:
    with Child(CASES[request.param]) as child:
        yield child


@pytest.fixture
def session(request: pytest.FixtureRequest, engine: Child) -> Iterator[str]:
    yield request.node.name
    engine("close", request.node.name)


def listen(engine: Child, session: str, pcm: bytes, samples: int = CHUNK_SAMPLES) -> list[float]:
    return [value for piece in pieces(pcm, samples) for value in engine("feed", session, piece)]


class TestVADEngine:
    def test_load_says_what_it_is(self, engine: Child) -> None:
        assert isinstance(engine.info["engine"], str)
        assert engine.info["engine"]
        assert isinstance(engine.info["model"], str)
        assert engine.info["model"]

    def test_speech_is_likely_speech(self, engine: Child, session: str) -> None:
        found = listen(engine, session, say(SPEECH))
        assert all(isinstance(value, float) and 0 <= value <= 1 for value in found)
        assert sum(value > 0.5 for value in found) > 0.7 * len(found)

    @pytest.mark.parametrize("kind", ["silence", "noise"])
    def test_its_absence_is_not(self, engine: Child, session: str, kind: str) -> None:
        found = listen(engine, session, {"silence": silence(2), "noise": noise(2, -50)}[kind])
        assert len(found) == 2 * RATE // CHUNK_SAMPLES
        assert max(found) < 0.5

    def test_speech_begins_and_ends_where_it_is_said(self, engine: Child, session: str) -> None:
        spoken = say("Good morning.")
        found = listen(engine, session, silence(1) + spoken + silence(1))
        speech = [place for place, value in enumerate(found) if value > 0.5]
        slack = RATE // 4
        assert RATE - slack < speech[0] * CHUNK_SAMPLES < RATE + slack
        assert speech[-1] * CHUNK_SAMPLES < RATE + len(spoken) // 2 + slack

    @pytest.mark.parametrize("samples", [7, 160, 511, 513, 1600, 100_000])
    def test_the_cut_changes_nothing(self, engine: Child, session: str, samples: int) -> None:
        pcm = say("Good morning.") + silence(0.5)
        by_chunk = listen(engine, session, pcm)
        engine("close", session)
        assert listen(engine, session, pcm, samples) == by_chunk
        assert len(by_chunk) == len(pcm) // 2 // CHUNK_SAMPLES

    def test_sessions_do_not_hear_each_other(self, engine: Child, session: str) -> None:
        one, two = say("Good morning."), noise(0.5, -50) + say("Good morning.")
        two = two[: len(one)]
        alone = [listen(engine, session, one)]
        engine("close", session)
        alone.append(listen(engine, session, two))
        together: list[list[float]] = [[], []]
        for parts in zip(pieces(one, 480), pieces(two, 480), strict=True):
            for found, name, part in zip(together, ("one", "two"), parts, strict=True):
                found += engine("feed", name, part)
        assert together == alone
        for name in ("one", "two"):
            engine("close", name)

    @pytest.mark.parametrize("method", ["reset", "close"])
    def test_reset_and_close_start_afresh(self, engine: Child, session: str, method: str) -> None:
        pcm = say("Good morning.")
        first = listen(engine, session, pcm)
        engine("feed", session, pcm[: 2 * 100])  # a remainder, which must not come into the next
        engine(method, session)
        assert listen(engine, session, pcm) == first

    @pytest.mark.parametrize("method", ["reset", "close"])
    def test_unknown_sessions_are_ignored(self, engine: Child, method: str) -> None:
        engine(method, "never opened")

    def test_the_session_unheard_for_longest_goes_when_a_17th_comes(self, engine: Child) -> None:
        names = [f"s{n}" for n in range(17)]
        half = silence(CHUNK_SAMPLES / 2 / RATE)
        for name in names[:16]:
            assert engine("feed", name, half) == []
        engine("feed", names[0], b"")
        engine("feed", names[16], half)
        assert len(engine("feed", names[0], half)) == 1
        assert engine("feed", names[1], half) == []
        for name in names:
            engine("close", name)

    def test_half_a_sample_is_refused_and_changes_nothing(self, engine: Child, session: str) -> None:
        assert engine("feed", session, bytes(1000)) == []
        with pytest.raises(BadEngineInput) as refused:
            engine("feed", session, bytes(25))
        assert refused.value.hint
        assert len(engine("feed", session, bytes(24))) == 1

    def test_no_sound_is_no_answer(self, engine: Child, session: str) -> None:
        assert engine("feed", session, b"") == []

    def test_a_cancelled_call_ends_early(self, engine: Child, session: str) -> None:
        assert engine("feed", session, silence(1), cancelled=True) == []

    @pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
    def test_it_keeps_to_one_thread(self, engine: Child, session: str) -> None:
        engine("feed", session, noise(1, -30))
        assert engine.threads() == 1
