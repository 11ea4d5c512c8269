"""Guessing tokens ahead: several guesses are checked in one step, and the right ones cost little more than one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from services.formats.gguf import check_gguf
from services.llm.adapters.host_cache import HostCache
from services.llm.adapters.llama_runtime import LlamaRuntime, Row
from services.llm.adapters.sampling import Sampler
from services.llm.adapters.slots import Slots
from solo.isolation.engine import BadEngineInput

LONGEST, SHORTEST = 4, 2
"""Tokens at the end of a text that are looked for earlier in it. One alone is found anywhere and guesses badly."""
DRAFT_BATCH = 63
LOOK_BACK = 2048
"""Tokens that are searched."""


class Drafter(Protocol):
    def draft(self, tokens: Sequence[int], most: int) -> list[int]:
        """Up to `most` tokens that may come after `tokens`; empty where nothing is likely."""
        ...

    def close(self) -> None: ...


class NGrams:
    """What came after the same few tokens the last time: answers repeat what the question or a document says.

    Source of the method: prompt lookup decoding, https://github.com/apoorvumang/prompt-lookup-decoding
    """

    def draft(self, tokens: Sequence[int], most: int) -> list[int]:
        text = list(tokens[-LOOK_BACK:])
        for length in range(LONGEST, SHORTEST - 1, -1):
            if len(text) <= length:
                continue
            end = text[-length:]
            for begin in range(len(text) - length - 1, -1, -1):
                if text[begin] == end[0] and text[begin : begin + length] == end:
                    return text[begin + length : begin + length + most]
        return []

    def close(self) -> None:
        """It holds nothing."""


class SmallModel:
    """The same words from a smaller model of the same family, which is wrong more often but much quicker.

    Raises `ModelMissing`, `ModelCorrupt`, or `BadEngineInput` for a model of another vocabulary.
    """

    def __init__(self, path: Path, large: LlamaRuntime, sequences: int, threads: int, gpu_layers: int) -> None:
        check_gguf(path)
        self._runtime = LlamaRuntime(path, large.context, sequences, threads, threads, gpu_layers, DRAFT_BATCH)
        if not self._runtime.vocabulary.same(large.vocabulary):
            self._runtime.close()
            raise BadEngineInput(
                f"The draft model {path.name} has another vocabulary than the model it drafts for",
                hint="Use a smaller model of the same family, `ngram`, or `none`.",
            )
        self._slots = Slots(sequences, self._runtime, HostCache(0))
        self._greedy = Sampler(self._runtime.lib, self._runtime.vocabulary.native, {})

    def draft(self, tokens: Sequence[int], most: int) -> list[int]:
        """What the small model would say."""
        runtime, text = self._runtime, list(tokens)
        if len(text) + most > runtime.context:
            return []
        slot = self._slots.claim(text[:-1])  # the last one is decoded in any case, for its logits
        guessed: list[int] = []
        while len(guessed) < most:
            begin = len(slot.tokens)
            piece = text[begin : begin + DRAFT_BATCH]
            last = begin + len(piece) == len(text)
            rows = [
                Row(token, begin + index, slot.number, last and index == len(piece) - 1)
                for index, token in enumerate(piece)
            ]
            runtime.decode(rows)
            slot.tokens.extend(piece)
            if last:
                token = self._greedy.next(runtime.native, len(piece) - 1)
                if runtime.vocabulary.is_end(token):
                    break
                guessed.append(token)
                text.append(token)
        self._slots.give_back(slot)
        return guessed

    def close(self) -> None:
        self._greedy.close()
        self._runtime.close()
