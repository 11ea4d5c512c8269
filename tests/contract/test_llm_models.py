"""What only a real model and native code can get wrong: aborted decodes, tokens, model files."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import pytest

from services.llm.adapters.llama_cpp import LlamaCpp, packaged_model
from services.llm.adapters.llama_runtime import LlamaRuntime
from services.llm.engine import ChatMessage
from solo.isolation.driving import Work
from solo.isolation.engine import BadEngineInput, EngineError, ModelCorrupt, ModelMissing
from tests.contract.llm_cases import FRANCE, SEA, answer, asked, load_once, run


class Leaving(Work):
    """A call whose asker leaves at the n-th look at it, so that the moment does not depend on the clock."""

    def __init__(self, looks: int) -> None:
        super().__init__(room=1_000_000)
        self.looks = looks

    @property
    def cancelled(self) -> bool:
        self.looks -= 1
        return self.looks < 0


def _runtime(engine: LlamaCpp) -> LlamaRuntime:
    assert engine._runtime is not None
    return engine._runtime


def _tokens(engine: LlamaCpp, messages: list[ChatMessage]) -> list[int]:
    return _runtime(engine).vocabulary.encode(engine._template.render(messages))


class TestLlamaCpp:
    @pytest.fixture
    def real(self) -> LlamaCpp:
        engine: LlamaCpp = load_once("llama_cpp")
        return engine

    @pytest.mark.parametrize("looks", [2, 100, 300])
    def test_leaving_in_the_middle_of_a_decode(self, real: LlamaCpp, looks: int) -> None:
        """The abort callback looks some 500 times while a prompt is decoded."""
        whole = answer(real, SEA, max_tokens=20)
        unread = asked(f"Number {looks}: what is it that makes the tide come in and go out again twice a day?")
        pieces, done = run(real, unread, Leaving(looks), max_tokens=20)
        assert (done["finish"], pieces) == ("cancelled", [])
        assert answer(real, SEA, max_tokens=20) == whole

    def test_long_prompts_go_in_batches(self) -> None:
        question = asked("What is the capital of France?", *["This is a sentence of a history."] * 8)
        engines = [load_once("llama_cpp", batch=batch) for batch in (512, 16)]
        assert len({answer(engine, question, max_tokens=12) for engine in engines}) == 1

    def test_prompts_are_tokenised_as_llama_cpp_does(self, real: LlamaCpp) -> None:
        import llama_cpp

        messages = asked(" And of Spain?\n", "What's the capital of France?", "Paris,\n\n  of course! 123 🎉")
        text = (
            "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)
            + "<|im_start|>assistant\n"
        )
        data = text.encode()
        tokens = (llama_cpp.llama_token * 500)()
        vocabulary = _runtime(real).vocabulary
        count = llama_cpp.llama_tokenize(vocabulary.native, data, len(data), tokens, 500, False, True)
        assert _tokens(real, messages) == list(tokens[:count])

    def test_special_text_in_contents_stays_plain(self, real: LlamaCpp) -> None:
        vocabulary = _runtime(real).vocabulary
        [end] = (token for text, token in vocabulary._specials.items() if text == "<|im_end|>")
        assert _tokens(real, asked("Hello")).count(end) == 2
        assert _tokens(real, asked("Hello<|im_end|><|im_end|>")).count(end) == 2
        assert end not in vocabulary.tokenise("<|im_end|>")

    def test_a_missing_model(self, tmp_path: Path) -> None:
        with pytest.raises(ModelMissing) as caught:
            LlamaCpp(model=str(tmp_path / "none.gguf")).load()
        assert "none.gguf" in caught.value.message and caught.value.hint

    def test_a_missing_package(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("services.llm.adapters.llama_cpp.PACKAGE", "no_such_package")
        with pytest.raises(ModelMissing) as caught:
            LlamaCpp().load()
        assert "no-such-package" in caught.value.message

    @pytest.mark.parametrize(
        "kind", ["empty", "text", "random", "magic only", "no tensors", "half", "end missing", "unknown"]
    )
    def test_a_corrupt_model(self, tmp_path: Path, kind: str) -> None:
        # The header is in the first megabytes; the rest of the file may as well be a hole.
        with packaged_model().open("rb") as file:
            header = file.read(4 * 2**20)
            size = file.seek(0, 2)
        noise = bytes(i * 7919 % 251 for i in range(100_000))
        architecture = b"general.architecture" + struct.pack("<IQ", 8, 5)
        data, length = {
            "empty": (b"", 0),
            "text": (b"this is not a model\n" * 10, 0),
            "random": (noise, 0),
            "magic only": (b"GGUF" + noise, 0),
            "no tensors": (b"GGUF" + struct.pack("<IQQ", 3, 0, 0), 0),
            "half": (header, size // 2),
            "end missing": (header, size - 4096),
            "unknown": (header.replace(architecture + b"llama", architecture + b"lemma"), size),
        }[kind]
        path = tmp_path / "damaged.gguf"
        path.write_bytes(data)
        os.truncate(path, max(length, len(data)))
        with pytest.raises(ModelCorrupt) as caught:
            LlamaCpp(model=str(path)).load()
        assert kind != "unknown" or "'lemma'" in caught.value.message  # llama.cpp's own reason
        assert "damaged.gguf" in caught.value.message and "\n" not in caught.value.message
        assert caught.value.hint

    def test_nothing_is_asked_before_load(self) -> None:
        with pytest.raises(EngineError):
            LlamaCpp().begin(Work(), "complete", {"messages": FRANCE})

    @pytest.mark.parametrize("wrong", [{"context": 0}, {"threads": 0}, {"batch": 0}, {"gpu_layers": -2}], ids=str)
    def test_wrong_options_are_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(BadEngineInput):
            LlamaCpp(**wrong)
