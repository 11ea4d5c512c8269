"""docs/realtime.md says what the Realtime door understands and says: held against the code and OpenAI's own types."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any, get_args

from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent

from services.api.realtime.asked import CLIENT_EVENTS
from services.api.realtime.old import _EVENTS

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| `([a-z_.]+)` \| (yes|no|old) \|", re.MULTILINE)


def names(union: Any) -> set[str]:
    """Of the events of OpenAI's types."""
    kinds = get_args(get_args(union)[0])
    return {get_args(kind.model_fields["type"].annotation)[0] for kind in kinds}


def page() -> dict[str, dict[str, str]]:
    """What the page says of each event, by section."""
    text = (ROOT / "docs" / "realtime.md").read_text(encoding="utf-8")
    client, _, server = text.partition("What Solo sends:")
    return {"client": dict(ROW.findall(client)), "server": dict(ROW.findall(server))}


def said() -> set[str]:
    """All words in the code that are names of events, also those put together of two."""
    found: set[str] = set()
    for path in (ROOT / "services" / "api" / "realtime").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    kind = "conversation.item.input_audio_transcription"
    return found | {f"{kind}{end}" for end in found if end in {".delta", ".completed"} and kind in found}


def test_every_event_of_openais_is_on_the_page() -> None:
    assert set(page()["client"]) == names(RealtimeClientEvent)
    assert set(page()["server"]) == names(RealtimeServerEvent)


def test_what_it_says_of_clients_is_so() -> None:
    assert {name for name, state in page()["client"].items() if state == "yes"} == set(CLIENT_EVENTS)


def test_what_it_says_of_solo_is_so() -> None:
    known, rows = said(), page()["server"]
    assert {name for name in rows if name in known and name not in _EVENTS.values()} == {
        name for name, state in rows.items() if state == "yes" or name == "conversation.created"
    }
    assert {name for name, state in rows.items() if state == "old"} == {
        "conversation.created", *(name for name in _EVENTS.values() if name in rows)
    }  # fmt: skip
