"""`solo say`: something said aloud by the daemon's loudspeakers."""

from __future__ import annotations

import json
from dataclasses import dataclass

from rich.text import Text

from solo.cli.client import Client
from solo.cli.exits import Exit
from solo.cli.show import err, out
from solo.settings import MachineSettings, load

_WITHIN_S = 430.0
"""An answer may be under way, and a long text takes minutes."""


@dataclass(frozen=True, slots=True)
class Saying:
    text: str
    source: str | None
    voice: str | None
    language: str | None
    as_json: bool


def say(saying: Saying) -> Exit:
    client = Client(load(MachineSettings, strict=False))
    wishes = {"source": saying.source, "voice": saying.voice, "language": saying.language}
    body = {"text": saying.text} | {name: wish for name, wish in wishes.items() if wish is not None}
    answer = client.post("/api/say", body, within=_WITHIN_S)
    said_to = answer["said_to"]
    if saying.as_json:
        out.print_json(json.dumps(answer))
    elif said_to:
        out.print(Text(f"Said to {', '.join(said_to)}."), soft_wrap=True)
    if not said_to:
        line = "Nobody heard it: no loudspeaker is attached, or it was interrupted. `solo status` tells what is there."
        err.print(Text(line), soft_wrap=True)
    return Exit.OK if said_to else Exit.FAILED
