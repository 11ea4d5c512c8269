"""Language detection and translation, for which no packaged model is multilingual: `TEST_WHISPER_DIR` names one."""

from __future__ import annotations

import os

import pytest

from services.stt.adapters.faster_whisper import FasterWhisper
from solo.isolation.call import Call
from solo.isolation.engine import BadEngineInput
from tests.contract.speech import say, silence
from tests.contract.test_stt_engines import SENTENCE, overlap

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif("TEST_WHISPER_DIR" not in os.environ, reason="TEST_WHISPER_DIR names no multilingual model"),
]


@pytest.fixture(scope="module")
def whisper() -> FasterWhisper:
    engine = FasterWhisper(model=os.environ["TEST_WHISPER_DIR"], threads=2)
    assert engine.load()["multilingual"]
    return engine


@pytest.mark.parametrize("sentence", [SENTENCE, "Stop.", "Set a timer for ten minutes.", "Thank you."])
def test_the_language_is_detected(whisper: FasterWhisper, sentence: str) -> None:
    answer = whisper.transcribe(Call(), silence(0.2) + say(sentence) + silence(0.3))
    assert answer["language"] == "en"
    assert overlap(sentence, answer["text"]) >= 0.6


def test_a_named_language_is_believed(whisper: FasterWhisper) -> None:
    assert whisper.transcribe(Call(), say(SENTENCE), language="de")["language"] == "de"


def test_words_to_expect_do_not_hide_the_language(whisper: FasterWhisper) -> None:
    answer = whisper.transcribe(Call(), say(SENTENCE), prompt="London")
    assert answer["language"] == "en"
    assert overlap(SENTENCE, answer["text"]) >= 0.6


def test_it_translates_into_english(whisper: FasterWhisper) -> None:
    assert overlap(SENTENCE, whisper.transcribe(Call(), say(SENTENCE), translate=True)["text"]) >= 0.6


def test_no_language_of_this_name(whisper: FasterWhisper) -> None:
    with pytest.raises(BadEngineInput, match="'xx'"):
        whisper.transcribe(Call(), say(SENTENCE), language="xx")
