"""What others rely on is explained: messages and their fields, settings, error codes, commands."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re

import pytest
from pydantic import BaseModel

import services.messages
from scripts import env_example, errors_page
from services.app import parts
from solo.cli.app import app
from solo.settings import MachineSettings
from tests.architecture.tree import ROOT


def _models(module: object) -> list[type[BaseModel]]:
    return [
        kind
        for name, kind in vars(module).items()
        if inspect.isclass(kind)
        and issubclass(kind, BaseModel)
        and kind.__module__ == module.__name__  # type: ignore[attr-defined]
        and not name.startswith("_")
        and "[" not in name
    ]


MESSAGES: list[type[BaseModel]] = [
    kind
    for module in pkgutil.iter_modules(services.messages.__path__, "services.messages.")
    for kind in _models(importlib.import_module(module.name))
]
SETTINGS = [MachineSettings, *(part.settings for part in parts() if part.settings is not None)]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = sorted(command.name or command.callback.__name__ for command in app.registered_commands if command.callback)


def test_there_are_messages() -> None:
    assert len(MESSAGES) > 30


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_every_message_says_what_it_is(kind: type[BaseModel]) -> None:
    assert "__doc__" in vars(kind), f"{kind.__name__} has no docstring"
    doc = vars(kind)["__doc__"]
    assert doc, f"{kind.__name__} has no docstring"
    assert doc.strip().splitlines()[0].rstrip()[-1] in ".?!:"


@pytest.mark.parametrize("kind", [*MESSAGES, *SETTINGS], ids=lambda kind: kind.__name__)
def test_every_field_says_what_it_holds(kind: type[BaseModel]) -> None:
    own = set(inspect.get_annotations(kind)) & set(kind.model_fields)
    assert own - set(env_example.field_docs(kind)) == set(), f"fields of {kind.__name__} without a docstring"


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_every_message_is_frozen(kind: type[BaseModel]) -> None:
    """It is handed to many, and none may change it under another."""
    assert kind.model_config.get("frozen") is True


def test_the_page_of_errors_is_what_the_code_says() -> None:
    assert errors_page.FILE.read_text(encoding="utf-8") == errors_page.page(), "run `make docs`"


@pytest.mark.parametrize("code", sorted(errors_page.errors()))
def test_every_error_is_on_it(code: str) -> None:
    assert f"`{code}`" in errors_page.FILE.read_text(encoding="utf-8")


def test_no_error_is_on_it_that_does_not_exist() -> None:
    listed = re.findall(r"^\| `([^`]+)`", errors_page.FILE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(errors_page.errors())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_documents(command: str) -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert re.search(rf"\bsolo {command}\b", text), f"`solo {command}` is nowhere explained"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    callback = next(
        entry.callback
        for entry in app.registered_commands
        if (entry.name or entry.callback.__name__) == command  # type: ignore[union-attr]
    )
    assert callback is not None
    assert inspect.getdoc(callback)
