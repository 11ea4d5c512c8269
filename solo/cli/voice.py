"""`solo voice`: the voice page in a browser, already logged in."""

from __future__ import annotations

import html
import json
import webbrowser
from pathlib import Path

from rich.text import Text

from solo.cli.client import Client
from solo.cli.exits import Exit
from solo.cli.show import err, out
from solo.settings import MachineSettings, load
from solo.state_dir import replace_file

LEADS_THERE = "voice.html"
"""A file in the state directory that leads the browser to the page: an address on a browser's command line could be
read by every user of the machine, and the first to use it would be the owner."""


def voice(*, open_it: bool, as_json: bool) -> Exit:
    machine = load(MachineSettings, strict=False)
    client = Client(machine)
    made = client.post("/api/auth/ticket", {"page": True})
    address = f"http://{client.address}/voice#ticket={made['ticket']}"
    opened = open_it and _open(machine.state_dir, address)
    if as_json:
        said = {"address": address, "expires_in": made["expires_in"], "opened": opened}
        out.print_json(json.dumps(said))
        return Exit.OK
    out.print(Text(address), soft_wrap=True)
    hint = "Opened in your browser. " if opened else ""
    err.print(Text(f"{hint}The address works once, within {made['expires_in'] // 60} minutes.", style="dim"))
    return Exit.OK


def _open(state_dir: Path, address: str) -> bool:
    """False: there is no browser here, and the person opens the printed address."""
    file = state_dir / LEADS_THERE
    there = html.escape(address)
    replace_file(
        file,
        f'<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer"><title>Solo</title>'
        f'<meta http-equiv="refresh" content="0;url={there}"><p><a href="{there}">Solo</a></p>\n',
    )
    return webbrowser.open(file.resolve().as_uri())
