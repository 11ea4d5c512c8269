"""What the documents name exists: commands, options, targets, routes, settings, files, links; the example runs."""

from __future__ import annotations

import asyncio
import importlib
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from scripts.routes_page import rows_of_all
from services.api.http import STATUS
from services.app import settings_type
from solo.bus import Bus
from solo.cli.app import app
from solo.cli.exits import Exit
from solo.errors import known_errors
from solo.settings import MachineSettings, known_variables
from solo.storage import Database
from solo.supervision import Supervisor

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(path for folder in ("docs", "deploy", "models", "services") for path in (ROOT / folder).rglob("*.md")),
    ]
)
FOR_TESTS = {"TEST_SPEECH_DIR", "TEST_TURN_MODEL", "TEST_PORCUPINE_DIR", "TEST_FAULT_ROUNDS"}
"""Variables that tests read; no settings."""
OTHER_PROGRAMS = {"curl", "systemctl", "journalctl", "cp", "useradd", "pre-commit", "python"} | {
    "apt-get",
    "echo",
    "env",
    "tee",
}
PATHS = re.compile(r"`((?:solo|services|dashboard|deploy|scripts|models|tests|docs)/[\w./-]*)`")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks(path: Path, language: str) -> Iterator[str]:
    for found in FENCE.finditer(text_of(path)):
        if found[1] == language:
            yield found[2]


def prose_of(path: Path) -> str:
    """The text without fenced blocks."""
    return FENCE.sub("", text_of(path))


def commands() -> list[tuple[str, str]]:
    """(document, command) of every line `$ ...` in a console block."""
    return [
        (name_of(path), line.removeprefix("$ "))
        for path in DOCUMENTS
        for block in blocks(path, "console")
        for line in block.splitlines()
        if line.startswith("$ ")
    ]


def parse_solo(arguments: list[str]) -> None:
    """Raises when `solo` would refuse these arguments; runs nothing."""
    group: Any = typer.main.get_command(app)
    with group.make_context("solo", list(arguments)) as context:
        name, command, rest = group.resolve_command(context, list(arguments))
        with command.make_context(name, list(rest), parent=context):
            pass


def split(command: str) -> tuple[list[str], list[str]]:
    """(variables set in front, the words of the command), without `sudo` and its user."""
    words = shlex.split(re.sub(r"\$\([^)]*\)", "VALUE", command))
    if words[0] == "sudo":
        words = words[3:] if words[1] == "-u" else words[1:]
    variables = []
    while words and (found := re.match(r"([A-Z_]+)=", words[0])):
        variables.append(found[1])
        words = words[1:]
    return variables, words


def check_make(words: list[str]) -> None:
    targets = set(TARGET.findall(text_of(ROOT / "Makefile")))
    folder = words[1:3] if words[1:2] == ["-C"] else []
    asked = [word for word in words[1 + len(folder) :] if "=" not in word]
    assert asked and set(asked) <= targets, f"the Makefile has {sorted(targets)}"


def routes() -> set[str]:
    return {row.path.replace(":path}", "}") for row in rows_of_all()}


def check_curl(words: list[str]) -> None:
    address = words[-1]
    found = re.fullmatch(r"http://127\.0\.0\.1:8700(/[\w/]*)", address)
    assert found, f"{address} is not the daemon's default address"
    assert found[1] in routes(), f"there is no route {found[1]}"


@pytest.mark.parametrize(("document", "command"), commands())
def test_every_command_shown_is_known(document: str, command: str) -> None:
    variables, words = split(command)
    assert {name for name in variables if name.startswith("SOLO_")} <= set(known_variables(settings_type()))
    if not words:
        return
    program = words[0].rpartition("/")[2]
    if program == "solo":
        parse_solo(words[1:])
    elif program == "make":
        check_make(words)
    else:
        assert program in OTHER_PROGRAMS, f"{document}: nobody knows {program}"
        if program == "curl":
            check_curl(words)
        for word in words:
            if word.startswith("tests/"):
                assert (ROOT / word).exists(), f"{document}: there is no {word}"


@pytest.mark.parametrize("arguments", [["sing"], ["ask", "--loud"], ["run", "--port", "many"], ["stop", "now"]])
def test_a_command_that_does_not_exist_would_be_seen(arguments: list[str]) -> None:
    with pytest.raises(Exception, match=r"(?i)no such|valid integer|unexpected"):
        parse_solo(arguments)


def test_the_readme_shows_the_two_commands() -> None:
    shown = [command for document, command in commands() if document == "README.md"]
    assert shown[:2] == ["make run", '.venv/bin/solo ask "What is the capital of France?"']


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_inline_commands_are_known(path: Path) -> None:
    """`solo status --json` and `make bench` in running text."""
    names = "run|status|ask|chat|cache|models|keys|users|audit|stop|doctor|dashboard"
    for found in re.finditer(rf"`(?:\.venv/bin/)?solo ((?:{names})(?: [^`…]*)?)`", prose_of(path)):
        parse_solo(shlex.split(found[1]))
    for found in re.finditer(r"`make ([^`]*)`", prose_of(path)):
        check_make(["make", *shlex.split(found[1].partition("&&")[0])])


def anchors(path: Path) -> set[str]:
    """The addresses of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text_of(path)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_link_leads_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose_of(path)):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), f"{name_of(path)} links to {link}"
        assert ROOT in file.parents, f"{name_of(path)} links out of the repository: {link}"
        if anchor:
            assert anchor in anchors(file), f"{name_of(path)} links to {link}; there are {sorted(anchors(file))}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_file_named_exists(path: Path) -> None:
    named = [name for name in PATHS.findall(prose_of(path)) if "/clock" not in name]  # the example of CONTRIBUTING.md
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_setting_named_exists() -> None:
    known = set(known_variables(settings_type())) | FOR_TESTS
    places = [*DOCUMENTS, ROOT / "deploy" / "solo.service", *(ROOT / "scripts").glob("*.ps1")]
    named = {name for place in places for name in re.findall(r"\bSOLO_[A-Z][A-Z0-9_]*\b", text_of(place))}
    assert len(named) > 15
    assert named - known == set()


def test_every_route_and_error_status_is_documented() -> None:
    table, written, errors = (text_of(ROOT / "docs" / name) for name in ("routes.md", "api.md", "errors.md"))
    assert [path for path in routes() if path not in table or path not in written] == []
    raised = known_errors()
    assert [
        code for code, status in STATUS.items() if code in raised and f"| `{code}` | {status} |" not in errors
    ] == []


def test_every_exit_code_is_documented() -> None:
    for document in ("README.md", "docs/operations.md"):
        listed = {int(code) for code in re.findall(r"^\| (\d+) \|", text_of(ROOT / document), re.MULTILINE)}
        assert {int(code) for code in Exit} <= listed, document


def test_every_decision_is_listed_and_has_its_parts() -> None:
    folder = ROOT / "docs" / "adr"
    records = sorted(folder.glob("0*.md"))
    index = text_of(folder / "README.md")
    assert [record.name[:4] for record in records] == [f"{number:04}" for number in range(1, len(records) + 1)]
    for record in records:
        assert re.findall(r"^## (.*)$", text_of(record), re.MULTILINE) == ["Context", "Decision", "Consequences"]
        assert record.name in index


def test_windows_scripts_agree_with_the_makefile() -> None:
    wanted = re.search(r"^UV_VERSION := (\S+)$", text_of(ROOT / "Makefile"), re.MULTILINE)
    assert wanted is not None
    assert f"$UvVersion = '{wanted[1]}'" in text_of(ROOT / "scripts" / "setup_dev.ps1")
    for script in (ROOT / "scripts").glob("*.ps1"):
        # Windows PowerShell reads a file without a byte-order mark in the system's old code page.
        assert text_of(script).isascii(), script.name


async def test_the_example_service_runs(bare_settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import services
    import services.messages

    tmp_path = bare_settings / "example"
    files = {}
    for block in blocks(ROOT / "CONTRIBUTING.md", "python"):
        first, _, code = block.partition("\n")
        files[first.removeprefix("# ")] = code
    assert set(files) >= {"services/messages/clock.py", "services/clock/service.py", "services/clock/spec.py"}
    for name, code in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(code, encoding="utf-8")
    monkeypatch.setattr(services, "__path__", [*services.__path__, str(tmp_path / "services")])
    monkeypatch.setattr(
        services.messages, "__path__", [*services.messages.__path__, str(tmp_path / "services/messages")]
    )
    before = set(sys.modules)
    try:
        part = importlib.import_module("services.clock.spec").PART
        question = importlib.import_module("services.messages.clock").TellTime
    finally:
        for name in set(sys.modules) - before:
            if ".clock" in name:
                del sys.modules[name]

    bus, ready, stop = Bus(), asyncio.Event(), asyncio.Event()
    specs = part.specs(part.settings(zone="Europe/London"), MachineSettings(), Database())
    supervisor = Supervisor(specs, bus, on_change=lambda: ready.set() if supervisor.all_settled else None)
    running = asyncio.create_task(supervisor.run(stop, asyncio.Event()))
    await ready.wait()
    assert re.fullmatch(r"\d\d:\d\d", await bus.request(question(), within=5))
    stop.set()
    await running
