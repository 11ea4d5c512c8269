"""Which model serves a need best, and what a file says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.formats.gguf import read_header
from services.formats.gguf_facts import clean, facts_of
from services.formats.lineage import family_of, says_it_talks
from services.messages.models import ChooseModel, ModelFile
from services.models.choosing import OVERHEAD, choose, kv_bytes, needed_bytes
from tests.gguf_files import INT32, UINT32, array, gguf, model_values, number, small_model, string

GIB = 1024**3


def model(name: str, parameters: float = 1e9, bits: float = 4.5, **more: Any) -> ModelFile:
    about: dict[str, Any] = {
        "path": f"/{name}.gguf", "origin": "models", "modified": 0, "chat": True, "template": "own", "context": 8192,
        "kv_bytes_per_token": 1000, "verdict": "usable", "size_bytes": int(parameters * bits / 8),
    }  # fmt: skip
    return ModelFile(name=name, parameters=int(parameters), **{**about, **more})


def names(models: list[ModelFile], **need: Any) -> list[str]:
    return [each.name for each in choose(models, ChooseModel(**need))]


class TestChoosing:
    def test_the_largest_that_fits_is_best(self) -> None:
        models = [model("small", 1e9), model("large", 8e9), model("huge", 70e9)]
        assert names(models) == ["huge", "large", "small"]
        assert names(models, memory_bytes=6 * GIB) == ["large", "small"]
        assert names(models, memory_bytes=GIB // 2) == []

    def test_the_context_counts(self) -> None:
        one = model("one", kv_bytes_per_token=100_000, context=32_768)
        room = needed_bytes(one, 2048)
        assert names([one], memory_bytes=room) == ["one"]
        assert names([one], memory_bytes=room, context=4096) == []
        assert needed_bytes(one, 2048) == one.size_bytes + 2048 * 100_000 + OVERHEAD
        assert kv_bytes(one, 10**6) == 32_768 * 100_000  # never more than it was trained for

    def test_a_cache_of_unknown_size_is_thought_large(self) -> None:
        one = model("one", kv_bytes_per_token=None, layers=32, embedding=4096)
        assert kv_bytes(one, 1) == 2 * 32 * 4096 * 2

    def test_of_like_size_more_bits_are_better(self) -> None:
        models = [model("q4", 7e9, 4.5), model("q8", 7.1e9, 8.5), model("f16", 7e9, 16)]
        assert names(models)[:1] == ["q8"]

    def test_but_a_larger_one_of_four_bits_beats_a_smaller_one_of_eight(self) -> None:
        assert names([model("4b", 4e9, 8.5), model("8b", 8e9, 4.5)]) == ["8b", "4b"]

    def test_and_of_two_bits_it_does_not(self) -> None:
        assert names([model("7b", 7e9, 4.5), model("8b", 8e9, 2.2)]) == ["7b", "8b"]

    def test_a_later_generation_is_better(self) -> None:
        models = [model("old", family="Llama 2"), model("new", family="Qwen3"), model("unknown")]
        assert names(models) == ["new", "old", "unknown"]

    def test_what_it_is_for(self) -> None:
        models = [
            model("talker"), model("base", 9e9, chat=False, template="none"), model("coder-instruct", 5e8),
            model("bert", architecture="bert", chat=False), model("my-embedder", chat=False),
            model("by-family", 9e9, template="family"),
        ]  # fmt: skip
        assert names(models) == ["talker", "coder-instruct", "by-family"]
        assert names(models, purpose="code")[0] == "coder-instruct"
        assert sorted(names(models, purpose="embedding")) == ["bert", "my-embedder"]
        assert len(names(models, purpose="any")) == 6

    def test_a_family_by_its_name(self) -> None:
        models = [model("a", family="Gemma 3"), model("b", family="Qwen3")]
        assert names(models, family="gemma3") == names(models, family="Gemma 3") == ["a"]

    def test_a_refused_one_is_never_chosen(self) -> None:
        assert names([model("bad", verdict="refused")], purpose="any") == []

    def test_it_says_why(self) -> None:
        (best,) = choose([model("one", context=1024)], ChooseModel(memory_bytes=4 * GIB, context=2048))
        assert best.note == (
            "1,000 million parameters, 4.5 bits a weight; needs 0.76 GB with 1024 tokens of context of 4.29 GB "
            "(it takes no more than 1024); its own chat template"
        )

    def test_one_that_says_nothing_of_itself(self) -> None:
        bare = model("bare", template="none").model_copy(update={"parameters": None})
        (best,) = choose([bare], ChooseModel(purpose="any"))
        assert "of unknown size" in best.note


class TestFacts:
    def read(self, folder: Path, *values: bytes, name: str = "file") -> Any:
        path = folder / "x.gguf"
        path.write_bytes(gguf(*values))
        return facts_of(read_header(path), name)

    def test_of_the_small_model(self, tmp_path: Path) -> None:
        path = tmp_path / "x.gguf"
        path.write_bytes(small_model())
        facts = facts_of(read_header(path), "x")
        assert (facts.architecture, facts.title, facts.licence) == ("llama", "Tiny Test Instruct", "apache-2.0")
        assert (facts.context, facts.layers, facts.embedding, facts.quantisation) == (128, 1, 32, "F32")
        assert facts.kv_bytes_per_token == 1 * 2 * (8 + 8) * 2
        assert (facts.chat, facts.template) == (True, "own")

    def test_heads_for_each_layer(self, tmp_path: Path) -> None:
        values = [
            string("general.architecture", "x"), number("x.block_count", 3), number("x.embedding_length", 64),
            number("x.attention.head_count", 8), array("x.attention.head_count_kv", UINT32, [8, 4, 2]),
        ]  # fmt: skip
        assert self.read(tmp_path, *values).kv_bytes_per_token == 14 * 16 * 2
        values[-1] = array("x.attention.head_count_kv", UINT32, [8, 4])
        assert self.read(tmp_path, *values).kv_bytes_per_token is None

    def test_numbers_that_cannot_be_are_unknown(self, tmp_path: Path) -> None:
        facts = self.read(
            tmp_path,
            string("general.architecture", "x"),
            number("x.block_count", 2**32 - 1),
            number("x.context_length", -1, INT32),
            number("x.embedding_length", 0),
            number("general.file_type", 4000),
        )
        assert (facts.layers, facts.context, facts.embedding, facts.kv_bytes_per_token) == (None,) * 4
        assert facts.quantisation == "F32"  # of the tensors

    def test_a_base_model_is_not_for_chat(self, tmp_path: Path) -> None:
        facts = self.read(tmp_path, string("general.architecture", "gemma3"), name="gemma-3-270m-q4_k_m")
        assert (facts.family, facts.chat, facts.template) == ("Gemma 3", False, "none")

    def test_a_family_lends_its_template(self, tmp_path: Path) -> None:
        facts = self.read(tmp_path, string("general.architecture", "llama"), name="Llama-2-7B-Chat.Q4_K_M")
        assert (facts.family, facts.chat, facts.template) == ("Llama 2", True, "family")

    def test_what_strangers_wrote_can_be_shown(self, tmp_path: Path) -> None:
        name = "\x1b[31mred\x1b[0m\r\nline\u202e\x00\u200b  two" + "x" * 1000
        facts = self.read(tmp_path, *model_values(general__name=name)[1:2], string("general.architecture", "a\nb"))
        assert facts.title.startswith("[31mred [0m line two") and facts.title.isprintable()
        assert len(facts.title) <= 200 and facts.architecture == "a b"
        assert clean("") == ""


@pytest.mark.parametrize(
    ("architecture", "name", "family"),
    [
        ("llama", "SmolLM2-135M-Instruct.Q4_1", "SmolLM2"),
        ("llama", "TinyLlama-1.1B-Chat-v1.0", "TinyLlama"),
        ("llama", "zephyr-7b-beta", "Zephyr"),
        ("llama", "Mixtral-8x7B-Instruct-v0.1", "Mixtral"),
        ("llama", "Mistral-7B-Instruct-v0.3", "Mistral"),
        ("llama", "Meta-Llama-3.1-8B-Instruct", "Llama 3"),
        ("llama", "Llama 3 8B", "Llama 3"),
        ("llama", "llama-2-13b-chat", "Llama 2"),
        ("phi3", "Phi-3.5-mini-instruct", "Phi-3"),
        ("phi3", "unnamed", "Phi-3"),
        ("phi2", "phi-2", "Phi-2"),
        ("qwen2", "Qwen2.5-7B-Instruct", "Qwen2.5"),
        ("qwen2", "unnamed", "Qwen2"),
        ("qwen3", "Qwen3-4B", "Qwen3"),
        ("gemma", "gemma-2b-it", "Gemma"),
        ("gemma2", "gemma-2-2b-it", "Gemma 2"),
        ("gemma3", "gemma-3-270m", "Gemma 3"),
        ("qwen2", "DeepSeek-R1-Distill-Qwen-7B", "DeepSeek"),
        ("llama", "unnamed", ""),
        ("", "", ""),
    ],
)
def test_the_family(architecture: str, name: str, family: str) -> None:
    assert family_of(architecture, (name,)) == family


def test_the_family_by_its_template() -> None:
    assert family_of("llama", ("x",), "<|start_header_id|>user") == "Llama 3"


@pytest.mark.parametrize(
    ("name", "talks"),
    [("Llama-3-8B-Instruct", True), ("gemma-2b-it", True), ("llama-2-7b-chat.Q4", True), ("gemma-3-270m", False),
     ("italian-model", False), ("chatty", False)],
)  # fmt: skip
def test_a_name_may_say_that_it_talks(name: str, talks: bool) -> None:
    assert says_it_talks(name) is talks
