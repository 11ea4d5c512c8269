"""The voice page in Chromium: a WAV file or the test itself as its microphone, and what its loudspeaker plays."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.speech import RATE
from tests.daemon import Daemon

if TYPE_CHECKING:
    from playwright.sync_api import Page

PATIENCE_MS = 120_000
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream", "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip
LISTEN_IN = """
// Milliseconds in which anything but silence went to the loudspeaker, whatever the page says of it.
window.sounded = 0;
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (...to) {
  if (to[0] instanceof AudioDestinationNode) {
    const tap = new AnalyserNode(this.context, { fftSize: 2048 });
    const samples = new Float32Array(2048);
    connect.call(this, tap);
    let before = performance.now();
    setInterval(() => {
      tap.getFloatTimeDomainData(samples);
      const now = performance.now();
      if (samples.some((sample) => Math.abs(sample) > 0.01)) window.sounded += Math.min(100, now - before);
      before = now;
    }, 20);
  }
  return connect.apply(this, to);
};
"""
OWN_MICROPHONE = """
// Silent until the test speaks into it: `speak` takes s16le mono 16 kHz in base64.
const microphone = { context: null, out: null };
navigator.mediaDevices.getUserMedia = async () => {
  microphone.context ??= new AudioContext();
  await microphone.context.resume();
  microphone.out ??= microphone.context.createMediaStreamDestination();
  const hum = new ConstantSourceNode(microphone.context, { offset: 0 });
  hum.connect(microphone.out);
  hum.start();
  return microphone.out.stream;
};
window.speak = (base64) => {
  const samples = new Int16Array(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer);
  const sound = microphone.context.createBuffer(1, samples.length, 16000);
  sound.copyToChannel(Float32Array.from(samples, (sample) => sample / 32768), 0);
  const source = new AudioBufferSourceNode(microphone.context, { buffer: sound });
  source.connect(microphone.out);
  source.start();
};
"""


def solo_voice(daemon: Daemon, *flags: str) -> dict[str, Any]:
    """What `solo voice --json` prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SOLO_")}
    environment = kept | {"SOLO_STATE_DIR": str(daemon.state_dir), "SOLO_PORT": str(daemon.port)}
    command = [sys.executable, "-m", "solo.cli", "voice", "--json", *(flags or ("--no-open",))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def write_wav(file: Path, pcm: bytes) -> Path:
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        sound.writeframes(pcm)
    return file


def speak(page: Page, pcm: bytes) -> None:
    """Into the microphone that `OWN_MICROPHONE` made."""
    page.evaluate("sound => window.speak(sound)", base64.b64encode(pcm).decode())


class Watched:
    """What a page complained of, and what went over its WebSocket."""

    def __init__(self, page: Page) -> None:
        self.complaints: list[str] = []
        self.told: list[dict[str, Any]] = []
        self.said: list[dict[str, Any]] = []
        self.asked: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda line: line.type == "error" and self.complaints.append(line.text))
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("websocket", self._watch)

    def _watch(self, socket: Any) -> None:
        socket.on("framereceived", lambda frame: isinstance(frame, str) and self.told.append(json.loads(frame)))
        socket.on("framesent", lambda frame: isinstance(frame, str) and self.said.append(json.loads(frame)))

    def heard_ms(self, turn: str) -> float:
        """Of this turn, as the page told Solo."""
        told = [said["played_ms"] for said in self.said if said["type"] == "played" and said["turn"] == turn]
        return max(told, default=0.0)


def installed() -> str:
    """Path of a browser of this machine; without one the test is skipped."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if found := shutil.which(name):
            return found
    pytest.skip("no Chromium or Chrome on this machine: install one, for example the package chromium")


@contextmanager
def browser(path: str, *flags: str, scripts: tuple[str, ...] = (), **context: Any) -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *flags])
        page = running.new_context(**context).new_page()
        page.set_default_timeout(PATIENCE_MS)
        for script in scripts:
            page.add_init_script(script)
        try:
            yield page
        finally:
            running.close()


def phase(page: Page) -> str:
    return str(page.evaluate("document.body.dataset.phase"))


def until_phase(page: Page, *phases: str) -> None:
    page.wait_for_function("phases => phases.includes(document.body.dataset.phase)", arg=list(phases))
