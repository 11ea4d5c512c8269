"""What every wake-word engine promises, asked of the fake and of the real ones."""

from __future__ import annotations

import json
import os
import shutil
import sys
import wave
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from services.wake.adapters.fake import marker
from services.wake.adapters.hearing import STRICTEST, choose, threshold
from services.wake.adapters.porcupine import word_id
from solo.isolation.engine import BadEngineInput, EngineError, ModelCorrupt, ModelMissing
from tests.contract.child import ROOT, Child
from tests.contract.speech import RATE, noise, pieces, say, silence

LEAD = silence(0.5)
TAIL = silence(1.0)
OTHER_SPEECH = "The weather in Madrid is sunny today, and the train leaves at nine."
PORCUPINE_DIR = Path(os.environ.get("SOLO_PORCUPINE_DIR") or ROOT / ".cache" / "pvporcupine-1.9.5")
PORCUPINE = "services.wake.adapters.porcupine:Porcupine"
MICRO = "services.wake.adapters.microwakeword:MicroWakeWord"
OPEN = "services.wake.adapters.openwakeword:OpenWakeWord"


@dataclass(frozen=True)
class Case:
    """An adapter and two of its words, as the sound that it should take for them."""

    adapter: str
    words: dict[str, str]
    options: dict[str, Any] = field(default_factory=dict)

    def sound(self, word: str) -> bytes:
        return marker(word) if self.adapter.endswith("FakeWake") else say(self.words[word])


CASES = {
    "fake": Case("services.wake.adapters.fake:FakeWake", {"hey_jarvis": "", "alexa": ""}),
    "microwakeword": Case(MICRO, {"hey_jarvis": "Hey Jarvis.", "alexa": "Alexa."}),
    "openwakeword": Case(OPEN, {"hey_jarvis": "Hey Jarvis.", "alexa": "Alexa."}),
    "porcupine": Case(PORCUPINE, {"jarvis": "Jarvis.", "computer": "Computer."}, {"package_dir": str(PORCUPINE_DIR)}),
}


@pytest.fixture(scope="class", params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    if request.param == "porcupine" and not (PORCUPINE_DIR / "pvporcupine").is_dir():
        pytest.skip("no pvporcupine 1.9.5 in SOLO_PORCUPINE_DIR or .cache: the newer ones want an AccessKey")
    return CASES[request.param]


@pytest.fixture(scope="class")
def engine(case: Case) -> Iterator[Child]:
    with Child(case.adapter, **case.options) as child:
        yield child


@pytest.fixture
def session(request: pytest.FixtureRequest, engine: Child) -> Iterator[str]:
    yield request.node.name
    engine("close", request.node.name)


def hear(engine: Child, session: str, pcm: bytes, samples: int = 1600) -> list[tuple[str, int]]:
    """The detections in `pcm`, fed in pieces of `samples`."""
    found = [detection for piece in pieces(pcm, samples) for detection in engine("feed", session, piece)]
    return [(detection["word"], detection["at"]) for detection in found]


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

    @pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
    def test_it_keeps_to_one_thread(self, engine: Child, session: str) -> None:
        engine("feed", session, noise(3, -30))
        assert engine.threads() == 1


class TestThreshold:
    def test_the_middle_is_the_models_own(self) -> None:
        assert threshold(0.97, 0.5) == pytest.approx(0.97)

    def test_more_sensitive_is_lower_and_never_out_of_reach(self) -> None:
        for default in (0.5, 0.85, 0.97, 0.999):
            scale = [threshold(default, step / 10) for step in range(11)]
            assert scale == sorted(scale, reverse=True)
            assert scale[-1] > 0.05
            assert scale[0] <= STRICTEST

    def test_choose_keeps_the_order_asked_for(self) -> None:
        assert list(choose(["b", "a"], {"a": 1, "b": 2, "c": 3})) == ["b", "a"]


class TestOwnModels:
    def test_microwakeword_takes_a_description_with_its_model(self, tmp_path: Path) -> None:
        self._copy_micro(tmp_path)
        with Child(MICRO, words=["hello_solo"], model_dir=str(tmp_path)) as engine:
            assert [word for word, _ in hear(engine, "a", LEAD + say("Alexa.") + TAIL)] == ["hello_solo"]

    @pytest.mark.parametrize("broken", ["{", "[]", '{"wake_word": "x", "model": "hello_solo.tflite"}'])
    def test_microwakeword_refuses_a_description_that_is_none(self, tmp_path: Path, broken: str) -> None:
        self._copy_micro(tmp_path)
        (tmp_path / "hello_solo.json").write_text(broken)
        with pytest.raises(ModelCorrupt, match=r"hello_solo\.json"):
            Child(MICRO, words=["hello_solo"], model_dir=str(tmp_path))

    def test_microwakeword_misses_the_model_of_a_description(self, tmp_path: Path) -> None:
        self._copy_micro(tmp_path)
        (tmp_path / "hello_solo.tflite").unlink()
        with pytest.raises(ModelMissing, match=r"hello_solo\.tflite"):
            Child(MICRO, words=["hello_solo"], model_dir=str(tmp_path))

    def test_openwakeword_takes_a_model(self, tmp_path: Path) -> None:
        import pyopen_wakeword

        models = Path(pyopen_wakeword.__file__).parent / "models"
        shutil.copy(models / "alexa.tflite", tmp_path / "hello_solo.tflite")
        with Child(OPEN, words=["hello_solo"], model_dir=str(tmp_path)) as engine:
            assert [word for word, _ in hear(engine, "a", LEAD + say("Alexa.") + TAIL)] == ["hello_solo"]

    @pytest.mark.parametrize("adapter", [MICRO, OPEN])
    def test_a_file_that_is_no_model_is_corrupt(self, tmp_path: Path, adapter: str) -> None:
        self._copy_micro(tmp_path)
        (tmp_path / "hello_solo.tflite").write_bytes(b"<html>not found</html>")
        with pytest.raises(ModelCorrupt, match=r"hello_solo\.tflite"):
            Child(adapter, words=["hello_solo"], model_dir=str(tmp_path))

    def _copy_micro(self, to: Path) -> None:
        import pymicro_wakeword

        models = Path(pymicro_wakeword.__file__).parent / "models"
        shutil.copy(models / "alexa.tflite", to / "hello_solo.tflite")
        described = json.loads((models / "alexa.json").read_text())
        (to / "hello_solo.json").write_text(json.dumps(described | {"model": "hello_solo.tflite"}))


class TestPorcupineKey:
    def test_without_a_key_it_says_which_setting(self) -> None:
        with pytest.raises(EngineError, match="AccessKey") as refused:
            Child(PORCUPINE)
        assert "SOLO_WAKE__ACCESS_KEY" in refused.value.hint

    def test_a_wrong_key_is_refused_and_not_repeated(self) -> None:
        with pytest.raises(EngineError, match="did not start") as refused:
            Child(PORCUPINE, access_key="a-secret-that-is-wrong")
        assert "a-secret" not in str(refused.value)

    @pytest.mark.parametrize(
        ("file", "word"),
        [
            ("hey google_linux.ppn", "hey_google"),
            ("jarvis_raspberry-pi.ppn", "jarvis"),
            ("Hey-Solo_en_linux_v3_0_0.ppn", "hey_solo"),
            ("hey_solo.ppn", "hey_solo"),
        ],
    )
    def test_ids_come_from_the_files_names(self, file: str, word: str) -> None:
        assert word_id(Path(file)) == word


class TestRecordings:
    """Real people, where SOLO_SPEECH_DIR has them."""

    @pytest.mark.parametrize("name", ["microwakeword", "openwakeword"])
    def test_nine_in_ten_are_heard_once_and_as_the_right_word(self, name: str) -> None:
        folder = os.environ.get("SOLO_SPEECH_DIR", "")
        files = sorted(Path(folder).glob("wake-alexa-*.wav")) if folder else []
        if not files:
            pytest.skip("SOLO_SPEECH_DIR names no folder with wake-alexa-*.wav")
        right = 0
        with Child(CASES[name].adapter) as engine:
            for file in files:
                with wave.open(str(file)) as recording:
                    pcm = recording.readframes(recording.getnframes())
                right += [word for word, _ in hear(engine, file.stem, pcm + TAIL)] == ["alexa"]
        assert right >= 0.9 * len(files)
