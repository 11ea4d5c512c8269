"""What every store of documents promises, asked of the fake, of PostgreSQL and of Chroma."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from services.memory.store import DocumentStore, Index, IndexGone, IndexIncomplete, Query
from tests.contract.stores import DIMENSIONS, KINDS, Keeper, ask, document, opened, put, vector

ODD = [
    "it's \"quoted\" & 'half",
    "a & b | !c <-> d:* (",
    "100% _ \\ \\' %s $1 ?",
    "'; DROP TABLE rag.chunks; --",
    "' OR 1=1 --",
    "日本語 Größe naïve 😀 e\u0301",
    "\u202e \ufeff \x01 \x7f",
    "NUL \0 inside",
    "half a pair \ud83d",
    "   ",
    "!!! ??? ...",
    "or and not the",
    "x" * 3000,
]


@pytest_asyncio.fixture(scope="class", loop_scope="class", params=KINDS)
async def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[DocumentStore]:
    """One for the whole class, with an active index: each test has a profile of its own."""
    keeper = Keeper(request.param, tmp_path_factory.mktemp(request.param))
    opened_one = await keeper.store()
    await opened_one.create_index("first", DIMENSIONS)
    yield opened_one
    await keeper.end()


@pytest_asyncio.fixture(loop_scope="class")
async def index(store: DocumentStore) -> Index:
    return (await store.indexes())[0]


@pytest.fixture
def profile(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)


@pytest.mark.asyncio(loop_scope="class")
class TestDocuments:
    async def test_a_document_is_found_as_it_was_given(self, store: DocumentStore, index: Index, profile: str) -> None:
        new = document(profile, "house.txt", ["the roof is red", "the door is blue"], page=3)
        assert await put(store, index, new)
        hits = await ask(store, profile, "the door is blue")
        assert [hit.text for hit in hits] == ["the door is blue", "the roof is red"]
        assert hits[0].score == pytest.approx(1, abs=0.01)
        assert all(0 <= hit.score <= 1 for hit in hits)
        assert hits[0].collection == "documents"
        assert hits[0].source.model_dump() == {"document": "house.txt", "page": 3, "offset": 10}
        (shown,) = await store.documents(profile, None, 10)
        assert shown.id == new.id
        assert (shown.name, shown.collection, shown.media_type) == ("house.txt", "documents", "text/plain")
        assert (shown.sha256, shown.bytes, shown.pages, shown.chunks) == (new.sha256, new.bytes, 3, 2)
        assert shown.added_at.startswith("2026-01-02T03:04:05")
        assert shown.added_at.endswith("+00:00")

    async def test_without_pages_there_is_none(self, store: DocumentStore, index: Index, profile: str) -> None:
        await put(store, index, document(profile, "a", ["only passage"]))
        assert (await ask(store, profile, "only"))[0].source.page is None
        assert (await store.documents(profile, None, 1))[0].pages is None

    async def test_words_find_what_the_vector_does_not(self, store: DocumentStore, index: Index, profile: str) -> None:
        texts = [f"nothing of note {number}" for number in range(120)] + ["the password of the cellar is Ankylosaurus"]
        await put(store, index, document(profile, "a", texts))
        hits = await ask(store, profile, "where does ankylosaurus stand?", like=texts[0])
        assert {hits[0].text, hits[1].text} == {texts[0], texts[-1]}

    async def test_words_alone_when_there_is_no_vector(self, store: DocumentStore, index: Index, profile: str) -> None:
        await put(store, index, document(profile, "a", ["the harbour is deep", "the mountain is high"]))
        hits = await store.search(Query(profile, "How deep is the harbour?", b"", None, None, 5))
        assert [hit.text for hit in hits] == ["the harbour is deep"]
        assert hits[0].score == 0

    async def test_what_both_find_comes_first(self, store: DocumentStore, index: Index, profile: str) -> None:
        texts = ["zebra crossing", "yellow taxi", "green bicycle"]
        await put(store, index, document(profile, "a", texts))
        assert (await ask(store, profile, "bicycle", like="green bicycle"))[0].text == "green bicycle"

    async def test_the_same_bytes_change_nothing(self, store: DocumentStore, index: Index, profile: str) -> None:
        new = document(profile, "a", ["one passage"])
        assert await put(store, index, new)
        again = document(profile, "another name", ["one passage"])
        assert await store.known(profile, "documents", "another name", new.sha256) == "same"
        assert not await put(store, index, again)
        assert [shown.name for shown in await store.documents(profile, None, 10)] == ["a"]
        assert len(await ask(store, profile, "one passage")) == 1

    async def test_asking_again_after_a_lost_answer_is_safe(
        self, store: DocumentStore, index: Index, profile: str
    ) -> None:
        new = document(profile, "a", ["one passage"])
        assert await put(store, index, new)
        assert await put(store, index, new)
        assert len(await store.documents(profile, None, 10)) == 1

    async def test_the_same_bytes_may_be_in_two_collections(
        self, store: DocumentStore, index: Index, profile: str
    ) -> None:
        assert await put(store, index, document(profile, "a", ["one passage"], collection="one"))
        assert await store.known(profile, "two", "a", document(profile, "a", ["one passage"]).sha256) == "no"
        assert await put(store, index, document(profile, "a", ["one passage"], collection="two"))
        assert [found.name for found in await store.collections(profile)] == ["one", "two"]

    async def test_other_bytes_under_the_name_replace_it(
        self, store: DocumentStore, index: Index, profile: str
    ) -> None:
        old, new = document(profile, "a", ["old passage", "old end"]), document(profile, "a", ["new passage"])
        await put(store, index, old)
        assert await store.known(profile, "documents", "a", new.sha256) == "other"
        assert await put(store, index, new)
        assert await store.known(profile, "documents", "a", old.sha256) == "other"
        assert [hit.text for hit in await ask(store, profile, "old passage")] == ["new passage"]
        (collection,) = await store.collections(profile)
        assert (collection.documents, collection.chunks) == (1, 1)

    async def test_nothing_is_known_of_what_was_never_added(self, store: DocumentStore, profile: str) -> None:
        assert await store.known(profile, "documents", "a", "0" * 64) == "no"
        assert await store.collections(profile) == []
        assert await store.documents(profile, None, 10) == []
        assert await ask(store, profile, "anything") == []
        assert await store.forget(profile, "documents", None) == 0

    async def test_a_document_without_passages_is_kept(self, store: DocumentStore, index: Index, profile: str) -> None:
        assert await put(store, index, document(profile, "a", []))
        (shown,) = await store.documents(profile, None, 10)
        assert shown.chunks == 0
        assert await ask(store, profile, "anything") == []

    async def test_too_few_vectors_are_refused_whole(self, store: DocumentStore, index: Index, profile: str) -> None:
        with pytest.raises(ValueError):
            await store.add(document(profile, "a", ["one", "two"]), index, vector("one"))
        assert await store.documents(profile, None, 10) == []

    async def test_collections_and_documents_are_listed(self, store: DocumentStore, index: Index, profile: str) -> None:
        for number, collection in enumerate(["b", "a", "b"]):
            texts = [f"{collection} {number} {passage}" for passage in range(number + 1)]
            await put(store, index, document(profile, f"d{number}", texts, collection=collection, minutes=number))
        found = {each.name: (each.documents, each.chunks) for each in await store.collections(profile)}
        assert found == {"a": (1, 2), "b": (2, 4)}
        assert list(found) == ["a", "b"]
        assert [each.name for each in await store.documents(profile, None, 10)] == ["d2", "d1", "d0"]
        assert [each.name for each in await store.documents(profile, "b", 10)] == ["d2", "d0"]
        assert [each.name for each in await store.documents(profile, None, 1)] == ["d2"]

    async def test_forgetting_a_document(self, store: DocumentStore, index: Index, profile: str) -> None:
        for collection in ("one", "two"):
            await put(store, index, document(profile, "a", [f"a of {collection}"], collection=collection))
            await put(store, index, document(profile, "b", [f"b of {collection}"], collection=collection))
        before = await store.count()
        assert await store.forget(profile, "one", "a") == 1
        assert {hit.text for hit in await ask(store, profile, "a of one")} == {"b of one", "a of two", "b of two"}
        assert await store.forget(profile, None, "b") == 2
        assert await store.forget(profile, None, "b") == 0
        assert [hit.text for hit in await ask(store, profile, "a of one")] == ["a of two"]
        assert await store.count() == before - 3

    async def test_forgetting_a_collection(self, store: DocumentStore, index: Index, profile: str) -> None:
        for number in range(60):  # more than go at once
            await put(store, index, document(profile, f"d{number}", [f"passage {number}"], collection="one"))
        await put(store, index, document(profile, "kept", ["kept passage"], collection="two"))
        assert await store.forget(profile, "one", None) == 60
        assert [each.name for each in await store.collections(profile)] == ["two"]
        assert [hit.text for hit in await ask(store, profile, "passage")] == ["kept passage"]
        assert await put(store, index, document(profile, "d0", ["passage 0"], collection="one"))

    async def test_profiles_never_meet(self, store: DocumentStore, index: Index, profile: str) -> None:
        mine, other = profile, profile + " other"
        await put(store, index, document(mine, "diary", ["my secret is Rosebud"]))
        assert (
            await store.known(other, "documents", "diary", document(mine, "", ["my secret is Rosebud"]).sha256) == "no"
        )
        assert await ask(store, other, "my secret is Rosebud") == []
        assert await ask(store, other, "my secret is Rosebud", collection="documents", name="diary") == []
        assert await store.collections(other) == []
        assert await store.documents(other, "documents", 10) == []
        assert await store.forget(other, "documents", None) == 0
        assert await store.forget(other, None, "diary") == 0
        assert await store.forget(other, None, None) == 0
        assert await put(store, index, document(other, "diary", ["my secret is Rosebud"]))
        assert len(await ask(store, mine, "my secret")) == 1
        assert await store.forget(other, None, None) == 1
        assert [each.name for each in await store.documents(mine, None, 10)] == ["diary"]

    async def test_filters_are_exact(self, store: DocumentStore, index: Index, profile: str) -> None:
        texts = [f"common words {number}" for number in range(400)]
        await put(store, index, document(profile, "many", texts))
        await put(store, index, document(profile, "few", [f"few {number}" for number in range(20)], collection="rare"))
        # What is asked for is near to passages that the filter keeps out.
        for arguments in ({"collection": "rare"}, {"name": "few"}, {"collection": "rare", "name": "few"}):
            hits = await ask(store, profile, "common words", like=texts[0], top=15, **arguments)  # type: ignore[arg-type]
            assert len(hits) == 15, arguments
            assert {hit.source.document for hit in hits} == {"few"}
        assert len(await ask(store, profile, "few", collection="rare", top=100)) == 20
        assert len(await ask(store, profile, "common words", top=100)) == 100
        assert await ask(store, profile, "few", collection="documents", name="few") == []
        assert await ask(store, profile, "few", collection="unknown") == []
        assert await ask(store, profile, "few", name="unknown") == []

    @pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
    async def test_any_text_is_text(self, store: DocumentStore, index: Index, profile: str, text: str) -> None:
        kept = text.replace("\0", "").encode("utf-8", "replace").decode()
        name, collection = f"name {text[:50]}", f"collection {text[:50]}"
        new = document(profile, name, [text, "another passage"], collection=collection)
        assert await put(store, index, replace(new, id=new.id))
        assert await store.known(profile, collection, name, new.sha256) == "same"
        for filters in ({}, {"collection": collection}, {"name": name}):
            hits = await store.search(
                Query(profile, text, vector(text), filters.get("collection"), filters.get("name"), 2)
            )
            assert hits[0].text == kept
        assert len(await ask(store, profile, "another passage", like=text)) == 2
        assert await store.forget(profile, collection, name) == 1
        assert await store.documents(profile, None, 10) == []

    async def test_a_quoted_word_is_found_by_its_words(self, store: DocumentStore, index: Index, profile: str) -> None:
        await put(store, index, document(profile, "a", ["they call it 'Xanadu' & it's far", "near by"]))
        hits = await store.search(Query(profile, "'Xanadu' | !near <-> \"", b"", None, None, 5))
        assert hits[0].text.startswith("they call it")

    async def test_many_at_once_come_in_once(self, store: DocumentStore, index: Index, profile: str) -> None:
        news = [document(profile, "a", ["the very same"]) for _ in range(6)]
        added = await asyncio.gather(*(put(store, index, new) for new in news))
        assert sorted(added) == [False] * 5 + [True]
        assert len(await ask(store, profile, "the very same")) == 1

    async def test_a_vector_of_another_index_is_refused(self, store: DocumentStore, index: Index, profile: str) -> None:
        await put(store, index, document(profile, "a", ["one"]))
        with pytest.raises(IndexGone):
            await ask(store, profile, "one", dimensions=DIMENSIONS + 1)


@pytest.mark.parametrize("kind", KINDS)
class TestIndexes:
    """Each with a store of its own."""

    async def test_the_first_is_active_at_once(self, kind: str, tmp_path: Path) -> None:
        async with opened(kind, tmp_path) as store:
            assert await store.indexes() == []
            assert await ask(store, "p", "anything") == []
            first = await store.create_index("first", DIMENSIONS)
            assert (first.embedder, first.dimensions, first.state) == ("first", DIMENSIONS, "active")
            second = await store.create_index("second", 4)  # still no document
            assert await store.indexes() == [second]
            assert second.state == "active"
            with pytest.raises(IndexGone):
                await put(store, first, document("p", "a", ["one"]))
            assert await put(store, second, document("p", "a", ["one"]))
            assert await store.progress(second) == (1, 1)

    async def test_a_new_one_is_filled_beside_the_old_one(self, kind: str, tmp_path: Path) -> None:
        async with opened(kind, tmp_path) as store:
            old = await store.create_index("old", DIMENSIONS)
            texts = [f"passage {number}" for number in range(7)]
            await put(store, old, document("p", "a", texts))
            await put(store, old, document("p", "b", ["to be forgotten"]))
            new = await store.create_index("new", 4)
            assert new.state == "building"
            assert {index.embedder: index.state for index in await store.indexes()} == {
                "old": "active",
                "new": "building",
            }
            assert await store.progress(new) == (0, 8)
            with pytest.raises(IndexIncomplete):
                await store.activate(new)
            first = await store.missing(new, 3)
            assert len(first) == 3
            assert await store.missing(new, 3) == first
            await store.add_vectors(new, [(id_, vector(text, 4)) for id_, text in first])
            await store.add_vectors(new, [(id_, vector(text, 4)) for id_, text in first])  # the answer was lost
            assert await store.progress(new) == (3, 8)
            # Meanwhile: the old one serves, one document goes, one comes.
            assert (await ask(store, "p", "passage 3"))[0].text == "passage 3"
            taken = await store.missing(new, 100)
            assert not {id_ for id_, _ in first} & {id_ for id_, _ in taken}
            assert await store.forget("p", None, "b") == 1
            await put(store, old, document("p", "c", ["came meanwhile"]))
            await store.add_vectors(new, [(id_, vector(text, 4)) for id_, text in taken])
            assert await store.progress(new) == (7, 8)
            with pytest.raises(IndexIncomplete):
                await store.activate(new)
            ((late, text),) = await store.missing(new, 100)
            assert text == "came meanwhile"
            await store.add_vectors(new, [(late, vector(text, 4))])
            assert await store.missing(new, 100) == []
            await store.activate(new)
            await store.activate(new)
            assert [(index.key, index.state) for index in await store.indexes()] == [(new.key, "active")]
            hits = await ask(store, "p", "came meanwhile", dimensions=4, top=100)
            assert hits[0].text == "came meanwhile"
            assert {hit.text for hit in hits} == {*texts, "came meanwhile"}
            with pytest.raises(IndexGone):
                await put(store, old, document("p", "d", ["too late"]))
            assert await store.count() == 2

    async def test_building_another_gives_up_the_one_before(self, kind: str, tmp_path: Path) -> None:
        async with opened(kind, tmp_path) as store:
            old = await store.create_index("old", DIMENSIONS)
            await put(store, old, document("p", "a", ["one"]))
            given_up = await store.create_index("second", 4)
            third = await store.create_index("third", 5)
            assert [index.embedder for index in await store.indexes()] == ["old", "third"]
            for late in (store.missing(given_up, 1), store.progress(given_up), store.activate(given_up)):
                with pytest.raises(IndexGone):
                    await late
            with pytest.raises(IndexGone):
                await store.add_vectors(given_up, [("1", vector("one", 4))])
            assert [text for _, text in await store.missing(third, 5)] == ["one"]

    async def test_a_document_of_many_passages(self, kind: str, tmp_path: Path) -> None:
        async with opened(kind, tmp_path) as store:
            index = await store.create_index("only", DIMENSIONS)
            texts = [f"passage number {number}" for number in range(1203)]
            assert await put(store, index, document("p", "long", texts))
            assert await store.progress(index) == (1203, 1203)
            assert (await ask(store, "p", texts[1100]))[0].text == texts[1100]
            assert await put(store, index, document("p", "long", texts[:600]))
            assert await store.progress(index) == (600, 600)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "fake"])
async def test_what_was_written_is_there_after_a_restart(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path) as store:
        index = await store.create_index("only", DIMENSIONS)
        new = document("p", "a", ["one", "two"])
        await put(store, index, new)
        await put(store, index, document("p", "b", ["gone"]))
        await store.forget("p", None, "b")
        building = await store.create_index("next", 4)
    async with opened(kind, tmp_path) as store:
        assert await store.indexes() == [index, building]
        assert [each.id for each in await store.documents("p", None, 10)] == [new.id]
        assert [hit.text for hit in await ask(store, "p", "two")] == ["two", "one"]
        assert len(await store.missing(building, 10)) == 2
        assert (await store.create_index("third", 3)).key not in {index.key, building.key}
