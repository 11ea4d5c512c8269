"""`solo models pull` and `import`: files that take a while to come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.text import Text

from solo.cli.client import NoDaemon
from solo.cli.exits import Exit
from solo.cli.models import client, verdict
from solo.cli.show import err


def pull(source: str, sha256: str, name: str, *, as_json: bool) -> Exit:
    wanted = {"url": source, "sha256": sha256, "name": name}
    try:
        return _taken_in("/api/models/pull", wanted, as_json=as_json)
    except KeyboardInterrupt:
        err.print(Text("Stopped. The same command goes on with what has come."))
        raise


def bring(path: Path, name: str, *, as_json: bool) -> Exit:
    return _taken_in("/api/models/import", {"path": str(path.absolute()), "name": name}, as_json=as_json)


def _taken_in(path: str, body: dict[str, Any], *, as_json: bool) -> Exit:
    with _bar() as bar:
        for kind, data in client().events(path, body):
            if kind == "result":
                bar.stop()
                return verdict(data, as_json=as_json)
            bar.told(data)
    raise NoDaemon("the daemon stopped in the middle", hint="Start it, and give the same command: it goes on.")


class _Bar:
    """One line on a terminal, nothing in a pipe."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._task = progress.add_task("connecting", total=None) if progress is not None else None
        self._step = ""

    def told(self, step: dict[str, Any]) -> None:
        if self._progress is None or self._task is None:
            return
        if step["step"] != self._step:  # each has a speed of its own
            self._step = step["step"]
            self._progress.reset(self._task, description=self._step)
        self._progress.update(self._task, completed=step["done_bytes"], total=step["total_bytes"])

    def stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()


@contextmanager
def _bar() -> Iterator[_Bar]:
    if not err.is_terminal:
        yield _Bar(None)
        return
    columns = (
        TextColumn("{task.description:10}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        yield _Bar(progress)
