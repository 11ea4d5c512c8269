"""Every route of the live table, asked by everybody, in every way, from everywhere: the answer is the one written down.

Routes x principals x carriers x Host x Origin, HTTP and WebSocket, in process: the guard with the application's own
table, before a room that says who got in. What should come back is written in tests/authorisation.py.
"""

from __future__ import annotations

import itertools
import random
import re
import time
from collections import Counter
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, APIWebSocketRoute

from services.api.guard import Guard
from services.api.guards.limits import Rates
from services.api.house import House
from services.api.http import application
from services.api.policy import PUBLIC_MOST, RouteTable, Row
from services.api.recent import RecentTurns
from services.messages.security import CredentialsChanged, Principal, Scope
from solo.bus import Bus
from solo.supervision import Context
from tests.authorisation import MAY, PUBLIC, STATIC, expected, needed
from tests.stubs.gate import (
    CONNECT,
    KEY,
    PORT,
    Headers,
    Message,
    Registry,
    frame,
    guarded,
    knock,
    principal,
    status,
    verdict,
)

HOSTS = {"good": f"127.0.0.1:{PORT}", "bad": f"evil.example:{PORT}"}
ORIGINS = {"none": None, "good": f"http://localhost:{PORT}", "foreign": "http://evil.example", "null": "null"}
HTTP_CARRIERS = ("bearer", "cookie", "x-api-key", "query")
WS_CARRIERS = (*HTTP_CARRIERS, "first frame", "subprotocol")
PLENTY = Rates(*[10**9] * 5)
NOWHERE = {"/v1/{rest:path}"}
"""Routes of the application that only say that there is nothing."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


@pytest.fixture(scope="module")
def app() -> FastAPI:
    ctx = Context(Bus(), "api", on_state=lambda *_: None)
    return application(House(ctx, RecentTurns(), set()))


@pytest.fixture(scope="module")
def table(app: FastAPI) -> RouteTable:
    found: RouteTable = app.state.table
    return found


def everybody() -> dict[str, Principal]:
    """By credential; each role with all that it may, and a key for each single scope."""
    callers = {
        "guest": principal("guest", "guest", profile="guest"),
        "user": principal("user", "user", user="u-1", profile="one"),
        "other-user": principal("other", "user", user="u-2", profile="two"),
        "service": principal("service", "service", kind="key"),
        "admin": principal("admin", "admin", user="u-3"),
        "revoked": principal("revoked", "admin", kind="key"),
        "disabled": principal("disabled", "admin", user="u-4"),
        "ended": principal("ended", "admin", expires_at=time.time() - 1),
    }
    for scope in sorted(MAY["admin"]):
        one: frozenset[Scope] = frozenset({scope})  # type: ignore[arg-type]
        callers[f"only-{scope}"] = principal(f"only-{scope}", "service", one, kind="key")
    return callers


WORTHLESS = {"none", "garbage", "expired", "revoked", "disabled", "ended"}


def may(who: str) -> set[str]:
    if who.startswith("only-"):
        return {who.removeprefix("only-")}
    return MAY[{"other-user": "user", KEY: "admin"}.get(who, who)] if who not in WORTHLESS else set()


async def gate(table: RouteTable) -> tuple[Guard, Registry]:
    """Whom nothing is left of was somebody a moment ago."""
    registry = Registry(everybody())
    guard = guarded(registry=registry, table=table, rates=PLENTY)
    for gone, change in (
        ("revoked", CredentialsChanged(principal="id-revoked", reason="revoked")),
        ("disabled", CredentialsChanged(user="u-4", reason="disabled")),
    ):
        headers = [("host", HOSTS["good"]), ("x-api-key", gone)]
        assert verdict(await knock(guard, headers, path="/status")) == "in"
        del registry.known[gone]
        guard.changed(change)
    return guard, registry


def concrete(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "some-id", path)


def asked(row: Row, who: str, carrier: str, host: str, origin: str) -> tuple[Headers, dict[str, Any]]:
    websocket = row.method == "WS"
    headers: Headers = [("host", HOSTS[host])]
    if (page := ORIGINS[origin]) is not None:
        headers.append(("origin", page))
    where: dict[str, Any] = {"path": concrete(row.path), "kind": "websocket" if websocket else "http"}
    if not websocket:
        where["method"] = row.method
    if who != "none":
        if carrier == "bearer":
            headers.append(("authorization", f"Bearer {who}"))
        elif carrier == "cookie":
            headers.append(("cookie", f"solo_access={who}"))
        elif carrier == "x-api-key":
            headers.append(("x-api-key", who))
        elif carrier == "query":
            where["query"] = f"token={who}&access_token={who}&api_key={who}"
        elif carrier == "subprotocol":
            where["subprotocols"] = ("solo", f"solo.ticket.{who}")
        else:
            where["says"] = (CONNECT, frame(type="auth", token=who))
    return headers, where


async def test_the_matrix(table: RouteTable, capsys: pytest.CaptureFixture[str]) -> None:
    guard, registry = await gate(table)
    callers = ["none", "garbage", "expired", "revoked", "disabled", KEY]
    callers += [who for who in everybody() if who not in callers]
    wrong: list[str] = []
    summary: Counter[tuple[int, str]] = Counter()
    for row in table.rows:
        carriers = WS_CARRIERS if row.method == "WS" else HTTP_CARRIERS
        for who, carrier, host, origin in itertools.product(callers, carriers, HOSTS, ORIGINS):
            headers, where = asked(row, who, carrier, host, origin)
            sent = await knock(guard, headers, **where)
            said = expected(
                row.method, row.path, worth=who not in WORTHLESS, may=may(who),
                carrier=carrier if who != "none" else "none", host=host, origin=origin,
            )  # fmt: skip
            summary[said] += 1
            if (status(sent), verdict(sent)) != said:
                cell = f"{row.method} {row.path} by {who} with {carrier} on {host} host from {origin} origin"
                wrong.append(f"{cell}: {status(sent)} {verdict(sent)}, not {said}")
    with capsys.disabled():
        print(f"\n{len(table.rows)} routes, {len(callers)} callers, {summary.total()} cells, {len(wrong)} wrong")
        for (code, name), count in sorted(summary.items()):
            print(f"{code:>6} {name:<20} {count:>7}")
    assert wrong[:10] == []
    # Each denial and each call of a room that asks for it is told to the audit log, once.
    await guard.journal.flush()
    written = sum(entry.count for entry in registry.entries if entry.action in {"denied", "called", "unwritten"})
    assert written == sum(n for (_, name), n in summary.items() if name != "in") + _audited(table, callers)


def _audited(table: RouteTable, callers: list[str]) -> int:
    """Cells that reach a room whose policy has every call written down."""
    count = 0
    for row in table.rows:
        carriers = WS_CARRIERS if row.method == "WS" else HTTP_CARRIERS
        for who, carrier, host, origin in itertools.product(callers, carriers, HOSTS, ORIGINS):
            _, name = expected(
                row.method, row.path, worth=who not in WORTHLESS, may=may(who),
                carrier=carrier if who != "none" else "none", host=host, origin=origin,
            )  # fmt: skip
            count += row.policy.audit and name == "in"
    return count


def test_the_table_is_as_written(table: RouteTable) -> None:
    said = {(row.method, row.path): row.policy.scope for row in table.rows}
    assert said == {(method, path): needed(method, path) for method, path in said}
    assert {f"{method} {path}" for (method, path), scope in said.items() if scope is None} <= PUBLIC | STATIC
    assert {f"{row.method} {row.path}" for row in table.rows if row.policy.static} == STATIC
    assert len(PUBLIC) <= PUBLIC_MOST == 4


async def test_guard_and_application_agree_on_every_address(
    app: FastAPI, table: RouteTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the guard takes for one route the application must not take for another, however it is spelt."""
    reached: list[str] = []

    async def handle(route: Any, scope: Any, receive: Any, send: Any) -> None:
        """Instead of every room: it says which one it is."""
        path = route.path if scope["type"] == "websocket" or scope["method"] in route.methods else ""
        reached.append("" if path in NOWHERE else path)

    monkeypatch.setattr(APIRoute, "handle", handle)
    monkeypatch.setattr(APIWebSocketRoute, "handle", handle)
    seen: list[str] = []

    async def agreed(scope: Any, receive: Any, send: Any) -> None:
        reached.clear()
        row = table.find(scope)
        await app(scope, receive, send)
        (room,) = reached or [""]
        seen.append(room)
        # A HEAD is judged as the GET that it is the head of, though nobody answers it.
        told = scope["type"], scope.get("method"), scope["path"]
        assert (row.path if row else "") == room or (scope.get("method") == "HEAD" and not room), told

    guard = guarded(agreed, table=table, rates=PLENTY)
    chance = random.Random(7)
    words = sorted({piece for row in table.rows for piece in concrete(row.path).split("/")})
    words += ["", ".", "..", "x y", "%2e", "\n", "\x00", "é", "a" * 300]
    paths = [variant for path in sorted({row.path for row in table.rows}) for variant in variants(concrete(path))]
    paths += ["/" + "/".join(chance.choices(words, k=chance.randint(1, 5))) for _ in range(300)]
    headers = [("host", HOSTS["good"]), ("x-api-key", KEY)]
    for path in paths:
        for method in METHODS[:-2]:
            await knock(guard, headers, path=path, method=method)
        await knock(guard, headers, path=path, kind="websocket")
    assert {row.path for row in table.rows} - {"/healthz"} <= set(seen)


def variants(path: str) -> list[str]:
    """Spellings that some servers take for the same."""
    return [
        path, f"{path}/", f"/{path}", path.upper(), path.replace("/", "//"), f"{path}%2F", path.replace("/", "%2f"),
        f"{path}%20", f"{path};x=1", f"{path}/.", f"{path}/../", f"/x/..{path}", f"/.{path}", f"{path}\x00",
        f"{path}\n", path.replace("a", "%61"), path.replace("a", "%2561"), path.replace("/", "\\"), f"{path}?x",
    ]  # fmt: skip


async def test_no_spelling_and_no_method_gets_past(app: FastAPI, table: RouteTable) -> None:
    """Nobody gets nowhere; somebody who may nothing gets into no room, only to hear that there is none."""
    nobody_may = principal("nobody", "service", frozenset(), kind="key")
    guard = guarded(app, registry=Registry({"nobody": nobody_may}), table=table, rates=PLENTY)
    host = ("host", HOSTS["good"])
    told: Counter[int] = Counter()
    for known in sorted({row.path for row in table.rows}):
        for path, method in itertools.product(variants(concrete(known)), (*METHODS, "PROPFIND")):
            found = table.find({"type": "http", "method": method, "path": path})
            if found is not None and found.policy.scope is None:
                continue
            assert status(await knock(guard, [host], path=path, method=method)) == 401, (method, path)
            sent = await knock(guard, [host, ("x-api-key", "nobody")], path=path, method=method)
            told[status(sent)] += 1
            assert status(sent) in ({404, 405} if found is None else {403}), (method, path)
    assert set(told) == {403, 404, 405}


async def test_nobody_learns_what_exists(table: RouteTable) -> None:
    """To the last byte the same answer for what is there, what is not, and whoever's it is."""
    guard, _ = await gate(table)
    headers = [("host", HOSTS["good"]), ("x-request-id", "same")]
    same: dict[tuple[str, str], list[Message]] = {}
    for row in table.rows:
        if row.policy.scope is None:
            continue
        where: dict[str, Any] = {"kind": "websocket"} if row.method == "WS" else {"method": row.method}
        names = ("some-id", "another", "0" * 64, "'; drop")
        for path in [re.sub(r"\{[^}]*\}", name, row.path) for name in names] + [f"{row.path}-not"]:
            family = "messages" if f"{path}/".startswith("/v1/messages/") else path.split("/")[1] == "v1"
            for more in ([], [("x-api-key", "garbage")]):
                key = (row.method if row.method == "WS" else "HTTP", f"{family}{bool(more)}")
                sent = await knock(guard, headers + more, path=path, **where)
                assert sent == same.setdefault(key, sent), path
