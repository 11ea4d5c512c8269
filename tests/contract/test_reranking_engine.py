"""What every reranker promises, asked of the fake and of the real one with a tiny model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.memory.adapters import packaged
from services.memory.adapters.cross_encoder import CrossEncoder
from services.memory.adapters.fake import FakeReranker
from services.memory.engines import RerankingEngine
from solo.isolation.call import Call
from solo.isolation.engine import ModelCorrupt, ModelMissing
from tests.contract.documents import sentences
from tests.contract.tiny_reranker import tiny_reranker

QUERY = "From which harbour leaves the ferry?"
TEXTS = ["Bake for ten minutes.", "The ferry leaves from the northern harbour.", "The harbour is old.", ""]
ODD = ["", " ", "\n", "\x00", "…", "👩‍👩‍👧‍👦 kůň", "a" * 500, "שלום\u200f", "\ufffd"]


def cross_encoder(folder: Path, **options: bool) -> CrossEncoder:
    return CrossEncoder(str(tiny_reranker(folder, **options)), str(packaged.tokenizer()))


MAKERS: dict[str, Callable[[Path], RerankingEngine]] = {
    "fake": lambda _: FakeReranker(),
    "cross-encoder": cross_encoder,
    "cross-encoder without types": lambda folder: cross_encoder(folder, types=False),
}


@dataclass(slots=True)
class LeavingCall(Call):
    """An asker who is seen to have left at the engine's n-th look."""

    looks: int = 1

    @property
    def cancelled(self) -> bool:
        self.looks -= 1
        return self.looks <= 0


@pytest.fixture(scope="module", params=MAKERS)
def reranker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RerankingEngine:
    engine = MAKERS[request.param](tmp_path_factory.mktemp("model"))
    info = engine.load()
    assert all(isinstance(info[key], str) and info[key] for key in ("engine", "model"))
    return engine


class TestRerankingEngine:
    def test_what_answers_better_scores_higher(self, reranker: RerankingEngine) -> None:
        scores = reranker.rerank(Call(), QUERY, TEXTS)
        assert len(scores) == len(TEXTS)
        assert all(isinstance(score, float) and 0 <= score <= 1 for score in scores)
        assert max(scores) == scores[1]
        assert scores[1] > scores[2] > scores[0]

    def test_they_come_in_the_order_of_the_texts(self, reranker: RerankingEngine) -> None:
        said = sentences(40)
        texts = [" ".join(said[: 1 + 7 * number % 23]) + said[number] for number in range(20)]
        together = reranker.rerank(Call(), QUERY, texts)
        assert len(set(together)) > 2
        for text, score in zip(texts, together, strict=True):
            assert reranker.rerank(Call(), QUERY, [text]) == [pytest.approx(score, abs=1e-4)]

    def test_no_texts_have_no_scores(self, reranker: RerankingEngine) -> None:
        assert reranker.rerank(Call(), "Anything?", []) == []

    @pytest.mark.parametrize("query", ["", "?!", "\x00", "harbour " * 2000])
    def test_an_odd_query(self, reranker: RerankingEngine, query: str) -> None:
        assert len(reranker.rerank(Call(), query, TEXTS)) == len(TEXTS)

    def test_odd_texts(self, reranker: RerankingEngine) -> None:
        scores = reranker.rerank(Call(), QUERY, [*ODD, TEXTS[1]])
        assert all(map(math.isfinite, scores))
        assert max(scores[:-1]) < scores[-1]

    @pytest.mark.parametrize("looks", [1, 2, 3])
    def test_an_asker_who_leaves_gets_no_scores(self, reranker: RerankingEngine, looks: int) -> None:
        assert reranker.rerank(LeavingCall(looks=looks), QUERY, sentences(40)) == []
        assert len(reranker.rerank(Call(), QUERY, TEXTS)) == len(TEXTS)


class TestCrossEncoder:
    def test_the_score_is_the_sigmoid_of_the_logit(self, tmp_path: Path) -> None:
        engine = cross_encoder(tmp_path)
        engine.load()
        # The tiny model's logit is 8 times the share of the words, less 4.
        for query, share in [("ferry harbour", 1.0), ("old harbour", 0.5), ("bread", 0.0)]:
            (score,) = engine.rerank(Call(), query, [TEXTS[1]])
            assert score == pytest.approx(1 / (1 + math.exp(4 - 8 * share)), abs=1e-6)

    def test_a_long_text_is_cut(self, tmp_path: Path) -> None:
        file = str(tiny_reranker(tmp_path, positions=32))
        engine = CrossEncoder(file, str(packaged.tokenizer()), max_tokens=32)
        assert engine.load()["max_tokens"] == 32
        start, end = engine.rerank(Call(), QUERY, [TEXTS[1] + "flour " * 600, "flour " * 600 + TEXTS[1]])
        assert start > 0.9 > 0.1 > end

    def test_the_tokenizer_lies_beside_the_model(self, tmp_path: Path) -> None:
        folder = tmp_path / "mine"
        folder.mkdir()
        file = str(tiny_reranker(folder))
        with pytest.raises(ModelMissing, match="tokenizer"):
            CrossEncoder(file).load()
        (folder / "tokenizer.json").symlink_to(packaged.tokenizer())
        assert CrossEncoder(file).load()["model"] == "mine"

    def test_no_file_is_a_missing_model(self, tmp_path: Path) -> None:
        with pytest.raises(ModelMissing) as missing:
            CrossEncoder(str(tmp_path / "nowhere.onnx")).load()
        assert missing.value.hint
        assert str(tmp_path) in missing.value.message

    @pytest.mark.parametrize("damage", ["empty", "truncated", "garbage"])
    def test_a_damaged_model_is_named_as_such(self, tmp_path: Path, damage: str) -> None:
        file = tiny_reranker(tmp_path)
        whole = file.read_bytes()
        file.write_bytes({"empty": b"", "truncated": whole[: len(whole) // 2], "garbage": bytes(range(256))}[damage])
        with pytest.raises(ModelCorrupt) as corrupt:
            CrossEncoder(str(file), str(packaged.tokenizer())).load()
        assert corrupt.value.hint
        assert "\n" not in corrupt.value.message

    def test_a_model_with_two_numbers_a_pair_is_none(self, tmp_path: Path) -> None:
        file = str(tiny_reranker(tmp_path, outputs=2))
        with pytest.raises(ModelCorrupt, match="array of"):
            CrossEncoder(file, str(packaged.tokenizer())).load()

    def test_neither_is_an_embedder(self) -> None:
        with pytest.raises(ModelCorrupt, match="array of"):
            CrossEncoder(str(packaged.model()), str(packaged.tokenizer()), max_tokens=16).load()

    def test_more_tokens_than_the_model_has_places_for_are_refused(self, tmp_path: Path) -> None:
        file = str(tiny_reranker(tmp_path, positions=256))
        with pytest.raises(ModelCorrupt, match="cannot score pairs of 512 tokens"):
            CrossEncoder(file, str(packaged.tokenizer())).load()
