"""`solo models`: list, check, choose and use language models."""

from __future__ import annotations

import importlib
import json
import re
import sys
import time
from contextlib import nullcontext
from typing import Any
from urllib.parse import quote

import typer
from rich.progress import Progress
from rich.text import Text

from solo.cli.client import Client, NoDaemon
from solo.cli.exits import Exit
from solo.cli.memory import NotConfirmed
from solo.cli.models_show import info_lines, models_table, pool_line
from solo.cli.show import err, out
from solo.errors import SoloError
from solo.settings import MachineSettings, load

OFFLINE = "services.models.offline:listed"
"""What reads the headers where no daemon answers."""
_LIST_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.2
_CHECK_WITHIN_S = 3600.0
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_PURPOSES = ("chat", "code", "embedding", "any")
_ROLES = ("dialog", "logic", "fast", "vision")


class BadSize(SoloError):
    """This is no amount of memory."""

    code = "cli.bad_size"


class BadChoice(SoloError):
    """There is no such choice."""

    code = "cli.bad_choice"


class ModelsClient(Client):
    """The daemon's door, with what the commands for models need of it beside."""

    def put(self, path: str, body: dict[str, Any], *, within: float = 10.0) -> dict[str, Any]:
        return self._ask("PUT", path, body, within=within)


def client() -> ModelsClient:
    return ModelsClient(load(MachineSettings, strict=False))


def listed(*, standalone: bool, as_json: bool) -> Exit:
    found, alone = _all(standalone)
    if as_json:
        return print_json({"models": found, "standalone": alone})
    if not found:
        return say("There are no models. Fetch one with `solo models pull`.")
    out.print(models_table(found))
    if alone:
        err.print(Text("No daemon was asked: this is what the files' headers say.", style="dim"))
    return Exit.OK


def info(name: str, *, standalone: bool, as_json: bool) -> Exit:
    if standalone:
        found = _offline_one(name)
    else:
        try:
            found = client().get(f"/api/models/{_quoted(name)}", within=_LIST_WITHIN_S)
        except NoDaemon:
            found, standalone = _offline_one(name), True
    if as_json:
        return print_json({**found, "standalone": standalone})
    info_lines(found)
    if standalone:
        err.print(Text("No daemon was asked: this is what the file's header says.", style="dim"))
    return Exit.FAILED if found["verdict"] == "refused" else Exit.OK


def verify(name: str, *, as_json: bool) -> Exit:
    asking = client()
    with err.status(Text(f"checking {name}")) if err.is_terminal else nullcontext():
        found = asking.post(f"/api/models/{_quoted(name)}/verify", within=_CHECK_WITHIN_S)
    return verdict(found, as_json=as_json)


def verdict(found: dict[str, Any], *, as_json: bool) -> Exit:
    """The end of everything that checks a model."""
    refused = found["verdict"] == "refused"
    if as_json:
        print_json(found)
    elif refused:
        err.print(Text.assemble((f"{found['name']} is refused: ", "red"), found["reason"]), soft_wrap=True)
    else:
        say(f"{found['name']} is {found['verdict']}; SHA-256 {found['sha256'] or 'not known'}")
    return Exit.FAILED if refused else Exit.OK


def use(name: str, role: str, *, reset: bool, as_json: bool) -> Exit:
    if role not in _ROLES:
        raise BadChoice(f"there is no role {role}", hint=f"The roles are {', '.join(_ROLES)}.")
    if bool(name) == reset:
        raise BadChoice("name a model, or give --reset", hint="`solo models list` shows those there are.")
    bound = client().put(f"/api/llm/roles/{role}", {"model": name}, within=_LIST_WITHIN_S)
    return print_json(bound) if as_json else say(f"{role} is played by {bound.get('model') or 'nobody'} now")


def load_model(name: str, pin: bool | None, *, wait: bool, as_json: bool) -> Exit:
    """Its load is the daemon's job; this only looks on, so that Ctrl+C ends nothing but the looking."""
    asking = client()
    loaded = asking.post("/api/llm/models/load", {"name": name, "pin": pin}, within=_LIST_WITHIN_S)
    with Progress(console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(f"loading {loaded['name']}", total=1.0)
        while wait and loaded["state"] not in {"ready", "remote", "failed"}:
            time.sleep(_LOOK_EVERY_S)
            models = asking.get("/api/llm/health", within=_LIST_WITHIN_S)["models"]
            loaded = next((model for model in models if model["name"] == loaded["name"]), loaded)
            bar.update(task, completed=loaded["progress"] or 0.0)
    if as_json:
        print_json(loaded)
    else:
        say(pool_line(loaded))
    return Exit.FAILED if loaded["state"] == "failed" else Exit.OK


def unload(name: str, *, as_json: bool) -> Exit:
    loaded = client().post("/api/llm/models/unload", {"name": name}, within=_LIST_WITHIN_S)
    return print_json(loaded) if as_json else say(pool_line(loaded))


def rm(name: str, *, sure: bool, as_json: bool) -> Exit:
    asking = client()
    found = asking.get(f"/api/models/{_quoted(name)}", within=_LIST_WITHIN_S)
    if not sure:
        _confirm(f"Delete {found['path']}?")
    gone = asking.delete(f"/api/models/{_quoted(found['name'])}")
    return print_json(gone) if as_json else say(f"deleted {gone['path']}")


def choose(memory: str, context: int, purpose: str, family: str, *, as_json: bool) -> Exit:
    if purpose not in _PURPOSES:
        raise BadChoice(f"models are not chosen for {purpose}", hint=f"Choose one of {', '.join(_PURPOSES)}.")
    limit = size(memory) if memory else _free_memory()
    need = {"memory_bytes": limit, "context": context, "purpose": purpose, "family": family}
    found = client().post("/api/models/choose", need, within=_CHECK_WITHIN_S)["models"]
    if as_json:
        return print_json({"need": need, "models": found})
    if not found:
        return say(f"No model here serves that in {limit / 1e9:.1f} GB.")
    for place, model in enumerate(found, 1):
        out.print(Text.assemble(f"{place}. ", (model["name"], "bold")), soft_wrap=True)
        out.print(Text(f"   {model['note']}"), soft_wrap=True)
    return Exit.OK


def size(text: str) -> int:
    """Bytes of `4GB`, `900 MB` or `2GiB`; a bare number is GB. Raises `BadSize`."""
    told = _SIZE.fullmatch(text.strip())
    if told is None:
        raise BadSize(f"{text} is no amount of memory", hint="Write it as 4GB or 900MB.")
    step = 1024 if told[3] else 1000
    return max(1, int(float(told[1]) * step ** ("kmgt".index(told[2].lower() or "g") + 1)))


def print_json(data: Any) -> Exit:
    out.print_json(json.dumps(data))
    return Exit.OK


def say(text: str) -> Exit:
    out.print(Text(text), soft_wrap=True)
    return Exit.OK


def _all(standalone: bool) -> tuple[list[dict[str, Any]], bool]:
    """The models, and whether no daemon was asked."""
    if not standalone:
        try:
            return client().get("/api/models?refresh=true", within=_LIST_WITHIN_S)["models"], False
        except NoDaemon:
            pass
    return _offline(), True


def _offline() -> list[dict[str, Any]]:
    module, _, name = OFFLINE.partition(":")
    found: list[dict[str, Any]] = getattr(importlib.import_module(module), name)()
    return found


def _offline_one(name: str) -> dict[str, Any]:
    wanted = name.lower().removesuffix(".gguf")
    for model in _offline():
        if wanted == model["name"] or name == model["path"]:
            return model
    raise SoloError.from_wire(
        {"code": "models.unknown", "message": f"there is no model {name}", "hint": "`solo models list` shows them."}
    )


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _free_memory() -> int:
    import psutil

    return int(psutil.virtual_memory().available)


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise NotConfirmed(question.replace("?", " needs a yes"), hint="Give --yes.")
    if not typer.confirm(question):
        raise NotConfirmed("nothing was deleted")
