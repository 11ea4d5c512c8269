"""What is remembered that fits a question: facts about the person, passages of their documents."""

from __future__ import annotations

import asyncio
import re
import time

from services.memory.asking import embed, rows
from services.memory.cache import Cache
from services.memory.facts.facts import Facts
from services.memory.facts.likeness import unpacked
from services.memory.facts.matching import Asked, fitting, understood
from services.memory.facts.wording import any_of
from services.memory.indexing import Indexing
from services.memory.ordering import Ordering
from services.memory.store import DocumentStore, Query
from services.messages.memory import Hit, Recall, Recollection, Search
from services.messages.passages import Vectors
from solo.bus import remaining
from solo.bus.context import deadline_after, until
from solo.errors import SoloError
from solo.supervision import Context

_SPARE = 0.8
"""Share of the asker's time that documents may take, and their order: what is there already is not lost with it."""
_TO_EMBED = 0.6
"""Share that the question's vector may take: an embedder that is being started is not waited for."""
_LONGEST_S = 5.0
_SUPPORTED = 0.6
"""Share of the least likeness that is enough when the passage has the words of the question."""
_WORDS_ASKED = 2
_SHARE_FOUND = 2 / 3
_WORD = re.compile(r"[^\W_]{3,}")
_COMMON = re.compile(
    any_of(
        """the|and|are|you|your|yours|his|her|its|our|ours|they|them|their|what|when|where|which|who|whom|whose|why|how|
        does|did|doing|done|was|were|been|being|have|has|had|can|could|will|would|shall|should|may|might|must|for|from|
        with|about|into|onto|than|then|that|this|these|those|there|here|not|but|any|some|all|one|two|much|many|more|
        most|need|get|got|give|tell|show|find|know|want|like|please|often|long"""
    )
)


class Recalling:
    def __init__(
        self,
        ctx: Context,
        store: DocumentStore,
        indexing: Indexing,
        facts: Facts,
        min_score: float,
        *,
        reranks: bool = False,
    ) -> None:
        self._ctx = ctx
        self._store = store
        self._indexing = indexing
        self._facts = facts
        self._min_score = min_score
        self._ordering = Ordering(ctx, reranks=reranks)
        self._has_documents: Cache[bool] = Cache(self._any_document)

    async def recall(self, asked: Recall) -> Recollection:
        """Raises a DatabaseError when the database is away and nothing of this person is known yet."""
        began = time.monotonic()
        entries = await self._facts.known(asked.profile) if asked.most_facts else ()
        documents = asked.most_hits > 0 and await self._has_documents.get(asked.profile)
        question = understood(asked.question)
        if not (entries or documents) or not _WORD.search(asked.question):
            return Recollection(ms=_since(began))
        vectors = await self._embedded(question)
        about = unpacked(rows(vectors)[-1]) if vectors is not None else ()
        facts = fitting(question, entries, about, vectors.model if vectors else "", asked.most_facts)
        hits: tuple[Hit, ...] = ()
        if documents:
            first = None if vectors is None else vectors.model_copy(update={"data": rows(vectors)[0]})
            hits = await self._passages(asked, first, lose=not facts)
        return Recollection(facts=tuple(facts), hits=hits, ms=_since(began))

    async def search(self, asked: Search) -> tuple[Hit, ...]:
        """By words only while there is no embedder."""
        hits = await self._search(asked, await self._embedded(Asked(asked.query, asked.query, personal=False)))
        left = remaining()
        within = _LONGEST_S if left is None else min(_LONGEST_S, left * _SPARE)
        best = await self._ordering.ordered(asked.query, hits, within)
        return tuple(best[: asked.top])

    def changed(self, profile: str) -> None:
        """Documents came or went."""
        self._has_documents.forget(profile)

    async def close(self) -> None:
        await self._has_documents.close()

    async def _any_document(self, profile: str) -> bool:
        return bool(await self._store.collections(profile))

    async def _embedded(self, question: Asked) -> Vectors | None:
        """The question as it is, and about the user; None when there is no embedder just now."""
        texts = [question.text] if question.about == question.text else [question.text, question.about]
        left = remaining()
        within = _LONGEST_S if left is None else left * _TO_EMBED
        try:
            async with until(deadline_after(within), "the question's vector"):
                return await embed(self._ctx, texts)
        except SoloError as error:
            self._ctx.log.warning("recalled without an embedder", code=error.code)
            return None

    async def _passages(self, asked: Recall, known: Vectors | None, *, lose: bool) -> tuple[Hit, ...]:
        """`lose`: there are no facts that would be lost with a failure, so it is told."""
        left = remaining()
        end = deadline_after(_LONGEST_S if left is None else left * _SPARE)
        wanted = Search(profile=asked.profile, query=asked.question[:4000], top=max(asked.most_hits * 2, 4))
        try:
            async with until(end, "the search of the documents"):
                hits = await self._search(wanted, known)
        except SoloError as error:
            if lose:
                raise
            self._ctx.log.warning("recalled without documents", code=error.code)
            return ()
        fitting_well = [hit for hit in hits if self._fits(asked.question, hit)]
        best = await self._ordering.ordered(asked.question, fitting_well, end - asyncio.get_running_loop().time())
        return tuple(best[: asked.most_hits])

    async def _search(self, asked: Search, vectors: Vectors | None) -> tuple[Hit, ...]:
        index = await self._indexing.active()
        if index is None:
            return ()
        query = Query(
            profile=asked.profile,
            text=asked.query,
            vector=b"" if vectors is None else await self._indexing.vector(index, asked.query, vectors),
            collection=asked.collection,
            document=asked.document,
            top=self._ordering.candidates(asked.top),
        )
        return tuple(await self._store.search(query))

    def _fits(self, question: str, hit: Hit) -> bool:
        """A passage of many sentences is less like a question than its one sentence that answers it: one that has most
        of the question's own words needs less likeness."""
        if hit.score >= self._min_score:
            return True
        return hit.score >= self._min_score * _SUPPORTED and _has_words_of(question, hit.text)


def _has_words_of(question: str, text: str) -> bool:
    asked = {_stem(word) for word in _WORD.findall(question.lower()) if not _COMMON.fullmatch(word)}
    found = asked & {_stem(word) for word in _WORD.findall(text.lower())}
    return len(found) >= _WORDS_ASKED and len(found) >= _SHARE_FOUND * len(asked)


def _stem(word: str) -> str:
    return word.removesuffix("s").removesuffix("ed").removesuffix("ing")


def _since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 2)
