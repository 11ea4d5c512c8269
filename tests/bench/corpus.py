"""Synthetic passages with vectors, for the measurements of the memory: clustered as texts of few topics are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np

CHUNKS_A_DOCUMENT = 50
WORDS_A_CHUNK = 120
_VOCABULARY = 50_000
_TOPIC_WORDS = 40
_LATENT = 64
"""Dimensions that the vectors really vary in; those of sentence models vary in some tens."""


@dataclass
class Corpus:
    """`shares`: collection -> share of the passages. Documents of the collections come mixed."""

    chunks: int
    shares: dict[str, float]
    dimensions: int = 384
    clusters: int = 500
    seed: int = 7

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)
        self._centres = self._random.normal(size=(self.clusters, _LATENT)).astype(np.float32)
        self._spread = np.linalg.qr(self._random.normal(size=(self.dimensions, _LATENT)))[0].T.astype(np.float32)
        self.cluster = self._random.integers(self.clusters, size=self.chunks)
        self.vectors = self._near(self.cluster)
        """float32, rows of length 1, rounded to half precision as the store keeps them."""
        documents = -(-self.chunks // CHUNKS_A_DOCUMENT)
        names = [name for name, share in self.shares.items() for _ in range(round(share * documents))]
        names = (names + [names[-1]] * documents)[:documents]
        self._random.shuffle(names)
        self.collection_of_document = names
        self.collection = np.repeat(names, CHUNKS_A_DOCUMENT)[: self.chunks]
        self._vocabulary = _made_up(self._random, _VOCABULARY)
        # Word r is about 1/r as common as the most common one (Zipf), and each topic has some rare ones of its own.
        common = 1 / np.arange(3, _VOCABULARY + 3)
        self._chance = np.cumsum(common / common.sum())
        self._topics = self._random.integers(2_000, _VOCABULARY, size=(self.clusters, _TOPIC_WORDS))

    def _near(self, clusters: Any) -> Any:
        latent = self._centres[clusters] + 0.7 * self._random.normal(size=(len(clusters), _LATENT)).astype(np.float32)
        found = latent @ self._spread
        found += 0.02 * self._random.normal(size=found.shape).astype(np.float32)
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        return found.astype(np.float16).astype(np.float32)

    def text(self, cluster: int) -> str:
        ranks = np.searchsorted(self._chance, self._random.random(WORDS_A_CHUNK))
        own = self._random.random(WORDS_A_CHUNK) < 0.1
        ranks[own] = self._random.choice(self._topics[cluster], size=int(own.sum()))
        return " ".join(self._vocabulary[rank] for rank in ranks)

    def questions(self, count: int) -> list[tuple[str, Any]]:
        """Text and vector: near a cluster, with two words of its topic, two of middling rank and three common ones."""
        clusters = self._random.integers(self.clusters, size=count)
        vectors = self._near(clusters)
        texts = []
        for cluster in clusters:
            ranks = [
                *self._random.choice(self._topics[cluster], size=2),
                *self._random.integers(300, 3_000, size=2),
                *self._random.integers(0, 60, size=3),
            ]
            texts.append(" ".join(self._vocabulary[rank] for rank in ranks))
        return list(zip(texts, vectors, strict=True))

    def nearest(self, vector: Any, collection: str | None, top: int) -> set[int]:
        """Numbers of the passages that are, exactly."""
        likeness = self.vectors @ vector.astype(np.float16).astype(np.float32)
        if collection is not None:
            likeness[self.collection != collection] = -2
        return set(np.argpartition(-likeness, top)[:top].tolist())

    def documents(self, profile: str, ids: dict[str, int]) -> Iterator[tuple[Any, ...]]:
        """Rows of rag.documents: (id, collection_id, profile, name, media_type, sha256, bytes, chunks, added_at)."""
        now = datetime.now(UTC)
        for number, name in enumerate(self.collection_of_document):
            size = min(CHUNKS_A_DOCUMENT, self.chunks - number * CHUNKS_A_DOCUMENT)
            yield (
                UUID(int=number + 1),
                ids[name],
                profile,
                f"document {number}",
                "text/plain",
                f"{number:064x}",
                size * 800,
                size,
                now,
            )

    def passages(self, profile: str, ids: dict[str, int]) -> Iterator[tuple[Any, ...]]:
        """Rows of rag.chunks: (id, document_id, collection_id, profile, char_offset, text), ids from 1."""
        for number in range(self.chunks):
            document = number // CHUNKS_A_DOCUMENT
            yield (
                number + 1,
                UUID(int=document + 1),
                ids[self.collection_of_document[document]],
                profile,
                number % CHUNKS_A_DOCUMENT * 800,
                self.text(int(self.cluster[number])),
            )


def _made_up(random: Any, count: int) -> list[str]:
    """Words that look like words, each once."""
    consonants, vowels = np.array(list("bdfgklmnprstvz")), np.array(list("aeiou"))
    found: dict[str, None] = {}
    while len(found) < count:
        syllables = random.integers(2, 5)
        found["".join(random.choice(consonants) + random.choice(vowels) for _ in range(syllables)) + "k"] = None
    return list(found)
