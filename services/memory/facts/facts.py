"""The facts of each person: kept once, dated, found again by meaning and by subject."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.memory.asking import embed, embed_in_background, rows
from services.memory.cache import Cache
from services.memory.facts.extraction import extract
from services.memory.facts.fact_store import FactStore, NewFact, fact_id
from services.memory.facts.likeness import cosine, same_meaning, unpacked
from services.memory.facts.rules import has_one_value
from services.messages.facts import EditFact, Fact, Remember
from services.messages.passages import Vectors
from solo.errors import SoloError
from solo.supervision import Context

_BATCH = 64


@dataclass(frozen=True, slots=True)
class Entry:
    """A living fact as recall needs it."""

    fact: Fact
    embedder: str | None
    vector: Sequence[float]
    """Empty while it is not embedded."""


class Facts:
    def __init__(self, ctx: Context, store: FactStore, without_vector: Callable[[], None]) -> None:
        """`without_vector` is called when a fact was kept that `embed_all` has to see to."""
        self._ctx = ctx
        self._store = store
        self._without_vector = without_vector
        self._cache: Cache[Sequence[Entry]] = Cache(self._load)

    async def known(self, profile: str) -> Sequence[Entry]:
        """All that hold, newest first."""
        return await self._cache.get(profile)

    async def remember(self, asked: Remember) -> tuple[Fact, bool]:
        """The fact, and whether it is new. Without an embedder it is kept all the same, and embedded later."""
        which = uuid.uuid4() if asked.fact_id is None else fact_id(asked.fact_id)
        subject = _subject(asked)
        vectors = await self._embedded(asked.text)
        same: uuid.UUID | None = None
        if vectors is not None and not has_one_value(subject):
            same = await self._same(asked.profile, subject, asked.text, vectors)
        new = NewFact(
            id=which,
            profile=asked.profile,
            subject=subject,
            text=asked.text,
            turn_id=asked.turn_id,
            embedder=None if vectors is None else vectors.model,
            embedding=None if vectors is None else vectors.data,
        )
        try:
            return await self._store.add(new, supersedes=has_one_value(subject), same=same)
        finally:
            self._cache.forget(asked.profile)

    async def edit(self, asked: EditFact) -> Fact:
        try:
            fact = await self._store.edit(asked.profile, fact_id(asked.fact_id), asked.text)
            if (vectors := await self._embedded(asked.text)) is not None:
                await self._store.embed(vectors.model, [(uuid.UUID(fact.id), asked.text, vectors.data)])
            return fact
        finally:
            self._cache.forget(asked.profile)

    async def forget(self, profile: str, which: str) -> int:
        """`*`: all of the profile."""
        try:
            return await self._store.forget(profile, None if which == "*" else fact_id(which))
        finally:
            self._cache.forget(profile)

    async def listed(self, profile: str, limit: int) -> tuple[Fact, ...]:
        return tuple(known.fact for known in await self._store.living(profile, limit))

    async def embed_all(self, embedder: str) -> None:
        """Those that another embedder made vectors of, or none yet."""
        while batch := await self._store.foreign(embedder, _BATCH):
            vectors = await embed_in_background(self._ctx, [text for _, text in batch])
            if vectors.model != embedder:
                return  # it was changed meanwhile, and this is called again
            made = [(*fact, vector) for fact, vector in zip(batch, rows(vectors), strict=True)]
            await self._store.embed(embedder, made)
            self._cache.forget()

    async def close(self) -> None:
        await self._cache.close()

    async def _load(self, profile: str) -> Sequence[Entry]:
        return [
            Entry(known.fact, known.embedder, unpacked(known.embedding or b""))
            for known in await self._store.living(profile)
        ]

    async def _embedded(self, text: str) -> Vectors | None:
        try:
            return await embed(self._ctx, [text])
        except SoloError as error:
            self._ctx.log.warning("a fact is kept without its vector for now", code=error.code)
            self._without_vector()
            return None

    async def _same(self, profile: str, subject: str, text: str, vectors: Vectors) -> uuid.UUID | None:
        """A living fact that says the same in slightly other words."""
        vector = unpacked(vectors.data)
        for entry in await self.known(profile):
            if entry.embedder != vectors.model or entry.fact.subject != subject:
                continue
            if same_meaning(text, entry.fact.text, cosine(vector, entry.vector)):
                return uuid.UUID(entry.fact.id)
        return None


def _subject(asked: Remember) -> str:
    """Of what somebody tells directly, the rules may know what it is about; the words stay theirs."""
    if asked.subject != "note":
        return asked.subject
    found = extract(asked.text)
    return found[0].subject if len(found) == 1 else "note"
