"""Log-ins, keys, tickets, limits, the audit log and figures at the door of one whole daemon: its guard, its security
service and its database, with engines that need no model."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.daemon import Daemon, daemon, wait_for

FAKES: dict[str, Any] = {f"{part}__ENGINE": "fake" for part in ("VAD", "WAKE", "STT", "LLM", "TTS")}
PASSWORD = "a horse that knows batteries"
WITHIN_S = 20.0
GONE_WITHIN_S = 1.0
COSTLY = 6


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    rates: dict[str, Any] = {"API__COSTLY_PER_MINUTE": str(COSTLY), "API__LOGIN_PER_MINUTE": "500"}
    with daemon(tmp_path_factory.mktemp("doors") / "state", **FAKES, MEMORY__EMBEDDER="fake", **rates) as one:
        yield one


@contextmanager
def calling(running: Daemon, credential: str = "", address: str = "127.0.0.1") -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {credential}"} if credential else {}
    transport = httpx.HTTPTransport(local_address=address)
    url = f"http://127.0.0.1:{running.port}"
    with httpx.Client(base_url=url, headers=headers, transport=transport, timeout=WITHIN_S) as client:
        yield client


@pytest.fixture
def owner(running: Daemon) -> Iterator[httpx.Client]:
    with calling(running, running.key) as client:
        yield client


@pytest.fixture
def anybody(running: Daemon) -> Iterator[httpx.Client]:
    with calling(running) as client:
        yield client


@pytest.fixture
def join(owner: httpx.Client, anybody: httpx.Client) -> Callable[..., dict[str, Any]]:
    """Add a user, and log in."""

    def add(name: str) -> dict[str, Any]:
        added = owner.post("/api/users", json={"name": name, "role": "user", "password": PASSWORD})
        assert added.status_code == 201, added.text
        return {"id": added.json()["id"], **entered(anybody, name).json()}

    return add


def entered(client: httpx.Client, name: str, password: str = PASSWORD, **more: Any) -> httpx.Response:
    return client.post("/api/auth/login", json={"name": name, "password": password, **more})


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def made_key(running: Daemon, *options: str) -> dict[str, Any]:
    """By the command, as people make them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SOLO_")}
    command = [sys.executable, "-m", "solo.cli", "keys", "create", *options, "--json"]
    environment = {**kept, "SOLO_STATE_DIR": str(running.state_dir)}
    done = subprocess.run(command, env=environment, cwd=running.state_dir, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    made: dict[str, Any] = json.loads(done.stdout)
    return made


class TestLogIn:
    def test_tokens_work_until_the_session_is_over(self, running: Daemon, join: Any, anybody: httpx.Client) -> None:
        first = join("dora")
        with calling(running, first["access_token"]) as dora:
            me = dora.get("/api/auth/me").json()
            assert (me["name"], me["kind"], me["role"]) == ("dora", "session", "user")
            assert code(dora.get("/api/users")) == (403, "api.forbidden")
            again = {"refresh_token": first["refresh_token"]}
            second = anybody.post("/api/auth/refresh", json=again)
            assert second.status_code == 200
            assert second.json()["refresh_token"] != first["refresh_token"]
            assert dora.get("/api/auth/me").status_code == 200
            assert code(anybody.post("/api/auth/refresh", json=again)) == (401, "security.unauthorized")
            assert code(dora.get("/api/auth/me")) == (401, "api.unauthorized")
        with calling(running, second.json()["access_token"]) as dora:
            assert dora.get("/api/auth/me").status_code == 401
        stolen = {"refresh_token": second.json()["refresh_token"]}
        assert anybody.post("/api/auth/refresh", json=stolen).status_code == 401

    def test_cookies_change_nothing_without_an_origin(self, running: Daemon, join: Any) -> None:
        join("emil")
        fact = {"text": "The bins go out on Tuesday."}
        with calling(running) as emil:
            answer = entered(emil, "emil", cookie=True)
            assert answer.status_code == 200
            assert "access_token" not in answer.json()
            assert set(emil.cookies) == {"solo_access", "solo_refresh"}
            assert all("HttpOnly" in line for line in answer.headers.get_list("set-cookie"))
            assert emil.get("/api/auth/me").json()["name"] == "emil"
            assert code(emil.post("/api/memory/facts", json=fact)) == (403, "api.origin_missing")
            foreign = emil.post("/api/memory/facts", json=fact, headers={"origin": "http://evil.example"})
            assert code(foreign) == (403, "api.foreign_origin")
            own = {"origin": f"http://127.0.0.1:{running.port}"}
            assert emil.post("/api/memory/facts", json=fact, headers=own).status_code == 201
            before = emil.cookies["solo_access"]
            assert code(emil.post("/api/auth/refresh")) == (403, "api.origin_missing")
            assert emil.post("/api/auth/refresh", headers=own).status_code == 200
            assert emil.cookies["solo_access"] != before
            assert emil.post("/api/auth/logout", headers=own).json() == {"ended": True}
            assert emil.get("/api/auth/me").status_code == 401

    def test_a_guesser_is_slowed_down_and_its_victim_is_not(self, running: Daemon, owner: httpx.Client) -> None:
        owner.post("/api/users", json={"name": "fritz", "role": "user", "password": PASSWORD})
        with calling(running, address="127.0.0.2") as home, calling(running, address="127.0.0.3") as elsewhere:
            assert entered(home, "fritz").status_code == 200
            wrong = [entered(elsewhere, "fritz", f"wrong password {n}") for n in range(60)]
            codes = [code(answer) for answer in wrong]
            assert codes[0] == (401, "security.bad_login")
            assert set(codes) == {(401, "security.bad_login"), (429, "security.slow_down")}
            assert codes.count((429, "security.slow_down")) > 45
            assert all(int(answer.headers["retry-after"]) > 0 for answer in wrong if answer.status_code == 429)
            assert code(entered(elsewhere, "fritz")) == (429, "security.slow_down")
            assert entered(home, "fritz").status_code == 200
            assert entered(home, "nobody").json() == wrong[0].json()

        def written() -> bool:
            rows = owner.get("/api/audit", params={"action": "login.failed"}).json()["entries"]
            return "127.0.0.3" in {row["address"] for row in rows}

        wait_for(written, WITHIN_S, "it to be written down")


class TestKeys:
    def test_one_of_the_command(self, running: Daemon, owner: httpx.Client) -> None:
        made = made_key(running, "kitchen", "--scope", "models.read", "--expires", "1h")
        assert made["key"]["scopes"] == ["models.read"]
        with calling(running, made["secret"]) as kitchen:
            assert kitchen.get("/v1/models").json()["data"]
            asked = {"model": "solo", "messages": [{"role": "user", "content": "Hello"}]}
            refused = kitchen.post("/v1/chat/completions", json=asked)
            assert refused.status_code == 403
            assert refused.json()["error"]["type"] == "permission_error"
            for path in ("/api/users", "/api/audit", "/api/chats", "/api/memory/facts", "/api/auth/me", "/metrics"):
                assert code(kitchen.get(path)) == (403, "api.forbidden"), path
        assert made["secret"] not in owner.get("/api/keys").text
        assert made["secret"] not in running.log.read_text()

    def test_its_rate(self, running: Daemon) -> None:
        made = made_key(running, "eager", "--scope", "chat")
        asked: Any = {"model": "solo", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}
        base = f"http://127.0.0.1:{running.port}/v1"
        answers = 0
        with (
            openai.DefaultHttpxClient(trust_env=False, timeout=WITHIN_S) as http,
            openai.OpenAI(api_key=made["secret"], base_url=base, http_client=http, max_retries=0) as client,
            pytest.raises(openai.RateLimitError) as refused,
        ):
            while answers <= 2 * COSTLY:  # a minute may end meanwhile
                assert client.chat.completions.create(**asked).choices
                answers += 1
        assert answers >= COSTLY
        assert 0 < int(refused.value.response.headers["retry-after"]) <= 120
        assert refused.value.response.headers["x-ratelimit-limit-requests"] == str(COSTLY)
        with calling(running, running.key) as owner:
            assert owner.post("/v1/chat/completions", json=asked).status_code == 200


def test_two_people_do_not_see_each_other(running: Daemon, join: Any) -> None:
    gina, hugo = join("gina"), join("hugo")
    with calling(running, gina["access_token"]) as hers, calling(running, hugo["access_token"]) as his:
        turn = hers.post("/api/ask", json={"text": "What is the capital of France?", "talk": "travels"}).json()
        assert (turn["outcome"], turn["profile"]) == ("answered", gina["principal"]["profile"])
        fact = hers.post("/api/memory/facts", json={"text": "Gina hides the key under the mat."}).json()
        assert [chat["name"] for chat in hers.get("/api/chats").json()["chats"]] == ["travels"]
        assert [each["id"] for each in hers.get("/api/memory/facts").json()["facts"]] == [fact["id"]]
        for path, what in (
            ("/api/chats", "chats"), ("/api/chats/travels", "exchanges"), ("/api/history", "exchanges"),
            ("/api/memory/facts", "facts"),
        ):  # fmt: skip
            assert his.get(path).json() == {what: []}, path
        assert his.get(f"/api/turns/{turn['turn_id']}").status_code == 404
        assert his.patch(f"/api/memory/facts/{fact['id']}", json={"text": "Mine."}).status_code == 404
        assert his.delete(f"/api/memory/facts/{fact['id']}").json()["facts"] == 0
        assert his.delete("/api/chats/travels").json() == {"forgotten": 0}
        assert hers.get("/api/chats/travels").json()["exchanges"][0]["said"] == turn["said"]


class TestSockets:
    async def test_revoking_its_key_closes_one(self, running: Daemon) -> None:
        made = await asyncio.to_thread(made_key, running, "display", "--scope", "chat")
        async with chatting(running, made["secret"]) as line:
            await ready(line)
            await self._closed(running, line, "revoked", "DELETE", f"/api/keys/{made['key']['id']}")
        with pytest.raises(InvalidStatus, match="401"):
            await chatting(running, made["secret"])

    async def test_demoting_its_user_closes_one(self, running: Daemon, join: Any) -> None:
        ida = await asyncio.to_thread(join, "ida")
        async with chatting(running, ida["access_token"]) as line:
            await ready(line)
            await self._closed(running, line, "role", "PATCH", f"/api/users/{ida['id']}", json={"role": "guest"})

    async def test_a_ticket_is_worth_one(self, running: Daemon, join: Any) -> None:
        jan = await asyncio.to_thread(join, "jan")

        def fetched() -> str:
            with calling(running, jan["access_token"]) as client:
                return str(client.post("/api/auth/ticket").json()["ticket"])

        offered = [Subprotocol(f"solo.ticket.{await asyncio.to_thread(fetched)}"), Subprotocol("solo")]
        async with chatting(running, subprotocols=offered) as line:
            assert line.subprotocol == "solo"
            await ready(line)
        with pytest.raises(InvalidStatus, match="401"):
            await chatting(running, subprotocols=offered)

    @staticmethod
    async def _closed(running: Daemon, line: ClientConnection, reason: str, *request: str, **more: Any) -> None:
        """It is, in time, once the owner has asked for this."""

        def asked() -> int:
            with calling(running, running.key) as owner:
                return owner.request(*request, **more).status_code

        assert await asyncio.to_thread(asked) == 200
        async with asyncio.timeout(GONE_WITHIN_S):
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    await line.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4401, reason)


def chatting(running: Daemon, credential: str = "", **more: Any) -> connect:
    headers = {"authorization": f"Bearer {credential}"} if credential else {}
    return connect(f"ws://127.0.0.1:{running.port}/ws/chat", additional_headers=headers, proxy=None, **more)


async def ready(line: ClientConnection) -> None:
    async with asyncio.timeout(WITHIN_S):
        assert json.loads(await line.recv())["type"] == "ready"


def test_the_audit_log_has_what_was_denied_and_is_whole(running: Daemon, owner: httpx.Client, join: Any) -> None:
    karl = join("karl")
    with calling(running, karl["access_token"]) as client:
        assert client.get("/api/users").status_code == 403
    with calling(running, "worth-nothing") as client:
        assert client.get("/api/chats/secret-of-karl").status_code == 401

    def denied() -> set[tuple[str, str, str]]:
        rows = owner.get("/api/audit", params={"action": "denied", "limit": 1000}).json()["entries"]
        found = {(row["actor"], row["route"], row["code"]) for row in rows}
        return found & {("karl", "/api/users", "api.forbidden"), ("", "/api/chats/{talk}", "api.unauthorized")}

    wait_for(lambda: len(denied()) == 2, WITHIN_S, "both to be written down")
    rows = owner.get("/api/audit", params={"limit": 1000})
    assert {"login.ok", "user.created", "denied"} <= {row["action"] for row in rows.json()["entries"]}
    for secret in (PASSWORD, karl["access_token"], karl["refresh_token"], "worth-nothing", "secret-of-karl"):
        assert secret not in rows.text
        assert secret not in running.log.read_text()
    verdict = owner.get("/api/audit/verify").json()
    assert (verdict["whole"], verdict["broken_at"]) == (True, None)
    assert verdict["rows"] >= len(rows.json()["entries"])


def test_figures_are_read_by_prometheus(owner: httpx.Client, anybody: httpx.Client) -> None:
    assert anybody.get("/metrics").status_code == 401
    answer = owner.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert {"solo_up", "solo_loop_lag_seconds"} <= set(families)
    assert all(sample.value >= 0 for sample in families["solo_up"].samples)
