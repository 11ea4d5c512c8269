"""Memory: settings, tables, and how its services are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.memory.embedding import EmbedderService
from services.memory.reading import ReaderService
from services.memory.reranking import RerankerService
from services.memory.service import ANSWERS, MemoryPlan, MemoryService
from services.memory.store import DocumentStore
from services.messages.memory import MOST_DOCUMENT_BYTES
from services.messages.passages import Embed, ReadDocument
from services.messages.reranking import Rerank
from solo.isolation.process import EngineSpec
from solo.parts import Part
from solo.settings import MachineSettings
from solo.storage import Database, Schema
from solo.supervision import ServiceSpec

_EMBEDDERS = {
    "minilm": "services.memory.adapters.minilm:MiniLM",
    "fake": "services.memory.adapters.fake:FakeEmbedder",
}
_READERS = {
    "documents": "services.memory.adapters.reader:DocumentReader",
    "fake": "services.memory.adapters.fake:FakeReader",
}
_RERANKER = "services.memory.adapters.cross_encoder:CrossEncoder"
_TABLES = Path(__file__).with_name("migrations")


class MemorySettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    store: Literal["pgvector", "chroma", "fake"] = "pgvector"
    """Where documents are kept; facts are in PostgreSQL in any case. `fake` forgets them when Solo stops."""
    embedder: Literal["minilm", "fake"] = "minilm"
    """Which engine makes vectors. After a change everything is embedded afresh in the background."""
    embedder_model: Path | None = None
    """An ONNX file of a sentence-transformers model; unset: the packaged all-MiniLM-L6-v2."""
    embedder_tokenizer: Path | None = None
    """Its tokenizer.json; unset: the one beside the model."""
    reranker_model: Path | None = None
    """An ONNX file of a cross-encoder with one logit a pair, which sorts what was found; unset: it stays as found."""
    reranker_tokenizer: Path | None = None
    """Its tokenizer.json; unset: the one beside the model."""
    reader: Literal["documents", "fake"] = "documents"
    """Which engine reads documents; `fake` knows plain text only."""
    threads: int | None = Field(default=None, ge=1, le=64)
    """CPU threads of the embedder, and of the reranker; unset: Solo's cores, at most 4."""
    embedder_memory_mb: int = Field(default=1024, ge=128)
    """Private memory after which a process of the embedder fails, alone."""
    reranker_memory_mb: int = Field(default=1024, ge=128)
    """The same for the reranker."""
    reader_memory_mb: int = Field(default=1024, ge=128)
    """The same for the reader of documents."""
    chunk_tokens: int = Field(default=200, ge=16, le=2000)
    """Longest passage that documents are cut into, in tokens of the embedder (which reads 256)."""
    overlap_tokens: int = Field(default=32, ge=0, le=500)
    """Tokens that a passage shares with the one before it."""
    max_document_mb: int = Field(default=25, ge=1, le=MOST_DOCUMENT_BYTES // 1024**2)
    """Largest document taken in, in MB."""
    recall_min_score: float = Field(default=0.27, ge=0, le=1)
    """Likeness of question and passage below which nothing is recalled; calibrated for the packaged embedder."""
    extract: Literal["rules", "llm", "off"] = "rules"
    """How facts are found in conversations. `llm` asks the language model; the packaged one is too weak for it."""


def tables(settings: MemorySettings) -> Sequence[Schema]:
    schemas = [Schema("rag", _TABLES / "rag")]
    if settings.store == "pgvector":
        schemas.append(Schema("rag_vector", _TABLES / "rag_vector"))
    return schemas


def specs(settings: MemorySettings, machine: MachineSettings, database: Database) -> Sequence[ServiceSpec]:
    threads = settings.threads or min(machine.cores, 4)
    recipe: dict[str, Any] = {
        "engine": settings.embedder,
        "model": str(settings.embedder_model) if settings.embedder_model else None,
        "tokenizer": str(settings.embedder_tokenizer) if settings.embedder_tokenizer else None,
    }

    def cook(recipe: dict[str, Any]) -> EngineSpec | None:
        return _embedder(recipe, threads, settings.embedder_memory_mb)

    # Whether its files are there or not: the engine itself says so.
    embedder = _engine_spec(recipe, threads, settings.embedder_memory_mb)
    reader = EngineSpec(
        adapter=_READERS[settings.reader],
        options={
            "tokenizer": _tokenizer(settings),
            "chunk_tokens": settings.chunk_tokens,
            "overlap_tokens": min(settings.overlap_tokens, settings.chunk_tokens // 2),
        },
        memory_limit=settings.reader_memory_mb * 1024**2,
    )
    plan = MemoryPlan(
        database=database,
        store=_store(settings, machine, database),
        extract=settings.extract,
        min_score=settings.recall_min_score,
        most_bytes=settings.max_document_mb * 1024**2,
        recipe=recipe,
        cook=cook,
        reranks=settings.reranker_model is not None,
    )
    return [
        ServiceSpec(name="embedder", make=lambda: EmbedderService(embedder), ready_within=90, answers=(Embed,)),
        ServiceSpec(name="documents", make=lambda: ReaderService(reader), answers=(ReadDocument,)),
        *_reranker(settings, threads),
        ServiceSpec(name="memory", make=lambda: MemoryService(plan), answers=ANSWERS),
    ]


def _reranker(settings: MemorySettings, threads: int) -> Sequence[ServiceSpec]:
    """Nothing when no model is named."""
    if settings.reranker_model is None:
        return []
    tokenizer = settings.reranker_tokenizer
    engine = EngineSpec(
        adapter=_RERANKER,
        options={
            "model": str(settings.reranker_model),
            "tokenizer": str(tokenizer) if tokenizer else None,
            "threads": threads,
        },
        threads=threads,
        memory_limit=settings.reranker_memory_mb * 1024**2,
    )
    return [ServiceSpec(name="reranker", make=lambda: RerankerService(engine), ready_within=90, answers=(Rerank,))]


def _tokenizer(settings: MemorySettings) -> str | None:
    """The embedder's: passages are measured as it will read them."""
    beside = settings.embedder_model.with_name("tokenizer.json") if settings.embedder_model else None
    chosen = settings.embedder_tokenizer or (beside if beside is not None and beside.is_file() else None)
    return str(chosen) if chosen else None


def _embedder(recipe: dict[str, Any], threads: int, memory_mb: int) -> EngineSpec | None:
    """None: an engine that is not known (any more), or files that are gone."""
    if recipe.get("engine") not in _EMBEDDERS:
        return None
    if any(recipe.get(file) and not Path(recipe[file]).is_file() for file in ("model", "tokenizer")):
        return None
    return _engine_spec(recipe, threads, memory_mb)


def _engine_spec(recipe: dict[str, Any], threads: int, memory_mb: int) -> EngineSpec:
    return EngineSpec(
        adapter=_EMBEDDERS[recipe["engine"]],
        options={"model": recipe.get("model"), "tokenizer": recipe.get("tokenizer"), "threads": threads},
        threads=threads,
        memory_limit=memory_mb * 1024**2,
    )


def _store(settings: MemorySettings, machine: MachineSettings, database: Database) -> Callable[[], DocumentStore]:
    """Made afresh for every start, but for the fake, which has nothing but its own memory."""
    if settings.store == "chroma":
        from services.memory.adapters.chroma_store import ChromaStore

        return lambda: ChromaStore(machine.state_dir / "chroma")
    if settings.store == "fake":
        from services.memory.adapters.memory_store import FakeStore

        store = FakeStore()
        return lambda: store
    from services.memory.adapters.pgvector_store import PgvectorStore

    return lambda: PgvectorStore(database)


PART = Part(name="memory", settings=MemorySettings, specs=specs, tables=tables)
