"""`solo keys`: make, list and revoke API keys."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from rich.table import Table
from rich.text import Text

from solo.cli.client import Client
from solo.cli.exits import Exit
from solo.cli.show import err, out
from solo.errors import SoloError
from solo.settings import MachineSettings, load

_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdwy])", re.IGNORECASE)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604_800, "y": 31_536_000}
_LONG = 14
"""Characters of a name or user that a table of 80 columns has room for."""


class BadDuration(SoloError):
    """This is no length of time."""

    code = "cli.bad_duration"


def create(name: str, role: str, scopes: list[str], user: str, expires: str, *, as_json: bool) -> Exit:
    body: dict[str, Any] = {"name": name, "role": role, "scopes": scopes, "user": user}
    if expires:
        body["expires_in_s"] = duration(expires)
    made = _client().post("/api/keys", body)
    if as_json:
        out.print_json(json.dumps(made))
        return Exit.OK
    out.print(Text(made["secret"]), soft_wrap=True)
    key = made["key"]
    until = f"until {key['expires_at'][:10]}" if key["expires_at"] else "for ever"
    err.print(Text(f"{key['name']} is a key of the role {key['role']}, {until}. It is not shown again.", style="dim"))
    return Exit.OK


def listed(*, as_json: bool) -> Exit:
    found = _client().get("/api/keys")
    if as_json:
        out.print_json(json.dumps(found))
        return Exit.OK
    if not found["keys"]:
        out.print("There are no keys. Make one with `solo keys create`.")
        return Exit.OK
    out.print(_table(found["keys"]))
    return Exit.OK


def revoke(key: str, *, as_json: bool) -> Exit:
    done = _client().delete(f"/api/keys/{quote(key, safe='')}")
    if as_json:
        out.print_json(json.dumps(done))
    else:
        out.print(Text(f"{done['name']} ({done['prefix']}) is worth nothing any more"))
    return Exit.OK


def duration(text: str) -> float:
    """Seconds. Raises BadDuration."""
    found = _TIME.fullmatch(text.strip())
    seconds = float(found[1]) * _UNITS[found[2].lower()] if found else 0.0
    if seconds <= 0:
        raise BadDuration(f"{text} is no length of time", hint="Write 90d, 12h or 2w.")
    return seconds


def short(text: str) -> Text:
    """Cut, so that the columns behind it stay where they are."""
    return Text(text if len(text) <= _LONG else text[: _LONG - 1] + "…")


def plain_table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def _table(keys: list[dict[str, Any]]) -> Table:
    table = plain_table("name", "begins with", "role", "scopes", "used", "until", "")
    now = datetime.now(UTC)
    for key in keys:
        expires = key["expires_at"]
        over = expires is not None and datetime.fromisoformat(expires) <= now
        state = "revoked" if key["revoked"] else "expired" if over else ""
        table.add_row(
            short(key["name"]),
            key["prefix"],
            key["role"],
            f"{len(key['scopes']):6}",
            (key["last_used_at"] or "never")[:10],
            (expires or "for ever")[:10],
            Text(state, style="dim"),
        )
    return table


def _client() -> Client:
    return Client(load(MachineSettings, strict=False))
