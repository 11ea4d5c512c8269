"""What is measured: names with their unit last, labels of few values."""

from __future__ import annotations

from typing import Any

from services.messages.conversation import Engines, Failed, Latency, Tokens, TurnFinished, TurnSummary
from services.messages.device import DeviceChanged, DeviceState
from services.messages.memory import MemoryIndexed
from services.messages.pool import PoolChanged, QuestionAnswered
from services.messages.waking import WakeWordConfirmed, WakeWordRejected
from services.metrics.sources import (
    Sample,
    SystemSource,
    of_change,
    of_confirmed,
    of_device,
    of_drops,
    of_index,
    of_pool,
    of_question,
    of_rejected,
    of_turn,
)
from solo.supervision import EngineState, ServiceState, ServiceStateChanged, State, SystemState
from solo.supervision.messages import MessagesDropped
from solo.supervision.state import BusState, LoopState, MemoryState


def turn(**more: Any) -> TurnFinished:
    known: dict[str, Any] = {"at": "now", "source": "microphone", "talk": "t", "heard": "?", "said": "."}
    summary = TurnSummary(turn_id="1", **{**known, "outcome": "answered", **more})
    return TurnFinished(source=summary.source, summary=summary)


def system(*, published: int = 0, dropped: int = 0, blocked: int = 0) -> SystemState:
    engine = EngineState(engine="e", model="m", rss_bytes=300)
    bare: dict[str, Any] = {"since_s": 1.0, "ready_after_s": 0.5, "restarts": 0, "last_error": None, "note": ""}
    return SystemState(
        version="1",
        pid=1,
        started_at="2026-01-01T00:00:00+00:00",
        uptime_s=1.0,
        state="ready",
        reasons=(),
        memory=MemoryState(daemon_rss_bytes=100, total_rss_bytes=400),
        loop=LoopState(lag_ms=0.5, max_lag_ms=9, blocked=blocked),
        bus=BusState(published=published, delivered=0, dropped=dropped, mailboxes=()),
        services=(
            ServiceState(name="llm", state=State.READY, engine=engine, **bare),
            ServiceState(name="api", state=State.READY, engine=None, **bare),
        ),
    )


def test_a_spoken_turn() -> None:
    found = set()
    event = turn(
        latency_ms=Latency(transcript=210, voice_to_voice=600),
        tokens=Tokens(prompt=90, cached=60, completion=20, per_second=70.5),
        engines=Engines(llm="llama.cpp x"),
        audio_s=2.5,
    )
    for name, value, labels in of_turn(event):
        found.add((name, value, *sorted(labels.items())))
    voice, model = ("source", "voice"), ("llm", "llama.cpp x")
    assert found == {
        ("turn.count", 1, ("outcome", "answered"), voice),
        ("turn.transcript_ms", 210, voice),
        ("turn.voice_to_voice_ms", 600, voice),
        ("turn.prompt_tokens", 90, model),
        ("turn.cached_tokens", 60, model),
        ("turn.completion_tokens", 20, model),
        ("turn.tokens_per_s", 70.5, model),
        ("turn.audio_s", 2.5),
    }


def test_a_typed_turn_that_failed() -> None:
    event = turn(source="text", outcome="failed", error=Failed(code="engine.died", message="It died."))
    assert list(of_turn(event)) == [
        Sample("turn.count", 1, {"source": "text", "outcome": "failed"}),
        Sample("errors", 1, {"code": "engine.died", "where": "turn"}),
    ]


def test_names_that_clients_choose_make_no_series() -> None:
    assert {str(labels) for _, _, labels in of_turn(turn(source="a-client's"))} == {
        str(labels) for _, _, labels in of_turn(turn(source="another's"))
    }


def test_crashes_and_starts() -> None:
    crash = ServiceStateChanged(name="stt", state=State.BACKOFF, code="engine.died")
    assert list(of_change(crash)) == [
        Sample("service.crashes", 1, {"service": "stt"}),
        Sample("errors", 1, {"code": "engine.died", "where": "stt"}),
    ]
    start = ServiceStateChanged(name="stt", state=State.READY, after_s=1.5)
    assert list(of_change(start)) == [Sample("service.start_s", 1.5, {"service": "stt"})]
    assert list(of_change(ServiceStateChanged(name="stt", state=State.DRAINING))) == []


def test_drops_and_indexes() -> None:
    drops = MessagesDropped(owner="api", kind="SoundHeard", dropped=7)
    assert list(of_drops(drops)) == [Sample("mailbox.dropped", 7, {"owner": "api", "kind": "SoundHeard"})]
    index = MemoryIndexed(embedder="minilm", chunks=40, seconds=1.5)
    assert [sample.name for sample in of_index(index)] == ["memory.index_s", "memory.index_chunks"]


def test_the_machine_is_measured_and_its_counts_are_told_by_what_was_added() -> None:
    source = SystemSource()
    first = {(sample.name, *sample.labels.values()): sample.value for sample in source.of(system(published=50), 0)}
    assert first == {
        ("daemon.rss_bytes",): 100,
        ("daemon.total_rss_bytes",): 400,
        ("engine.rss_bytes", "llm"): 300,
        ("loop.lag_ms",): 0.5,
        ("loop.blocked",): 0,
        ("bus.published",): 50,
        ("bus.dropped",): 0,
        ("metrics.dropped",): 0,
    }
    second = {sample.name: sample.value for sample in source.of(system(published=80, dropped=3, blocked=2), 4)}
    assert (second["bus.published"], second["bus.dropped"]) == (30, 3)
    assert (second["loop.blocked"], second["metrics.dropped"]) == (2, 4)
    third = {sample.name: sample.value for sample in source.of(system(published=80, blocked=1), 4)}
    assert (third["bus.published"], third["loop.blocked"], third["metrics.dropped"]) == (0, 1, 0)


def test_a_question_to_the_language_models() -> None:
    answered = QuestionAnswered(
        lane="chat", outcome="answered", model="m", role="fast", fell_back=True, from_cache=True, waited_s=0.5,
        first_token_s=0.75, seconds=2, tokens=20,
    )  # fmt: skip
    assert list(of_question(answered)) == [
        Sample("llm.questions", 1, {"lane": "chat", "model": "m", "outcome": "answered"}),
        Sample("llm.first_token_ms", 750, {"lane": "chat"}),
        Sample("llm.waited_ms", 500, {"lane": "chat"}),
        Sample("llm.from_cache", 1),
        Sample("llm.fallbacks", 1, {"model": "m"}),
    ]
    failed = QuestionAnswered(lane="voice", outcome="failed", code="llm.busy", seconds=0.1)
    assert list(of_question(failed)) == [
        Sample("llm.questions", 1, {"lane": "voice", "outcome": "failed"}),
        Sample("errors", 1, {"code": "llm.busy", "where": "llm"}),
    ]


def test_a_model_that_changes() -> None:
    assert list(of_pool(PoolChanged(model="m", state="ready"))) == [
        Sample("llm.changes", 1, {"model": "m", "state": "ready"})
    ]


def test_second_looks_at_wake_words_are_counted_by_what_came_of_them() -> None:
    known: dict[str, Any] = {"source": "desk", "word": "alexa", "at": 1, "text": "", "after_ms": 200.0}
    took = Sample("wake.checked_ms", 200.0)
    stood = Sample("wake.checked", 1, {"word": "alexa", "verdict": "words"})
    assert list(of_confirmed(WakeWordConfirmed(why="words", **known))) == [stood, took]
    fell = Sample("wake.checked", 1, {"word": "alexa", "verdict": "rejected"})
    assert list(of_rejected(WakeWordRejected(**known))) == [fell, took]


def test_a_device_that_hears_again_says_after_how_long() -> None:
    known: dict[str, Any] = dict.fromkeys(("input_fallback", "output_fallback"), False)
    known |= dict.fromkeys(("frame_age_ms", "lost", "xruns", "bad", "reopened"), 0)
    known |= {"source": "microphone", "input": "desk", "output": "desk", "echo": "none", "drift_ppm": None, "note": ""}
    device = DeviceState(input_state="healthy", output_state="ready", **known)
    changed = Sample("device.changes", 1, {"input": "healthy", "output": "ready"})
    assert list(of_device(DeviceChanged(device=device))) == [changed]
    back = Sample("device.recovered_s", 1.5)
    assert list(of_device(DeviceChanged(device=device, recovered_s=1.5))) == [changed, back]
