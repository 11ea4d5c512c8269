"""Continuous batching: each step takes one token of every stream that is writing and a piece of a prompt."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from services.llm.adapters.host_cache import common
from services.llm.adapters.llama_runtime import MOST_WANTED, LlamaRuntime, Row
from services.llm.adapters.pace import Pace
from services.llm.adapters.sampling import logprobs
from services.llm.adapters.slots import Slots
from services.llm.adapters.speculation import Drafter
from services.llm.adapters.streams import Stream, by_slot, first
from services.llm.adapters.threads import Threads
from solo.errors import SoloError

SHORT = 32
"""Tokens that are read at once although others are writing: a question in a conversation. What it delays them is less
than what it costs its asker to have it read three tokens at a time."""
BRIEF = 8
"""Tokens of a piece that is always read to its end."""
OTHERWISE = 8
"""Tokens by which the end of a question may differ from the guess at it that was evaluated ahead."""


class Placed(NamedTuple):
    """A stream's share of a step."""

    stream: Stream
    begin: int
    """Its first row."""
    tokens: list[int]
    guessed: list[int]
    """Of those, the last ones that are guesses."""


def piece(left: int, most: int) -> int:
    """How many of the `left` tokens of a prompt are evaluated next: about `most`, but never one alone, and never so
    that one alone is left over: llama.cpp rounds a single token otherwise than one of several. 0: none this time."""
    if most < 1:
        return 0
    size = max(2, min(left, most))
    return min(left, size + 1 if left - size == 1 else size)


class Batches:
    """Streams wait, read their prompt, write their answer; the order among them is by lane, then as they came.

    Spoken turns have one slot that nobody else gets, so that they never wait for others to finish.
    """

    def __init__(
        self, runtime: LlamaRuntime, slots: Slots, count: int, threads: Threads, drafter: Drafter | None
    ) -> None:
        """`count`: streams at once, without the one kept for spoken turns."""
        self._runtime = runtime
        self._slots = slots
        self._count = count
        self._threads = threads
        self._drafter = drafter
        self._waiting: list[Stream] = []
        self._running: list[Stream] = []
        self._pace = Pace(runtime.batch)

    def add(self, stream: Stream) -> None:
        if stream.kind == "prefill" and self._slots.holds(stream.prompt):
            stream.work.finish(len(stream.prompt))
        else:
            self._waiting.append(stream)

    def step(self) -> bool:
        """A token of everybody who is writing, then a piece of a prompt. False when no stream can go on.

        These are calls of their own: in one call llama.cpp would compute the first token of the piece as it computes a
        written one, by another kernel than the rest, and what is rounded otherwise may become another answer.
        """
        self._drop_left()
        if self._waiting:
            self._admit()
        self._runtime.use_threads(self._threads.now())
        # In the order of their slots, which is the order in which llama.cpp decodes them together.
        writers = sorted((stream for stream in self._running if stream.writing), key=by_slot)
        wrote = self._write_all(writers)
        return self._read_some(len(writers)) or wrote

    def _write_all(self, writers: list[Stream]) -> bool:
        rows: list[Row] = []
        placed: list[Placed] = []
        began = time.perf_counter()
        for stream in writers:
            assert stream.token is not None
            stream.begun_at = 0.0 if stream.said else began
            guessed = self._guess(stream)
            placed.append(self._place(rows, stream, [stream.token, *guessed], guessed))
        went = self._decode(rows, placed)
        for stream in writers:
            stream.spent()
        self._took(time.perf_counter() - began, len(rows), 0)
        return went

    def _read_some(self, writers: int) -> bool:
        """Pieces of prompts, as long as who is writing can wait; short ones whole, and those together."""
        readers = first([stream for stream in self._running if stream.reading])
        short = [stream for stream in readers if stream.unread <= SHORT]
        went = bool(short)
        while short and not self._somebody_left():  # who left is dropped first, in the next step
            self._read_together(sorted(short, key=by_slot))
            short = [stream for stream in short if stream.reading]
        most = min(self._pace.reading(writers), self._runtime.piece - 1)
        for stream in [stream for stream in readers if stream.reading]:
            size = piece(stream.unread, most)
            if size == 0:
                break
            self._read([stream], size)
            most -= size
            went = True
        return went

    def _read_together(self, streams: list[Stream]) -> None:
        """The same number of tokens of each, in one call, with none left over alone: llama.cpp computes what sequences
        have in common at once, and what is longer by itself."""
        size = min(stream.unread for stream in streams)
        alike = [stream for stream in streams if stream.unread != size + 1]
        self._read(alike[: max(1, self._runtime.piece // size)], size)

    def _read(self, streams: list[Stream], size: int) -> None:
        rows: list[Row] = []
        placed = []
        for stream in streams:
            assert stream.slot is not None
            begin = len(stream.slot.tokens)
            placed.append(self._place(rows, stream, stream.prompt[begin : begin + size], []))
        began = time.perf_counter()
        # Nobody who leaves waits for the end of a long piece; who stays has it read again.
        self._decode(rows, placed, self._somebody_left if len(rows) > BRIEF else None)
        self._took(time.perf_counter() - began, 0, len(rows))

    def _somebody_left(self) -> bool:
        return any(stream.work.cancelled for stream in self._running)

    def _decode(self, rows: list[Row], placed: list[Placed], abandon: Callable[[], bool] | None = None) -> bool:
        if not rows:
            return False
        try:
            whole = self._runtime.decode(rows, abandon)
        except SoloError as error:
            for share in placed:
                self._fail(share.stream, error)
            return True
        for share in placed:
            if whole:
                self._evaluated(share)
            elif share.stream.slot is not None:
                self._slots.cut(share.stream.slot, len(share.stream.slot.tokens))
        return True

    def _took(self, seconds: float, written: int, read: int) -> None:
        self._threads.took(seconds, self._pace.usual(written, read))
        self._pace.step(seconds, written, read)

    def _drop_left(self) -> None:
        for stream in [stream for stream in (*self._waiting, *self._running) if stream.work.cancelled]:
            self._end(stream, "cancelled")

    def _admit(self) -> None:
        for stream in first(self._waiting):
            self._overtake(stream)
            others = sum(running.lane != "voice" for running in self._running)
            if not self._slots.free() or (stream.lane != "voice" and others >= self._count):
                continue
            self._waiting.remove(stream)
            self._running.append(stream)
            stream.admit(self._slots.claim(stream.prompt))
            if not stream.reading:
                self._has_read(stream)

    def _overtake(self, stream: Stream) -> None:
        """A prompt being evaluated ahead for just this question: it goes on as the question itself."""
        for ahead in [*self._running, *self._waiting]:
            same = stream.kind == "complete" and ahead.kind == "prefill" and common(ahead.prompt, stream.prompt)
            if same and same >= len(ahead.prompt) - OTHERWISE:
                self._end(ahead, "stop")

    def _place(self, rows: list[Row], stream: Stream, tokens: list[int], guessed: list[int]) -> Placed:
        slot = stream.slot
        assert slot is not None
        begin, at = len(slot.tokens), len(rows)
        wanted = stream.token is not None
        rows.extend(Row(token, begin + index, slot.number, wanted) for index, token in enumerate(tokens))
        return Placed(stream, at, tokens, guessed)

    def _guess(self, stream: Stream) -> list[int]:
        if self._drafter is None or stream.said or stream.logprobs is not None or stream.done is None:
            return []
        most = min(MOST_WANTED - 1, stream.max_tokens - len(stream.answer))
        assert stream.slot is not None and stream.token is not None
        guessed = self._drafter.draft([*stream.slot.tokens, stream.token], most) if most > 0 else []
        stream.done["drafted_tokens"] += len(guessed)
        return guessed

    def _evaluated(self, share: Placed) -> None:
        """Note what is in the cache now, and sample where a token is wanted."""
        stream, slot = share.stream, share.stream.slot
        assert slot is not None
        if stream.token is None:
            slot.tokens.extend(share.tokens)
            if not stream.reading:
                self._has_read(stream)
            return
        base = len(slot.tokens)
        slot.tokens.append(stream.token)
        for index in range(len(share.tokens)):
            self._write(stream, share.begin + index)
            right = stream.slot is not None and share.guessed[index : index + 1] == [stream.token]
            if not right:
                break
            assert stream.done is not None
            stream.done["accepted_tokens"] += 1
            slot.tokens.append(share.guessed[index])
        if len(slot.tokens) < base + len(share.tokens):
            self._slots.cut(slot, len(slot.tokens))

    def _has_read(self, stream: Stream) -> None:
        if stream.kind == "prefill":
            self._end(stream, "stop")
        else:
            stream.read()

    def _write(self, stream: Stream, row: int) -> None:
        """The next token of an answer, from that row of the step."""
        runtime, vocabulary = self._runtime, self._runtime.vocabulary
        assert stream.sampler is not None and stream.reply is not None and stream.done is not None
        if stream.said:
            stream.token = stream.said.pop(0)
            return
        try:
            token = stream.sampler.next(runtime.native, row)
        except SoloError as error:
            self._fail(stream, error)
            return
        if token < 0 or vocabulary.is_end(token):
            self._end(stream, "stop")
            return
        stream.answer.append(token)
        stream.done["completion_tokens"] += 1
        likely = None
        if stream.logprobs is not None:
            likely = logprobs(runtime.lib, vocabulary, runtime.native, row, token, stream.logprobs)
        stream.say(stream.reply.add(vocabulary.text_of(token)), likely)
        if stream.reply.stopped:
            self._end(stream, "stop")
        elif len(stream.answer) >= stream.max_tokens:
            self._end(stream, "length")
        else:
            stream.token = token

    def _end(self, stream: Stream, finish: str) -> None:
        if stream.kind == "prefill":
            evaluated = len(stream.slot.tokens) if stream.slot is not None and finish != "cancelled" else 0
            stream.work.finish(evaluated)
        else:
            stream.end(finish)  # type: ignore[arg-type]
        self._remove(stream)

    def _fail(self, stream: Stream, error: SoloError) -> None:
        stream.work.fail(error)
        if stream.slot is not None:
            self._slots.cut(stream.slot, 0)
        self._remove(stream)

    def _remove(self, stream: Stream) -> None:
        stream.close()
        for streams in (self._waiting, self._running):
            if stream in streams:
                streams.remove(stream)
        if stream.slot is not None:
            self._slots.give_back(stream.slot)
            stream.slot = None
        stream.token = None
