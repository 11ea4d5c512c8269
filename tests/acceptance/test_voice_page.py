"""The voice page in a real browser and a real daemon: asked aloud, interrupted, logged in, left and found again."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.speech import say, silence
from tests.daemon import Daemon, daemon
from tests.stubs.browser import (
    LISTEN_IN,
    OWN_MICROPHONE,
    Watched,
    browser,
    installed,
    solo_voice,
    speak,
    until_phase,
    write_wav,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]
LIVE = pytest.mark.skipif(
    "TEST_PAGES" not in os.environ,
    reason="real engines hear it in real time: a machine for itself, `make pages`",
)
FAKES: dict[str, Any] = {f"{part}__ENGINE": "fake" for part in ("VAD", "WAKE", "STT", "LLM", "TTS")} | {
    "MEMORY__EMBEDDER": "fake"
}
QUESTION = "What is the capital of France?"
HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script> **not bold**'
PHONE: dict[str, Any] = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def chromium() -> str:
    return installed()


@contextmanager
def started(state: Path, **settings: Any) -> Iterator[Daemon]:
    """Machines that do much else besides take their time."""
    with daemon(state, ready=False, **settings) as running:
        running.wait_ready(within=300)
        yield running


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with started(tmp_path_factory.mktemp("real") / "state") as running:
        yield running


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with started(tmp_path_factory.mktemp("fake") / "state", **FAKES) as running:
        yield running


def enter(page: Page, running: Daemon) -> None:
    with page.expect_response(lambda answer: "/api/turns" in answer.url):  # those before this page
        page.goto(solo_voice(running)["address"])
    until_phase(page, "idle")


def ask(page: Page, text: str) -> None:
    page.get_by_label("Type a question").fill(text)
    page.get_by_role("button", name="Ask").click()


def until_another_turn(page: Page, before: int) -> None:
    page.wait_for_function("n => document.querySelectorAll('#turns li').length > n", arg=before)


@LIVE
@pytest.mark.engine
def test_a_question_asked_aloud(chromium: str, real: Daemon, tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "question.wav", silence(3.0) + say(QUESTION) + silence(120.0))
    flag = f"--use-file-for-fake-audio-capture={wav}%noloop"
    with browser(chromium, flag, scripts=(LISTEN_IN,)) as page:
        watched = Watched(page)
        enter(page, real)
        assert "#" not in page.url and "ticket" not in page.evaluate("JSON.stringify({...sessionStorage})")
        page.get_by_role("button", name="Start talking").click()
        until_phase(page, "listening")
        until_phase(page, "hearing")
        page.get_by_test_id("asked").get_by_text("capital of France").wait_for()
        until_phase(page, "speaking")
        until_phase(page, "listening")
        turn = next(told["turn"] for told in watched.told if told["type"] == "turn")
        assert turn["outcome"] == "answered" and "capital of France" in turn["heard"]
        assert page.get_by_test_id("said").inner_text() == turn["said"]
        assert page.locator("#said-ahead").inner_text() == ""
        assert page.evaluate("window.sounded") > 500, "the loudspeaker was silent"
        assert watched.heard_ms(turn["turn_id"]) == pytest.approx(1000 * turn["audio_s"], abs=50)
        table = page.get_by_role("table", name="Milliseconds from your last word")
        points = dict(zip(*(table.get_by_role(role).all_inner_texts() for role in ("rowheader", "cell")), strict=True))
        assert list(points) == [
            "End of turn", "Transcript", "Memory", "First token", "First audio", "Voice to voice",
        ]  # fmt: skip
        shown = [int(re.sub(r"\D", "", text)) for text in points.values()]
        reached = [turn["latency_ms"][point] for point in LATENCY]
        assert shown == [int(value + 0.5) for value in reached]  # as JavaScript rounds
        widths = [bar.bounding_box() for bar in table.locator(".bar").all()]
        assert all(box is not None and box["width"] >= 2 for box in widths)
        assert widths[-1]["width"] == max(box["width"] for box in widths if box)  # type: ignore[index]
        assert watched.complaints == []


LATENCY = ("end_of_turn", "transcript", "recalled", "first_token", "first_audio", "voice_to_voice")


@LIVE
@pytest.mark.engine
def test_speech_over_an_answer_ends_it(chromium: str, real: Daemon) -> None:
    with browser(chromium, scripts=(LISTEN_IN, OWN_MICROPHONE)) as page:
        watched = Watched(page)
        enter(page, real)
        page.get_by_role("button", name="Start talking").click()
        until_phase(page, "listening")
        speak(page, say("Tell me a long story about a little dog.") + silence(0.5))
        until_phase(page, "speaking")
        first = next(told["turn"] for told in watched.told if told["type"] == "sound")
        speak(page, say("Wait a moment, what is the capital of Italy?") + silence(0.5))
        page.get_by_test_id("asked").get_by_text("Italy").wait_for()
        page.locator(f"#turns li:not([data-turn='{first}'])").wait_for()
        kinds = [told["type"] for told in watched.told]
        assert "pause" in kinds and "stop" in kinds and kinds.index("pause") < kinds.index("stop")
        verdict = next(told for told in watched.told if told["type"] == "barge_in")
        assert verdict["verdict"] == "interrupt"
        turn = next(
            told["turn"] for told in watched.told if told["type"] == "turn" and told["turn"]["turn_id"] == first
        )
        assert watched.heard_ms(first) < 1000 * turn["audio_s"]
        assert page.locator(f"#turns li[data-turn='{first}']").get_by_text("stopped").count() == 1


def test_a_typed_question_and_text_that_would_be_more(chromium: str, fake: Daemon) -> None:
    with browser(chromium, scripts=(LISTEN_IN,)) as page:
        watched = Watched(page)
        enter(page, fake)
        ask(page, HOSTILE)
        entry = page.locator("#turns li").filter(has_text="not bold")
        entry.wait_for()
        assert entry.locator(".asked").inner_text() == page.get_by_test_id("asked").inner_text() == HOSTILE
        assert page.title() == "Solo"
        refused = page.evaluate(
            "() => { try { document.body.innerHTML = 'x'; return '' } catch (e) { return e.name } }"
        )
        assert refused == "TypeError", "text may become markup"
        assert page.evaluate("fetch('http://127.0.0.1:9/').then(() => '', (e) => e.name)") == "TypeError"
        assert [url for url in watched.asked if f"//127.0.0.1:{fake.port}" not in url] == []
        assert all("ticket" not in url for url in watched.asked)


def test_the_button_and_the_key_stop_an_answer(chromium: str, fake: Daemon) -> None:
    with browser(chromium) as page:
        enter(page, fake)
        for stop in (
            lambda: page.get_by_role("button", name="Stop the answer").click(),
            lambda: page.keyboard.press("Escape"),
        ):
            before = page.locator("#turns li").count()
            ask(page, QUESTION)
            until_phase(page, "speaking")
            stop()
            until_phase(page, "idle")
            until_another_turn(page, before)


def test_without_a_session_it_asks_for_one(chromium: str, fake: Daemon) -> None:
    fake.client.post("/api/users", {"name": "anna", "role": "user", "password": "a horse that knows batteries"})
    address = solo_voice(fake)["address"]
    with browser(chromium) as page:
        page.goto(address)
        until_phase(page, "idle")
        assert page.evaluate("document.cookie") == "", "a script can read the session"
    with browser(chromium) as page:
        page.goto(address)  # the ticket was used
        page.get_by_role("alert").get_by_text("solo voice").wait_for()
        page.get_by_label("Name").fill("anna")
        page.get_by_label("Password").fill("wrong, that is")
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("alert").get_by_text("name or the password is wrong").wait_for()
        page.get_by_label("Password").fill("a horse that knows batteries")
        page.get_by_role("button", name="Log in").click()
        until_phase(page, "idle")
        page.reload()  # the session goes on
        until_phase(page, "idle")
        page.get_by_role("button", name="Log out").click()
        page.get_by_role("heading", name="Log in to talk").wait_for()
        page.reload()
        page.get_by_role("heading", name="Log in to talk").wait_for()


def test_it_outlives_the_daemon_and_goes_on(chromium: str, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with browser(chromium) as page:
        with started(state, **FAKES) as running:
            port = str(running.port)
            enter(page, running)
            ask(page, QUESTION)
            page.locator("#turns li").wait_for()
        until_phase(page, "away")
        page.get_by_role("alert").get_by_text("solo run").wait_for()
        with started(state, **FAKES, PORT=port):
            until_phase(page, "idle")
            page.get_by_role("alert").wait_for(state="hidden")
            ask(page, "And of Spain?")
            page.locator("#turns li").filter(has_text="Spain").wait_for()


def test_a_refused_microphone_says_what_to_do(chromium: str, fake: Daemon) -> None:
    refuse = "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError') };"
    with browser(chromium, scripts=(refuse,)) as page:
        enter(page, fake)
        page.get_by_role("button", name="Start talking").click()
        page.get_by_role("alert").get_by_text("Allow it beside the address").wait_for()
        before = page.locator("#turns li").count()
        ask(page, QUESTION)
        until_another_turn(page, before)


def test_push_to_talk(chromium: str, fake: Daemon) -> None:
    with browser(chromium, scripts=(OWN_MICROPHONE,)) as page:
        watched = Watched(page)
        enter(page, fake)
        page.get_by_text("Hold to talk", exact=True).click()
        until_phase(page, "hold")
        page.locator("h1").click()
        page.keyboard.down("Space")
        until_phase(page, "hearing")
        page.wait_for_function("document.getElementById('meter').ariaValueNow !== null")
        before = page.locator("#turns li").count()
        speak(page, say(QUESTION))
        page.wait_for_timeout(1500)  # as long as somebody holds it
        page.keyboard.up("Space")
        until_another_turn(page, before)
        said = [said["type"] for said in watched.said if said["type"] in {"press", "release"}]
        assert said == ["press", "release"]
        starts = [said for said in watched.said if said["type"] == "start"]
        assert (starts[-1]["manual"], starts[-1]["barge_in"]) == (True, False)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, {"width": 1280, "height": 860}], ids=["phone", "desktop"])
def test_it_fits(chromium: str, fake: Daemon, scheme: Any, size: Any) -> None:
    with browser(chromium, viewport=size, color_scheme=scheme, reduced_motion="reduce") as page:
        enter(page, fake)
        ask(page, f"{QUESTION} {'x' * 200}")
        page.locator("#turns li").first.wait_for()
        page.locator("#turns details").first.locator("summary").click()
        assert page.evaluate("document.scrollingElement.scrollWidth") <= size["width"]
        orb = page.locator("#orb").bounding_box()
        assert orb is not None and orb["width"] >= 120 and 0 <= orb["x"] <= size["width"] - orb["width"]
        dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(14, 17, 20)"
        assert dark == (scheme == "dark")
        moving = "[...document.getAnimations()].filter((one) => one.playState === 'running').length"
        assert page.evaluate(moving) == 0


def test_it_is_used_without_a_mouse(chromium: str, fake: Daemon) -> None:
    with browser(chromium) as page:
        enter(page, fake)
        names = []
        for _ in range(8):
            page.keyboard.press("Tab")
            names.append(page.evaluate("document.activeElement.id || document.activeElement.type"))
        assert names[:3] == ["leave", "orb", "typed"] and "volume" in names
        assert page.get_by_role("status").inner_text() == "Ready"
        unnamed = """[...document.querySelectorAll('button, input')].filter((one) => one.checkVisibility()
            && !(one.textContent.trim() || one.ariaLabel || one.labels?.length)).map((one) => one.outerHTML)"""
        assert page.evaluate(unnamed) == []
