"""The proof that nothing gets out: what it takes for a refusal, and what it shows."""

from __future__ import annotations

import asyncio
import errno
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from services.api.routes import privacy as route
from solo.cli import privacy as command
from solo.cli.client import NoDaemon
from solo.cli.exits import Exit
from solo.egress import GUARD, EndpointInvalid, enforced
from solo.egress.guard import Refused
from solo.isolation.process import EngineSpec
from solo.privacy import attempts, proof, standing
from solo.privacy.attempts import CHILD, DAEMON, Tried
from solo.privacy.proof import ChildNetwork, PrivacyReport
from solo.settings import DatabaseSettings, EgressSettings, MachineSettings
from solo.supervision.state import EgressState


async def tried(way: Callable[[], Awaitable[Any]]) -> Tried:
    return await attempts._tried(DAEMON, "try", way)


def failing(error: BaseException) -> Callable[[], Awaitable[Any]]:
    async def way() -> None:
        raise error

    return way


def behind(error: BaseException) -> Exception:
    outer = httpx.ConnectError("all attempts failed")
    outer.__cause__ = OSError("several")
    outer.__cause__.__cause__ = error
    return outer


class TestWhatIsARefusal:
    async def test_the_guard(self) -> None:
        with enforced():
            assert (await tried(lambda: asyncio.open_connection(attempts.FOUR, 443))).refused_by == "solo"
            assert GUARD.total == 0

    async def test_the_guard_in_a_thread_that_knows_of_no_proof(self) -> None:
        async def way() -> None:
            await asyncio.get_running_loop().run_in_executor(None, socket.getaddrinfo, attempts.NAME, 443)

        before = GUARD.total
        with enforced():
            assert (await tried(way)).refused_by == "solo"
        GUARD.total = before

    @pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EACCES, errno.EPERM])
    async def test_the_kernel_without_a_network(self, number: int) -> None:
        assert (await tried(failing(OSError(number, "no")))).refused_by == "kernel"
        assert (await tried(failing(behind(OSError(number, "no"))))).refused_by == "kernel"

    @pytest.mark.parametrize("number", [errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ETIMEDOUT, errno.ECONNRESET])
    async def test_not_what_a_network_answers(self, number: int) -> None:
        assert (await tried(failing(OSError(number, "no")))).refused_by == "nobody"

    @pytest.mark.parametrize(("connected", "by"), [(True, "nobody"), (False, "kernel")])
    async def test_a_name_that_was_not_found_only_where_nobody_could_be_asked(
        self, monkeypatch: pytest.MonkeyPatch, connected: bool, by: str
    ) -> None:
        monkeypatch.setattr(attempts, "is_connected", lambda: connected)
        assert (await tried(failing(socket.gaierror(socket.EAI_AGAIN, "later")))).refused_by == by

    @pytest.mark.virtual_time
    async def test_not_silence(self) -> None:
        assert (await tried(asyncio.Event().wait)).refused_by == "nobody"

    async def test_not_success(self) -> None:
        async def way() -> None: ...

        assert await tried(way) == Tried(DAEMON, "try", "nobody", "it was let through")


class TestTheProof:
    @pytest.mark.daemon_loop
    async def test_of_this_process_and_of_a_child(self) -> None:
        """The whole of it; where a child keeps the network, the proof says so instead of passing."""
        before = GUARD.total
        with enforced():
            report = await proof.prove()
        daemon = [each for each in report.attempts if each.where == DAEMON]
        child = [each for each in report.attempts if each.where == CHILD]
        assert len(daemon) == len(child) == 8
        assert {each.refused_by for each in daemon} == {"solo"}
        assert report.proven == (not {each.refused_by for each in child} & {"nobody"})
        assert report.egress.enforced and report.egress.refused == before

    async def test_a_child_that_cannot_be_asked_proves_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(proof, "PROBE", EngineSpec(adapter="solo.privacy.nothing:Probe"))
        told = await proof._from_a_child()
        assert [(each.where, each.refused_by) for each in told] == [(CHILD, "nobody")] and told[0].detail

    async def test_over_http(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def prove() -> PrivacyReport:
            return REPORT

        monkeypatch.setattr(route, "prove", prove)
        app = FastAPI()
        app.include_router(route.router)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            answer = await client.post("/api/privacy")
        assert PrivacyReport(**answer.json()) == REPORT
        assert route.router.rows[0].policy.scope == "daemon.control" and route.router.rows[0].policy.audit


REPORT = PrivacyReport(
    of=DAEMON,
    proven=False,
    attempts=(
        proof.Attempt(where=DAEMON, what="connect to 192.0.2.1", refused_by="solo", detail=""),
        proof.Attempt(where=CHILD, what="look up x", refused_by="kernel", detail=""),
        proof.Attempt(where=CHILD, what="connect to y", refused_by="nobody", detail="it was let through"),
    ),
    children=(ChildNetwork(pid=1, program="postgres", shares=True),) * 2,
    egress=EgressState(enforced=True),
)


class TestTheCommand:
    @pytest.mark.parametrize(("proven", "code"), [(True, Exit.OK), (False, Exit.FAILED)])
    def test_it_shows_what_the_daemon_says(
        self,
        bare_settings: object,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        proven: bool,
        code: Exit,
    ) -> None:
        told = REPORT.model_copy(update={"proven": proven}).model_dump(mode="json")
        monkeypatch.setattr("solo.cli.client.Client.post", lambda *_, **__: told)
        assert command.privacy(as_json=True) == code
        assert json.loads(capsys.readouterr().out) == told
        assert command.privacy(as_json=False) == code
        shown = capsys.readouterr().out
        for word in ("✓", "✗", "the kernel", "it was let through", "postgres, 2 times", "loopback"):
            assert word in shown

    def test_without_a_daemon_it_tries_by_itself(
        self, bare_settings: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def away(*_: object, **__: object) -> None:
            raise NoDaemon

        async def no_child() -> list[Tried]:
            return []

        monkeypatch.setattr("solo.cli.client.Client.post", away)
        monkeypatch.setattr(proof, "_from_a_child", no_child)
        assert command.privacy(as_json=False) == Exit.OK
        assert "No daemon runs here" in capsys.readouterr().out
        assert not GUARD.enforcing


class TestStanding:
    def machine(self, **named: Any) -> MachineSettings:
        return MachineSettings(_env_file=None, **named)

    def test_what_the_settings_allow(self) -> None:
        url = SecretStr("postgresql://u:p@db.example:6432/x")
        machine = self.machine(egress=EgressSettings(allow=("h:1", "10.0.0.0/8")), database=DatabaseSettings(url=url))
        assert [str(each) for each in standing.configured(machine)] == ["h:1", "10.0.0.0/8", "db.example:6432"]

    @pytest.mark.parametrize("url", [None, "postgresql://u@localhost/x", "postgresql://u@/x?host=/run", "nonsense"])
    def test_a_near_database_needs_nothing(self, url: str | None) -> None:
        machine = self.machine(database=DatabaseSettings(url=None if url is None else SecretStr(url)))
        assert list(standing.configured(machine)) == []

    def test_what_is_none_is_refused(self) -> None:
        with pytest.raises(EndpointInvalid):
            list(standing.configured(self.machine(egress=EgressSettings(allow=("*",)))))

    def test_what_others_are_told(self) -> None:
        told = standing.told(Refused("h", 1, "connection", "library", count=3, at=0.0))
        assert (told.host, told.port, told.kind, told.by, told.count) == ("h", 1, "connection", "library", 3)
