"""Makes the recordings of this folder anew, with the real ears and conversation and played engines."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tests.recordings.plays import PLAYS
from tests.stubs.black_box import recording

FOLDER = Path(__file__).parent


def main() -> None:
    for name, play in PLAYS.items():
        with tempfile.TemporaryDirectory() as folder:
            files = recording(Path(folder), play)
            shutil.copyfile(files[-1], FOLDER / f"{name}.turn.zip")
            print(f"{name}: {(FOLDER / f'{name}.turn.zip').stat().st_size} bytes")


if __name__ == "__main__":
    main()
