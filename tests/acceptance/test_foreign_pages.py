"""Pages of other origins in a real browser: those that are named may use the door with a key, others may not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.daemon import Daemon, daemon
from tests.stubs.browser import browser, installed

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ASK = """async ([url, key, options]) => {
    try {
        const answer = await fetch(url, {headers: {authorization: `Bearer ${key}`}, ...options});
        return {status: answer.status, id: answer.headers.get("x-request-id"), body: await answer.json()};
    } catch (error) {
        return {error: String(error)};
    }
}"""


class _Empty(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title>")

    def log_message(self, format: str, *args: Any) -> None:  # the name is the library's
        """Quiet."""


@contextmanager
def site() -> Iterator[str]:
    """An origin of its own, with an empty page."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Empty)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


@pytest.fixture(scope="module")
def friend() -> Iterator[str]:
    with site() as origin:
        yield origin


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, friend: str) -> Iterator[Daemon]:
    fakes: dict[str, Any] = {f"{part}__ENGINE": "fake" for part in ("VAD", "WAKE", "STT", "LLM", "TTS")}
    folder = tmp_path_factory.mktemp("friends")
    with daemon(folder / "state", ready=False, **fakes, API__ORIGINS=json.dumps([friend])) as started:
        started.wait_ready(within=300)
        yield started


def ask(page: Page, running: Daemon, path: str, key: str, **options: Any) -> Any:
    return page.evaluate(ASK, [f"http://127.0.0.1:{running.port}{path}", key, options])


def test_a_page_that_is_named_reads_with_its_key(running: Daemon, friend: str) -> None:
    body = json.dumps({"model": "solo", "messages": [{"role": "user", "content": "hello"}]})
    with browser(installed()) as page:
        page.goto(friend)
        told = ask(page, running, "/v1/models", running.key)
        assert told["status"] == 200 and told["body"]["data"] and told["id"]
        headers = {"x-api-key": running.key, "content-type": "application/json"}
        asked = {"method": "POST", "body": body, "headers": headers}
        answered = ask(page, running, "/v1/chat/completions", running.key, **asked)
        assert answered["status"] == 200 and answered["body"]["choices"]


def test_it_reads_why_it_was_refused(running: Daemon, friend: str) -> None:
    with browser(installed()) as page:
        page.goto(friend)
        told = ask(page, running, "/v1/models", "solo-nobodys-key")
        assert told["status"] == 401 and told["body"]["error"]["code"]


def test_a_page_that_is_not_reads_nothing(running: Daemon) -> None:
    with site() as stranger, browser(installed()) as page:
        page.goto(stranger)
        assert "Failed to fetch" in ask(page, running, "/v1/models", running.key)["error"]


def test_cookies_are_not_for_them(running: Daemon, friend: str) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{running.port}", trust_env=False) as client:
        preflight = {"origin": friend, "access-control-request-method": "GET"}
        told = client.options("/v1/models", headers=preflight)
        assert told.headers["access-control-allow-origin"] == friend
        assert "access-control-allow-credentials" not in told.headers
        refused = client.options("/v1/models", headers=preflight | {"origin": "http://127.0.0.1:1"})
        assert "access-control-allow-origin" not in refused.headers


def test_without_names_there_is_none(tmp_path: Path) -> None:
    fakes: dict[str, Any] = {f"{part}__ENGINE": "fake" for part in ("VAD", "WAKE", "STT", "LLM", "TTS")}
    with daemon(tmp_path / "state", **fakes) as plain:
        origin = {"origin": f"http://127.0.0.1:{plain.port}"}
        told = httpx.get(f"http://127.0.0.1:{plain.port}/healthz", headers=origin, trust_env=False)
        assert told.status_code == 200
        assert not [name for name in told.headers if name.startswith("access-control")]
