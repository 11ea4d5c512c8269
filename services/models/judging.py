"""Tries a model out: its header, its chat template and its weights, the latter two in processes that may die of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from services.models.content import Content, disk_errors, need_space, place
from services.models.describing import describe, reason_of
from services.models.entries import Entry
from services.models.errors import CheckUnavailable
from services.models.scan import Found
from solo.bus import DeadlineExceeded
from solo.errors import SoloError
from solo.isolation.engine import EngineDied, EngineError, EngineNotStarted, ModelCorrupt
from solo.isolation.process import EngineProcess, EngineSpec

TEMPLATE_WITHIN_S = 3.0
"""An honest template takes some milliseconds."""
_TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
_PROCESS = re.compile(r"^\w+ \(pid \d+\) ")


@dataclass(frozen=True, slots=True)
class Trials:
    """How the processes of the trials are made."""

    template: EngineSpec
    model: Callable[[Path, bool], EngineSpec]
    """Called with the path and whether every block of the weights is to be looked at."""


class Judge:
    """One trial at a time: they are heavy, and nobody is in a hurry."""

    def __init__(self, trials: Trials) -> None:
        self._trials = trials
        self._turn = asyncio.Lock()

    async def judge(self, entry: Entry, *, thorough: bool = False, sha256: str = "") -> None:
        """All checks; the entry has its verdict then. `thorough`: its content is hashed and every block looked at.

        Raises `CheckUnavailable`, and what keeps pieces from being joined.
        """
        async with entry.lock:
            found, before = entry.found, entry.model
            described = await asyncio.to_thread(describe, found, entry.name)
            sha256 = sha256 or (before.sha256 if before else "")
            reason = described.model.reason
            if thorough and not reason:
                sha256 = await _hashed(found)
                if found.sha256 and sha256 != found.sha256:
                    reason = "its content is not what its package says"
            if not reason:
                async with self._turn:
                    reason = await self.template_problem(described.templates)
                    entry.templates_tried = True
                    if not reason and found.in_pieces:
                        await joined(found)
                    reason = reason or await self._model_problem(found.path, thorough)
            if _stamp(found) != found.stamp:
                raise CheckUnavailable("the file was changed while it was checked", hint="Ask again in a moment.")
            verdict = {"verdict": "refused" if reason else "usable", "reason": reason, "sha256": sha256}
            entry.change(described.model.model_copy(update=verdict))

    async def try_templates(self, entry: Entry) -> None:
        """That check alone, which is cheap; refuses the model or leaves it as it is. Raises `CheckUnavailable`."""
        async with entry.lock, self._turn:
            described = await asyncio.to_thread(describe, entry.found, entry.name)
            reason = await self.template_problem(described.templates)
            entry.templates_tried = True
            entry.saved = False
            if reason and entry.model is not None:
                entry.change(entry.model.model_copy(update={"verdict": "refused", "reason": reason}))

    async def template_problem(self, templates: Mapping[str, str]) -> str:
        """Why one of them is refused; empty: none is."""
        if not templates:
            return ""
        reason, loaded = "", False
        try:
            async with EngineProcess(self._trials.template).running() as engine:
                loaded = True
                reason = await engine.call(
                    "try_out", within=TEMPLATE_WITHIN_S, templates=dict(templates), tokens=_TOKENS
                )
        except* SoloError as group:
            error = _first(group)
            if not loaded:
                raise _unavailable(error) from None
            reason = f"its chat template {_how_it_failed(error)}"
        return reason

    async def _model_problem(self, path: Path, thorough: bool) -> str:
        spec = self._trials.model(path, thorough)
        reason = ""
        try:
            async with EngineProcess(spec).running():
                pass
        except* SoloError as group:
            error = _first(group)
            if isinstance(error, ModelCorrupt):
                reason = reason_of(error)
            elif isinstance(error, EngineNotStarted):
                reason = f"it did not load within {spec.load_within:g} s"
            elif isinstance(error, EngineDied):
                reason = f"the process that loaded it {_PROCESS.sub('', reason_of(error))}"
            else:
                raise _unavailable(error) from None
        return reason


async def _hashed(found: Found) -> str:
    content = Content(found.files)
    async with aclosing(content.read()) as steps:
        async for _ in steps:
            pass
    return content.sha256


async def joined(found: Found) -> None:
    """Join the pieces of a packaged model where it is looked for. Raises `NoSpace`, `FileUnreadable`."""
    if found.path.is_file() and found.path.stat().st_size == found.size:
        return
    with disk_errors():
        found.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    need_space(found.path.parent, found.size)
    temporary = found.path.with_name(f".{found.path.name}.part")
    content = Content(found.files)
    try:
        async with aclosing(content.read(temporary)) as steps:
            async for _ in steps:
                pass
        if found.sha256 and content.sha256 != found.sha256:
            raise CheckUnavailable(
                f"the pieces of {found.path.name} do not make the file that their package says",
                hint="Install the package again.",
            )
        found.path.unlink(missing_ok=True)
        await asyncio.to_thread(place, temporary, found.path)
    finally:
        temporary.unlink(missing_ok=True)


def _stamp(found: Found) -> tuple[int, int]:
    try:
        known = [file.stat() for file in found.files]
    except OSError:
        return (0, 0)
    return sum(each.st_size for each in known), max(each.st_mtime_ns for each in known)


def _how_it_failed(error: SoloError) -> str:
    if isinstance(error, DeadlineExceeded):
        return f"takes longer than {TEMPLATE_WITHIN_S:g} s"
    if isinstance(error, EngineDied):
        return f"ended the process that tried it, which {_PROCESS.sub('', reason_of(error))}"
    if isinstance(error, EngineError) and "MemoryError" in error.message:
        return "takes more memory than it is given"
    return f"cannot be tried: {reason_of(error)}"


def _unavailable(error: SoloError) -> CheckUnavailable:
    return CheckUnavailable(f"the model could not be tried: {reason_of(error)}", hint="`solo doctor` tells more.")


def _first(group: BaseException) -> SoloError:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    assert isinstance(group, SoloError)
    return group
