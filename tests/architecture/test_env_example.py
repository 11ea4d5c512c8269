"""`.env.example` lists every setting as it is, and taking all its lines as they are changes nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts import env_example
from services.app import settings_type
from solo.settings import MachineSettings, known_variables, load

TEXT = env_example.FILE.read_text(encoding="utf-8")
LINES = TEXT.splitlines()
KNOWN = known_variables(settings_type())
OF_THE_MACHINE = {name for name, field in MachineSettings.model_fields.items() if field.default_factory is not None}
"""Settings of the machine without a fixed default."""
LISTED = re.compile(r"^# (SOLO_[A-Z0-9_]+)=(.*)$")


def test_is_what_the_settings_say() -> None:
    assert env_example.page() == TEXT, "run `make docs`"


def test_every_setting_is_listed_once() -> None:
    listed = [found[1] for line in LINES if (found := LISTED.match(line))]
    assert sorted(listed) == sorted(KNOWN)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_with_what_it_means(name: str) -> None:
    section, _, field = KNOWN[name].rpartition(".")
    kind = env_example.sections()[section] if section else MachineSettings
    at = next(number for number, line in enumerate(LINES) if line.startswith(f"# {name}="))
    meaning = env_example.field_docs(kind)[field].splitlines()[0]
    assert LINES[at - 1] == f"# {meaning}"
    assert meaning[-1] in ".)"


@pytest.mark.usefixtures("bare_settings")
def test_its_defaults_are_the_defaults() -> None:
    values = [found for line in LINES if (found := LISTED.match(line)) and found[2]]
    assert len(values) > 20
    defaults = load(settings_type())
    Path(".env").write_text("".join(f"{found[1]}={found[2]}\n" for found in values), encoding="utf-8")
    taken = load(settings_type())
    assert taken.model_dump() == defaults.model_dump()
    assert set(type(taken).model_fields) - OF_THE_MACHINE <= taken.model_fields_set


def test_what_is_left_empty_is_unset_or_depends_on_the_machine() -> None:
    defaults = settings_type().model_construct()
    for line in LINES:
        found = LISTED.match(line)
        if found is None or found[2] or KNOWN[found[1]] in OF_THE_MACHINE:
            continue
        section, _, field = KNOWN[found[1]].rpartition(".")
        assert getattr(getattr(defaults, section) if section else defaults, field) is None


def test_no_secret_has_a_default() -> None:
    for line in LINES:
        found = LISTED.match(line)
        if found and re.search(r"(KEYS?|TOKEN|SECRET|PASSWORD)$", found[1]):
            assert found[2] in {"", "{}"}
