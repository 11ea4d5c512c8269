"""The proof: attempts from the daemon and from an engine's process, and whose network each running child has."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel, ConfigDict

from solo.errors import SoloError
from solo.isolation.process import EngineProcess, EngineSpec
from solo.privacy.attempts import CHILD, DAEMON, By, Tried, attempts
from solo.privacy.standing import state
from solo.supervision.state import EgressState

PROBE = EngineSpec(adapter="solo.privacy.probe:Probe", load_within=20.0)
WITHIN_S = 40.0
"""For all attempts of the probe; each has a limit of its own, which is reached only where something gets out."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Attempt(_Model):
    where: str
    """daemon, this command, or engine child."""
    what: str
    refused_by: By
    """solo, kernel, or nobody: then it may have got out."""
    detail: str


class ChildNetwork(_Model):
    pid: int
    program: str
    """What it is, in a few words."""
    shares: bool | None
    """It has the network of the daemon; None: the system does not let it be seen."""


class PrivacyReport(_Model):
    of: str
    """daemon, or this command, where no daemon runs."""
    proven: bool
    """Every attempt was refused."""
    attempts: tuple[Attempt, ...]
    children: tuple[ChildNetwork, ...]
    """Processes that run now."""
    egress: EgressState
    """What is allowed and what was refused since the start; the attempts of this proof are not among them."""


async def prove(of: str = DAEMON) -> PrivacyReport:
    """`of`: what this process is. Takes a second or so; where something gets out, up to a minute."""
    children = await asyncio.to_thread(_children)
    tried = [*await attempts(of), *await _from_a_child()]
    return PrivacyReport(
        of=of,
        proven=all(each.refused_by != "nobody" for each in tried),
        attempts=tuple(Attempt(**each.wire()) for each in tried),
        children=children,
        egress=state(),
    )


async def _from_a_child() -> list[Tried]:
    """A child that cannot be asked has proven nothing."""
    answer: dict[str, Any] = {}
    why = ""
    try:
        async with EngineProcess(PROBE).running() as process:
            answer = await process.call("attempt", within=WITHIN_S)
    except* SoloError as errors:
        why = "; ".join(str(error) for error in _leaves(errors))[:200]
    return [Tried(**each) for each in answer["tried"]] if answer else [Tried(CHILD, "start one", "nobody", why)]


def _leaves(error: BaseException) -> Iterator[BaseException]:
    for each in error.exceptions if isinstance(error, BaseExceptionGroup) else (error,):
        yield from _leaves(each) if isinstance(each, BaseExceptionGroup) else (each,)


def _children() -> tuple[ChildNetwork, ...]:
    own = _network(os.getpid())
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            command, name = process.cmdline(), process.name()
        except psutil.Error:
            continue  # it has just ended
        network = _network(process.pid)
        shares = None if own is None or network is None else own == network
        found.append(ChildNetwork(pid=process.pid, program=_program(name, command), shares=shares))
    return tuple(found)


def _network(pid: int) -> str | None:
    if sys.platform != "linux":
        return None
    try:
        return os.readlink(f"/proc/{pid}/ns/net")  # noqa: PTH115  # it names no path
    except OSError:
        return None


def _program(name: str, command: list[str]) -> str:
    """The module that Python runs, or the program; PostgreSQL's processes say after a colon what they do."""
    if "-m" in command[:-1]:
        return command[command.index("-m") + 1]
    return Path(command[0].partition(":")[0] if command else name).name[:60] or name
