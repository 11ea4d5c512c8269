"""The voice page's own sound processing, in a real browser: another rate, and a loudspeaker held at a sample."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.stubs.browser import browser, installed

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
FILES = Path(__file__).resolve().parents[2] / "services" / "api" / "pages" / "voice"
RESAMPLED = """async ([from, to, tone, piece]) => {
  const { Resampler } = await import('/sound/resample.js');
  const input = Float32Array.from({ length: from }, (_, at) => Math.sin((2 * Math.PI * tone * at) / from));
  const resampler = new Resampler(from, to);
  const output = [];
  for (let at = 0; at < input.length; at += piece) output.push(...resampler.push(input.slice(at, at + piece)));
  output.push(...resampler.end());
  const worst = (at) => Math.abs(output[at] - Math.sin((2 * Math.PI * tone * at) / to));
  const middle = output.slice(to / 10, -to / 10);
  return {
    count: output.length,
    peak: Math.max(...middle.map(Math.abs)),
    error: Math.max(...middle.map((_, at) => worst(at + to / 10))),
  };
}"""
PLAYED = """async (script) => {
  // Twice the ramp 1, 2, 3 ... as two turns; what is done to it is done between two blocks of 128 samples.
  const context = new OfflineAudioContext(1, 48000, 48000);
  await context.audioWorklet.addModule('/sound/mouth-worklet.js');
  const node = new AudioWorkletNode(context, 'solo-mouth', { numberOfInputs: 0, outputChannelCount: [1] });
  const told = [];
  node.port.onmessage = ({ data }) => told.push(data);
  node.connect(context.destination);
  const ramp = (from, count) => Float32Array.from({ length: count }, (_, at) => (from + at) / 65536);
  node.port.postMessage({ type: 'piece', turn: 'one', samples: ramp(1, 5000) });
  node.port.postMessage({ type: 'piece', turn: 'one', samples: ramp(5001, 7000) });
  node.port.postMessage({ type: 'end', turn: 'one' });
  for (const [at, message] of script) {
    context.suspend(at / 48000).then(async () => {
      node.port.postMessage(message);
      await new Promise((done) => setTimeout(done, 100));
      context.resume();
    });
  }
  await new Promise((done) => setTimeout(done, 100));
  const samples = (await context.startRendering()).getChannelData(0);
  await new Promise((done) => setTimeout(done, 100));
  return { samples: Array.from(samples, (one) => Math.round(one * 65536)), told };
}"""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(FILES)))
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    serving.start()
    with contextlib.ExitStack() as stack:
        stack.callback(serving.join)
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        shown = stack.enter_context(browser(installed()))
        shown.goto(f"http://127.0.0.1:{server.server_port}/icon.svg")
        yield shown


@pytest.mark.parametrize(("rate", "to"), [(48_000, 16_000), (44_100, 16_000), (22_050, 48_000), (16_000, 16_000)])
@pytest.mark.parametrize("piece", [128, 1000])
def test_a_tone_stays_what_it_is(page: Page, rate: int, to: int, piece: int) -> None:
    made: dict[str, Any] = page.evaluate(RESAMPLED, [rate, to, 1000, piece])
    assert abs(made["count"] - to) <= 2
    assert made["error"] < 0.01


@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_what_would_come_back_as_a_lower_tone_is_gone(page: Page, rate: int) -> None:
    assert page.evaluate(RESAMPLED, [rate, 16_000, 10_000, 128])["peak"] < 0.001  # 60 dB


def test_it_plays_all_of_it_in_order(page: Page) -> None:
    played: dict[str, Any] = page.evaluate(PLAYED, [])
    begin = played["samples"].index(1)
    assert played["samples"][begin : begin + 12_000] == list(range(1, 12_001))
    assert set(played["samples"][begin + 12_000 :]) == {0}
    last = played["told"][-1]
    assert (last["state"], last["turn"]) == ("done", "one")
    assert last["seconds"] == pytest.approx(12_000 / 48_000)


def test_it_goes_on_from_the_very_sample_at_which_it_was_held(page: Page) -> None:
    script = [[128 * 30, {"type": "pause"}], [128 * 200, {"type": "resume"}]]
    played: dict[str, Any] = page.evaluate(PLAYED, script)
    samples = played["samples"]
    begin = samples.index(1)
    held = 128 * 30 - begin
    assert samples[begin : 128 * 30] == list(range(1, held + 1))
    gap = samples[128 * 31 : 128 * 200]
    assert set(gap) == {0}, "it plays while it is held"
    # Behind the fade each sample is the one that would have come next.
    assert samples[128 * 201 + 1 : 128 * 220] == list(range(held + 130, held + 130 + 128 * 19 - 1))
    paused = next(told for told in played["told"] if told["state"] == "paused")
    assert paused["seconds"] == pytest.approx(held / 48_000)
    assert played["told"][-1]["seconds"] == pytest.approx(12_000 / 48_000), "what is played twice or never"


def test_what_is_stopped_is_forgotten(page: Page) -> None:
    script = [
        [128 * 30, {"type": "stop", "turn": "one"}],
        [128 * 60, {"type": "end", "turn": "two"}],
    ]
    played: dict[str, Any] = page.evaluate(PLAYED, script)
    assert set(played["samples"][128 * 31 :]) == {0}
    stopped = next(told for told in played["told"] if told["state"] == "stopped")
    assert stopped["seconds"] == pytest.approx((128 * 30 - played["samples"].index(1)) / 48_000)
