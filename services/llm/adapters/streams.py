"""One completion or prefill under way in the engine, from its place in the queue to its last word."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from services.llm.adapters.reply import Reply
from services.llm.adapters.sampling import Sampler
from services.llm.adapters.slots import Slot
from services.llm.engine import Completed, TokenLogprob
from solo.isolation.driving import Work

LANES = {"voice": 0, "chat": 1, "batch": 2}


@dataclass(slots=True, eq=False)
class Stream:
    work: Work
    kind: Literal["complete", "prefill"]
    prompt: list[int]
    """What is read, in pieces of several tokens."""
    said: list[int] = field(default_factory=list)
    """What is written although it is known: the prompt's last token, and the beginning of an answer that was said
    before. One by one, as tokens of an answer are: read like a prompt they would be rounded otherwise, and the answer
    would go on otherwise than the one that was broken off, or than that of the same prompt in the cache."""
    lane: str = "voice"
    max_tokens: int = 0
    logprobs: int | None = None
    reply: Reply | None = None
    sampler: Sampler | None = None
    done: Completed | None = None
    slot: Slot | None = None
    token: int | None = None
    """Sampled, and not decoded yet."""
    answer: list[int] = field(default_factory=list)
    """Tokens sampled so far."""
    asked_at: float = field(default_factory=time.perf_counter)
    admitted_at: float = 0.0
    begun_at: float = 0.0
    """The step it is being written in began; 0: none."""
    _said: list[TokenLogprob] = field(default_factory=list)
    _heard: bool = False
    """Something of the answer has been said: readers wait for the first word, and are patient then."""

    @property
    def rank(self) -> int:
        return LANES[self.lane]

    @property
    def reading(self) -> bool:
        """Its prompt is not evaluated yet."""
        return self.slot is not None and len(self.slot.tokens) < len(self.prompt)

    @property
    def unread(self) -> int:
        """Tokens of the prompt that are not evaluated yet."""
        return len(self.prompt) - (len(self.slot.tokens) if self.slot is not None else 0)

    @property
    def writing(self) -> bool:
        """It can go on with its answer: a token waits to be decoded, and the asker has room for the next."""
        return self.token is not None and self.work.room > 0

    def admit(self, slot: Slot) -> None:
        self.slot = slot
        self.admitted_at = time.perf_counter()
        if self.done is not None:
            self.done["cached_tokens"] = len(slot.tokens)
            self.done["waited_s"] = self.admitted_at - self.asked_at

    def read(self) -> None:
        """The prompt has been evaluated, but for its last token."""
        if self.done is not None:
            self.done["prefill_s"] = time.perf_counter() - self.admitted_at
            self.token = self.said.pop(0)

    def spent(self) -> None:
        """The step is over for it."""
        if self.begun_at and self.done is not None:
            self.done["decode_s"] += time.perf_counter() - self.begun_at
        self.begun_at = 0.0

    def say(self, text: str, logprob: TokenLogprob | None = None) -> None:
        """Text that no later token can change; logprobs wait for the text that their tokens make."""
        if logprob is not None:
            self._said.append(logprob)
        if not text:
            return
        if self.lane != "voice":
            self.work.patient = self._heard
            self._heard = True
        if self.logprobs is None:
            self.work.say(text)
        else:
            said, self._said = self._said, []
            self.work.say({"text": text, "logprobs": [dict(one) for one in said]})

    def end(self, finish: Literal["stop", "length", "tool_calls", "cancelled"]) -> None:
        """Say the rest and how it ended. The slot is the caller's to give back."""
        assert self.done is not None and self.reply is not None
        self.spent()
        if finish != "cancelled":
            self.say(self.reply.rest())
            self.done["tool_calls"] = self.reply.calls
            if self.reply.calls:
                finish = "tool_calls"
        self.done["finish"] = finish
        self.work.say(dict(self.done))
        self.work.finish()

    def close(self) -> None:
        if self.sampler is not None:
            self.sampler.close()
            self.sampler = None


def first(streams: Sequence[Stream]) -> list[Stream]:
    """In the order in which they are served: by lane, then as they came."""
    return sorted(streams, key=lambda stream: (stream.rank, stream.asked_at))


def by_slot(stream: Stream) -> int:
    assert stream.slot is not None
    return stream.slot.number
