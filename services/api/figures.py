"""What the door counts itself, for /metrics: answers of the models, turns, and requests by route."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from services.api.policy import RouteTable
from services.messages.conversation import TurnSummary
from services.messages.pool import QuestionAnswered

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Upper ends of the buckets: from the daemon's own cost of a request to a long answer."""
MOST_MODELS = 64
"""Different models that are told apart; further ones are `other`: each combination is a series for ever."""
KEY = "solo.traffic"
"""Of the ASGI scope: where a route finds the figures of the door."""


class Histogram:
    """Counts by bucket, as Prometheus wants them."""

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.sum += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, by upper end; the last is `+Inf`."""
        found: list[tuple[str, float]] = []
        total = 0
        for end, count in zip((*SECONDS, None), self.counts, strict=True):
            total += count
            found.append(("+Inf" if end is None else str(end), float(total)))
        return found


class Histograms(dict[Hashable, Histogram]):
    """By labels."""

    def of(self, labels: Hashable) -> Histogram:
        found = self.get(labels)
        if found is None:
            found = self[labels] = Histogram()
        return found


class Figures:
    """Of the models and the turns, since the daemon's start."""

    def __init__(self) -> None:
        self.turns: Counter[str] = Counter()
        """By outcome."""
        self.turn_tokens: Counter[str] = Counter()
        """`prompt`, `cached`, `completion`."""
        self.voice_to_voice = Histogram()
        self.questions: Counter[tuple[str, str, str]] = Counter()
        """By role, model, outcome."""
        self.tokens: Counter[tuple[str, str]] = Counter()
        """Of answers, by role and model."""
        self.first_token = Histograms()
        """Seconds, by role and model."""
        self.whole = Histograms()
        """Seconds from question to end, by role and model."""
        self.waited = Histograms()
        """Seconds in line, by role and model."""
        self._models: set[str] = set()

    def of_turn(self, turn: TurnSummary) -> None:
        self.turns[turn.outcome] += 1
        if turn.tokens is not None:
            self.turn_tokens["prompt"] += turn.tokens.prompt
            self.turn_tokens["cached"] += turn.tokens.cached
            self.turn_tokens["completion"] += turn.tokens.completion
        if turn.latency_ms.voice_to_voice is not None and turn.source != "text":
            self.voice_to_voice.observe(turn.latency_ms.voice_to_voice / 1000)

    def of_question(self, answered: QuestionAnswered) -> None:
        model = answered.model
        if model not in self._models:
            if len(self._models) < MOST_MODELS:
                self._models.add(model)
            else:
                model = "other"
        labels = (answered.role, model)
        self.questions[(*labels, answered.outcome)] += 1
        self.tokens[labels] += answered.tokens
        self.whole.of(labels).observe(answered.seconds)
        self.waited.of(labels).observe(answered.waited_s)
        if answered.first_token_s is not None:
            self.first_token.of(labels).observe(answered.first_token_s)


class Traffic:
    """Requests by route template, method and status class: as many series as the table has rows, not as there are
    addresses. What is not in the table counts as `other`."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, str]] = Counter()
        self.seconds = Histograms()
        self.open: Counter[str] = Counter()
        """Under way, by kind: `http`, `websocket`."""


class Counted:
    """ASGI layer around everything: counts every request, refused ones too. One look-up at a request's end."""

    def __init__(self, app: ASGIApp, traffic: Traffic, table: Callable[[], RouteTable | None]) -> None:
        self._app = app
        self._traffic = traffic
        self._table = table

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500 if kind == "http" else 101
        scope[KEY] = self._traffic

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                status = message["status"]
            await send(message)

        self._traffic.open[kind] += 1
        try:
            await self._app(scope, receive, watched)
        finally:
            self._traffic.open[kind] -= 1
            table = self._table()
            row = None if table is None else table.find(scope)
            method, path = ("other", "other") if row is None else (row.method, row.path)
            self._traffic.requests[method, path, str(status)] += 1
            if kind == "http":
                self._traffic.seconds.of((method, path)).observe(time.perf_counter() - began)
