"""A snapshot of the daemon as Prometheus metrics: a registry of its own, made of what was asked a moment ago."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from services.api.figures import Figures, Histograms, Traffic
from services.api.voice_figures import VoiceFigures
from services.messages.pool import PoolState
from services.messages.responses import CacheState
from solo.supervision import SystemState

CONTENT_TYPE = CONTENT_TYPE_LATEST
_MODEL = ("role", "model")


@dataclass(frozen=True, slots=True)
class Snapshot:
    system: SystemState
    pool: PoolState | None
    """None: it did not answer; its figures are left out."""
    cache: CacheState | None
    figures: Figures
    traffic: Traffic | None
    """None: the door is not counted (tests)."""
    voice: VoiceFigures = field(default_factory=VoiceFigures)


class _Collector:
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        yield from _system(self._snapshot.system)
        if self._snapshot.pool is not None:
            yield from _pool(self._snapshot.pool)
        if self._snapshot.cache is not None:
            yield from _cache(self._snapshot.cache)
        yield from _figures(self._snapshot.figures)
        yield from _voice(self._snapshot.voice)
        if self._snapshot.traffic is not None:
            yield from _traffic(self._snapshot.traffic)


def exposition(snapshot: Snapshot) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(snapshot))
    return generate_latest(registry)


def _gauge(name: str, help_text: str, samples: Iterable[tuple[list[str], float]], labels: Iterable[str] = ()) -> Metric:
    family = GaugeMetricFamily(f"solo_{name}", help_text, labels=list(labels))
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _counter(
    name: str, help_text: str, samples: Iterable[tuple[list[str], float]], labels: Iterable[str] = ()
) -> Metric:
    """The library adds `_total`."""
    family = CounterMetricFamily(f"solo_{name}", help_text, labels=list(labels))
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _histogram(name: str, help_text: str, found: Histograms, labels: Iterable[str]) -> Metric:
    family = HistogramMetricFamily(f"solo_{name}", help_text, labels=list(labels))
    for values, histogram in found.items():
        assert isinstance(values, tuple)
        family.add_metric(list(values), histogram.buckets(), histogram.sum)
    return family


def _system(system: SystemState) -> Iterator[Metric]:
    services = system.services
    yield _gauge("up", "The daemon answers.", [([system.version], 1)], ["version"])
    yield _gauge("uptime_seconds", "Since the daemon's start.", [([], system.uptime_s)])
    yield _gauge(
        "ready",
        "1: the service serves, fully or not.",
        [([each.name], float(each.state in {"ready", "degraded"})) for each in services],
        ["service"],
    )
    yield _counter(
        "restarts",
        "Restarts of a service and its engine.",
        [([each.name], each.restarts) for each in services],
        ["service"],
    )
    resident: list[tuple[list[str], float]] = [(["daemon"], system.memory.daemon_rss_bytes)]
    resident += [
        ([each.name], each.engine.rss_bytes)
        for each in services
        if each.engine is not None and each.engine.rss_bytes is not None
    ]
    yield _gauge("resident_memory_bytes", "Of the daemon and of each engine's process.", resident, ["service"])
    yield _gauge("resident_memory_all_bytes", "Daemon and every child.", [([], system.memory.total_rss_bytes)])
    yield _gauge("loop_lag_seconds", "Last measured delay of the event loop.", [([], system.loop.lag_ms / 1000)])
    yield _gauge("loop_lag_max_seconds", "Worst since the start was over.", [([], system.loop.max_lag_ms / 1000)])
    yield _counter("loop_blocked", "Times the loop was held for too long.", [([], system.loop.blocked)])
    yield _counter("bus_published", "Facts published on the bus.", [([], system.bus.published)])
    yield _counter("bus_dropped", "Facts that a full mailbox lost.", [([], system.bus.dropped)])


def _pool(pool: PoolState) -> Iterator[Metric]:
    models = pool.models
    yield _gauge(
        "requests_running",
        "Questions that a model is answering.",
        [([each.name], each.busy) for each in models],
        ["model"],
    )
    yield _gauge(
        "requests_waiting",
        "Questions in line for a model.",
        [([each.name], each.waiting) for each in models],
        ["model"],
    )
    yield _gauge(
        "model_loaded", "1: in memory.", [([each.name], float(each.state == "ready")) for each in models], ["model"]
    )
    yield _gauge(
        "model_reserved_bytes", "Of the budget of memory.", [([each.name], each.bytes) for each in models], ["model"]
    )
    yield _gauge(
        "kv_cache_reserved_bytes",
        "Of the budget of memory, for the KV caches of a model.",
        [([entry.name], entry.bytes) for entry in pool.ledger.entries if entry.kind == "kv"],
        ["model"],
    )
    yield _gauge("model_memory_budget_bytes", "What models may have.", [([], pool.ledger.budget_bytes)])
    yield _gauge("model_memory_reserved_bytes", "What models have.", [([], pool.ledger.reserved_bytes)])
    yield _counter("model_evictions", "Models unloaded to make room.", [([], pool.evictions)])
    yield _gauge(
        "role_answering",
        "1: somebody would answer in this role.",
        [([role.role, role.answering], float(bool(role.answering))) for role in pool.roles],
        _MODEL,
    )


def _cache(cache: CacheState) -> Iterator[Metric]:
    yield _counter(
        "answer_cache_queries",
        "Questions looked up in the cache of answers.",
        [([], cache.hits_memory + cache.hits_stored + cache.misses)],
    )
    yield _counter(
        "answer_cache_hits",
        "Of those, answered by it.",
        [(["memory"], cache.hits_memory), (["stored"], cache.hits_stored)],
        ["outcome"],
    )
    yield _gauge("answer_cache_bytes", "Answers in memory.", [([], cache.memory_bytes)])


def _figures(figures: Figures) -> Iterator[Metric]:
    yield _counter("turns", "Turns by how they ended.", [([each], n) for each, n in figures.turns.items()], ["outcome"])
    yield _histogram(
        "voice_to_voice_seconds",
        "From the last speech sample to the first audible one of the answer.",
        Histograms({(): figures.voice_to_voice}),
        (),
    )
    yield _counter("turn_prompt_tokens", "Of the prompts of turns.", [([], figures.turn_tokens["prompt"])])
    yield _counter(
        "prefix_cache_hit_tokens",
        "Of the prompts of turns, those that had not to be evaluated again.",
        [([], figures.turn_tokens["cached"])],
    )
    yield _counter(
        "requests",
        "Questions to the language models by how they ended.",
        [(list(labels), n) for labels, n in figures.questions.items()],
        (*_MODEL, "outcome"),
    )
    yield _counter(
        "generation_tokens", "Of answers.", [(list(labels), n) for labels, n in figures.tokens.items()], _MODEL
    )
    yield _histogram(
        "time_to_first_token_seconds", "From question to the first piece of the answer.", figures.first_token, _MODEL
    )
    yield _histogram("e2e_request_latency_seconds", "From question to end of answer.", figures.whole, _MODEL)
    yield _histogram("request_queue_time_seconds", "In line for a model.", figures.waited, _MODEL)


def _voice(voice: VoiceFigures) -> Iterator[Metric]:
    yield _counter(
        "speculations",
        "Turns begun in a pause: hit, it was the end; miss, thrown away.",
        [([each], n) for each, n in voice.speculations.items()],
        ["outcome"],
    )
    yield _counter("speculation_saved_seconds", "Work done before a turn was decided.", [([], voice.saved_s)])
    yield _counter("speculation_spent_seconds", "Work thrown away.", [([], voice.spent_s)])
    yield _counter(
        "interruptions",
        "Speech over answers, by what it was taken for.",
        [(list(labels), n) for labels, n in voice.interruptions.items()],
        ["verdict", "reason"],
    )
    yield _counter(
        "pauses_judged",
        "Pauses that something besides their length was known of.",
        [([each], n) for each, n in voice.judgements.items()],
        ["by"],
    )
    yield _histogram(
        "barge_in_paused_seconds",
        "From the onset of speech over an answer to the held sound.",
        Histograms({(): voice.paused}),
        (),
    )
    yield _histogram(
        "barge_in_decided_seconds",
        "From the onset of speech over an answer to the decision on it.",
        Histograms({(): voice.decided}),
        (),
    )


def _traffic(traffic: Traffic) -> Iterator[Metric]:
    yield _counter(
        "http_requests",
        "Requests and WebSockets that are over, by template of the route.",
        [([method, route, status], n) for (method, route, status), n in traffic.requests.items()],
        ["method", "route", "status"],
    )
    yield _histogram(
        "http_request_duration_seconds",
        "From the request to the end of its answer.",
        traffic.seconds,
        ["method", "route"],
    )
    yield _gauge("http_open", "Under way.", [([kind], n) for kind, n in traffic.open.items()], ["kind"])
