"""How often somebody may ask: by address, by caller and by class, in time that a test sets."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import pytest

from services.api.guard import Guard
from services.api.guards.limits import WINDOW_S, Rates, Windows
from tests.stubs.gate import BEARER, HOST, Registry, guarded, headers_of, knock, principal, status

START = 60_000.0


@dataclass
class Clock:
    now: float = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize("seed", range(5))
def test_any_minute_has_about_as_many_as_it_may(clock: Clock, seed: int) -> None:
    """Never more than the limit from rest; later the estimate may be off, since the minute before is taken as even."""
    chance = random.Random(seed)
    windows, limit = Windows(clock), 50
    taken: list[float] = []
    for _ in range(3000):
        clock.now += chance.expovariate(2.0)
        if windows.take("somebody", limit).allowed:
            taken.append(clock.now)
    busiest = max(sum(1 for other in taken if at <= other < at + WINDOW_S) for at in taken)
    assert sum(1 for at in taken if at < taken[0] + WINDOW_S) <= limit
    assert busiest <= 1.5 * limit
    assert len(taken) > 0.8 * limit * (clock.now - START) / WINDOW_S


@pytest.mark.parametrize("limit", [1, 2, 7, 600])
@pytest.mark.parametrize("into", [0.0, 13.7, 59.9])
def test_who_waits_as_told_is_let_in_and_not_earlier(clock: Clock, limit: int, into: float) -> None:
    windows = Windows(clock)
    clock.now += into
    for left in range(limit - 1, -1, -1):
        standing = windows.take("somebody", limit)
        assert (standing.allowed, standing.remaining, standing.limit) == (True, left, limit)
    for _ in range(3):
        refused = windows.take("somebody", limit)
        assert not refused.allowed
        assert windows.full("somebody", limit) == refused.retry_after_s
        clock.now += refused.retry_after_s - 0.01
        assert not windows.take("somebody", limit).allowed
        clock.now += 0.02
        assert windows.full("somebody", limit) == 0
        assert windows.take("somebody", limit).allowed


def test_after_two_minutes_of_rest_all_is_there_again(clock: Clock) -> None:
    windows = Windows(clock)
    for _ in range(10):
        windows.take("somebody", 10)
    clock.now += 2 * WINDOW_S
    assert windows.take("somebody", 10).remaining == 9


def test_no_more_callers_are_kept_than_fit(clock: Clock) -> None:
    windows = Windows(clock, most=100)
    for number in range(10_000):
        windows.take("regular", 1_000_000)
        windows.take(number, 1)
    assert len(windows) == 100
    assert windows.take("regular", 1_000_000).remaining == 1_000_000 - 10_001


def limited(clock: Clock, registry: Registry | None = None, **rates: int) -> Guard:
    guard = guarded(registry=registry, rates=Rates(**rates))
    guard.addresses, guard.callers = Windows(clock), Windows(clock)
    return guard


async def count(guard: Guard, credential: str, tries: int, **where: Any) -> list[int]:
    headers = [HOST, ("authorization", f"Bearer {credential}")] if credential else [HOST]
    return [status(await knock(guard, headers, **where)) for _ in range(tries)]


@pytest.fixture
def registry() -> Registry:
    return Registry(
        {
            "anna": principal("anna", user="u-anna"),
            "annas-key": principal("annas-key", user="u-anna", kind="key"),
            "bert": principal("bert", user="u-bert"),
        }
    )


class TestCallers:
    async def test_a_user_counts_as_one_and_nobody_else_pays(self, clock: Clock, registry: Registry) -> None:
        guard = limited(clock, registry, usual=5)
        where = {"path": "/api/chats/1"}
        assert await count(guard, "anna", 3, **where) == [200] * 3
        assert await count(guard, "annas-key", 3, **where) == [200, 200, 429]
        assert await count(guard, "bert", 5, **where) == [200] * 5

    async def test_each_class_has_its_own(self, clock: Clock, registry: Registry) -> None:
        guard = limited(clock, registry, usual=2, cheap=4, costly=1)
        assert await count(guard, "anna", 2, path="/api/ask", method="POST") == [200, 429]
        assert await count(guard, "anna", 3, path="/api/chats/1") == [200, 200, 429]
        assert await count(guard, "anna", 5) == [200] * 4 + [429]

    async def test_the_owner_may_more(self, clock: Clock) -> None:
        guard = limited(clock, usual=2)
        told = [status(await knock(guard, [HOST, BEARER], path="/api/chats/1")) for _ in range(21)]
        assert told == [200] * 20 + [429]

    @pytest.mark.parametrize(("kind", "path"), [("http", "/api/chats/1"), ("websocket", "/ws/chat")])
    async def test_the_refusal_says_how_long(self, clock: Clock, registry: Registry, kind: str, path: str) -> None:
        guard = limited(clock, registry, usual=1)
        clock.now += 30
        headers = [HOST, ("x-api-key", "anna")]
        await knock(guard, headers, kind=kind, path=path)
        sent = await knock(guard, headers, kind=kind, path=path)
        assert (status(sent), headers_of(sent)["retry-after"]) == (429, "90")

    async def test_clients_of_openai_are_told_how_they_stand(self, clock: Clock, registry: Registry) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})

        guard = guarded(app, registry=registry, rates=Rates(cheap=2))
        guard.callers = Windows(clock)
        headers = [HOST, ("x-api-key", "anna")]
        for code, remaining in ((200, "1"), (200, "0"), (429, "0")):
            sent = await knock(guard, headers, path="/v1/models")
            got = headers_of(sent)
            assert sent[0]["status"] == code
            assert got["x-ratelimit-limit-requests"] == "2"
            assert got["x-ratelimit-remaining-requests"] == remaining
            assert got["x-ratelimit-reset-requests"] == "120s"
        assert "x-ratelimit-limit-requests" not in headers_of(await knock(guard, headers, path="/status"))


class TestAddresses:
    async def test_before_anybody_is_asked(self, clock: Clock, registry: Registry) -> None:
        guard = limited(clock, registry, usual=1)
        where = {"path": "/api/chats/1"}
        assert await count(guard, "", 11, **where) == [401] * 10 + [429]
        assert await count(guard, "anna", 1, **where) == [429]
        assert registry.asked == []
        assert await count(guard, "anna", 1, client="10.0.0.5", **where) == [200]

    async def test_the_owner_gets_past_it(self, clock: Clock) -> None:
        guard = limited(clock, usual=1, failures=3)
        assert await count(guard, "", 50, path="/api/chats/1") == [401] * 10 + [429] * 40
        assert await count(guard, "wrong", 50) == [401] * 3 + [429] * 47
        assert status(await knock(guard, [HOST, BEARER], path="/api/chats/1")) == 200

    async def test_guesses(self, clock: Clock, registry: Registry) -> None:
        """After some the service that knows is not asked any more; who is known from just now is let in."""
        guard = limited(clock, registry, failures=5)
        assert await count(guard, "anna", 1) == [200]
        assert await count(guard, "guess", 1000) == [401] * 5 + [429] * 995
        assert len(registry.asked) == 6
        assert await count(guard, "anna", 1) == [200]
        assert await count(guard, "guess", 1, client="10.0.0.5") == [401]
        clock.now += 120
        assert await count(guard, "guess", 1) == [401]

    async def test_log_ins_are_few_for_everybody(self, clock: Clock) -> None:
        guard = limited(clock, login=3)
        where: dict[str, Any] = {"path": "/api/login", "method": "POST"}
        assert await count(guard, "", 5, **where) == [200] * 3 + [429] * 2
        assert status(await knock(guard, [HOST, BEARER], **where)) == 429
        assert await count(guard, "", 1, client="10.0.0.5", **where) == [200]

    async def test_one_who_has_a_network_is_one(self, clock: Clock) -> None:
        guard = limited(clock, login=1)
        where: dict[str, Any] = {"path": "/api/login", "method": "POST"}
        told = [await count(guard, "", 1, client=f"2001:db8:0:1::{number}", **where) for number in range(1, 4)]
        assert told == [[200], [429], [429]]
        assert await count(guard, "", 1, client="2001:db8:0:2::1", **where) == [200]

    async def test_addresses_are_not_taken_from_the_client(self, clock: Clock) -> None:
        guard = limited(clock, login=1)
        for number, told in ((1, 200), (2, 429), (3, 429)):
            headers = [HOST, ("x-forwarded-for", f"9.9.9.{number}"), ("forwarded", f"for=9.9.9.{number}")]
            assert status(await knock(guard, headers, path="/api/login", method="POST")) == told
