"""Texts of the doors of sound: sentences, languages, subtitles, WAV headers."""

from __future__ import annotations

import io
import json
import wave

import pytest

from services.api.sound.languages import NAMES, between, code_of
from services.api.sound.sentences import MOST_CHARS, sentences
from services.api.sound.speaking import wav_header
from services.api.sound.subtitles import Heard, written
from services.messages.speech import SpokenSegment, Transcript


class TestSentences:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
            ('He said "Go." Then he left.', ['He said "Go."', "Then he left."]),
            ("Dr. Smith has 3.14 of it, e.g. two. Yes.", ["Dr. Smith has 3.14 of it, e.g. two.", "Yes."]),
            ("A line\nand another\n\n", ["A line", "and another"]),
            ("你好。再见。", ["你好。", "再见。"]),
            ("... !? —", []),
            ("", []),
        ],
    )
    def test_are_cut(self, text: str, expected: list[str]) -> None:
        assert sentences(text) == expected

    @pytest.mark.parametrize("text", ["word " * 800, "x" * 4096, "well, then; " * 300])
    def test_long_ones_are_cut_and_nothing_is_lost(self, text: str) -> None:
        found = sentences(text)
        assert all(0 < len(sentence) <= MOST_CHARS for sentence in found)
        assert "".join("".join(found).split()) == "".join(text.split())


class TestLanguages:
    @pytest.mark.parametrize("name", ["de", "DE", " de ", "de-AT", "de_CH", "German", "german"])
    def test_one_language_has_many_names(self, name: str) -> None:
        assert code_of(name) == "de"

    def test_the_unknown_stays(self) -> None:
        assert code_of("Quenya") == "quenya"

    def test_all_of_whispers(self) -> None:
        assert len(NAMES) == 100
        assert (NAMES["en"], NAMES["ht"]) == ("english", "haitian creole")
        assert (between("en"), between("ja")) == (" ", "")


def heard(*texts: str) -> Heard:
    all_of_it = Heard(seconds=30.0 * len(texts))
    for number, text in enumerate(texts):
        segment = SpokenSegment(start=1.0, end=2.5, text=text)
        all_of_it.add(30.0 * number, Transcript(text=text, language="en", engine="stub", segments=(segment,)))
    return all_of_it


class TestSubtitles:
    def test_srt(self) -> None:
        body, kind = written(heard("One.", "a --> b"), "srt", task="transcribe", granularities=frozenset())
        assert kind.startswith("application/x-subrip")
        assert body == ("1\n00:00:01,000 --> 00:00:02,500\nOne.\n\n2\n00:00:31,000 --> 00:00:32,500\na -> b\n\n")

    def test_vtt(self) -> None:
        body, kind = written(heard("<One> & two"), "vtt", task="transcribe", granularities=frozenset())
        assert kind.startswith("text/vtt")
        assert body == "WEBVTT\n\n00:00:01.000 --> 00:00:02.500\n&lt;One&gt; &amp; two\n\n"

    def test_hours(self) -> None:
        late = Heard(seconds=9000)
        segment = SpokenSegment(start=0.9996, end=3.0, text="x")
        late.add(3 * 3600 - 1.0, Transcript(text="x", language="en", engine="stub", segments=(segment,)))
        assert "03:00:00,000 --> 03:00:02,000" in written(late, "srt", task="transcribe", granularities=frozenset())[0]

    def test_nothing_said(self) -> None:
        silent = Heard(seconds=3)
        silent.add(0.0, Transcript(text="", language="en", engine="stub"))
        for form, body in (("text", "\n"), ("srt", ""), ("vtt", "WEBVTT\n\n")):
            assert written(silent, form, task="transcribe", granularities=frozenset())[0] == body  # type: ignore[arg-type]
        said = json.loads(written(silent, "verbose_json", task="transcribe", granularities=frozenset({"segment"}))[0])
        assert (said["text"], said["segments"], said["duration"], said["language"]) == ("", [], 3, "english")

    def test_a_translation_is_english(self) -> None:
        foreign = Heard(seconds=3)
        foreign.add(0.0, Transcript(text="Hello", language="de", engine="stub"))
        said = json.loads(written(foreign, "verbose_json", task="translate", granularities=frozenset())[0])
        assert (said["language"], said["task"]) == ("english", "translate")
        assert "usage" not in said


def test_a_wav_header_without_a_length_is_read_to_the_end() -> None:
    with wave.open(io.BytesIO(wav_header(22_050) + bytes(4410))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 22_050)
        assert file.readframes(22_050) == bytes(4410)
