"""The first start: services becoming ready, then one turn to show that it works."""

from __future__ import annotations

import time
import wave
from contextlib import nullcontext
from importlib import resources
from typing import Any

from rich.live import Live
from rich.table import Table
from rich.text import Text

from solo.bus import Bus, Overflow
from solo.cli.client import Client
from solo.cli.show import out, services_table, turn_lines
from solo.errors import SoloError
from solo.settings import MachineSettings
from solo.state_dir import StateDir
from solo.supervision import Describe, ServiceStateChanged, State

_SETTLED = {State.READY, State.DEGRADED, State.FAILED, State.STOPPED}
_WORKING = {State.READY, State.DEGRADED}


async def accompany(bus: Bus, machine: MachineSettings, *, began: float, self_test: bool) -> None:
    """Runs beside the daemon's services, in its loop, and talks to it through its door like anybody else.

    `began`: monotonic seconds of the start.
    """
    services = await _show_services(bus)
    took = time.monotonic() - began
    if all(service["state"] in _WORKING for service in services):
        out.print(Text(f"ready in {took:.1f} s", style="bold green"))
    else:
        out.print(Text(f"not everything is ready after {took:.1f} s; `solo status` tells more", style="bold yellow"))
    _say_how_to_talk(services, machine)
    names = {service["name"] for service in services}
    if self_test and {"api", "audio", "conversation", "stt", "llm", "tts", "vad"} <= names:
        await _self_test(machine)


async def _show_services(bus: Bus) -> list[dict[str, Any]]:
    services: list[dict[str, Any]] = []
    async with bus.subscribe(
        ServiceStateChanged, limit=512, overflow=Overflow.DROP_OLDEST, owner="start-up"
    ) as changes:
        # A file gets the last state only, and draws none of those before it: the start has better use for the time.
        with Live(Table(), console=out, refresh_per_second=8) if out.is_terminal else nullcontext() as live:
            while True:
                system = await bus.request(Describe(), within=5)
                services = [service.model_dump(mode="json") for service in system.services]
                if live is not None:
                    live.update(services_table(services), refresh=True)
                # A service that backs off keeps trying; do not wait for it for ever.
                if all(service["state"] in _SETTLED or service["restarts"] > 1 for service in services):
                    break
                await anext(changes)
    if not out.is_terminal:
        out.print(services_table(services))
    return services


def _say_how_to_talk(services: list[dict[str, Any]], machine: MachineSettings) -> None:
    device = next((service for service in services if service["name"] == "device"), None)
    known = StateDir(machine.state_dir).daemon()
    if known is not None:
        out.print(f"listening on http://127.0.0.1:{known.port}, owner's key in {machine.state_dir / 'owner.key'}")
    if device is not None and not device["note"]:
        out.print(f"microphone: {device['engine']['model']}")
        return
    why = device["note"] if device is not None else "no sound device is used (--audio none)."
    out.print(Text(f"{why} Solo runs without; talk to it in two ways:"))
    out.print('  solo ask "What is the capital of France?"        typed, answered in text')
    out.print("  solo ask --wav QUESTION.wav --out ANSWER.wav     spoken, answered aloud into a file")


async def _self_test(machine: MachineSettings) -> None:
    """A recorded question through the whole of Solo, at the pace at which it was spoken."""
    out.print("\n[bold]self-test[/bold]: a recorded question, as if spoken now (--no-self-test skips it)")
    with resources.files("solo.cli").joinpath("selftest.wav").open("rb") as file, wave.open(file) as sample:
        pcm = sample.readframes(sample.getnframes())  # ours, so it is what it should be: s16le mono 16 kHz
    try:
        answer = await Client(machine).voice({"wake": False, "talk": "self-test"}, pcm)
    except SoloError as error:
        out.print(Text(error.line(), style="red"))
        return
    turn_lines(answer.turn)
    if answer.turn["error"]:
        out.print(Text(f"{answer.turn['error']['message']} [{answer.turn['error']['code']}]", style="red"))
    out.print(f"answer spoken: {answer.turn['audio_s']:.1f} s of sound\n")
