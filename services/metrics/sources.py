"""What is measured: facts of the bus, and the state of the machine, as names, values and labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from services.messages.conversation import TurnFinished, TurnSummary
from services.messages.device import DeviceChanged
from services.messages.facts import FactLearnt
from services.messages.invariants import InvariantViolated
from services.messages.memory import MemoryIndexed
from services.messages.pool import PoolChanged, QuestionAnswered
from services.messages.waking import WakeWordConfirmed, WakeWordRejected
from solo.supervision import ServiceStateChanged, State, SystemState
from solo.supervision.messages import MessagesDropped


class Sample(NamedTuple):
    """A measured value."""

    name: str
    """Dotted, with the unit last; counts have none."""
    value: float
    labels: dict[str, str] = {}
    """Of few different values each: every combination is a series of its own."""


def of_turn(event: TurnFinished) -> Iterator[Sample]:
    summary = event.summary
    # Not the source's name: clients choose theirs, so there is no end to them.
    way = {"source": "text" if summary.source == "text" else "voice"}
    yield Sample("turn.count", 1, way | {"outcome": summary.outcome})
    for point, reached in summary.latency_ms:
        if reached is not None:
            yield Sample(f"turn.{point}_ms", reached, way)
    if summary.audio_s:
        yield Sample("turn.audio_s", summary.audio_s)
    if summary.error is not None:
        yield Sample("errors", 1, {"code": summary.error.code, "where": "turn"})
    yield from _tokens(summary)


def _tokens(summary: TurnSummary) -> Iterator[Sample]:
    tokens = summary.tokens
    if tokens is None:
        return
    model = {"llm": summary.engines.llm} if summary.engines.llm else {}
    yield Sample("turn.prompt_tokens", tokens.prompt, model)
    yield Sample("turn.cached_tokens", tokens.cached, model)
    yield Sample("turn.completion_tokens", tokens.completion, model)
    if tokens.per_second is not None:
        yield Sample("turn.tokens_per_s", tokens.per_second, model)


def of_change(event: ServiceStateChanged) -> Iterator[Sample]:
    service = {"service": event.name}
    if event.code is not None:
        yield Sample("service.crashes", 1, service)
        yield Sample("errors", 1, {"code": event.code, "where": event.name})
    if event.state is State.READY and event.after_s is not None:
        yield Sample("service.start_s", event.after_s, service)


def of_drops(event: MessagesDropped) -> Iterator[Sample]:
    yield Sample("mailbox.dropped", event.dropped, {"owner": event.owner, "kind": event.kind})


def of_index(event: MemoryIndexed) -> Iterator[Sample]:
    model = {"embedder": event.embedder}
    yield Sample("memory.index_s", event.seconds, model)
    yield Sample("memory.index_chunks", event.chunks, model)


def of_fact(_: FactLearnt) -> Iterator[Sample]:
    yield Sample("memory.facts_learnt", 1)


def of_question(event: QuestionAnswered) -> Iterator[Sample]:
    lane: dict[str, str] = {"lane": event.lane}
    model = {"model": event.model} if event.model else {}
    yield Sample("llm.questions", 1, lane | model | {"outcome": event.outcome})
    if event.first_token_s is not None:
        yield Sample("llm.first_token_ms", event.first_token_s * 1000, lane)
    if event.waited_s:
        yield Sample("llm.waited_ms", event.waited_s * 1000, lane)
    if event.from_cache:
        yield Sample("llm.from_cache", 1)
    if event.fell_back:
        yield Sample("llm.fallbacks", 1, {"model": event.model})
    if event.code:
        yield Sample("errors", 1, {"code": event.code, "where": "llm"})


def of_pool(event: PoolChanged) -> Iterator[Sample]:
    yield Sample("llm.changes", 1, {"model": event.model, "state": event.state})


def of_violation(event: InvariantViolated) -> Iterator[Sample]:
    yield Sample("invariants.violated", 1, {"invariant": event.invariant, "healed": event.healed})


def of_device(event: DeviceChanged) -> Iterator[Sample]:
    yield Sample("device.changes", 1, {"input": event.device.input_state, "output": event.device.output_state})
    if event.recovered_s is not None:
        yield Sample("device.recovered_s", event.recovered_s)


def of_confirmed(event: WakeWordConfirmed) -> Iterator[Sample]:
    yield Sample("wake.checked", 1, {"word": event.word, "verdict": event.why})
    yield Sample("wake.checked_ms", event.after_ms)


def of_rejected(event: WakeWordRejected) -> Iterator[Sample]:
    yield Sample("wake.checked", 1, {"word": event.word, "verdict": "rejected"})
    yield Sample("wake.checked_ms", event.after_ms)


class SystemSource:
    """Looks at one snapshot after another; what the machine counts from its start becomes what was added since."""

    def __init__(self) -> None:
        self._counted: dict[str, int] = {}

    def of(self, system: SystemState, lost: int) -> Iterator[Sample]:
        """`lost`: values that the recorder dropped since the start."""
        yield Sample("daemon.rss_bytes", system.memory.daemon_rss_bytes)
        yield Sample("daemon.total_rss_bytes", system.memory.total_rss_bytes)
        for service in system.services:
            if service.engine is not None and service.engine.rss_bytes is not None:
                yield Sample("engine.rss_bytes", service.engine.rss_bytes, {"service": service.name})
        yield Sample("loop.lag_ms", system.loop.lag_ms)
        yield self._added("loop.blocked", system.loop.blocked)
        yield self._added("bus.published", system.bus.published)
        yield self._added("bus.dropped", system.bus.dropped)
        yield self._added("metrics.dropped", lost)

    def _added(self, name: str, now: int) -> Sample:
        before = self._counted.get(name, 0)
        self._counted[name] = now
        # It was set to zero (the loop's count, when the start is over): all of it is new.
        return Sample(name, now - before if now >= before else now)
