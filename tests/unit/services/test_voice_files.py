"""The voice page's files as the door serves them, and `solo voice`, which opens them."""

from __future__ import annotations

import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from services.api.house import House
from services.api.http import application
from services.api.pages.files import is_known, read
from services.api.recent import RecentTurns
from services.api.routes.pages import VOICE
from solo.cli import voice
from solo.cli.app import app
from solo.cli.client import Client
from solo.supervision import Context

TICKET = {"ticket": "page_SECRET", "expires_in": 300}


@pytest.fixture
async def client(ctx: Context) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application(House(ctx, RecentTurns(), set())))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as one:
        yield one


async def test_the_page_and_its_files(client: httpx.AsyncClient) -> None:
    page = await client.get("/voice")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"].split("; ")
    assert policy[:2] == ["default-src 'none'", "script-src 'self'"]
    assert {"frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'", "trusted-types 'none'"} <= set(policy)
    assert not any("unsafe" in one or "http" in one or "*" in one for one in policy)
    assert page.headers["permissions-policy"].startswith("microphone=(self), camera=()")
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
    for name in VOICE:
        answer = await client.get(f"/voice/{name}")
        assert answer.status_code == 200 and answer.content == VOICE[name].content
        assert answer.headers["content-type"].startswith(kinds[Path(name).suffix]), name
        assert answer.headers["content-security-policy"] == page.headers["content-security-policy"]
        again = await client.get(f"/voice/{name}", headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])


@pytest.mark.parametrize(
    "name",
    ["nothing.js", "", "../routes/pages.py", "%2e%2e/%2e%2e/http.py", "..%2f..%2fhttp.py", "/etc/passwd", "sound"],
)
async def test_nothing_else_is_served(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"/voice/{name}")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] in {"api.no_such_file", "api.not_found"}


def test_only_files_of_the_folder_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "page"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "one.js").write_text("1")
    (folder / "notes.txt").write_text("no page needs this")
    (tmp_path / "secret.js").write_text("elsewhere")
    (folder / "link.js").symlink_to(tmp_path / "secret.js")
    assert list(read(folder)) == ["sub/one.js"]


@pytest.mark.parametrize(
    ("sent", "known"),
    [(None, False), ('"b"', False), ('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("*", True), ("a", False)],
)
def test_etags(sent: str | None, known: bool) -> None:
    assert is_known('"a"', sent) is known


class TestCommand:
    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch, bare_settings: Path) -> list[Any]:
        asked: list[Any] = []

        def ask(_: Client, method: str, path: str, body: Any = None, *, within: float) -> Any:
            asked.append((method, path, body))
            return TICKET

        monkeypatch.setattr(Client, "_ask", ask)
        return asked

    def test_prints_the_address(self, asked: list[Any]) -> None:
        said = CliRunner().invoke(app, ["voice", "--no-open"], catch_exceptions=False).output
        assert said.splitlines()[0] == "http://127.0.0.1:8700/voice#ticket=page_SECRET"
        assert "5 minutes" in said
        assert asked == [("POST", "/api/auth/ticket", {"page": True})]

    def test_the_browser_is_given_no_ticket_on_its_command_line(
        self, asked: list[Any], monkeypatch: pytest.MonkeyPatch, bare_settings: Path
    ) -> None:
        opened: list[str] = []
        monkeypatch.setattr("webbrowser.open", lambda address: bool(opened.append(address)) or True)
        said = json.loads(CliRunner().invoke(app, ["voice", "--json"], catch_exceptions=False).output)
        file = bare_settings / "state" / voice.LEADS_THERE
        assert opened == [file.as_uri()] and said["opened"] is True
        assert "url=http://127.0.0.1:8700/voice#ticket=page_SECRET" in file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
