"""`solo memory add`: many files, of which one may be broken and during which the daemon may be restarted."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from solo.cli.client import Client
from solo.cli.exits import Exit
from solo.cli.files import found_below
from solo.cli.show import err, out
from solo.errors import SoloError
from solo.settings import MachineSettings, load

VERDICTS = {"stored": "green", "replaced": "green", "known": "dim", "empty": "yellow", "failed": "red"}
_AT_ONCE = 4
"""Files under way: while one is being committed another is read, and the embedder has something to do."""
_MOST_BYTES = 32 * 1024 * 1024
_STEP_WITHIN_S = 340.0
_GONE_WITHIN_S = 60.0
"""How long a daemon that is being restarted is waited for, counted from its last answer."""
_PAUSE_S = 0.5
_PASSING = ("cli.no_daemon", "db.", "bus.", "api.stopping", "memory.no_index", "memory.store_unavailable",
            "memory.index_gone", "engine.not_started")  # fmt: skip
"""Codes after which the same file is sent again: sending it twice stores it once."""


class FileUnreadable(SoloError):
    """The file cannot be read."""

    code = "cli.unreadable"


class FileTooLarge(SoloError):
    """The file is larger than what the daemon takes."""

    code = "cli.file_too_large"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file."""

    path: str
    name: str
    verdict: str
    chunks: int = 0
    code: str | None = None
    reason: str | None = None


def add(paths: Sequence[Path], collection: str, *, as_json: bool) -> Exit:
    begin = time.monotonic()
    batch = Batch(collection)
    files = named(paths)
    with _progress(len(files)) as step, ThreadPoolExecutor(_AT_ONCE) as pool:
        work = [pool.submit(batch.take_in, path, name, step) for path, name in files]
        try:
            outcomes = [each.result() for each in work]
        except BaseException:
            batch.given_up.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return _report(collection, outcomes, time.monotonic() - begin, as_json=as_json)


def named(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """Files in natural order, each with the name by which it is cited: from the folder that was given downwards."""
    found: dict[Path, str] = {}
    taken: set[str] = set()
    for given in paths:
        for path in found_below(given):
            if path in found:
                continue
            name = path.relative_to(given).as_posix() if path != given else path.name
            if name in taken:  # of another folder: told apart by the whole path
                name = path.as_posix()
            taken.add(name)
            found[path] = name
    return list(found.items())


class Batch:
    """Sends files to the daemon, and goes on when it comes back."""

    def __init__(self, collection: str) -> None:
        self.given_up = threading.Event()
        self._collection = collection
        self._machine = load(MachineSettings, strict=False)
        self._answered = time.monotonic()

    def take_in(self, path: Path, name: str, step: Step) -> Outcome:
        """Never raises what has a name: one file does not stop the others."""
        try:
            verdict = self._sent(_content(path), name, step)
            outcome = Outcome(str(path), **verdict)
        except SoloError as error:
            reason = f"{error.message} {error.hint}".strip()
            outcome = Outcome(str(path), name, "failed", code=error.code, reason=reason)
        step.done(outcome)
        return outcome

    def _sent(self, content: bytes, name: str, step: Step) -> dict[str, Any]:
        since = time.monotonic()
        while True:
            try:
                return self._send(content, name, step)
            except SoloError as error:
                if not error.code.startswith(_PASSING) or self.given_up.is_set():
                    raise
                if time.monotonic() - max(since, self._answered) > _GONE_WITHIN_S:
                    raise
                step.wait(error)
                self.given_up.wait(_PAUSE_S)

    def _send(self, content: bytes, name: str, step: Step) -> dict[str, Any]:
        path = f"/api/memory/documents?{urlencode({'name': name, 'collection': self._collection})}"
        # A new client each time: a daemon that was started again may listen on another port.
        for kind, data in Client(self._machine).upload(path, content, within=_STEP_WITHIN_S):
            self._answered = time.monotonic()
            if kind == "result":
                return data
            step.passages(name, data["done"], data["total"])
        raise SoloError.from_wire({"code": "cli.no_daemon", "message": "the daemon stopped in the middle"})


class Step:
    """What the progress bar is told; nothing where there is no terminal."""

    def __init__(self, bar: Progress | None, total: int) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=total) if bar is not None else None

    def passages(self, name: str, done: int, total: int) -> None:
        self._show(f"{name[-40:]}: {done} of {total} passages" if total else f"{name[-40:]}: reading")

    def wait(self, error: SoloError) -> None:
        self._show(f"waiting: {error.message[:60]}")

    def done(self, outcome: Outcome) -> None:
        if self._bar is not None and self._task is not None:
            if outcome.verdict == "failed":
                self._bar.console.print(_line(outcome), soft_wrap=True)
            self._bar.advance(self._task)

    def _show(self, text: str) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=text)


@contextmanager
def _progress(total: int) -> Iterator[Step]:
    if not err.is_terminal:
        yield Step(None, total)
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=err, transient=True) as bar:
        yield Step(bar, total)


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise FileTooLarge(
                f"{size / 1024**2:.0f} MB are more than the {_MOST_BYTES // 1024**2} MB that are taken",
                hint="Split it.",
            )
        return path.read_bytes()
    except OSError as error:
        raise FileUnreadable(f"it cannot be read: {error.strerror or error}") from error


def _report(collection: str, outcomes: Sequence[Outcome], seconds: float, *, as_json: bool) -> Exit:
    counted = Counter(outcome.verdict for outcome in outcomes)
    sums = {verdict: counted[verdict] for verdict in VERDICTS}
    chunks = sum(outcome.chunks for outcome in outcomes)
    if as_json:
        documents = [asdict(outcome) for outcome in outcomes]
        about = {"collection": collection, "seconds": round(seconds, 3), "sums": {**sums, "chunks": chunks}}
        out.print_json(json.dumps({**about, "documents": documents}))
    else:
        _summary(collection, outcomes, sums, chunks, seconds)
    return Exit.FAILED if counted["failed"] else Exit.OK


def _summary(collection: str, outcomes: Sequence[Outcome], sums: dict[str, int], chunks: int, seconds: float) -> None:
    for outcome in outcomes:
        if outcome.verdict in {"failed", "empty"}:
            err.print(_line(outcome), soft_wrap=True)
    if not outcomes:
        out.print("There is nothing to add there.")
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    for verdict, count in sums.items():
        if count:
            table.add_row(Text(verdict, style=VERDICTS[verdict]), str(count))
    table.add_row("passages", str(chunks))
    out.print(Text(f"{len(outcomes)} files in {seconds:.1f} s, collection {collection}", style="bold"), soft_wrap=True)
    out.print(table)


def _line(outcome: Outcome) -> Text:
    code = f" [{outcome.code}]" if outcome.code else ""
    return Text.assemble((outcome.verdict, VERDICTS[outcome.verdict]), f" {outcome.path}: {outcome.reason}{code}")
