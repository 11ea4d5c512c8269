"""Who asks, by which carrier, and what they may: keys, cookies, scopes, and what is remembered of them."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from services.api.guards import identity
from services.api.guards.carriers import in_frame, offered
from services.messages.security import OWNER_PRINCIPAL, CredentialsChanged, Principal
from services.security.tokens import TICKET_MARK
from solo.bus.errors import Busy, DeadlineExceeded, HandlerCrashed, NoHandler
from solo.virtual_time import VirtualTimeLoop
from tests.stubs.gate import (
    BEARER,
    CONNECT,
    HOST,
    KEY,
    ORIGIN,
    Headers,
    Registry,
    frame,
    guarded,
    headers_of,
    knock,
    principal,
    status,
    verdict,
)

ANNA = principal("anna", user="u-anna", profile="anna")
GUEST = principal("guest", "guest", user="u-guest", profile="guest")
PROGRAM = principal("program", "service", frozenset({"status.read"}), kind="key")
COOKIE = ("cookie", "theme=dark; solo_access=anna; x=1")


def bearer(credential: str) -> tuple[str, str]:
    return ("authorization", f"Bearer {credential}")


@pytest.fixture
def registry() -> Registry:
    return Registry({"anna": ANNA, "guest": GUEST, "program": PROGRAM})


@pytest.mark.parametrize(
    ("headers", "who"),
    [
        ([BEARER], OWNER_PRINCIPAL),
        ([("x-api-key", KEY)], OWNER_PRINCIPAL),
        ([("cookie", f"solo_access={KEY}")], OWNER_PRINCIPAL),
        ([bearer("anna")], ANNA),
        ([("x-api-key", "anna")], ANNA),
        ([COOKIE], ANNA),
        ([("x-api-key", "anna"), bearer("anna"), COOKIE], ANNA),
        # What was said on purpose counts before what the browser sends along.
        ([COOKIE, BEARER], OWNER_PRINCIPAL),
    ],
)
async def test_the_rooms_are_told_who_it_is(registry: Registry, headers: Headers, who: Principal) -> None:
    sent = await knock(guarded(registry=registry), [HOST, *headers])
    assert sent == [{"type": "inside", "who": who}]


@pytest.mark.parametrize(
    "headers",
    [
        [("cookie", "solo_access=")],
        [("cookie", "solo_access=anna; solo_access=guest")],
        [("cookie", "solo_access=anna"), ("cookie", "solo_access=guest")],
        [("cookie", "Solo_Access=anna")],
        [("cookie", "xsolo_access=anna")],
        [("cookie", 'solo_access="anna"')],
        [COOKIE, bearer("wrong")],
        [bearer("anna"), ("x-api-key", "guest")],
        [bearer("an na")],
        [bearer("a" * 5000)],
        [("authorization", "Bearer anna, Bearer anna")],
    ],
)
async def test_what_is_no_credential(registry: Registry, headers: Headers) -> None:
    assert verdict(await knock(guarded(registry=registry), [HOST, *headers])) == "api.unauthorized"
    assert set(registry.asked) <= {"wrong", '"anna"'}


async def test_the_query_is_no_carrier(registry: Registry) -> None:
    for query in ("token=anna", f"api_key={KEY}", "access_token=anna", "ticket=anna"):
        assert verdict(await knock(guarded(registry=registry), [HOST], query=query)) == "api.unauthorized"
    assert registry.asked == []


@pytest.mark.parametrize(
    ("text", "credential"),
    [
        ('{"type": "auth", "token": "anna"}', "anna"),
        ('{"type": "auth", "ticket": "anna"}', "anna"),
        ('{"type": "auth", "token": "anna", "ticket": "guest"}', ""),
        ('{"type": "start", "token": "anna"}', ""),
        ('{"type": "auth", "token": 5}', ""),
        ('{"type": "auth", "token": ["anna"]}', ""),
        ('{"type": "auth", "token": "\\ud800"}', "?"),
        ('{"type": "auth"}', ""),
        ('["auth", "anna"]', ""),
        ("anna", ""),
        ("[" * 8000, ""),
        ("", ""),
        (None, ""),
        ('{"type": "auth", "token": "' + "a" * 9000 + '"}', ""),
    ],
)
def test_first_frames(text: str | None, credential: str) -> None:
    assert in_frame(text) == credential


def test_tickets_of_subprotocols() -> None:
    assert offered({}, ["solo", "solo.ticket.abc"]).credential == "abc"
    assert offered({}, ["solo.ticket.abc", "solo.ticket.def"]).credential == ""
    assert not offered({}, ["solo", "graphql-ws"]).anything


class TestCookies:
    """A browser sends them along whoever's page it is that asks."""

    @pytest.mark.parametrize(
        ("method", "origin", "told"),
        [
            ("GET", [], "in"),
            ("GET", [ORIGIN], "in"),
            ("GET", [("origin", "http://evil.example")], "api.foreign_origin"),
            ("POST", [ORIGIN], "in"),
            ("POST", [], "api.origin_missing"),
            ("DELETE", [], "api.origin_missing"),
            ("PROPFIND", [], "api.origin_missing"),
            ("POST", [("origin", "null")], "api.foreign_origin"),
            ("POST", [("origin", "http://evil.example")], "api.foreign_origin"),
        ],
    )
    async def test_requests(self, registry: Registry, method: str, origin: Headers, told: str) -> None:
        sent = await knock(guarded(registry=registry), [HOST, COOKIE, *origin], path="/api/ask", method=method)
        assert verdict(sent) == told

    async def test_a_key_beside_it_is_no_browsers_doing(self, registry: Registry) -> None:
        sent = await knock(guarded(registry=registry), [HOST, COOKIE, bearer("anna")], path="/api/ask", method="POST")
        assert verdict(sent) == "in"

    @pytest.mark.parametrize(("origin", "told"), [([ORIGIN], "in"), ([], "api.origin_missing")])
    async def test_websockets(self, registry: Registry, origin: Headers, told: str) -> None:
        sent = await knock(guarded(registry=registry), [HOST, COOKIE, *origin], kind="websocket", path="/ws/chat")
        assert verdict(sent) == told

    async def test_nobody_is_logged_in_by_another_page(self) -> None:
        where: dict[str, Any] = {"path": "/api/login", "method": "POST"}
        assert verdict(await knock(guarded(), [HOST, COOKIE], **where)) == "api.origin_missing"
        assert verdict(await knock(guarded(), [HOST, COOKIE, ORIGIN], **where)) == "in"
        assert verdict(await knock(guarded(), [HOST], **where)) == "in"


@pytest.mark.parametrize(
    ("credential", "path", "method", "told"),
    [
        ("anna", "/api/ask", "POST", 200),
        ("anna", "/api/stop", "POST", 403),
        ("guest", "/status", "GET", 403),
        ("guest", "/v1/models", "GET", 200),
        ("program", "/status", "GET", 200),
        ("program", "/status", "HEAD", 200),
        ("program", "/v1/models", "HEAD", 403),
        ("program", "/v1/models", "GET", 403),
        ("program", "/api/stop", "POST", 403),
        # What does not exist is for the application to say, to those who are somebody.
        ("program", "/nowhere", "GET", 200),
        ("program", "/api/stop", "GET", 200),
    ],
)
async def test_scopes(registry: Registry, credential: str, path: str, method: str, told: int) -> None:
    assert status(await knock(guarded(registry=registry), [HOST, bearer(credential)], path=path, method=method)) == told


@pytest.mark.parametrize("error", [NoHandler(), Busy(), DeadlineExceeded(), HandlerCrashed()])
async def test_when_nobody_can_tell_only_the_owner_gets_in(registry: Registry, error: Any) -> None:
    registry.error = error
    guard = guarded(registry=registry)
    sent = await knock(guard, [HOST, bearer("anna")])
    assert (status(sent), verdict(sent)) == (503, "api.identity_unavailable")
    assert int(headers_of(sent)["retry-after"]) >= 1
    assert verdict(await knock(guard, [HOST, BEARER])) == "in"


class TestRemembered:
    async def test_for_a_moment(self, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
        now = [1000.0]
        monkeypatch.setattr(time, "monotonic", lambda: now[0])
        guard = guarded(registry=registry)
        for later, asked in ((0.0, 1), (1.9, 1), (0.2, 2)):
            now[0] += later
            assert verdict(await knock(guard, [HOST, bearer("anna")])) == "in"
            assert len(registry.asked) == asked

    async def test_not_past_its_end(self, registry: Registry) -> None:
        registry.known["short"] = ANNA.model_copy(update={"expires_at": time.time() - 0.001})
        assert verdict(await knock(guarded(registry=registry), [HOST, bearer("short")])) == "api.unauthorized"

    @pytest.mark.parametrize(
        ("change", "forgotten"),
        [
            (CredentialsChanged(principal="id-anna", reason="revoked"), True),
            (CredentialsChanged(user="u-anna", reason="disabled"), True),
            (CredentialsChanged(principal="id-guest", user="u-anna", reason="role"), True),
            (CredentialsChanged(principal="id-guest", reason="revoked"), False),
            (CredentialsChanged(user="u-guest", reason="role"), False),
            (CredentialsChanged(reason="role"), False),
        ],
    )
    async def test_until_it_changes(self, registry: Registry, change: CredentialsChanged, forgotten: bool) -> None:
        guard = guarded(registry=registry)
        await knock(guard, [HOST, bearer("anna")])
        del registry.known["anna"]
        guard.changed(change)
        assert verdict(await knock(guard, [HOST, bearer("anna")])) == ("api.unauthorized" if forgotten else "in")

    async def test_not_what_was_true_before_a_change(self, registry: Registry) -> None:
        """The answer was on its way while the key was revoked."""
        registry.hold = asyncio.Event()
        guard = guarded(registry=registry)
        asking = asyncio.create_task(knock(guard, [HOST, bearer("anna")]))
        while not registry.asked:
            await asyncio.sleep(0)
        del registry.known["anna"]
        guard.changed(CredentialsChanged(principal="id-anna", reason="revoked"))
        registry.hold.set()
        assert verdict(await asking) == "api.unauthorized"

    async def test_no_more_than_it_may(self, registry: Registry) -> None:
        guard = guarded(registry=registry)
        for number in range(identity.MOST_REMEMBERED + 10):
            registry.known[f"k{number}"] = ANNA
            await guard.identity.of(f"k{number}")
        assert len(guard.identity._known) == identity.MOST_REMEMBERED
        assert "k1" not in repr(list(guard.identity._known))

    async def test_tickets_are_for_websockets_only(self, registry: Registry) -> None:
        """They are worth something once, so that asking would use one up."""
        ticket = f"{TICKET_MARK}abc"
        registry.known[ticket] = ANNA
        guard = guarded(registry=registry)
        assert verdict(await knock(guard, [HOST, bearer(ticket)])) == "api.unauthorized"
        assert registry.asked == []
        sent = await knock(guard, [HOST], kind="websocket", path="/ws/chat", subprotocols=(f"solo.ticket.{ticket}",))
        assert verdict(sent) == "in"

    async def test_no_ticket(self, registry: Registry) -> None:
        guard = guarded(registry=registry)
        registry.known["ticket"] = ANNA
        says = (CONNECT, frame(type="auth", ticket="ticket"))
        where: dict[str, Any] = {"kind": "websocket", "path": "/ws/chat"}
        assert verdict(await knock(guard, [HOST], says=says, **where)) == "in"
        del registry.known["ticket"]
        assert status(await knock(guard, [HOST], says=says, **where)) == 4401
        assert verdict(await knock(guard, [HOST, bearer("ticket")])) == "api.unauthorized"

    async def test_many_at_once_ask_once(self, registry: Registry) -> None:
        """Or a page that opens twenty connections would ask twenty times."""
        registry.hold = asyncio.Event()
        guard = guarded(registry=registry)
        asking = [asyncio.create_task(knock(guard, [HOST, bearer("anna")])) for _ in range(100)]
        while len(registry.asked) < identity.AT_ONCE:
            await asyncio.sleep(0)
        registry.hold.set()
        assert {verdict(sent) for sent in await asyncio.gather(*asking)} == {"in"}
        assert len(registry.asked) == identity.AT_ONCE


def test_nobody_waits_for_an_answer_for_ever(registry: Registry) -> None:
    async def run() -> None:
        registry.hold = asyncio.Event()
        sent = await knock(guarded(registry=registry), [HOST, bearer("anna")])
        assert verdict(sent) == "api.identity_unavailable"

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(run())
