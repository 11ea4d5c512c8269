"""/metrics: Prometheus reads it, and it says what happened."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.api.figures import MOST_MODELS, SECONDS, Counted, Figures, Histogram, Traffic
from services.api.house import House
from services.api.http import application
from services.api.recent import RecentTurns
from services.api.voice_figures import VoiceFigures
from services.messages.conversation import Latency, Tokens, TurnFinished, TurnSummary
from services.messages.pool import (
    DescribePool,
    Ledger,
    LedgerEntry,
    LoadedModel,
    PoolState,
    QuestionAnswered,
    RoleState,
)
from services.messages.responses import CacheState, DescribeCache
from services.messages.turntaking import BargeInDecided, BargeInStarted, PauseJudged, Speculated, Verdict
from solo.bus import Bus
from solo.supervision import Context, Describe, EngineState, ServiceState, State, SystemState
from solo.supervision.state import BusState, LoopState, MemoryState
from tests.stubs.callers import as_owner
from tests.stubs.memory import answering

SYSTEM = SystemState(
    version="1", pid=1, started_at="2026-01-01T00:00:00+00:00", uptime_s=5.0, state="ready", reasons=(),
    memory=MemoryState(daemon_rss_bytes=100, total_rss_bytes=300),
    loop=LoopState(lag_ms=2.0, max_lag_ms=30.0, blocked=4),
    bus=BusState(published=11, delivered=0, dropped=3, mailboxes=()),
    services=(
        ServiceState(
            name="stt", state=State.READY, since_s=1.0, ready_after_s=0.5, restarts=2, last_error=None, note="",
            engine=EngineState(engine="fake", model="tiny", rss_bytes=200),
        ),
        ServiceState(
            name="tts", state=State.BACKOFF, since_s=1.0, ready_after_s=None, restarts=0, last_error=None, note="",
            engine=None,
        ),
    ),
)  # fmt: skip
POOL = PoolState(
    status="ok",
    roles=(RoleState(role="dialog", model="tiny", answering="tiny", state="ok"),),
    models=(LoadedModel(name="tiny", state="ready", busy=2, waiting=1, bytes=50),),
    ledger=Ledger(
        budget_bytes=90, reserved_bytes=50, voice_bytes=0, entries=(LedgerEntry(name="tiny", kind="kv", bytes=20),)
    ),
    evictions=6,
)
CACHE = CacheState(
    enabled=True, memory_entries=1, memory_bytes=9, memory_limit_bytes=99, stored_entries=None, stored_bytes=None,
    stored_limit_bytes=9, ttl_s=1.0, hits_memory=3, hits_stored=1, misses=6, shared=0,
)  # fmt: skip
WORDS = "something that a user said"


def turn(**more: Any) -> TurnSummary:
    known: dict[str, Any] = {"source": "voice-1", "outcome": "answered"}
    return TurnSummary(
        turn_id="1", at="2026-01-01T00:00:00+00:00", talk=WORDS, heard=WORDS, said=WORDS, **{**known, **more}
    )


async def scraped(bus: Bus, ctx: Context, *, parts: bool = True) -> tuple[dict[tuple[str, ...], float], str]:
    """Samples by name and sorted label values, and the text."""
    recent, traffic = RecentTurns(), Traffic()
    app = application(House(ctx, recent, set()))
    counted = Counted(as_owner(app), traffic, lambda: app.state.table)

    async def system(_: Describe) -> SystemState:
        return SYSTEM

    async def pool(_: DescribePool) -> PoolState:
        return POOL

    async def cache(_: DescribeCache) -> CacheState:
        return CACHE

    others = {"pool": (DescribePool, pool), "cache": (DescribeCache, cache)} if parts else {}
    following = asyncio.create_task(recent.follow(ctx))
    transport = httpx.ASGITransport(counted, raise_app_exceptions=False)
    async with (
        answering(ctx, system=(Describe, system), **others),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client,
    ):
        tokens = Tokens(prompt=10, cached=4, completion=5, per_second=1.0)
        summary = turn(tokens=tokens, latency_ms=Latency(voice_to_voice=600.0))
        bus.publish(TurnFinished(source="voice-1", summary=summary))
        bus.publish(TurnFinished(source="text", summary=turn(source="text", outcome="cancelled")))
        for seconds in (0.2, 0.3):
            bus.publish(
                QuestionAnswered(
                    lane="chat", outcome="answered", model="tiny", role="dialog", first_token_s=0.02, seconds=seconds,
                    tokens=7,
                )
            )  # fmt: skip
        await asyncio.sleep(0.01)
        await client.get("/api/turns/does-not-exist")
        await client.get(f"/{WORDS}")
        answer = await client.get("/metrics")
    following.cancel()
    await asyncio.wait([following])
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    found: dict[tuple[str, ...], float] = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation
        for sample in family.samples:
            assert sample.name.startswith("solo_")
            found[(sample.name, *(value for _, value in sorted(sample.labels.items())))] = sample.value
    return found, answer.text


async def test_what_happened_is_in_it(bus: Bus, ctx: Context) -> None:
    found, text = await scraped(bus, ctx)
    expected: dict[tuple[str, ...], float] = {
        ("solo_up", "1"): 1,
        ("solo_ready", "stt"): 1,
        ("solo_ready", "tts"): 0,
        ("solo_restarts_total", "stt"): 2,
        ("solo_resident_memory_bytes", "daemon"): 100,
        ("solo_resident_memory_bytes", "stt"): 200,
        ("solo_loop_lag_seconds",): 0.002,
        ("solo_bus_dropped_total",): 3,
        ("solo_requests_running", "tiny"): 2,
        ("solo_requests_waiting", "tiny"): 1,
        ("solo_kv_cache_reserved_bytes", "tiny"): 20,
        ("solo_answer_cache_queries_total",): 10,
        ("solo_answer_cache_hits_total", "memory"): 3,
        ("solo_turns_total", "answered"): 1,
        ("solo_turns_total", "cancelled"): 1,
        ("solo_voice_to_voice_seconds_count",): 1,
        ("solo_voice_to_voice_seconds_sum",): 0.6,
        ("solo_voice_to_voice_seconds_bucket", "0.5"): 0,
        ("solo_voice_to_voice_seconds_bucket", "0.75"): 1,
        ("solo_prefix_cache_hit_tokens_total",): 4,
        ("solo_requests_total", "tiny", "answered", "dialog"): 2,
        ("solo_generation_tokens_total", "tiny", "dialog"): 14,
        ("solo_time_to_first_token_seconds_count", "tiny", "dialog"): 2,
        ("solo_e2e_request_latency_seconds_sum", "tiny", "dialog"): 0.5,
        ("solo_http_requests_total", "other", "other", "404"): 1,
        ("solo_http_open", "http"): 1,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert any(name[:3] == ("solo_http_requests_total", "GET", "/api/turns/{turn_id}") for name in found)
    assert WORDS not in text


async def test_parts_that_are_away_are_left_out(bus: Bus, ctx: Context) -> None:
    found, _ = await scraped(bus, ctx, parts=False)
    assert ("solo_up", "1") in found
    assert not any(name[0].startswith(("solo_requests_running", "solo_answer_cache")) for name in found)


def test_what_turn_taking_did_is_counted() -> None:
    voice = VoiceFigures()
    for event in (
        Speculated(source="kitchen", hit=True, saved_ms=250),
        Speculated(source="kitchen", hit=False, spent_ms=100),
        Speculated(source="kitchen", hit=True, saved_ms=150),
        BargeInStarted(source="kitchen", paused_ms=90),
        BargeInDecided(source="kitchen", verdict=Verdict.RESUME, why="echo", decided_ms=420),
        PauseJudged(source="kitchen", utterance="kitchen-1", pause=1, wait_ms=200, by="words"),
        PauseJudged(source="kitchen", utterance="kitchen-1", pause=2, wait_ms=200, by="smart-turn v3.2"),
    ):
        voice.take(event)
    assert voice.speculations == {"hit": 2, "miss": 1}
    assert (voice.saved_s, voice.spent_s) == (pytest.approx(0.4), pytest.approx(0.1))
    assert voice.interruptions == {("resume", "echo"): 1}
    assert voice.judgements == {"words": 1, "model": 1}
    assert dict(voice.decided.buckets())["0.5"] == 1


def test_buckets_are_cumulative_and_end_with_all() -> None:
    histogram = Histogram()
    for seconds in (0.0, SECONDS[0], 1.0, 1e9):
        histogram.observe(seconds)
    buckets = dict(histogram.buckets())
    assert (buckets[str(SECONDS[0])], buckets["1.0"], buckets["120.0"], buckets["+Inf"]) == (2, 3, 3, 4)


def test_models_without_end_are_not_series_without_end() -> None:
    figures = Figures()
    for number in range(MOST_MODELS * 3):
        figures.of_question(QuestionAnswered(lane="chat", outcome="answered", model=f"m{number}", seconds=0.1))
    assert len(figures.questions) == MOST_MODELS + 1
    assert figures.questions["", "other", "answered"] == MOST_MODELS * 2
