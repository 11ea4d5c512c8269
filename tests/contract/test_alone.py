"""Tests whose native libraries clash with those of others here, in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("file", ["alone_moonshine.py", "test_stt_engines.py"])
def test_in_a_process_of_its_own(file: str) -> None:
    """Moonshine's child has Silero's ggml in it, pytest's process here llama.cpp's."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / file)]
    done = subprocess.run(
        command, cwd=HERE.parents[1], env=os.environ | {"TEST_ALONE": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:]
