"""`solo turns`: the last turns, and their recordings."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.text import Text

from solo.cli.client import Client
from solo.cli.exits import Exit
from solo.cli.keys import plain_table, short
from solo.cli.memory import NothingNamed
from solo.cli.show import out, waterfall
from solo.errors import SoloError
from solo.settings import MachineSettings, load

_OUTCOMES = {"answered": "green", "failed": "red", "cancelled": "yellow"}
_LEAST = 12
"""Characters of a question, however narrow the terminal."""


class FileThere(SoloError):
    """There is a file of this name already."""

    code = "cli.bad_target"


def listed(limit: int, *, as_json: bool) -> Exit:
    client = _client()
    recent = client.get(f"/api/turns?limit={limit}")["turns"]
    kept = {turn["turn_id"]: turn for turn in client.get("/api/turns/kept")["turns"]}
    rows = {turn["turn_id"]: _row(turn, kept.get(turn["turn_id"])) for turn in recent}
    rows |= {id_: _row(None, turn) for id_, turn in kept.items() if id_ not in rows}
    newest = sorted(rows.values(), key=lambda row: str(row["at"]), reverse=True)[:limit]
    if as_json:
        out.print_json(json.dumps({"turns": newest}))
        return Exit.OK
    if not newest:
        out.print("There are no turns yet.")
        return Exit.OK
    columns = ("turn", "at (UTC)", "source", "outcome", "to voice", "kept", "heard")
    cells = [
        (
            str(row["turn_id"]),
            str(row["at"])[5:19].replace("T", " "),
            short(str(row["source"])).plain,
            str(row["outcome"]) + (" !" if row["violations"] else ""),
            "" if row["voice_to_voice_ms"] is None else f"{row['voice_to_voice_ms']:.0f} ms",
            "" if row["size"] is None else f"{row['size'] / 1e3:.0f} kB",
        )
        for row in newest
    ]
    widths = [max(map(len, column)) for column in zip(columns[:-1], *cells, strict=True)]
    table = plain_table(*columns)
    for column, width in zip(table.columns, widths, strict=False):
        column.min_width = width
    for row, line in zip(newest, cells, strict=True):
        heard = Text(str(row["heard"]))
        heard.truncate(max(_LEAST, out.width - sum(widths) - 2 * len(widths)), overflow="ellipsis")
        styled = Text(line[3], style=_OUTCOMES.get(str(row["outcome"]), "dim"))
        table.add_row(*line[:3], styled, *line[4:], heard)
    out.print(table)
    return Exit.OK


def show(turn: str, *, colour: bool, as_json: bool) -> Exit:
    client = _client()
    manifest: dict[str, Any] | None
    try:
        manifest = client.get(f"/api/turns/{quote(turn, safe='')}/kept")
        summary = manifest["summary"]
    except SoloError as error:
        if error.code not in {"api.no_turn", "bus.no_handler"}:
            raise
        manifest, summary = None, client.get(f"/api/turns/{quote(turn, safe='')}")
    if as_json:
        out.print_json(json.dumps({"turn": summary, "recording": manifest}))
        return Exit.OK
    drawn = Console(highlight=False, force_terminal=True, width=out.width) if colour else out
    draw(drawn, summary, manifest)
    return Exit.OK


def draw(console: Console, summary: dict[str, Any], manifest: dict[str, Any] | None) -> None:
    """What was heard and said, the stages, what was decided."""
    style = _OUTCOMES.get(summary["outcome"], "dim")
    console.print(Text.assemble(("turn   ", "bold"), summary["turn_id"], "  ", (summary["outcome"], style)))
    for name in ("heard", "said"):
        if summary[name]:
            console.print(Text.assemble((f"{name:7}", "bold"), summary[name]))
    if summary["error"] is not None:
        console.print(Text(f"{summary['error']['message']} [{summary['error']['code']}]", style="red"))
    engines = ", ".join(f"{part} {name}" for part, name in summary["engines"].items() if name)
    if engines:
        console.print(Text(engines, style="dim"))
    console.print(waterfall(summary))
    if manifest is None:
        console.print(Text("There is no recording of it.", style="dim"))
        return
    table = plain_table("at", "decided", "")
    for decision in manifest["decisions"]:
        about = ", ".join(f"{key}={value}" for key, value in decision.items() if key not in {"t", "kind"})
        broken = decision["kind"] == "InvariantViolated"
        table.add_row(f"{decision['t']:8.3f} s", Text(decision["kind"], style="red" if broken else ""), Text(about))
    table.columns[2].no_wrap = False
    console.print(table)
    if manifest["missing"]:
        console.print(Text(f"It cannot be played again: {manifest['missing']}.", style="yellow"))


def export(turn: str, file: Path, *, force: bool, as_json: bool) -> Exit:
    if file.exists() and not force:
        raise FileThere(f"{file} is there already", hint="Name another, or say --force.")
    content = _client().download(f"/api/turns/{quote(turn, safe='')}/bundle")
    try:
        # A voice is in it: for its owner alone.
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
            opened.write(content)
    except OSError as error:
        raise FileThere(f"cannot write {file}: {error.strerror or error}") from error
    if as_json:
        out.print_json(json.dumps({"turn_id": turn, "file": str(file), "size": len(content)}))
    else:
        out.print(
            Text(f"{file} has the turn {turn}, with the voice that was heard in it ({len(content) / 1e3:.0f} kB)")
        )
    return Exit.OK


def forget(turn: str | None, *, everything: bool, as_json: bool) -> Exit:
    if (turn is None) != everything:
        raise NothingNamed("name one turn, or say --all")
    path = "/api/turns/kept" if turn is None else f"/api/turns/{quote(turn, safe='')}/kept"
    done = _client().delete(path)
    if as_json:
        out.print_json(json.dumps(done))
    else:
        out.print(f"{done['forgotten']} recordings are gone")
    return Exit.OK


def _row(recent: dict[str, Any] | None, kept: dict[str, Any] | None) -> dict[str, Any]:
    known = recent or kept or {}
    latency = (recent or {}).get("latency_ms", {}).get("voice_to_voice")
    return {
        **{name: known[name] for name in ("turn_id", "at", "source", "outcome", "heard")},
        "voice_to_voice_ms": latency if kept is None else kept["voice_to_voice_ms"],
        "size": None if kept is None else kept["size"],
        "violations": [] if kept is None else kept["violations"],
    }


def _client() -> Client:
    return Client(load(MachineSettings, strict=False))
