"""What every reranker promises."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.memory.adapters.fake import FakeReranker
from services.memory.engines import RerankingEngine
from solo.isolation.call import Call

MAKERS: dict[str, Callable[[], RerankingEngine]] = {"fake": FakeReranker}
TEXTS = ["Bake for ten minutes.", "The ferry leaves from the northern harbour.", "The harbour is old.", ""]


@pytest.fixture(scope="module", params=MAKERS)
def reranker(request: pytest.FixtureRequest) -> RerankingEngine:
    engine = MAKERS[request.param]()
    info = engine.load()
    assert all(isinstance(info[key], str) and info[key] for key in ("engine", "model"))
    return engine


class TestRerankingEngine:
    def test_what_answers_better_scores_higher(self, reranker: RerankingEngine) -> None:
        scores = reranker.rerank(Call(), "From which harbour leaves the ferry?", TEXTS)
        assert len(scores) == len(TEXTS)
        assert all(isinstance(score, float) for score in scores)
        assert max(scores) == scores[1]
        assert scores[1] > scores[2] > scores[0]

    def test_no_texts_have_no_scores(self, reranker: RerankingEngine) -> None:
        assert reranker.rerank(Call(), "Anything?", []) == []

    @pytest.mark.parametrize("query", ["", "?!", "\x00"])
    def test_a_query_without_words(self, reranker: RerankingEngine, query: str) -> None:
        assert len(reranker.rerank(Call(), query, TEXTS)) == len(TEXTS)

    def test_an_asker_who_has_left_gets_a_plain_answer(self, reranker: RerankingEngine) -> None:
        gone = Call()
        gone.cancel()
        assert reranker.rerank(gone, "Which harbour?", TEXTS) == []
