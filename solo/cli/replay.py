"""`solo replay`: a recorded turn, run again as it was, or with the present engines."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from rich.columns import Columns
from rich.console import Group
from rich.panel import Panel
from rich.text import Text

from solo import logs
from solo import replay as machine
from solo import run as runner
from solo.cli.client import Client
from solo.cli.exits import Exit
from solo.cli.show import out, waterfall
from solo.cli.standalone import standalone
from solo.errors import SoloError
from solo.replay import Bundle, Replayed
from solo.replay.sounds import HEARD

_DIFF = {"+": "green", "-": "red", "@": "cyan"}


class BadEngines(SoloError):
    """A recording can be played with its own engines, or with the present ones."""

    code = "cli.bad_engines"


def replay(app: str, file: Path, engines: str, *, as_json: bool) -> Exit:
    if engines not in {"recorded", "real"}:
        raise BadEngines(f"--engines cannot be {engines}", hint="Say recorded or real.")
    bundle = machine.read(file)
    return _recorded(app, bundle, as_json) if engines == "recorded" else _real(bundle, as_json)


def run_again(app: str, bundle: Bundle) -> Replayed:
    """In virtual time, set as it was."""
    with tempfile.TemporaryDirectory(prefix="solo-") as folder:
        base: dict[str, Any] = {"state_dir": Path(folder), "port": 0, "audio": {"input": "none"}}
        known = runner.load_tree(app, base).machine
        tree = runner.load_tree(app, _merged(base, _settings(bundle.manifest.settings, known)))
        live = [spec for spec in tree.some(set(bundle.manifest.live)) if spec.name in bundle.manifest.live]
        return machine.replay(bundle, live)


def _recorded(app: str, bundle: Bundle, as_json: bool) -> Exit:
    logs.configure("error", "console")
    found = run_again(app, bundle)
    differences = found.differences
    if as_json:
        out.print_json(json.dumps({"same": not differences, "differences": differences, "facts": len(found.replayed)}))
    elif differences:
        for line in differences:
            out.print(Text(line, style=_DIFF.get(line[0], "")), soft_wrap=True)
    else:
        out.print(Text(f"the same: {len(found.replayed)} facts in the same order, with the same texts", style="green"))
    return Exit.FAILED if differences else Exit.OK


def _real(bundle: Bundle, as_json: bool) -> Exit:
    """The same sound, or the same words, in a daemon for just this call."""
    old = bundle.manifest.summary
    with standalone() as client:
        new = asyncio.run(_ask(client, bundle))
    if as_json:
        out.print_json(json.dumps({"recorded": old, "now": new}))
    else:
        out.print(Columns([_panel("recorded", old), _panel("now", new)], equal=True))
    return Exit.OK if new["outcome"] == old["outcome"] else Exit.FAILED


async def _ask(client: Client, bundle: Bundle) -> dict[str, Any]:
    pcm = bundle.sounds.get(HEARD)
    if pcm is None:
        start: dict[str, Any] = {"text": bundle.manifest.summary["heard"]}
    else:
        woken = any(line["kind"] == "WakeWordHeard" for line in bundle.manifest.decisions)
        start = {"wake": woken}
    return (await client.voice(start, pcm)).turn


def _panel(title: str, turn: dict[str, Any]) -> Panel:
    texts = [Text.assemble((f"{name:6}", "bold"), str(turn[name])) for name in ("heard", "said")]
    return Panel(Group(Text(turn["outcome"]), *texts, waterfall(turn)), title=title)


def _settings(recorded: Mapping[str, Any], known: BaseModel) -> dict[str, Any]:
    """Dotted paths as sections; what this Solo does not know any more is left out."""
    found: dict[str, Any] = {}
    for path, value in recorded.items():
        owner: Any = known
        *sections, name = path.split(".")
        for section in sections:
            owner = getattr(owner, section, None)
        if isinstance(owner, BaseModel) and name in type(owner).model_fields and path not in _OF_THE_MACHINE:
            place = found
            for section in sections:
                place = place.setdefault(section, {})
            place[name] = value
    return found


_OF_THE_MACHINE = frozenset({"audio.input", "audio.microphone", "audio.loudspeaker"})
"""Settings of devices that need not be here."""


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(one)
    for name, value in other.items():
        before = merged.get(name)
        merged[name] = _merged(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return merged
