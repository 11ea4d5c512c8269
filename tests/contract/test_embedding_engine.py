"""What every embedder promises, asked of the fake and of the real one."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from services.memory.adapters import packaged
from services.memory.adapters.fake import FakeEmbedder
from services.memory.adapters.minilm import MiniLM
from services.memory.adapters.onnx_model import batches
from services.memory.engines import EmbeddingEngine
from solo.isolation.call import Call
from solo.isolation.engine import ModelCorrupt, ModelMissing
from tests.contract.child import Child
from tests.contract.documents import sentences

MAKERS: dict[str, Callable[[], EmbeddingEngine]] = {"fake": FakeEmbedder, "minilm": MiniLM}
ODD = ["", " ", "\n", "\x00", "…", "👩‍👩‍👧‍👦 kůň", "a" * 500, "שלום\u200f", "\ufffd"]


@dataclass(frozen=True)
class Loaded:
    engine: EmbeddingEngine
    info: dict[str, Any]

    def vectors(self, *texts: str) -> list[tuple[float, ...]]:
        data = self.engine.embed(Call(), list(texts))
        assert len(data) == 4 * self.info["dimensions"] * len(texts)
        return list(struct.iter_unpack(f"<{self.info['dimensions']}f", data))


@dataclass(slots=True)
class LeavingCall(Call):
    """An asker who is seen to have left at the engine's n-th look."""

    looks: int = 1

    @property
    def cancelled(self) -> bool:
        self.looks -= 1
        return self.looks <= 0


@pytest.fixture(scope="module", params=MAKERS)
def embedder(request: pytest.FixtureRequest) -> Loaded:
    engine = MAKERS[request.param]()
    return Loaded(engine, engine.load())


@pytest.fixture(scope="module")
def minilm() -> MiniLM:
    engine = MiniLM(threads=2)
    engine.load()
    return engine


def likeness(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    return math.fsum(a * b for a, b in zip(one, other, strict=True))


class TestEmbeddingEngine:
    def test_load_says_what_it_is(self, embedder: Loaded) -> None:
        assert all(isinstance(embedder.info[key], str) and embedder.info[key] for key in ("engine", "model"))
        assert all(isinstance(embedder.info[key], int) for key in ("dimensions", "max_tokens"))
        assert embedder.info["dimensions"] == 384
        assert embedder.info["max_tokens"] == 256

    def test_vectors_have_length_one(self, embedder: Loaded) -> None:
        for vector in embedder.vectors(*sentences(20), *ODD):
            assert likeness(vector, vector) == pytest.approx(1, abs=1e-5)

    def test_no_texts_are_no_vectors(self, embedder: Loaded) -> None:
        assert embedder.engine.embed(Call(), []) == b""

    def test_they_come_in_the_order_of_the_texts(self, embedder: Loaded) -> None:
        said = sentences(40)
        texts = [" ".join(said[: 1 + 7 * number % 23]) + said[number] for number in range(20)]
        together = embedder.vectors(*texts)
        for text, vector in zip(texts, together, strict=True):
            assert likeness(embedder.vectors(text)[0], vector) == pytest.approx(1, abs=1e-4)

    def test_the_same_texts_give_the_same_vectors(self, embedder: Loaded) -> None:
        assert embedder.vectors(*sentences(9)) == embedder.vectors(*sentences(9))

    def test_what_is_said_alike_is_alike(self, embedder: Loaded) -> None:
        asked, near, far = embedder.vectors(
            "Where does the ferry to the island leave?",
            "The ferry to the island leaves from the northern harbour.",
            "Knead flour, butter and sugar, then bake for ten minutes.",
        )
        assert likeness(asked, near) > likeness(asked, far) + 0.2
        assert abs(likeness(asked, far)) < 0.35

    def test_a_long_text_is_cut(self, embedder: Loaded) -> None:
        long = "harbour " * embedder.info["max_tokens"]
        one, other, short = embedder.vectors(long + "flour", long + "butter " * 500, "butter")
        assert one == other
        assert likeness(one, short) < 0.9

    @pytest.mark.parametrize("looks", [1, 2, 3])
    def test_an_asker_who_leaves_gets_no_bytes(self, embedder: Loaded, looks: int) -> None:
        assert embedder.engine.embed(LeavingCall(looks=looks), sentences(40)) == b""
        assert len(embedder.vectors("Still there.")) == 1


class TestFakeEmbedder:
    def test_dimensions_are_an_option(self) -> None:
        fake = FakeEmbedder(dimensions=8)
        assert fake.load()["dimensions"] == 8
        assert len(fake.embed(Call(), ["a", "b"])) == 2 * 8 * 4

    def test_models_of_other_dimensions_have_other_names(self) -> None:
        assert FakeEmbedder(dimensions=8).load()["model"] != FakeEmbedder().load()["model"]


class TestMiniLM:
    def test_it_is_the_packaged_model(self, minilm: MiniLM) -> None:
        info = MiniLM().load()
        assert (info["engine"], info["model"]) == ("onnxruntime", "all-MiniLM-L6-v2 int8")

    def test_meaning_counts_more_than_words(self, minilm: MiniLM) -> None:
        loaded = Loaded(minilm, {"dimensions": 384})
        asked, near, far = loaded.vectors("My physician", "The doctor who treats me", "My physics teacher's cat")
        assert likeness(asked, near) > likeness(asked, far)

    def test_the_vector_is_the_mean_over_the_tokens(self, minilm: MiniLM) -> None:
        """Computed without padding and in Python's numbers."""
        import onnxruntime

        said = sentences(3)
        tokenizer = packaged.load_tokenizer(packaged.tokenizer())
        session = onnxruntime.InferenceSession(str(packaged.model()), providers=["CPUExecutionProvider"])
        for text, vector in zip(said, Loaded(minilm, {"dimensions": 384}).vectors(*said), strict=True):
            ids = [tokenizer.encode(text).ids]
            feeds = {"input_ids": ids, "attention_mask": [[1] * len(ids[0])], "token_type_ids": [[0] * len(ids[0])]}
            hidden = session.run(None, feeds)[0][0].tolist()
            mean = [math.fsum(column) / len(column) for column in zip(*hidden, strict=True)]
            length = math.sqrt(math.fsum(value * value for value in mean))
            assert likeness(tuple(value / length for value in mean), vector) == pytest.approx(1, abs=1e-4)

    def test_texts_of_like_length_go_together(self) -> None:
        lengths = [7, 200, 9, 180, 8, 3, 190, 4, 150]
        assert list(batches(lengths, 4)) == [[5, 7, 0, 4], [2, 8, 3, 6], [1]]
        assert list(batches([])) == []

    def test_it_takes_no_more_threads_than_it_is_given(self) -> None:
        counts = []
        for threads in (1, 2):
            with Child("services.memory.adapters.minilm:MiniLM", threads=threads) as child:
                child("embed", sentences(40))
                counts.append(child.threads())
        assert counts[1] - counts[0] <= 1

    def test_no_file_is_a_missing_model(self, tmp_path: Path) -> None:
        with pytest.raises(ModelMissing) as missing:
            MiniLM(model=str(tmp_path / "nowhere.onnx")).load()
        assert missing.value.hint
        assert str(tmp_path) in missing.value.message

    def test_the_tokenizer_lies_beside_the_model(self, tmp_path: Path) -> None:
        folder = tmp_path / "mine"
        folder.mkdir()
        (folder / "model.onnx").symlink_to(packaged.model())
        with pytest.raises(ModelMissing, match="tokenizer"):
            MiniLM(model=str(folder / "model.onnx")).load()
        (folder / "tokenizer.json").symlink_to(packaged.tokenizer())
        assert MiniLM(model=str(folder / "model.onnx")).load()["model"] == "mine"

    @pytest.mark.parametrize("damage", ["empty", "truncated", "garbage"])
    def test_a_damaged_model_is_named_as_such(self, tmp_path: Path, damage: str) -> None:
        file = tmp_path / "model.onnx"
        whole = packaged.model().read_bytes()
        file.write_bytes({"empty": b"", "truncated": whole[:5_000_000], "garbage": bytes(range(256)) * 40}[damage])
        with pytest.raises(ModelCorrupt) as corrupt:
            MiniLM(model=str(file), tokenizer=str(packaged.tokenizer())).load()
        assert corrupt.value.hint
        assert "\n" not in corrupt.value.message

    @pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b"[1, 2]"])
    def test_so_is_a_damaged_tokenizer(self, tmp_path: Path, content: bytes) -> None:
        file = tmp_path / "tokenizer.json"
        file.write_bytes(content)
        with pytest.raises(ModelCorrupt) as corrupt:
            MiniLM(tokenizer=str(file)).load()
        assert corrupt.value.hint

    def test_more_tokens_than_the_model_has_places_for_are_refused(self) -> None:
        with pytest.raises(ModelCorrupt, match="cannot embed 600 tokens"):
            MiniLM(max_tokens=600).load()
