"""docs/voice-page.md has an example of every message of `/ws/voice`, and each is what the code takes or says."""

from __future__ import annotations

import json
import re
from typing import Any, get_args

import pytest

from services.api.pages.files import read
from services.api.voice import said, told
from tests.architecture.tree import ROOT

PAGE = (ROOT / "docs" / "voice-page.md").read_text(encoding="utf-8")
CLIENT, SOLO = PAGE.split("### What the client says")[1].split("### What Solo says")
SAID: list[dict[str, Any]] = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", CLIENT, re.DOTALL)]
TOLD: list[dict[str, Any]] = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", SOLO, re.DOTALL)]
FILES = read(ROOT / "services" / "api" / "pages" / "voice")


def name(example: dict[str, Any]) -> str:
    return str(example["type"])


def kind_of(model: Any) -> str:
    (kind,) = get_args(model.model_fields["type"].annotation)
    return str(kind)


@pytest.mark.parametrize("example", SAID, ids=name)
def test_what_the_client_says_is_taken(example: dict[str, Any]) -> None:
    text = json.dumps(example)
    if example["type"] == "start":
        assert said.start_of({"text": text}).mode == "conversation"
    else:
        assert said.later_of(text).type == example["type"]


@pytest.mark.parametrize("example", TOLD, ids=name)
def test_what_solo_says_is_said(example: dict[str, Any]) -> None:
    (model,) = [model for model in told.MESSAGES if kind_of(model) == example["type"]]
    again = model.model_validate(example).model_dump(mode="json")
    shown = (
        {**again, "turn": {key: again["turn"][key] for key in example["turn"]}} if name(example) == "turn" else again
    )
    assert shown == example, "the example leaves something out, or says something else"


def test_every_message_has_an_example() -> None:
    assert sorted(map(name, SAID)) == sorted(["start", *(kind_of(model) for model in get_args(said.Later))])
    assert sorted(map(name, TOLD)) == sorted(kind_of(model) for model in told.MESSAGES)


def test_the_page_knows_every_message() -> None:
    """What it does not show, it counts on not being told; `sound` and `ready` are the line's."""
    scripts = "".join(file.content.decode() for file in FILES.values() if file.media_type.startswith("text/javascript"))
    handled = set(re.findall(r"^  (\w+): \(", scripts, re.MULTILINE)) | set(re.findall(r'type === "(\w+)"', scripts))
    told_to = {kind_of(model) for model in told.MESSAGES} - {"barge_in"}
    assert told_to - handled == set()
    spoken = set(re.findall(r'say\(\{ type: "(\w+)"', scripts)) | set(re.findall(r'\{ type: "(start)"', scripts))
    assert spoken == {"start", *(kind_of(model) for model in get_args(said.Later))} - {"end"}


def test_nothing_is_fetched_from_elsewhere() -> None:
    for found, file in FILES.items():
        text = file.content.decode()
        addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.[a-z]{2,}", text)) - {"http://www.w3.org"}
        assert addresses == set(), found
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text), (
            found
        )
        assert " style=" not in text and not re.search(r"<script(?![^>]*\bsrc=)", text), found


@pytest.mark.parametrize("script", sorted(file for file in FILES if file.endswith((".js", ".css"))))
def test_no_file_is_too_long(script: str) -> None:
    assert FILES[script].content.decode().count("\n") <= 300
