"""`solo memory`: search, list, remember and forget."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import typer
from rich.table import Table
from rich.text import Text

from solo.cli.client import Client
from solo.cli.exits import Exit
from solo.cli.show import out, place
from solo.errors import SoloError
from solo.settings import MachineSettings, load

_BAR = 10
_SEARCH_WITHIN_S = 30.0


class NothingNamed(SoloError):
    """It was not said what to forget."""

    code = "cli.nothing_named"


class NotConfirmed(SoloError):
    """Nobody has said yes."""

    code = "cli.not_confirmed"


@dataclass(frozen=True, slots=True)
class Forgettable:
    fact: str | None
    document: str | None
    collection: str | None
    all_facts: bool


def search(query: str, collection: str | None, top: int, *, as_json: bool) -> Exit:
    wanted = {"query": query, "collection": collection, "top": top}
    hits = _client().post("/api/memory/search", wanted, within=_SEARCH_WITHIN_S)["hits"]
    if as_json:
        return _print_json({"hits": hits})
    if not hits:
        out.print("Nothing was found.")
    for hit in hits:
        filled = round(max(0.0, min(1.0, hit["score"])) * _BAR)
        bar = ("█" * filled + "·" * (_BAR - filled), "green")
        where = (f"  {place(hit['source'])} ({hit['collection']})", "bold")
        out.print(Text.assemble(bar, f" {hit['score']:.2f}", where), soft_wrap=True)
        out.print(Text(" ".join(hit["text"].split()) + "\n"))
    return Exit.OK


def documents(collection: str | None, *, as_json: bool) -> Exit:
    where = {"collection": collection} if collection else {}
    path = f"/api/memory/documents?{urlencode({'limit': 10_000, **where})}"
    found = _client().get(path, within=_SEARCH_WITHIN_S)
    if as_json:
        return _print_json(found)
    rows = [
        (
            document["name"],
            document["collection"],
            document["media_type"],
            _size(document["bytes"]),
            "" if document["pages"] is None else str(document["pages"]),
            str(document["chunks"]),
            document["added_at"][:10],
        )
        for document in found["documents"]
    ]
    return _table(
        ("document", "collection", "type", ">size", ">pages", ">passages", "added"), rows, "No documents yet."
    )


def collections(*, as_json: bool) -> Exit:
    found = _client().get("/api/memory/collections")
    if as_json:
        return _print_json(found)
    rows = [(each["name"], str(each["documents"]), str(each["chunks"])) for each in found["collections"]]
    return _table(("collection", ">documents", ">passages"), rows, "No collections yet.")


def facts(*, as_json: bool) -> Exit:
    found = _client().get("/api/memory/facts?limit=1000")
    if as_json:
        return _print_json(found)
    rows = [(fact["id"], fact["text"], fact["subject"], fact["updated_at"][:10]) for fact in found["facts"]]
    return _table(("id", "fact", "about", "said"), rows, "Nothing is known about you yet.")


def remember(text: str, *, as_json: bool) -> Exit:
    fact = _client().post("/api/memory/facts", {"text": text})
    return _print_json(fact) if as_json else _say(f"remembered as {fact['id']}")


def edit(fact: str, text: str, *, as_json: bool) -> Exit:
    changed = _client().patch(f"/api/memory/facts/{quote(fact, safe='')}", {"text": text})
    return _print_json(changed) if as_json else _say(f"changed {changed['id']}")


def forget(what: Forgettable, *, sure: bool, as_json: bool) -> Exit:
    client = _client()
    path, loss = _forgotten_by(what)
    if loss and not sure:
        _confirm(f"Forget {loss}?")
    gone = client.delete(path)
    if as_json:
        return _print_json(gone)
    return _say(
        f"forgot {gone['facts']} facts"
        if path.startswith("/api/memory/facts")
        else f"forgot {gone['documents']} documents"
    )


def reindex(*, as_json: bool) -> Exit:
    state = _client().post("/api/memory/reindex")
    return (
        _print_json(state)
        if as_json
        else _say("everything is being embedded afresh; `solo memory status` shows how far")
    )


def status(*, as_json: bool) -> Exit:
    state = _client().get("/api/memory")
    if as_json:
        return _print_json(state)
    embedder = state["embedder"] or "none yet"
    _say(f"{state['facts']} facts, {state['documents']} documents in {state['store']}, embedder {embedder}")
    if state["note"]:
        out.print(Text(state["note"], style="yellow"))
    rows = [
        (index["embedder"], str(index["dimensions"]), index["state"], f"{index['done']} of {index['total']}")
        for index in state["indexes"]
    ]
    return _table(("index", ">dimensions", "state", ">passages"), rows, "")


def _forgotten_by(what: Forgettable) -> tuple[str, str]:
    """The path to delete, and what would be lost when that needs a yes."""
    named = [what.fact is not None, what.all_facts, what.document is not None or what.collection is not None]
    if sum(named) != 1:
        raise NothingNamed("name one thing to forget", hint="Give --fact, --document, --collection or --all-facts.")
    if what.fact is not None:
        return f"/api/memory/facts/{quote(what.fact, safe='')}", ""
    if what.all_facts:
        return "/api/memory/facts", "all facts about you"
    if what.document is not None:
        where = {"collection": what.collection} if what.collection is not None else {}
        return f"/api/memory/documents?{urlencode({'name': what.document, **where})}", ""
    assert what.collection is not None
    return f"/api/memory/collections/{quote(what.collection, safe='')}", f"everything in {what.collection}"


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise NotConfirmed(question.replace("?", " needs a yes"), hint="Give --yes.")
    if not typer.confirm(question):
        raise NotConfirmed("nothing was forgotten")


def _client() -> Client:
    return Client(load(MachineSettings, strict=False))


def _print_json(data: Any) -> Exit:
    out.print_json(json.dumps(data))
    return Exit.OK


def _say(text: str) -> Exit:
    out.print(Text(text), soft_wrap=True)
    return Exit.OK


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], nothing: str) -> Exit:
    """A column whose name begins with > is of numbers."""
    if not rows:
        return _say(nothing) if nothing else Exit.OK
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(
            column.removeprefix(">"),
            justify="right" if column.startswith(">") else "left",
            overflow="fold",
            no_wrap=column == "id",
        )
    for row in rows:
        table.add_row(*map(Text, row))
    out.print(table)
    return Exit.OK


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB" if count >= 1e3 else f"{count} B"
