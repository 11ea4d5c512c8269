"""`solo users`: add, list and change users; passwords never stand on a command line."""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import quote

import typer
from rich.text import Text

from solo.cli.client import Client
from solo.cli.exits import Exit
from solo.cli.keys import plain_table, short
from solo.cli.show import out
from solo.errors import SoloError
from solo.settings import MachineSettings, load


class BadPassword(SoloError):
    """No password was given."""

    code = "cli.bad_password"


def add(name: str, role: str, *, keys_only: bool, as_json: bool) -> Exit:
    body: dict[str, Any] = {"name": name, "role": role}
    if not keys_only:
        body["password"] = _password(name)
    return _shown(_client().post("/api/users", body), as_json=as_json)


def change(name: str, what: dict[str, Any], *, as_json: bool) -> Exit:
    return _shown(_client().patch(f"/api/users/{quote(name, safe='')}", what), as_json=as_json)


def passwd(name: str, *, as_json: bool) -> Exit:
    return change(name, {"password": _password(name)}, as_json=as_json)


def listed(*, as_json: bool) -> Exit:
    found = _client().get("/api/users")
    if as_json:
        out.print_json(json.dumps(found))
        return Exit.OK
    if not found["users"]:
        out.print("There are no users. Add one with `solo users add`; the owner's key works without any.")
        return Exit.OK
    table = plain_table("name", "role", "profile", "last log-in", "")
    for user in found["users"]:
        table.add_row(
            short(user["name"]),
            user["role"],
            short(user["profile"]),
            (user["last_login_at"] or "never")[:16].replace("T", " "),
            Text("disabled" if user["disabled"] else "", style="red"),
        )
    out.print(table)
    return Exit.OK


def _password(name: str) -> str:
    """Asked for twice on a terminal, unseen; out of a pipe the first line. Raises BadPassword."""
    if sys.stdin.isatty():
        given = str(typer.prompt(f"Password for {name}", hide_input=True, confirmation_prompt=True, err=True))
    else:
        given = sys.stdin.readline().rstrip("\r\n")
    if not given:
        raise BadPassword(hint="Type it when asked, or write it into the command's standard input.")
    return given


def _shown(user: dict[str, Any], *, as_json: bool) -> Exit:
    if as_json:
        out.print_json(json.dumps(user))
    else:
        disabled = ", disabled" if user["disabled"] else ""
        said = f"{user['name']}: {user['role']}{disabled}, works with the data of {user['profile']}"
        out.print(Text(said), soft_wrap=True)
    return Exit.OK


def _client() -> Client:
    return Client(load(MachineSettings, strict=False))
