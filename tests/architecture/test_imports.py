"""The directions of imports: they hold, and every contract notices the sin that it is there for."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, copy_to

LINT = Path(sys.executable).with_name("lint-imports")
CONTRACTS: list[dict[str, str]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "importlinter"
]["contracts"]
NAMES = {contract["id"]: contract["name"] for contract in CONTRACTS}

# Contract, file, the line that sins against it.
SINS = [
    ("machine-layers", "solo/bus/bus.py", "import solo.supervision.child"),
    ("machine-layers", "solo/errors.py", "import solo.logs"),
    ("machine-layers", "solo/supervision/child.py", "def _f():\n    import solo.isolation.process"),
    ("machine-layers", "solo/helpers.py", '"""A module without a place."""'),
    ("machine-alone", "solo/run.py", "import services.messages.audio"),
    ("machine-alone", "solo/cli/status.py", "def _f():\n    import dashboard.units"),
    ("parts-layers", "services/messages/audio.py", "import services.audio.endpointing"),
    ("parts-layers", "services/llm/service.py", "def _f():\n    import services.app"),
    ("parts-independent", "services/llm/service.py", "import services.tts.engine"),
    ("parts-independent", "services/api/http.py", "def _f():\n    import services.conversation.talks"),
    ("root-protected", "services/api/spec.py", "import services.app"),
    ("root-protected", "dashboard/units.py", "def _f():\n    import services.app"),
    ("adapters-protected", "services/llm/service.py", "import services.llm.adapters.fake"),
    ("adapters-protected", "services/app.py", "def _f():\n    import services.wake.adapters.fake"),
    ("messages-plain", "services/messages/audio.py", "import solo.supervision"),
    ("messages-plain", "services/messages/speech.py", "import numpy"),
    ("dashboard-apart", "dashboard/units.py", "import solo.errors"),
    ("dashboard-apart", "dashboard/client.py", "def _f():\n    import services.messages.audio"),
    ("no-native-engine", "services/llm/service.py", "def _f():\n    import llama_cpp"),
    ("no-native-engine", "solo/isolation/process.py", "import onnxruntime"),
    ("no-native-engine", "services/api/guard.py", "def _f():\n    import torch"),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_to(tmp_path_factory.mktemp("tree"))


@contextmanager
def sinning(path: Path, line: str) -> Iterator[None]:
    before = path.read_bytes() if path.exists() else None
    path.write_bytes((before or b"") + b"\n" + line.encode() + b"\n")
    try:
        yield
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_bytes(before)


def verdicts(folder: Path) -> dict[str, str]:
    """KEPT or BROKEN, by the contract's name."""
    done = subprocess.run(
        [LINT, "--no-logo", "--no-cache"], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    found = dict(re.findall(r"^(.+) (KEPT|BROKEN)\b.*$", done.stdout, re.MULTILINE))
    assert found, done.stdout + done.stderr
    assert (done.returncode == 0) == (set(found.values()) == {"KEPT"})
    return found


def test_every_contract_is_kept() -> None:
    assert verdicts(ROOT) == dict.fromkeys(NAMES.values(), "KEPT")


def test_every_contract_is_tried() -> None:
    assert {contract for contract, _, _ in SINS} == set(NAMES)


@pytest.mark.parametrize(("contract", "file", "line"), SINS, ids=[f"{sin[0]}-{Path(sin[1]).stem}" for sin in SINS])
def test_a_sin_breaks_its_contract(tree: Path, contract: str, file: str, line: str) -> None:
    with sinning(tree / file, line):
        assert verdicts(tree)[NAMES[contract]] == "BROKEN"
