"""What Moonshine promises beyond its port: exact in 8 bits, cheap in silence, honest about nonsense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.stt.adapters.moonshine.adapter import Moonshine, _packaged_model
from services.stt.adapters.moonshine.nodes import Graph
from services.stt.adapters.moonshine.weights import Matrix
from solo.isolation.call import Call
from solo.isolation.engine import ModelCorrupt
from tests.contract.speech import RATE, noise, say, silence
from tests.contract.stt_refusals import Refusals
from tests.contract.test_stt_engines import LONG, SENTENCE, overlap, replace

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def moonshine() -> Moonshine:
    engine = Moonshine(threads=2)
    engine.load()
    return engine


class TestMoonshine(Refusals):
    make = Moonshine

    @pytest.fixture
    def engine(self, moonshine: Moonshine) -> Moonshine:
        return moonshine

    def test_it_costs_what_was_spoken(self, moonshine: Moonshine) -> None:
        pcm = silence(3) + say(SENTENCE) + silence(3)
        answer = moonshine.transcribe(Call(), pcm)
        assert answer["window_s"] < len(say(SENTENCE)) / 2 / RATE + 1
        assert overlap(SENTENCE, answer["text"]) >= 0.8

    def test_weights_are_as_exact_in_8_bits_as_in_floats(
        self, moonshine: Moonshine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def in_floats(self: Graph, x: str, matrix: Matrix, bias: Any = None) -> str:
            made = self.add("MatMul", [x, self.constant(matrix.floats())])
            return str(made if bias is None else self.add("Add", [made, self.constant(bias)]))

        monkeypatch.setattr(Graph, "product", in_floats)
        exact = Moonshine(threads=2)
        exact.load()
        for sentence in (SENTENCE, *LONG[:4]):
            heard, wanted = (engine.transcribe(Call(), say(sentence))["text"] for engine in (moonshine, exact))
            assert overlap(wanted, heard) >= 0.9

    def test_a_loop_is_heard_again_and_doubted(self, moonshine: Moonshine, monkeypatch: pytest.MonkeyPatch) -> None:
        heard: list[int] = []

        def loops(call: Call, sound: Any, limit: int) -> tuple[list[int], float]:
            heard.append(len(sound))
            return [1000, 1001, 1002] * 20, -0.1

        monkeypatch.setattr(moonshine._network, "hear", loops)
        answer = moonshine.transcribe(Call(), say(SENTENCE))
        assert len(heard) == 2 and heard[1] > heard[0]
        assert answer["attempts"] == 2 and answer["doubtful"]
        assert answer["text"] == moonshine._tokens.text([1000, 1001, 1002])

    def test_speech_without_a_word_is_doubted(self, moonshine: Moonshine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(moonshine._network, "hear", lambda *_: ([], -0.1))
        answer = moonshine.transcribe(Call(), say(SENTENCE))
        assert answer["text"] == "" and answer["doubtful"]

    def test_two_minutes_with_pauses(self, moonshine: Moonshine) -> None:
        pcm = silence(2.5).join(say(sentence) for sentence in LONG * 2)[: 2 * RATE * 120]
        text = moonshine.transcribe(Call(), pcm)["text"]
        assert overlap(" ".join(LONG), text) >= 0.8
        assert len(text.split()) <= 1.1 * 2 * len(" ".join(LONG).split())

    @pytest.mark.parametrize("damage", ["empty", "truncated", "garbage", "zeros", "another", "no tokens", "bad tokens"])
    def test_a_damaged_model_is_named_as_such(self, tmp_path: Path, damage: str) -> None:
        for file in _packaged_model().iterdir():
            (tmp_path / file.name).symlink_to(file)
        encoder, decoder = tmp_path / "encoder_model.ort", tmp_path / "decoder_model_merged.ort"
        match damage:
            case "empty":
                encoder.unlink()
            case "truncated":
                replace(decoder, decoder.read_bytes()[:1_000_000])
            case "garbage":
                replace(encoder, noise(5, -10))
            case "zeros":
                replace(decoder, bytes(100_000))
            case "another":
                replace(decoder, encoder.read_bytes())
            case "no tokens":
                (tmp_path / "tokenizer.bin").unlink()
            case "bad tokens":
                replace(tmp_path / "tokenizer.bin", b"{}")
        with pytest.raises(ModelCorrupt) as corrupt:
            Moonshine(model=str(tmp_path)).load()
        assert corrupt.value.hint
        assert "\n" not in corrupt.value.message
