"""What the audit log is told: every denial, joined, without ids and secrets, and never waited for."""

from __future__ import annotations

import asyncio
import time

import pytest

from services.api.guards import journal
from services.api.guards.journal import Journal
from services.messages.audit import AuditEntry, RecordAudit
from solo.bus.errors import NoHandler
from solo.logs import get_logger
from solo.virtual_time import VirtualTimeLoop
from tests.stubs.gate import BEARER, HOST, Registry, frame, guarded, knock, principal


async def test_denials_and_what_is_audited() -> None:
    registry = Registry({"guest": principal("guest", "guest")})
    guard = guarded(registry=registry)
    for _ in range(3):
        await knock(guard, [HOST], path="/api/chats/anna-s-secret-id", query="token=abc", client="10.0.0.9")
    await knock(guard, [("host", "evil.example"), BEARER])
    await knock(guard, [HOST, ("x-api-key", "guest")], kind="websocket", path="/ws/events")
    await knock(guard, [HOST, ("x-api-key", "guest")], path="/api/stop", method="POST")
    await knock(guard, [HOST, ("x-api-key", "wrong")], path="/nowhere", method="BREW")
    await knock(guard, [HOST, BEARER], path="/api/stop", method="POST")
    await knock(guard, [HOST, BEARER])
    assert registry.entries == []
    await guard.journal.flush()
    told = [(e.action, e.code, e.actor, e.method, e.route, e.count) for e in registry.entries]
    assert told == [
        ("denied", "api.unauthorized", "", "GET", "/api/chats/{talk}", 3),
        ("denied", "api.wrong_host", "", "GET", "", 1),
        ("denied", "api.forbidden", "guest", "WS", "/ws/events", 1),
        ("denied", "api.forbidden", "guest", "POST", "/api/stop", 1),
        ("denied", "api.unauthorized", "", "other", "", 1),
        ("called", "", "owner", "POST", "/api/stop", 1),
    ]
    assert registry.entries[0].address == "10.0.0.9"
    assert not any(word in repr(registry.entries) for word in ("abc", "anna", "evil", "wrong'", "the-owners-key"))


async def test_a_websocket_that_says_nothing_good_is_a_denial() -> None:
    registry = Registry()
    guard = guarded(registry=registry)
    await knock(
        guard, [HOST], kind="websocket", path="/ws/chat", says=({"type": "websocket.connect"}, frame(type="no"))
    )
    await guard.journal.flush()
    assert [(entry.code, entry.route) for entry in registry.entries] == [("api.unauthorized", "/ws/chat")]


def entry(number: int) -> AuditEntry:
    return AuditEntry(action="denied", address=f"a{number}")


class TestSending:
    """In virtual time."""

    @staticmethod
    def test_together_after_a_second() -> None:
        async def run() -> None:
            sent: list[tuple[float, RecordAudit]] = []

            async def record(said: RecordAudit, within: float) -> None:
                sent.append((time.monotonic(), said))

            stopping = asyncio.Event()
            book = Journal(record, get_logger())
            running = asyncio.create_task(book.run(stopping))
            began = time.monotonic()
            for _ in range(100):
                book.write(entry(1))
                await asyncio.sleep(0.005)
            await asyncio.sleep(5)
            assert [at - began for at, _ in sent] == [pytest.approx(journal.JOINED_S)]
            assert [e.count for e in sent[0][1].entries] == [100]
            book.write(entry(2))
            stopping.set()
            await running
            assert len(sent) == 2

        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(run())

    @staticmethod
    def test_again_when_the_log_takes_nothing() -> None:
        async def run() -> None:
            registry = Registry(error=NoHandler())
            book = Journal(registry.record, get_logger())
            running = asyncio.create_task(book.run(asyncio.Event()))
            book.write(entry(1))
            book.write(entry(1))
            await asyncio.sleep(60)
            registry.error = None
            await asyncio.sleep(journal.RETRY_S + 1)
            assert [e.count for e in registry.entries] == [2]
            running.cancel()

        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(run())

    @staticmethod
    async def test_no_more_than_fit_and_the_rest_is_counted() -> None:
        registry = Registry()
        book = Journal(registry.record, get_logger())
        for number in range(journal.MOST_WAITING + 500):
            book.write(entry(number))
        book.write(entry(0))
        await book.flush()
        assert len(registry.entries) == journal.MOST_WAITING + 1
        assert registry.entries[0].count == 2
        assert (registry.entries[-1].action, registry.entries[-1].count) == ("unwritten", 500)
