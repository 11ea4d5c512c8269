"""What single wake-word adapters add: thresholds, models of one's own, Porcupine's key."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from services.wake.adapters.hearing import STRICTEST, choose, threshold
from services.wake.adapters.porcupine import word_id
from solo.isolation.engine import EngineError, ModelCorrupt, ModelMissing
from tests.contract.child import Child
from tests.contract.speech import say
from tests.contract.wake_cases import LEAD, MICRO, OPEN, PORCUPINE, TAIL, hear


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
