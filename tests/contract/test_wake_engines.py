"""What every wake-word engine promises, asked of the fake and of the real ones."""

from __future__ import annotations

import os
import sys
import wave
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from solo.isolation.engine import BadEngineInput, EngineError, ModelMissing
from tests.contract.child import Child
from tests.contract.speech import RATE, noise, pieces, say, silence
from tests.contract.wake_cases import CASES, LEAD, OTHER_SPEECH, PORCUPINE_DIR, TAIL, Case, hear
from tests.stubs.wyoming_engines import wake_server


@pytest.fixture(scope="class", params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    if request.param == "porcupine" and not (PORCUPINE_DIR / "pvporcupine").is_dir():
        pytest.skip("no pvporcupine 1.9.5 in TEST_PORCUPINE_DIR or .cache: the newer ones want an AccessKey")
    case = CASES[request.param]
    return replace(case, options={"server": wake_server()}) if request.param == "wyoming" else case


@pytest.fixture(scope="class")
def engine(case: Case) -> Iterator[Child]:
    with Child(case.adapter, **case.options) as child:
        yield child


@pytest.fixture
def session(request: pytest.FixtureRequest, engine: Child) -> Iterator[str]:
    yield request.node.name
    engine("close", request.node.name)


class TestWakeEngine:
    def test_load_says_what_it_is_and_listens_for(self, case: Case, engine: Child) -> None:
        assert isinstance(engine.info["engine"], str)
        assert engine.info["engine"]
        assert isinstance(engine.info["model"], str)
        assert engine.info["model"]
        assert set(case.words) <= set(engine.info["words"])

    def test_each_word_is_heard_once_and_where_it_was_said(self, case: Case, engine: Child, session: str) -> None:
        for word in case.words:
            spoken = case.sound(word)
            found = hear(engine, session, LEAD + spoken + TAIL)
            engine("close", session)
            assert [heard for heard, _ in found] == [word]
            assert len(LEAD) // 2 < found[0][1] < (len(LEAD) + len(spoken)) // 2 + RATE // 2

    def test_the_cut_changes_nothing(self, case: Case, engine: Child, session: str) -> None:
        first, second = case.words
        pcm = LEAD + case.sound(first) + TAIL + case.sound(second) + TAIL
        whole = hear(engine, session, pcm, len(pcm))
        assert [word for word, _ in whole] == [first, second]
        for samples in (7, 320, 511, 1600):
            engine("close", session)
            assert hear(engine, session, pcm, samples) == whole

    def test_a_word_said_again_is_heard_again(self, case: Case, engine: Child, session: str) -> None:
        word, *_ = case.words
        pcm = LEAD + case.sound(word) + TAIL + TAIL + case.sound(word) + TAIL
        assert [heard for heard, _ in hear(engine, session, pcm)] == [word, word]

    @pytest.mark.parametrize("kind", ["silence", "noise", "speech"])
    def test_nothing_is_heard_where_no_word_is(self, engine: Child, session: str, kind: str) -> None:
        sounds = {"silence": silence(3), "noise": noise(3, -30), "speech": LEAD + say(OTHER_SPEECH) + TAIL}
        assert hear(engine, session, sounds[kind]) == []

    def test_only_chosen_words_are_heard(self, case: Case) -> None:
        chosen, other = case.words
        with Child(case.adapter, **case.options, words=[chosen]) as engine:
            assert engine.info["words"] == [chosen]
            assert hear(engine, "a", LEAD + case.sound(other) + TAIL) == []
            assert [word for word, _ in hear(engine, "a", LEAD + case.sound(chosen) + TAIL)] == [chosen]

    def test_sessions_do_not_hear_each_other(self, case: Case, engine: Child, session: str) -> None:
        first, second = case.words
        one = LEAD + case.sound(first) + TAIL
        two = (silence(0.63) + case.sound(second) + TAIL + TAIL)[: len(one)]
        quiet = noise(len(one) / 2 / RATE, -50)
        alone = [hear(engine, session, one)]
        engine("close", session)
        alone.append(hear(engine, session, two))
        together: list[list[tuple[str, int]]] = [[], [], []]
        names = ["one", "two", "three"]
        for parts in zip(pieces(one, 480), pieces(two, 480), pieces(quiet, 480), strict=True):
            for found, name, part in zip(together, names, parts, strict=True):
                found += hear(engine, name, part)
        assert together == [*alone, []]
        for name in names:
            engine("close", name)

    def test_half_a_word_in_each_of_two_sessions_is_none(self, case: Case, engine: Child, session: str) -> None:
        word, *_ = case.words
        spoken = case.sound(word)
        middle = len(spoken) // 4 * 2
        assert hear(engine, session, LEAD + spoken[:middle]) == []
        assert hear(engine, f"{session} 2", spoken[middle:] + TAIL) == []
        assert [heard for heard, _ in hear(engine, session, spoken[middle:] + TAIL)] == [word]
        engine("close", f"{session} 2")

    def test_the_session_unheard_for_longest_goes_when_a_17th_comes(self, case: Case, engine: Child) -> None:
        word, *_ = case.words
        pcm = LEAD + case.sound(word) + TAIL
        names = [f"s{n}" for n in range(17)]
        [(_, fresh)] = hear(engine, names[0], pcm)
        engine("close", names[0])
        for name in names[:16]:
            engine("feed", name, silence(1))
        engine("feed", names[0], silence(1))
        engine("feed", names[16], silence(1))
        [(_, kept)] = hear(engine, names[0], pcm)
        [(_, gone)] = hear(engine, names[1], pcm)
        assert kept > 2 * RATE
        assert gone == fresh
        for name in names:
            engine("close", name)

    def test_close_forgets(self, case: Case, engine: Child, session: str) -> None:
        word, *_ = case.words
        pcm = LEAD + case.sound(word) + TAIL
        once = hear(engine, session, pcm)
        engine("close", session)
        assert hear(engine, session, pcm) == once
        engine("close", "never opened")

    def test_half_a_sample_is_refused_and_changes_nothing(self, case: Case, engine: Child, session: str) -> None:
        word, *_ = case.words
        spoken = case.sound(word)
        middle = len(spoken) // 4 * 2
        assert hear(engine, session, LEAD + spoken[:middle]) == []
        with pytest.raises(BadEngineInput) as refused:
            engine("feed", session, bytes(1601))
        assert refused.value.hint
        assert [heard for heard, _ in hear(engine, session, spoken[middle:] + TAIL)] == [word]

    def test_no_sound_is_no_detection(self, engine: Child, session: str) -> None:
        assert engine("feed", session, b"") == []

    def test_sound_of_a_cancelled_call_is_counted_but_not_heard(self, case: Case, engine: Child, session: str) -> None:
        word, *_ = case.words
        pcm = LEAD + case.sound(word) + TAIL
        [(_, alone)] = hear(engine, session, pcm)
        engine("close", session)
        skipped = case.sound(word) + silence(3)
        skipped = skipped[: len(skipped) // 5120 * 5120]  # whole steps of every engine
        assert engine("feed", session, skipped, cancelled=True) == []
        [(heard, at)] = hear(engine, session, pcm)
        assert (heard, at) == (word, alone + len(skipped) // 2)

    def test_an_unknown_word_is_missing_and_the_hint_lists_the_known(self, case: Case) -> None:
        with pytest.raises(ModelMissing, match="open_sesame") as missing:
            Child(case.adapter, **case.options, words=["open_sesame"])
        assert all(word in missing.value.hint for word in case.words)

    def test_no_word_at_all_is_refused(self, case: Case) -> None:
        with pytest.raises(EngineError, match="no wake word"):
            Child(case.adapter, **case.options, words=[])

    @pytest.mark.parametrize("sensitivity", [-0.1, 1.1])
    def test_sensitivity_off_the_scale_is_refused(self, case: Case, sensitivity: float) -> None:
        with pytest.raises(EngineError, match="sensitivity") as refused:
            Child(case.adapter, **case.options, sensitivity=sensitivity)
        assert refused.value.hint

    def test_a_word_may_have_a_sensitivity_of_its_own(self, case: Case) -> None:
        chosen, _ = case.words
        with Child(case.adapter, **case.options, words=[chosen], sensitivities={chosen: 0.6}) as engine:
            assert [word for word, _ in hear(engine, "a", LEAD + case.sound(chosen) + TAIL)] == [chosen]
        with pytest.raises(EngineError, match="sensitivity"):
            Child(case.adapter, **case.options, words=[chosen], sensitivities={chosen: 2.0})

    @pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
    def test_it_keeps_to_one_thread(self, engine: Child, session: str) -> None:
        engine("feed", session, noise(3, -30))
        assert engine.threads() == 1


class TestRecordings:
    """Real people, where TEST_SPEECH_DIR has them."""

    @pytest.mark.parametrize("name", ["microwakeword", "openwakeword"])
    def test_nine_in_ten_are_heard_once_and_as_the_right_word(self, name: str) -> None:
        folder = os.environ.get("TEST_SPEECH_DIR", "")
        files = sorted(Path(folder).glob("wake-alexa-*.wav")) if folder else []
        if not files:
            pytest.skip("TEST_SPEECH_DIR names no folder with wake-alexa-*.wav")
        right = 0
        with Child(CASES[name].adapter) as engine:
            for file in files:
                with wave.open(str(file)) as recording:
                    pcm = recording.readframes(recording.getnframes())
                right += [word for word, _ in hear(engine, file.stem, pcm + TAIL)] == ["alexa"]
        assert right >= 0.9 * len(files)
