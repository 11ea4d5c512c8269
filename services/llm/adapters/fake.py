"""A language model that says what it is told to, for tests and for trying Solo out without a model."""

from __future__ import annotations

import math
import re
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from services.llm.adapters.answer_text import AnswerText
from services.llm.adapters.constrain import constraint
from services.llm.adapters.fitting import USUAL_ANSWER, fit
from services.llm.adapters.host_cache import common
from services.llm.adapters.requests import Asked, check_embedding, check_messages
from services.llm.engine import ChatMessage, Completed, Piece, PromptTooLong, TokenLogprob
from services.llm.zones import zone_of
from solo.isolation.driving import Work
from solo.isolation.engine import EngineError

ANSWER = "Paris is the capital of France, and this is all that a fake model knows to say."
WORD = re.compile(r"\s*\S+|\s+$")
NAP_S = 0.01
"""The longest sleep between two looks at whether an asker has left."""
DIMENSIONS = 8


@dataclass(slots=True, eq=False)
class _Answering:
    work: Work
    asked: Asked
    words: list[str]
    prompt: list[str]
    text: AnswerText
    done: Completed
    due: float
    """When its next word is said, monotonic."""
    held: list[TokenLogprob] = field(default_factory=list)


class FakeLLM:
    """An `LLMEngine` whose tokens are words: the same answer to everything, deterministic in every parameter.

    Options: those of the port, of which only `context` matters; `answer`: what it says; `delay_s`: seconds a
    word takes, for all streams at the same time.
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
        answer: str = ANSWER,
        delay_s: float = 0.0,
    ) -> None:
        self._model = model
        self._context = context
        self._slots = slots
        self._answer = answer
        self._delay_s = delay_s
        self._kept: list[str] = []
        self._answering: list[_Answering] = []

    def load(self) -> dict[str, Any]:
        """Nothing to load."""
        return {
            "engine": "fake",
            "model": self._model or "fake",
            "context": self._context,
            "slots": self._slots,
            "template": "none",
            "bytes": {"weights": 0, "kv": 0},
        }

    def begin(self, work: Work, method: str, params: dict[str, Any]) -> None:
        """See `LLMEngine`."""
        if method == "complete":
            self._answering.append(self._take(work, Asked.check(params)))
        elif method == "prefill":
            check_messages(params["messages"])
            work.finish(self._ahead(work, params["messages"]))
        elif method == "count":
            check_messages(params["messages"])
            work.finish({"tokens": len(_prompt(params["messages"])), "context": self._context})
        elif method == "embed":
            check_embedding(params["texts"])
            words = [_words(text) for text in params["texts"]]
            work.finish({"vectors": [_vector(text) for text in words], "tokens": sum(map(len, words))})
        else:
            raise EngineError(f"the engine has no method {method}")

    def step(self) -> bool:
        """A word of everybody whose word is due; a short sleep when nobody's is."""
        for one in [one for one in self._answering if one.work.cancelled]:
            self._end(one, "cancelled")
        able = [one for one in self._answering if one.work.room > 0]
        now = time.monotonic()
        due = [one for one in able if one.due <= now]
        for one in due:
            one.due = now + self._delay_s
            self._say_word(one)
        if able and not due:
            time.sleep(min(NAP_S, max(0.0, min(one.due for one in able) - now)))
        return bool(able)

    def _take(self, work: Work, asked: Asked) -> _Answering:
        ahead = _words(asked.prefix)
        if asked.prompt is not None and len(_words(asked.prompt)) + asked.max_tokens > self._context:
            raise PromptTooLong(f"The prompt takes {len(_words(asked.prompt))} tokens", hint="Shorten it.")
        form = constraint(asked.form, asked.tools, asked.tool_choice)
        answer = self._answer if form is None else form.close("") or ""
        kept, dropped = asked.messages, 0
        if asked.prompt is None:
            kept, dropped = fit(
                asked.messages,
                lambda candidate: len(_prompt(candidate)),
                self._context,
                asked.max_tokens + len(ahead),
            )
        prompt = _prompt(kept) + ahead if asked.prompt is None else _words(asked.prompt)
        zones = {"system": 0, "history": 0, "memory": 0, "question": 0, "tools": len(asked.tools), "template": 0}
        for index, message in enumerate(kept):
            zones[zone_of([message["role"] for message in kept], index)] += len(_words(message["content"]))
        zones["question"] += len(_words(asked.prompt or ""))
        zones["template"] = len(prompt) - sum(zones.values()) + zones["tools"]
        done: Completed = {
            "finish": "stop",
            "prompt_tokens": len(prompt) + zones["tools"],
            "cached_tokens": self._reuse(prompt),
            "completion_tokens": 0,
            "waited_s": 0.0,
            "prefill_s": 0.0,
            "decode_s": 0.0,
            "tool_calls": [],
            "drafted_tokens": 0,
            "accepted_tokens": 0,
            "zones": zones,
            "dropped_messages": dropped,
            "dropped_tokens": len(_prompt(asked.messages)) - len(_prompt(kept)),
        }
        words = _words(answer.removeprefix(asked.prefix))
        if form is not None and asked.tools:
            name = asked.tool_choice if asked.tool_choice != "required" else asked.tools[0]["name"]
            done["tool_calls"] = [{"id": "call_000000000", "name": name, "arguments": "{}"}]
            words = []
        return _Answering(work, asked, words, prompt, AnswerText(asked.stop), done, time.monotonic() + self._delay_s)

    def _say_word(self, one: _Answering) -> None:
        done = one.done
        if not one.words:
            self._end(one, "tool_calls" if done["tool_calls"] else "stop")
            return
        word = one.words.pop(0)
        self._kept.append(word)
        done["completion_tokens"] += 1
        done["decode_s"] += self._delay_s
        one.held.append({"token": word, "logprob": 0.0, "top": [(word, 0.0)][: one.asked.logprobs or 0]})
        self._say(one, one.text.add(word.encode()))
        if one.text.stopped or not one.words:
            self._end(one, "stop")
        elif done["completion_tokens"] == one.asked.max_tokens:
            self._end(one, "length")

    def _say(self, one: _Answering, text: str) -> None:
        if not text:
            return
        if one.asked.logprobs is None:
            one.work.say(text)
        else:
            piece: Piece = {"text": text, "logprobs": one.held}
            one.held = []
            one.work.say(dict(piece))

    def _end(self, one: _Answering, finish: Any) -> None:
        if finish != "cancelled":
            self._say(one, one.text.rest())
        one.done["finish"] = finish
        one.work.say(dict(one.done))
        one.work.finish()
        self._answering.remove(one)

    def _ahead(self, work: Work, messages: list[ChatMessage]) -> int:
        """Remember the prompt's beginning, up to the next question."""
        if work.cancelled:
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
        words = [*prompt]
        same = min(common(self._kept, words), len(words) - 1)
        self._kept = words
        return same


def _words(text: str) -> list[str]:
    return WORD.findall(text)


def _prompt(messages: Sequence[ChatMessage]) -> list[str]:
    """The prompt's tokens: a mark for each role, the words, and a mark for the answer."""
    tokens: list[str] = []
    for message in messages:
        tokens += [f"<{message['role']}>", *_words(message["content"])]
    return [*tokens, "<assistant>"]


def _vector(words: Sequence[str]) -> bytes:
    """Texts of the same words are near each other."""
    parts = [1e-3 + sum(len(word) % DIMENSIONS == place for word in words) for place in range(DIMENSIONS)]
    length = math.sqrt(sum(part * part for part in parts))
    return struct.pack(f"<{DIMENSIONS}f", *(part / length for part in parts))
