"""A program that is not ours, kept running as one more service."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from solo.errors import SoloError
from solo.isolation import confine
from solo.supervision import Context, EngineState

_STOP_WITHIN_S = 3.0


class CommandEnded(SoloError):
    """A program that should run for ever has ended."""

    code = "isolation.command_ended"


class CommandPortBusy(SoloError):
    """The port of a program is taken."""

    code = "isolation.command_port_busy"


@dataclass(frozen=True, slots=True)
class CommandService:
    """Ready when it accepts connections on `port` of loopback; ended with Solo, also when Solo is killed."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    port: int

    async def run(self, ctx: Context) -> None:
        await self._check_port()
        process = await asyncio.create_subprocess_exec(
            *confine.tied(self.command),
            env=dict(self.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=sys.platform != "win32",
        )
        ctx.engine = lambda: EngineState(
            engine=self.name,
            model=f"http://127.0.0.1:{self.port}",
            pid=process.pid,
            rss_bytes=confine.resident_bytes(process.pid),
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                helpers = [
                    tasks.create_task(self._watch(process)),
                    tasks.create_task(self._say_ready(ctx)),
                ]
                await ctx.stopping.wait()
                for helper in helpers:
                    helper.cancel()
        finally:
            await _end(process)

    async def _check_port(self) -> None:
        """Somebody else there would be taken for it."""
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.close()
            raise CommandPortBusy(
                f"port {self.port}, on which {self.name} should listen, is used by another program",
                hint="End that program, or start this one by itself on another port.",
            )

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        raise CommandEnded(f"{self.name} ended with exit code {code}")

    async def _say_ready(self, ctx: Context) -> None:
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                ctx.ready()
                return
            await asyncio.sleep(0.2)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_WITHIN_S):
                await process.wait()
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
    await process.wait()
