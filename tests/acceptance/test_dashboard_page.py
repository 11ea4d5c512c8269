"""The dashboard in a real browser: shows a daemon, survives its end, recovers, and shows foreign text as it is."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.stubs.browser import installed

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "tests" / "unit" / "dashboard" / "status.json"
KEY = "a-key-for-this-test"
HOSTILE = '<script>document.title="owned"</script> **not bold** :red[x] `tick` $x^2$ https://example.org'
PATIENCE_MS = 30_000
BROWSER_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
BROWSER_FLAGS += ["--disable-background-networking", "--disable-component-update"]


class StubDaemon:
    """Answers /status, /healthz and, when it has figures, /api/metrics; can be stopped and started again."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.status: dict[str, Any] = json.loads(SAMPLE.read_text("utf-8"))
        self.figures: list[dict[str, Any]] | None = None
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        daemon = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/healthz":
                    self._answer(200, {"status": "alive"})
                elif self.headers.get("Authorization") != f"Bearer {KEY}":
                    self._answer(401, {"error": {"code": "auth.refused"}})
                elif not self.path.startswith("/api/metrics?"):
                    self._answer(200, daemon.status)
                elif daemon.figures is None:
                    self._answer(503, {"error": {"code": "db.unavailable"}})
                else:
                    wanted = parse_qs(urlsplit(self.path).query)["name"][0]
                    self._answer(200, {"series": [one for one in daemon.figures if one["name"].startswith(wanted)]})

            def _answer(self, code: int, body: dict[str, Any]) -> None:
                content = json.dumps(body).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = self._thread = None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    (tmp_path / "owner.key").write_text(KEY + "\n")
    return tmp_path


@pytest.fixture
def figures() -> list[dict[str, Any]] | None:
    return None


@pytest.fixture
def stub(figures: list[dict[str, Any]] | None) -> Iterator[StubDaemon]:
    daemon = StubDaemon(free_port())
    daemon.figures = figures
    daemon.start()
    yield daemon
    daemon.stop()


@pytest.fixture
def address(stub: StubDaemon, state_dir: Path, tmp_path: Path) -> Iterator[str]:
    """Streamlit on a free port, started as the command line does; its output is shown when it does not come up."""
    installed()
    port = free_port()
    environ = {**os.environ, "SOLO_STATE_DIR": str(state_dir), "SOLO_PORT": str(stub.port)}
    log = (tmp_path / "streamlit.log").open("w+b")
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "dashboard" / "app.py")]
    command += ["--server.port", str(port), "--server.address", "127.0.0.1", "--server.headless", "true"]
    command += ["--browser.gatherUsageStats", "false", "--server.fileWatcherType", "none"]
    process = subprocess.Popen(command, env=environ, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + PATIENCE_MS / 1000
        while not is_up(f"http://127.0.0.1:{port}/_stcore/health"):
            if process.poll() is not None or time.monotonic() > until:
                log.seek(0)
                pytest.fail(f"streamlit did not come up: {log.read().decode(errors='replace')}")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def is_up(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture
def page(address: str) -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed(), args=BROWSER_FLAGS)
        shown = browser.new_page(viewport={"width": 1400, "height": 900})
        shown.set_default_timeout(PATIENCE_MS)
        shown.goto(address)
        yield shown
        browser.close()


def test_shows_what_the_daemon_says(page: Page) -> None:
    services = page.get_by_role("table", name="Services")
    services.get_by_text("faster-whisper").wait_for()
    row = services.get_by_role("row").filter(has_text="SmolLM2")
    engine = "llama.cpp · SmolLM2-135M-Instruct Q4_1"
    assert row.get_by_role("cell").all_inner_texts()[:5] == ["llm", "ready", engine, "389 MiB", "4223"]
    assert page.locator(".st-key-header").get_by_text("ready", exact=True).is_visible()
    numbers = page.locator(".st-key-metrics").get_by_test_id("stMetric").all_inner_texts()
    assert [text.split("\n")[0] for text in numbers][:3] == ["Voice to voice", "Tokens per second", "Memory"]
    assert "98.2" in numbers[1]
    first = page.locator(".st-key-turn-0")
    first.get_by_text("The capital of France is Paris.").wait_for()
    assert first.get_by_text("592 ms voice to voice").is_visible()
    drawn = page.locator(".st-key-waterfall svg.marks")
    drawn.get_by_text("812 ms", exact=True).wait_for()
    for stage, bars in (("Wait for end of speech", 7), ("Transcription", 6), ("First token", 7), ("First audio", 6)):
        assert drawn.locator(f"[aria-roledescription=bar][aria-label*='Stage: {stage}']").count() == bars, stage
    page.locator(".st-key-memory svg.marks").get_by_text("389 MiB").wait_for()


def test_asks_nothing_of_other_machines(page: Page, address: str) -> None:
    page.locator(".st-key-turn-0").wait_for()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    page.locator(".st-key-turn-0").wait_for()
    page.locator(".st-key-waterfall svg.marks").get_by_text("812 ms", exact=True).wait_for()
    assert asked
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


def test_shows_foreign_text_as_it_is(page: Page, stub: StubDaemon) -> None:
    status = json.loads(SAMPLE.read_text("utf-8"))
    status["turns"][0] |= {"heard": HOSTILE, "said": HOSTILE, "source": HOSTILE}
    status["services"][2] |= {"last_error": {"code": "x.y", "message": HOSTILE, "at": None}, "name": HOSTILE}
    status |= {"reasons": [HOSTILE], "version": HOSTILE}
    status["bus"]["mailboxes"][0]["owner"] = HOSTILE
    stub.status = status
    page.locator(".st-key-turn-0").get_by_text(HOSTILE, exact=True).first.wait_for()
    assert page.locator(".st-key-turn-0").get_by_test_id("stText").all_inner_texts() == [HOSTILE, HOSTILE]
    page.get_by_text("Message bus:").click()
    page.locator(".st-key-bus").get_by_text(HOSTILE, exact=True).wait_for()
    for part in ("services", "reasons", "header", "metrics", "turn-0", "bus"):
        assert HOSTILE in page.locator(f".st-key-{part}").inner_text(), part
    assert page.locator("strong, b").filter(has_text="not bold").filter(has_not_text="**").count() == 0
    assert page.locator("a[href*='example.org']").count() == 0
    assert page.title() == "Solo"


def test_outlives_the_daemon_and_recovers(page: Page, stub: StubDaemon) -> None:
    page.locator(".st-key-board").wait_for()
    stub.stop()
    page.get_by_text("The daemon is down.").wait_for()
    page.get_by_text("solo run").wait_for()
    page.locator(".st-key-problem").get_by_text("Last seen at").wait_for()
    stale = page.locator(".st-key-board-stale")
    stale.get_by_text("The capital of France is Paris.").wait_for()
    assert float(stale.evaluate("part => getComputedStyle(part).opacity")) < 0.6
    # A reload while it is down: the page comes up, and still knows what it saw last.
    page.reload()
    page.get_by_text("The daemon is down.").wait_for()
    stale.get_by_text("The capital of France is Paris.").wait_for()
    stub.start()
    page.locator(".st-key-header").get_by_text("ready", exact=True).wait_for()
    page.locator(".st-key-board").wait_for()
    page.locator(".st-key-problem").wait_for(state="detached")
    assert page.locator(".st-key-board-stale").count() == 0


def test_says_where_it_looked_for_the_key(page: Page, state_dir: Path) -> None:
    page.locator(".st-key-board").wait_for()
    key_file = state_dir / "owner.key"
    key_file.write_text("another key")
    page.get_by_text(f"refuses the key in {key_file}").wait_for()
    key_file.unlink()
    page.get_by_text(f"there is no key file {key_file}").wait_for()
    key_file.write_text(KEY)
    page.locator(".st-key-problem").wait_for(state="detached")


def test_says_what_to_do_while_nothing_was_said(page: Page, stub: StubDaemon) -> None:
    page.locator(".st-key-turn-0").wait_for()
    stub.status = stub.status | {"turns": [], "tokens_per_s": None}
    page.get_by_text("Nothing has been said yet.").wait_for()
    page.get_by_text("No turn to draw yet").wait_for()
    page.locator(".st-key-turn-0").wait_for(state="detached")


def figure(name: str, value: float, **labels: str) -> dict[str, Any]:
    buckets = [
        {"at": f"2026-11-21T{hour:02}:00:00+00:00", "count": 3, "mean": value, "low": 1, "high": 2 * value}
        | {"p50": value + hour, "p95": 1.3 * value + hour}
        for hour in range(6)
    ]
    return {"name": name, "labels": labels, "buckets": buckets}


@pytest.mark.parametrize(
    "figures",
    [
        [
            figure("turn.voice_to_voice_ms", 600, source="voice"),
            figure("turn.tokens_per_s", 70, llm=HOSTILE),
            figure("engine.rss_bytes", 4e8, service="llm"),
            figure("engine.rss_bytes", 2e8, service="stt"),
            figure("errors", 1, code="engine.died", where="stt"),
        ]
    ],
)
def test_shows_the_course_of_the_last_day(page: Page) -> None:
    course = page.locator(".st-key-history")
    course.get_by_text("The last 24 hours").wait_for()
    drawings = course.locator("svg.marks")
    drawings.nth(3).wait_for()
    assert drawings.count() == 4
    drawings.nth(0).get_by_text("95 of 100 below").wait_for()
    drawings.nth(0).get_by_text("0 ms", exact=True).wait_for()
    drawings.nth(1).get_by_text(HOSTILE[:20]).wait_for()
    drawings.nth(2).get_by_text("stt", exact=True).wait_for()
    bars = drawings.nth(3).locator("[aria-roledescription=bar]")
    assert bars.count() == 6
    assert page.title() == "Solo"


def test_without_figures_it_is_quiet(page: Page) -> None:
    page.locator(".st-key-turn-0").wait_for()
    assert page.get_by_text("The last 24 hours").count() == 0
    assert page.locator(".st-key-problem").count() == 0
    assert page.locator(".st-key-board").count() == 1
