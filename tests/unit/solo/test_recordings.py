"""Recordings of earlier versions go the same way today."""

from __future__ import annotations

from pathlib import Path

import pytest

from solo import replay
from solo.cli.app import APP
from solo.cli.replay import run_again

FILES = sorted((Path(__file__).parents[2] / "recordings").glob("*.turn.zip"))


def test_there_are_some() -> None:
    assert len(FILES) >= 2


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_it_goes_the_same_way(file: Path) -> None:
    """One that should go another way now is made anew by `python -m tests.recordings`."""
    assert run_again(APP, replay.read(file)).differences == []
