"""The routes of log-ins, users, keys and the audit log: who may what, and which secrets leave the house."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from services.api import http as door
from services.api.house import House
from services.api.http import application
from services.api.policy import Policy, RouteTable, Row
from services.api.recent import RecentTurns
from services.api.routes import audit, auth, keys, users
from services.messages.accounts import (
    ChangeUser,
    CreateKey,
    CreateUser,
    Key,
    ListKeys,
    ListUsers,
    NewKey,
    RevokeKey,
    User,
)
from services.messages.audit import AuditRow, AuditVerdict, ReadAudit, VerifyAudit
from services.messages.security import (
    OWNER_PRINCIPAL,
    ROLE_SCOPES,
    LogIn,
    LogOut,
    MakeTicket,
    Principal,
    Refresh,
    Tokens,
)
from solo.supervision import Context
from tests.stubs.callers import as_caller

ANNA = Principal(
    kind="session", id="s1", user="u1", name="anna", role="user", scopes=ROLE_SCOPES["user"], profile="user-u1"
)
LONE = Principal(kind="key", id="k9", name="lone", role="user", scopes=ROLE_SCOPES["user"], profile="key-k9")
NARROW = Principal(
    kind="key", id="k8", name="narrow", role="admin", scopes=frozenset({"keys.own", "keys.manage"}), expires_at=9e9
)
USER = User(
    id="u1", name="anna", role="user", profile="user-u1", disabled=False, created_at="2026-01-01T00:00:00+00:00"
)
KEY = Key(
    id="k1", name="kitchen", prefix="solo_abcdefgh", role="service", scopes=("chat",), profile="owner", created_at="now"
)
TOKENS = Tokens(
    access_token=SecretStr("AAA"), refresh_token=SecretStr("RRR"), expires_in=600, refresh_expires_in=86400,
    principal=ANNA,
)  # fmt: skip


class Guards:
    """Plays the service; writes down what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.answers: dict[type[Any], Any] = {
            LogIn: TOKENS, Refresh: TOKENS, LogOut: None, MakeTicket: SecretStr("TTT"), CreateUser: USER,
            ListUsers: (USER,), ChangeUser: USER, CreateKey: NewKey(key=KEY, secret=SecretStr("solo_SSS")),
            ListKeys: (KEY, KEY.model_copy(update={"id": "k9", "name": "lone"})), RevokeKey: KEY,
            ReadAudit: (AuditRow(action="login.ok", seq=1, at="now", hash="00"),),
            VerifyAudit: AuditVerdict(whole=False, rows=3, broken_at=4, reason="row 4 is missing"),
        }  # fmt: skip

    async def answer(self, question: Any) -> Any:
        self.asked.append(question)
        return self.answers[type(question)]


Ask = Callable[..., Any]


@pytest.fixture
async def guards(ctx: Context) -> AsyncIterator[Guards]:
    one = Guards()
    async with asyncio.TaskGroup() as tasks:
        serving = [tasks.create_task(ctx.answer(kind, one.answer)) for kind in one.answers]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        yield one
        for task in serving:
            task.cancel()


@pytest.fixture
def app(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    ours = (auth, users, keys, audit)
    monkeypatch.setattr(door, "ROUTES", (*(one for one in door.ROUTES if one not in ours), *ours))
    monkeypatch.setattr(door, "STATUS", {**door.STATUS, "api.key_too_wide": 403, "api.refresh_missing": 401})
    return application(House(ctx, RecentTurns(), set()))


@asynccontextmanager
async def caller(app: FastAPI, who: Principal) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(as_caller(app, who), raise_app_exceptions=False, client=("192.0.2.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
        yield client


def test_every_route_has_its_policy_and_two_are_public(app: FastAPI) -> None:
    ours = {
        (row.method, row.path): row.policy
        for row in app.state.table.rows
        if row.path.startswith(("/api/auth", "/api/users", "/api/keys", "/api/audit"))
    }
    assert len(ours) == 13
    assert {path for (_, path), policy in ours.items() if policy.scope is None} == {
        "/api/auth/login",
        "/api/auth/refresh",
    }
    assert all(policy.audit for (method, path), policy in ours.items() if method != "GET" and "/auth/" not in path)


def test_at_most_four_routes_are_public_and_files_are_only_files() -> None:
    public = [Row("GET", f"/{number}", Policy(None)) for number in range(5)]
    page = Row("GET", "/page/{file:path}", Policy(None, body=0, static=True))
    assert RouteTable([*public[:4], page]).rows[-1] is page
    with pytest.raises(ValueError, match="too many public routes"):
        RouteTable(public)
    for no_file in (Policy(None, body=9, static=True), Policy(None, body=0, static=True, owner="self")):
        with pytest.raises(ValueError, match="is not static"):
            RouteTable([Row("GET", "/page", no_file)])
    with pytest.raises(ValueError, match="is not static"):
        RouteTable([Row("POST", "/page", Policy(None, body=0, static=True))])


async def test_logging_in(app: FastAPI, guards: Guards) -> None:
    async with caller(app, OWNER_PRINCIPAL) as client:
        answer = await client.post(
            "/api/auth/login", json={"name": "anna", "password": "pw"}, headers={"user-agent": "t"}
        )
        said = answer.json()
        assert (said["access_token"], said["refresh_token"], said["expires_in"]) == ("AAA", "RRR", 600)
        assert answer.headers["cache-control"] == "no-store" and "set-cookie" not in answer.headers
        asked = guards.asked[-1]
        assert (asked.login, asked.address, asked.client) == ("anna", "192.0.2.7", "t")
        assert asked.password.get_secret_value() == "pw" and "pw" not in repr(asked)
        answer = await client.post("/api/auth/login", json={"name": "anna", "password": "pw", "cookie": True})
        cookies = sorted(answer.headers.get_list("set-cookie"))
        assert "AAA" not in answer.text and "RRR" not in answer.text
        assert cookies[0].startswith("solo_access=AAA; HttpOnly; Max-Age=600; Path=/; SameSite=strict")
        assert cookies[1].startswith("solo_refresh=RRR; HttpOnly; Max-Age=86400; Path=/api/auth; SameSite=strict")
        answer = await client.post("/api/auth/refresh")  # the client sends its cookies
        assert guards.asked[-1].refresh_token.get_secret_value() == "RRR" and "RRR" not in answer.text
        client.cookies.clear()
        assert (await client.post("/api/auth/refresh", json={"refresh_token": "R2"})).json()["refresh_token"] == "RRR"
        assert guards.asked[-1].refresh_token.get_secret_value() == "R2"
        answer = await client.post("/api/auth/refresh")
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "api.refresh_missing")


async def test_being_somebody(app: FastAPI, guards: Guards) -> None:
    async with caller(app, ANNA) as client:
        me = (await client.get("/api/auth/me")).json()
        assert (me["name"], me["role"], me["scopes"]) == ("anna", "user", sorted(ROLE_SCOPES["user"]))
        answer = await client.post("/api/auth/ticket")
        assert answer.json() == {"ticket": "TTT", "expires_in": 30} and guards.asked[-1].principal == ANNA
        answer = await client.post("/api/auth/logout")
        assert answer.json() == {"ended": True} and guards.asked[-1].session == "s1"
        assert all("Max-Age=0" in cookie for cookie in answer.headers.get_list("set-cookie"))
    async with caller(app, LONE) as client:
        assert (await client.post("/api/auth/logout")).json() == {"ended": False}


async def test_users(app: FastAPI, guards: Guards) -> None:
    async with caller(app, OWNER_PRINCIPAL) as client:
        assert (await client.get("/api/users")).json() == {"users": [USER.model_dump(mode="json")]}
        answer = await client.post("/api/users", json={"name": "anna", "password": "pw"})
        assert answer.status_code == 201 and guards.asked[-1].by == "owner" and guards.asked[-1].role == "user"
        assert (await client.patch("/api/users/anna", json={"disabled": True})).status_code == 200
        assert (guards.asked[-1].user, guards.asked[-1].disabled, guards.asked[-1].role) == ("anna", True, None)
        assert (await client.post("/api/users", json={"name": "x", "role": "god"})).status_code == 422


class TestKeys:
    async def test_the_owner_makes_anybodys(self, app: FastAPI, guards: Guards) -> None:
        async with caller(app, OWNER_PRINCIPAL) as client:
            answer = await client.post("/api/keys", json={"name": "kitchen", "user": "anna", "expires_in_s": 60})
            assert answer.status_code == 201 and answer.json()["secret"] == "solo_SSS"
            asked = guards.asked[-1]
            assert (asked.label, asked.user, asked.role, asked.expires_in_s) == ("kitchen", "anna", "service", 60)
            assert "solo_SSS" not in (await client.get("/api/keys")).text and guards.asked[-1].user == ""
            assert (await client.delete("/api/keys/kitchen")).status_code == 200
            assert (guards.asked[-1].key, guards.asked[-1].user) == ("kitchen", "")

    async def test_a_user_makes_their_own(self, app: FastAPI, guards: Guards) -> None:
        async with caller(app, ANNA) as client:
            for user in ("", "anna", "u1"):
                assert (await client.post("/api/keys", json={"name": "mine", "user": user})).status_code == 201
                assert guards.asked[-1].user == "u1"
            await client.get("/api/keys")
            assert guards.asked[-1].user == "u1"
            await client.delete("/api/keys/k1")
            assert guards.asked[-1].user == "u1"

    @pytest.mark.parametrize(
        ("who", "body"),
        [
            (ANNA, {"user": "ben"}),
            (ANNA, {"role": "admin"}),
            (ANNA, {"scopes": ["keys.manage"]}),
            (ANNA, {"role": "user", "scopes": ["chat", "users.manage"]}),
            (LONE, {}),
            (LONE, {"user": "anna"}),
            (NARROW, {"scopes": ["chat"]}),
            (NARROW, {"role": "guest"}),
            (NARROW, {"role": "service"}),
        ],
    )
    async def test_nobody_makes_a_wider_one(
        self, app: FastAPI, guards: Guards, who: Principal, body: dict[str, Any]
    ) -> None:
        async with caller(app, who) as client:
            answer = await client.post("/api/keys", json={"name": "more", **body})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "api.key_too_wide")
        assert not any(isinstance(asked, CreateKey) for asked in guards.asked)

    async def test_one_made_by_a_narrow_one_is_as_narrow_and_dies_with_it(self, app: FastAPI, guards: Guards) -> None:
        async with caller(app, NARROW) as client:
            assert (await client.post("/api/keys", json={"name": "x", "role": "admin"})).status_code == 201
        assert guards.asked[-1].scopes == ("keys.manage", "keys.own")
        assert 0 < guards.asked[-1].expires_in_s < 9e9

    async def test_nobodys_key_sees_itself_alone(self, app: FastAPI, guards: Guards) -> None:
        async with caller(app, LONE) as client:
            assert [key["id"] for key in (await client.get("/api/keys")).json()["keys"]] == ["k9"]
            assert (await client.delete("/api/keys/kitchen")).json()["error"]["code"] == "api.no_such_key"
            assert not any(isinstance(asked, RevokeKey) for asked in guards.asked)
            await client.delete("/api/keys/lone")
            assert guards.asked[-1].key == "k9"


async def test_the_audit_log(app: FastAPI, guards: Guards) -> None:
    async with caller(app, OWNER_PRINCIPAL) as client:
        found = (await client.get("/api/audit", params={"limit": 5, "before": 9, "action": "login"})).json()
        assert found["entries"][0]["action"] == "login.ok"
        assert (guards.asked[-1].limit, guards.asked[-1].before, guards.asked[-1].action) == (5, 9, "login")
        for bad in ({"limit": 0}, {"limit": 1001}, {"before": 2**63}, {"action": "x" * 101}):
            assert (await client.get("/api/audit", params=bad)).status_code == 422
        verdict = (await client.get("/api/audit/verify")).json()
        assert (verdict["whole"], verdict["broken_at"]) == (False, 4)
