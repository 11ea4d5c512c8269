"""What is recalled: facts by likeness and subject, passages that fit, and nothing that fits badly."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from typing import Any

import pytest

from services.memory.adapters.memory_store import FakeStore
from services.memory.cache import FRESH_S, Cache
from services.memory.facts.facts import Entry
from services.memory.facts.likeness import SAME, cosine, normalised, same_meaning, unpacked
from services.memory.facts.matching import fitting, understood
from services.memory.former import FormerEmbedder
from services.memory.indexing import Indexing
from services.memory.recalling import Recalling
from services.messages.facts import Fact
from services.messages.memory import Hit, Place, Recall, Search
from services.messages.passages import Embed
from solo.errors import SoloError
from solo.isolation.engine import EngineDied
from solo.storage import DatabaseUnavailable
from solo.supervision import Context
from tests.stubs.memory import Embedder, answering


def entry(subject: str, text: str, vector: Sequence[float] = (), embedder: str = "one") -> Entry:
    fact = Fact(id=text, text=text, subject=subject, created_at="2026-01-01", updated_at="2026-01-01")
    return Entry(fact, embedder, vector)


class Known:
    """The facts, without a database."""

    def __init__(self, *entries: Entry) -> None:
        self.entries = entries
        self.error: SoloError | None = None

    async def known(self, _: str) -> Sequence[Entry]:
        if self.error is not None:
            raise self.error
        return self.entries


class Store(FakeStore):
    """Finds what it is told to."""

    def __init__(self, *hits: Hit) -> None:
        super().__init__()
        self.hits = hits
        self.asked: list[Any] = []
        self.error: SoloError | None = None

    async def collections(self, profile: str) -> Sequence[Any]:
        return [object()] if self.hits else []

    async def search(self, query: Any) -> Sequence[Hit]:
        self.asked.append(query)
        if self.error is not None:
            raise self.error
        return self.hits


def hit(score: float, text: str = "A passage.") -> Hit:
    return Hit(text=text, score=score, collection="c", source=Place(document="d", page=None, offset=0))


async def recalling(ctx: Context, known: Known, store: Store) -> Recalling:
    async def no_recipe(_: str) -> None:
        return None

    await store.create_index("one", 64)
    indexing = Indexing(ctx, store, FormerEmbedder(no_recipe, lambda _: None))
    return Recalling(ctx, store, indexing, known, 0.3)  # type: ignore[arg-type]


ASKED = Recall(question="Where is the blue key?")


class TestRecall:
    async def test_nobody_is_asked_when_nothing_is_known(self, ctx: Context) -> None:
        embedder, store = Embedder(), Store()
        async with answering(ctx, embed=(Embed, embedder)):
            found = await (await recalling(ctx, Known(), store)).recall(ASKED)
        assert (found.facts, found.hits) == ((), ())
        assert embedder.asked == [] and store.asked == []

    async def test_only_what_fits(self, ctx: Context) -> None:
        store = Store(hit(0.8), hit(0.31), hit(0.29), hit(0.0))
        async with answering(ctx, embed=(Embed, Embedder())):
            found = await (await recalling(ctx, Known(), store)).recall(ASKED.model_copy(update={"most_hits": 9}))
        assert [each.score for each in found.hits] == [0.8, 0.31]
        assert store.asked[0].vector and store.asked[0].top >= 9

    @pytest.mark.parametrize(
        ("text", "score", "fits"),
        [
            ("The blue key lies under a pot.", 0.2, True),
            ("The blue key lies under a pot.", 0.1, False),
            ("The blue sky.", 0.2, False),
        ],
    )
    async def test_a_passage_with_the_words_needs_less_likeness(
        self, ctx: Context, text: str, score: float, fits: bool
    ) -> None:
        async with answering(ctx, embed=(Embed, Embedder())):
            found = await (await recalling(ctx, Known(), Store(hit(score, text)))).recall(ASKED)
        assert bool(found.hits) is fits

    async def test_without_an_embedder_by_subject_and_words(self, ctx: Context) -> None:
        embedder, store = Embedder(), Store(hit(0.0, "The blue key."))
        embedder.error = EngineDied("gone")
        known = Known(entry("name", "The user's name is Anna."))
        async with answering(ctx, embed=(Embed, embedder)):
            made = await recalling(ctx, known, store)
            found = await made.recall(Recall(question="What is my name?"))
            assert [fact.text for fact in found.facts] == ["The user's name is Anna."]
            assert store.asked[0].vector == b""
            assert len(await made.search(Search(query="blue key"))) == 1

    async def test_facts_are_not_lost_with_the_documents(self, ctx: Context) -> None:
        store = Store(hit(0.9))
        store.error = DatabaseUnavailable("away")
        async with answering(ctx, embed=(Embed, Embedder())):
            made = await recalling(ctx, Known(entry("name", "The user's name is Anna.")), store)
            found = await made.recall(Recall(question="What is my name?"))
            assert (len(found.facts), found.hits) == (1, ())
            with pytest.raises(DatabaseUnavailable):  # when there is nothing else, it is told
                await made.recall(ASKED)

    async def test_a_database_that_is_away(self, ctx: Context) -> None:
        known = Known()
        known.error = DatabaseUnavailable("away")
        with pytest.raises(DatabaseUnavailable):
            await (await recalling(ctx, known, Store())).recall(ASKED)


class TestFitting:
    ENTRIES = (
        entry("name", "The user's name is Anna.", (1.0, 0.0)),
        entry("likes", "The user likes tea.", (0.0, 1.0)),
        entry("sister", "The user's sister is called Maria.", (0.6, 0.8)),
    )

    @pytest.mark.parametrize(
        ("question", "subject"),
        [
            ("What is my name?", "name"),
            ("who am i", "name"),
            ("What's my sister called?", "sister"),
            ("When is my birthday?", "birthday"),
            ("how old am I", "age"),
            ("Where do I live?", "home"),
            ("who do I work for", "employer"),
            ("What is my favorite colour?", "favourite colour"),
            ("Can I eat this?", "allergy"),
            ("do I have any pets", "pet"),
        ],
    )
    def test_a_subject_that_is_named(self, question: str, subject: str) -> None:
        entries = (*self.ENTRIES, entry(subject, "This one."))
        assert "This one." in [fact.text for fact in fitting(understood(question), entries, (), "", 5)]

    @pytest.mark.parametrize("question", ["What is your name?", "What is the name of the river?", "tell me a joke", ""])
    def test_a_subject_that_is_not(self, question: str) -> None:
        assert fitting(understood(question), self.ENTRIES, (), "", 5) == []

    def test_the_best_first(self) -> None:
        found = fitting(understood("Which drink is nice for me to have?"), self.ENTRIES, (0.1, 0.99), "one", 2)
        assert [fact.subject for fact in found] == ["likes", "sister"]
        assert fitting(understood("Which drink?"), self.ENTRIES, (0.1, 0.99), "another", 2) == []

    def test_everything(self) -> None:
        found = fitting(understood("What do you know about me?"), self.ENTRIES, (), "", 2)
        assert [fact.subject for fact in found] == ["name", "likes"]

    @pytest.mark.parametrize(
        ("question", "about"),
        [
            ("What is my dog called?", "What is the user's dog called?"),
            ("Where do I live?", "Where does the user live?"),
            ("Can you tell me the time?", "Can you tell me the time?"),
            ("Tell me a joke.", "Tell me a joke."),
            ("I am tired", "I am tired"),
        ],
    )
    def test_questions_about_oneself_turn_to_the_third_person(self, question: str, about: str) -> None:
        assert understood(question).about == about


class TestLikeness:
    def test_cosine(self) -> None:
        packed = struct.pack("<3f", 0.6, 0.0, 0.8)
        assert cosine(unpacked(packed), unpacked(packed)) == pytest.approx(1.0)
        assert cosine((1.0, 0.0), (0.0, 1.0)) == 0.0
        assert cosine((1.0,), (1.0, 0.0)) == 0.0

    def test_the_same_words(self) -> None:
        assert normalised("  The user's  NAME is Anna!! ") == "the user's name is anna"

    @pytest.mark.parametrize(
        ("one", "other", "same"),
        [
            ("The user likes hiking.", "The user really likes hiking.", True),
            ("The bins go out on Tuesday.", "The bins are going out on Tuesday.", False),
            ("The user plays the guitar.", "The user plays guitar.", True),
            ("The user likes tea.", "The user likes teas.", True),
            ("The bins go out on Tuesday.", "The bins go out on Wednesday.", False),
            ("The user has a meeting on 3 May.", "The user has a meeting on 4 May.", False),
            ("The user is allergic to nuts.", "The user is not allergic to nuts.", False),
            ("The user has a dog called Rex.", "The user has a dog called Max.", False),
        ],
    )
    def test_the_same_meaning(self, one: str, other: str, same: bool) -> None:
        assert same_meaning(one, other, SAME) is same
        assert not same_meaning(one, other, SAME - 0.01)


@pytest.mark.virtual_time
class TestCache:
    async def test_kept_refreshed_behind_the_back_and_forgotten(self) -> None:
        loads: list[str] = []

        async def load(key: str) -> int:
            loads.append(key)
            await asyncio.sleep(1)
            return len(loads)

        cache = Cache(load)
        assert [await cache.get("a"), await cache.get("a")] == [1, 1]
        await asyncio.sleep(FRESH_S + 1)
        assert [await cache.get("a"), await cache.get("a")] == [1, 1]  # the older, while it is asked for
        await asyncio.sleep(2)
        assert await cache.get("a") == 2
        cache.forget("a")
        assert await cache.get("a") == 3
        assert loads == ["a"] * 3
        await cache.close()

    async def test_a_change_while_it_is_asked_for(self) -> None:
        value = "old"

        async def load(_: str) -> str:
            seen = value
            await asyncio.sleep(1)
            return seen

        cache = Cache(load)
        first = asyncio.create_task(cache.get("a"))
        await asyncio.sleep(0.5)
        value = "new"
        cache.forget("a")
        assert (await first, await cache.get("a")) == ("old", "new")

    async def test_an_older_value_is_better_than_none(self) -> None:
        fail = False

        async def load(_: str) -> str:
            if fail:
                raise DatabaseUnavailable("away")
            return "value"

        cache = Cache(load)
        await cache.get("a")
        fail = True
        for _ in range(3):
            await asyncio.sleep(FRESH_S + 1)
            assert await cache.get("a") == "value"
        with pytest.raises(DatabaseUnavailable):
            await cache.get("b")
        await cache.close()
