"""The reranker: asked when there is one and time for it, and never needed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from services.memory.adapters import packaged
from services.memory.adapters.fake import FakeReranker
from services.memory.adapters.memory_store import FakeStore
from services.memory.former import FormerEmbedder
from services.memory.indexing import Indexing
from services.memory.ordering import Ordering
from services.memory.recalling import Recalling
from services.memory.reranking import RerankerService
from services.memory.spec import MemorySettings, specs
from services.messages.memory import Hit, Place, Recall, Search
from services.messages.passages import Embed
from services.messages.reranking import MOST_TEXTS, Rerank
from solo.bus import Bus, DeadlineExceeded
from solo.bus.context import deadline_after, until
from solo.isolation.call import Call
from solo.isolation.engine import EngineDied
from solo.isolation.process import EngineSpec
from solo.settings import MachineSettings
from solo.storage import Database
from solo.supervision import Context, ServiceSpec
from tests.contract.tiny_reranker import tiny_reranker
from tests.stubs.memory import Embedder, answering
from tests.stubs.services import supervised

QUERY = "Where is the blue key?"


class Reranker:
    """Answers `Rerank` in this process; takes `takes_s` for each passage, raises `error` when it is set."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.takes_s = takes_s
        self.error: Exception | None = None
        self.asked: list[Rerank] = []

    async def __call__(self, question: Rerank) -> tuple[float, ...]:
        self.asked.append(question)
        await asyncio.sleep(self.takes_s * len(question.texts))
        if self.error is not None:
            raise self.error
        return tuple(FakeReranker().rerank(Call(), question.query, list(question.texts)))


def hit(text: str, score: float = 0.5) -> Hit:
    return Hit(text=text, score=score, collection="c", source=Place(document="d", page=None, offset=0))


HITS = [hit("The sky.", 0.9), hit("The blue sky.", 0.8), hit("The blue key.", 0.7), hit("The key.", 0.6)]
BEST = [HITS[2], HITS[1], HITS[3], HITS[0]]


class TestOrdering:
    async def test_the_best_answer_first_and_equal_ones_as_they_were(self, ctx: Context) -> None:
        async with answering(ctx, rerank=(Rerank, Reranker())):
            assert list(await Ordering(ctx, reranks=True).ordered(QUERY, HITS, 5.0)) == BEST

    async def test_without_one_nobody_is_asked(self, ctx: Context) -> None:
        reranker = Reranker()
        async with answering(ctx, rerank=(Rerank, reranker)):
            ordering = Ordering(ctx, reranks=False)
            assert list(await ordering.ordered(QUERY, HITS, 5.0)) == HITS
            assert [ordering.candidates(top) for top in (1, 5, 100)] == [1, 5, 100]
        assert reranker.asked == []

    async def test_one_passage_is_in_order(self, ctx: Context) -> None:
        reranker = Reranker()
        async with answering(ctx, rerank=(Rerank, reranker)):
            for hits in ([], HITS[:1]):
                assert list(await Ordering(ctx, reranks=True).ordered(QUERY, hits, 5.0)) == hits
        assert reranker.asked == []

    async def test_how_many_are_looked_at(self, ctx: Context) -> None:
        ordering = Ordering(ctx, reranks=True)
        assert [ordering.candidates(top) for top in (1, 5, 10, 30, 40, 41, 100)] == [4, 20, 40, 40, 40, 41, 100]

    async def test_those_behind_the_first_stay_where_they_are(self, ctx: Context) -> None:
        reranker = Reranker()
        hits = [hit(f"passage {number}") for number in range(MOST_TEXTS)] + [hit("blue key"), hit("key")]
        async with answering(ctx, rerank=(Rerank, reranker)):
            assert list(await Ordering(ctx, reranks=True).ordered("passage 7", hits, 60.0)) == [
                hits[7], *hits[:7], *hits[8:]
            ]  # fmt: skip
        assert len(reranker.asked[0].texts) == MOST_TEXTS

    async def test_away(self, ctx: Context) -> None:
        assert list(await Ordering(ctx, reranks=True).ordered(QUERY, HITS, 5.0)) == HITS

    async def test_failed(self, ctx: Context) -> None:
        reranker = Reranker()
        reranker.error = DeadlineExceeded("too late")
        async with answering(ctx, rerank=(Rerank, reranker)):
            ordering = Ordering(ctx, reranks=True)
            assert list(await ordering.ordered(QUERY, HITS, 5.0)) == HITS
            reranker.error = None
            assert list(await ordering.ordered(QUERY, HITS, 5.0)) == BEST

    @pytest.mark.virtual_time
    async def test_late(self, ctx: Context) -> None:
        began = asyncio.get_running_loop().time()
        async with answering(ctx, rerank=(Rerank, Reranker(takes_s=10))):
            assert list(await Ordering(ctx, reranks=True).ordered(QUERY, HITS, 1.0)) == HITS
        assert asyncio.get_running_loop().time() - began == pytest.approx(1.0, abs=0.01)

    @pytest.mark.virtual_time
    async def test_as_many_as_there_is_time_for(self, ctx: Context) -> None:
        reranker = Reranker(takes_s=0.095)
        hits = [hit(f"passage {number}") for number in range(20)]
        async with answering(ctx, rerank=(Rerank, reranker)):
            ordering = Ordering(ctx, reranks=True)
            for _ in range(20):  # it learns how long a passage takes
                await ordering.ordered(QUERY, hits, 10.0)
            reranker.asked.clear()
            await ordering.ordered(QUERY, hits, 1.0)
            await ordering.ordered(QUERY, hits, 0.5)
            assert [len(question.texts) for question in reranker.asked] == [7, 3]
            assert await ordering.ordered(QUERY, hits, 0.1) == hits
            assert await ordering.ordered(QUERY, hits, -1.0) == hits
            assert len(reranker.asked) == 2

    @pytest.mark.virtual_time
    async def test_a_bad_moment_is_forgotten(self, ctx: Context) -> None:
        reranker = Reranker(takes_s=100.0)
        async with answering(ctx, rerank=(Rerank, reranker)):
            ordering = Ordering(ctx, reranks=True)
            assert list(await ordering.ordered(QUERY, HITS, 5.0)) == HITS
            reranker.takes_s = 0.001
            assert list(await ordering.ordered(QUERY, HITS, 0.2)) == HITS
            assert len(reranker.asked) == 1
            async with asyncio.timeout(1):  # of no time at all, but of a number of questions
                while list(await ordering.ordered(QUERY, HITS, 0.2)) != BEST:
                    pass


class Store(FakeStore):
    """Finds the same whatever is asked, as many as are wanted."""

    def __init__(self) -> None:
        super().__init__()
        self.tops: list[int] = []

    async def collections(self, profile: str) -> Sequence[Any]:
        return [object()]

    async def search(self, query: Any) -> Sequence[Hit]:
        self.tops.append(query.top)
        return HITS[: query.top]


class NoFacts:
    async def known(self, _: str) -> Sequence[Any]:
        return []


async def recalling(ctx: Context, store: Store, *, reranks: bool = True) -> Recalling:
    async def no_recipe(_: str) -> None:
        return None

    await store.create_index("one", 64)
    indexing = Indexing(ctx, store, FormerEmbedder(no_recipe, lambda _: None))
    return Recalling(ctx, store, indexing, NoFacts(), 0.3, reranks=reranks)  # type: ignore[arg-type]


class TestRecalling:
    async def test_more_are_looked_for_and_the_best_given(self, ctx: Context) -> None:
        store = Store()
        async with answering(ctx, embed=(Embed, Embedder()), rerank=(Rerank, Reranker())):
            made = await recalling(ctx, store)
            assert list(await made.search(Search(query=QUERY, top=1))) == BEST[:1]
            assert list((await made.recall(Recall(question=QUERY))).hits) == BEST[:2]
        assert store.tops == [4, 16]

    async def test_without_one_as_it_was(self, ctx: Context) -> None:
        store = Store()
        async with answering(ctx, embed=(Embed, Embedder()), rerank=(Rerank, Reranker())):
            made = await recalling(ctx, store, reranks=False)
            assert list(await made.search(Search(query=QUERY, top=1))) == HITS[:1]
            assert list((await made.recall(Recall(question=QUERY))).hits) == HITS[:2]
        assert store.tops == [1, 4]

    async def test_likeness_decides_what_fits_and_not_the_order(self, ctx: Context) -> None:
        reranker = Reranker()
        async with answering(ctx, embed=(Embed, Embedder()), rerank=(Rerank, reranker)):
            made = await recalling(ctx, Store())
            made._min_score = 0.75
            assert [each.score for each in (await made.recall(Recall(question=QUERY, most_hits=9))).hits] == [
                0.7, 0.8, 0.9
            ]  # fmt: skip  # 0.7 has the words of the question
        assert [text for question in reranker.asked for text in question.texts] == [each.text for each in HITS[:3]]

    @pytest.mark.parametrize("trouble", ["away", "dead"])
    async def test_nothing_fails_with_it(self, ctx: Context, trouble: str) -> None:
        reranker = Reranker()
        reranker.error = EngineDied("gone")
        kinds: dict[str, Any] = {"embed": (Embed, Embedder())}
        async with answering(ctx, **kinds | ({"rerank": (Rerank, reranker)} if trouble == "dead" else {})):
            made = await recalling(ctx, Store())
            assert list(await made.search(Search(query=QUERY, top=3))) == HITS[:3]
            assert list((await made.recall(Recall(question=QUERY))).hits) == HITS[:2]

    @pytest.mark.virtual_time
    async def test_nothing_is_late_with_it(self, ctx: Context) -> None:
        reranker = Reranker(takes_s=1000)
        async with answering(ctx, embed=(Embed, Embedder()), rerank=(Rerank, reranker)):
            made = await recalling(ctx, Store())
            async with until(deadline_after(0.25), "the answer"):
                assert list((await made.recall(Recall(question=QUERY))).hits) == HITS[:2]
            for within in (4.0, 60.0):
                began = asyncio.get_running_loop().time()
                async with until(deadline_after(within), "the answer"):
                    assert list(await made.search(Search(query=QUERY, top=3))) == HITS[:3]
                assert asyncio.get_running_loop().time() - began <= 5.0
        assert len(reranker.asked) == 3


class TestRerankerService:
    async def test_it_answers(self, bus: Bus, ctx: Context) -> None:
        engine = EngineSpec("services.memory.adapters.fake:FakeReranker")
        spec = ServiceSpec(name="reranker", make=lambda: RerankerService(engine), answers=(Rerank,))
        async with supervised(bus, spec) as house:
            assert await ctx.request(Rerank(query="blue key", texts=("key", "blue key")), within=20) == (0.5, 1.0)
            assert house.state("reranker").engine is not None

    async def test_too_few_scores_are_none(self, bus: Bus, ctx: Context) -> None:
        engine = EngineSpec("tests.stubs.memory_engines:HastyReranker", python_path=(".",))
        spec = ServiceSpec(name="reranker", make=lambda: RerankerService(engine), answers=(Rerank,))
        async with supervised(bus, spec):
            with pytest.raises(DeadlineExceeded):
                await ctx.request(Rerank(query="blue key", texts=("key", "blue key")), within=20)


class TestSettings:
    @staticmethod
    def specs(folder: Path, **chosen: Any) -> dict[str, ServiceSpec]:
        settings = MemorySettings(embedder="fake", reader="fake", **chosen)
        machine = MachineSettings(state_dir=folder, cores=2, _env_file=None)
        return {spec.name: spec for spec in specs(settings, machine, Database())}

    @staticmethod
    def engine(spec: ServiceSpec) -> EngineSpec:
        service = spec.make()
        assert isinstance(service, RerankerService)
        return service.engine

    def test_no_model_no_service(self, tmp_path: Path) -> None:
        found = self.specs(tmp_path, reranker_tokenizer=tmp_path / "tokenizer.json")
        assert "reranker" not in found
        assert not found["memory"].make()._plan.reranks  # type: ignore[attr-defined]

    def test_a_model_and_its_service(self, tmp_path: Path) -> None:
        found = self.specs(tmp_path, reranker_model=tmp_path / "model.onnx", reranker_memory_mb=200)
        engine = self.engine(found["reranker"])
        assert engine.options == {"model": str(tmp_path / "model.onnx"), "tokenizer": None, "threads": 2}
        assert (engine.threads, engine.memory_limit) == (2, 200 * 1024**2)
        assert found["memory"].make()._plan.reranks  # type: ignore[attr-defined]

    async def test_from_the_settings_to_the_scores(self, bus: Bus, ctx: Context, tmp_path: Path) -> None:
        chosen = {"reranker_model": tiny_reranker(tmp_path), "reranker_tokenizer": packaged.tokenizer()}
        async with supervised(bus, self.specs(tmp_path, **chosen)["reranker"]) as house:
            asked = Rerank(query=QUERY, texts=tuple(each.text for each in HITS))
            scores = await ctx.request(asked, within=60)
            assert max(scores) == scores[2] > 0.5 > min(scores) == scores[0]
            state = house.state("reranker").engine
            assert state is not None
            assert state.engine == "onnxruntime"
