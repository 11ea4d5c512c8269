"""`solo run`: the daemon in this process, with its first-start table and, if wanted, the dashboard beside it."""

from __future__ import annotations

import asyncio
import importlib
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from solo import run as runner
from solo.bus import Bus
from solo.cli.dashboard import command_line
from solo.isolation.command import CommandService
from solo.parts import Tree
from solo.supervision import ServiceSpec

_DASHBOARD_PORT = 8701


def run(app: str, *, audio: str | None, port: int | None, self_test: bool, dashboard: bool) -> int:
    flags: dict[str, Any] = {}
    if audio is not None:
        flags["audio"] = {"input": audio}
    if port is not None:
        flags["port"] = port
    tree = runner.load_tree(app, flags)
    if dashboard:
        tree = _with_dashboard(tree)
    began = time.monotonic()

    async def accompany(bus: Bus) -> None:
        # Loaded late and in a thread: the door opens before, and the loop goes on turning meanwhile.
        startup = await asyncio.to_thread(importlib.import_module, "solo.cli.startup")
        await startup.accompany(bus, tree.machine, began=began, self_test=self_test)

    return runner.run(tree, accompany)


def _with_dashboard(tree: Tree) -> Tree:
    """The page as one more supervised child: it comes back when it dies, and goes when Solo goes."""
    environment = {"SOLO_STATE_DIR": str(tree.machine.state_dir), "SOLO_PORT": ""}
    if tree.machine.port:
        environment["SOLO_PORT"] = str(tree.machine.port)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SOLO_")}  # noqa: TID251
    environment = {**kept, **{name: value for name, value in environment.items() if value}}

    def build() -> Sequence[ServiceSpec]:
        def make() -> CommandService:
            return CommandService("dashboard", command_line(_DASHBOARD_PORT), environment, port=_DASHBOARD_PORT)

        return [*tree.build(), ServiceSpec(name="dashboard", make=make, ready_within=60)]

    return replace(tree, build=build)
