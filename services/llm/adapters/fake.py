"""A language model that says what it is told to, for tests and for trying Solo out without a model."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

from services.llm.adapters.answer_text import AnswerText
from services.llm.adapters.fitting import USUAL_ANSWER, check_messages, check_request, fit, zone_of
from services.llm.engine import ChatMessage, Completed
from solo.isolation.call import Call

ANSWER = "Paris is the capital of France, and this is all that a fake model knows to say."
WORD = re.compile(r"\s*\S+|\s+$")
NAP_S = 0.01
"""The longest sleep between two looks at whether the asker has left."""


class FakeLLM:
    """An `LLMEngine` whose tokens are words: the same answer to everything, deterministic in every parameter.

    Options: those of the port, of which only `context` matters; `answer`: what it says; `delay_s`: seconds a
    word takes.
    """

    def __init__(
        self,
        model: str | None = None,
        context: int = 2048,
        threads: int = 2,
        gpu_layers: int = 0,
        batch: int = 512,
        answer: str = ANSWER,
        delay_s: float = 0.0,
    ) -> None:
        self._context = context
        self._answer = answer
        self._delay_s = delay_s
        self._kept: list[str] = []

    def load(self) -> dict[str, Any]:
        """Nothing to load."""
        return {"engine": "fake", "model": "fake", "context": self._context}

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
        """The answer, or what of it comes after `prefix` where it begins so."""
        check_request(messages, max_tokens, temperature, top_p, stop or [])
        ahead = _words(prefix)
        kept, dropped = fit(messages, lambda candidate: len(_prompt(candidate)), self._context, max_tokens + len(ahead))
        prompt = _prompt(kept) + ahead
        zones = {"system": 0, "history": 0, "memory": 0, "question": 0, "template": 0}
        for index, message in enumerate(kept):
            zones[zone_of(kept, index)] += len(_words(message["content"]))
        zones["template"] = len(prompt) - sum(zones.values())
        done: Completed = {
            "finish": "stop",
            "prompt_tokens": len(prompt),
            "cached_tokens": self._reuse(prompt),
            "completion_tokens": 0,
            "prefill_s": 0.0,
            "decode_s": 0.0,
            "zones": zones,
            "dropped_messages": dropped,
        }
        text = AnswerText(stop or ())
        for word in _words(self._answer.removeprefix(prefix)):
            if done["completion_tokens"] == max_tokens:
                done["finish"] = "length"
                break
            done["decode_s"] += self._wait(call)
            if call.cancelled:
                done["finish"] = "cancelled"
                break
            self._kept.append(word)
            done["completion_tokens"] += 1
            if piece := text.add(word.encode()):
                yield piece
            if text.stopped:
                break
        if done["finish"] != "cancelled" and (rest := text.rest()):
            yield rest
        yield done

    def prefill(self, call: Call, messages: list[ChatMessage]) -> int:
        """Remember the prompt's beginning, up to the next question."""
        check_messages(messages)
        if call.cancelled:
            return 0
        asked: list[ChatMessage] = [*messages]
        if messages[-1]["role"] != "user":
            asked.append({"role": "user", "content": ""})
        answer = min(USUAL_ANSWER, self._context // 2)
        kept, _ = fit(asked, lambda candidate: len(_prompt(candidate)), self._context, answer)
        prompt = _prompt(kept)[:-1]
        if self._kept[: len(prompt)] != prompt:
            self._reuse(prompt)
        return len(prompt)

    def _reuse(self, prompt: Sequence[str]) -> int:
        same = 0
        while same < min(len(self._kept), len(prompt) - 1) and self._kept[same] == prompt[same]:
            same += 1
        self._kept = list(prompt)
        return same

    def _wait(self, call: Call) -> float:
        started = time.perf_counter()
        while not call.cancelled and (left := self._delay_s - (time.perf_counter() - started)) > 0:
            time.sleep(min(left, NAP_S))
        return time.perf_counter() - started


def _words(text: str) -> list[str]:
    return WORD.findall(text)


def _prompt(messages: Sequence[ChatMessage]) -> list[str]:
    """The prompt's tokens: a mark for each role, the words, and a mark for the answer."""
    tokens: list[str] = []
    for message in messages:
        tokens += [f"<{message['role']}>", *_words(message["content"])]
    return [*tokens, "<assistant>"]
