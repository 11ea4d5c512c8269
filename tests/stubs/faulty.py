"""The real tree, in which every service raises what a file in the state directory tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from services import app
from solo.parts import Tree
from solo.supervision import Context, Service, ServiceSpec


class Strange(BaseException):
    """Not an Exception: what no `except Exception` sees."""


KINDS: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError("a bug"),
    "CancelledError": lambda: asyncio.CancelledError(),
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": lambda: KeyboardInterrupt(),
    "Strange": lambda: Strange("strange"),
    "ExceptionGroup": lambda: ExceptionGroup("two bugs", [ValueError("a"), KeyError("b")]),
}


class Faulty:
    """Runs a service until told to raise, in a task of its own like any code of the service might."""

    def __init__(self, inner: Service, folder: Path) -> None:
        self._inner = inner
        self._order = folder / f"fault-{inner.name}"

    @property
    def name(self) -> str:
        return self._inner.name

    async def run(self, ctx: Context) -> None:
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch())
            await self._inner.run(ctx)
            watching.cancel()

    async def _watch(self) -> None:
        while not self._order.exists():
            await asyncio.sleep(0.05)
        kind = self._order.read_text()
        self._order.unlink()
        raise KINDS[kind]()


def tree(flags: Mapping[str, Any]) -> Tree:
    real = app.tree(flags)

    def build() -> Sequence[ServiceSpec]:
        return [_faulty(spec, real.machine.state_dir) for spec in real.build()]

    return replace(real, build=build)


def _faulty(spec: ServiceSpec, folder: Path) -> ServiceSpec:
    return replace(spec, make=lambda: Faulty(spec.make(), folder), essential=False)
