"""An engine in a child process, seen from the daemon: start, ask, watch, end."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from solo.bus import remaining
from solo.errors import SoloError
from solo.isolation.engine import EngineDied, EngineHung, EngineNotStarted
from solo.isolation.frames import BadFrame, Frame, pack, receive
from solo.isolation.pending import CREDIT, Pending
from solo.isolation.quarantine import key_of
from solo.isolation.settling import Settling
from solo.isolation.spec import EngineSpec, environment
from solo.isolation.words import LastWords, ending
from solo.logs import get_logger
from solo.supervision import EngineState

__all__ = ["EngineProcess", "EngineSpec"]

_READ_AHEAD = 1024 * 1024


class EngineProcess:
    """One child, from one start to its end; a new start is a new object."""

    def __init__(self, spec: EngineSpec) -> None:
        self.spec = spec
        self.info: dict[str, Any] = {}
        self.rss_bytes: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._ids = itertools.count(1)
        self._pending: dict[int, Pending] = {}
        self._settling = Settling(spec.settle_within)
        self._concurrency = 1
        self._loaded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._death: asyncio.Future[EngineDied] = asyncio.get_running_loop().create_future()
        self._hang = ""
        self._pidfd: int | None = None
        self._last_frame = 0.0
        self._words = LastWords(get_logger(engine=spec.adapter.rpartition(":")[2]))

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def name(self) -> str:
        """What it calls itself; before it has loaded, its adapter's name."""
        return str(self.info.get("engine", self.spec.adapter.rpartition(":")[2]))

    def state(self) -> EngineState:
        return EngineState(
            engine=self.name,
            model=str(self.info.get("model", "")),
            pid=self.pid,
            rss_bytes=self.rss_bytes,
            threads=self.spec.threads,
            info={name: self.info[name] for name in self.info.keys() - {"engine", "model"}} | self._settling.figures(),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[EngineProcess]:
        """Started and loaded inside; its death raises EngineDied out of the block; ended behind it."""
        spawning = asyncio.ensure_future(self._spawn())
        try:
            await asyncio.shield(spawning)
        except asyncio.CancelledError:
            await spawning  # uvloop leaves behind a child whose start is cancelled in the middle
            await self._end()
            raise
        assert self._process is not None
        try:
            async with asyncio.TaskGroup() as tasks:
                helpers = [
                    tasks.create_task(self._read_frames(), name="engine frames"),
                    tasks.create_task(self._words.follow(self._process.stderr), name="engine stderr"),
                    tasks.create_task(self._watch_beat(), name="engine heartbeat"),
                ]
                await self._load()
                death = tasks.create_task(self._raise_death(), name="engine death")
                yield self
                for helper in (*helpers, death):
                    helper.cancel()
        finally:
            await self._end()

    async def call(self, method: str, /, *, within: float, key: str | None = None, **params: Any) -> Any:
        """One answer. Raises the engine's own SoloError, DeadlineExceeded, EngineDied or InputQuarantined.

        `key` names the input for the quarantine, where the parameters alone do not.
        """
        async with self._asking(method, within, key, params, credit=0) as pending:
            return await pending.result()

    @asynccontextmanager
    async def stream(
        self, method: str, /, *, within: float, key: str | None = None, ahead: int = CREDIT, **params: Any
    ) -> AsyncIterator[AsyncIterator[Any]]:
        """Many answers, each within `within` seconds of being wanted. Leaving the block cancels the engine's work.

        The engine waits when `ahead` answers have not been taken.
        """
        async with self._asking(method, within, key, params, credit=ahead) as pending:
            yield self._items(pending)

    async def _items(self, pending: Pending) -> AsyncIterator[Any]:
        while True:
            item = await pending.next()
            if item is Pending.END:
                return
            if more := pending.taken():
                self._write({"kind": "more", "id": pending.id, "n": more})
            yield item

    @asynccontextmanager
    async def _asking(
        self, method: str, within: float, key: str | None, params: dict[str, Any], *, credit: int
    ) -> AsyncIterator[Pending]:
        if self._death.done():
            raise self._death.result()
        inherited = remaining()
        limit = within if inherited is None else min(within, inherited)
        # A stream's `within` is the wait for each item, so only an inherited deadline bounds the whole.
        frame: Frame = {"kind": "call", "id": next(self._ids), "method": method, "params": params}
        frame["within"] = inherited if credit else limit
        frame["credit"] = credit
        packed = pack(frame)
        key = key or key_of(pack({"kind": method, "params": params}))
        self.spec.quarantine.admit(key)
        late = f"{self.name} did not answer {method}"
        pending = self._pending[frame["id"]] = Pending(frame["id"], key, limit, credit, late)
        self._write_packed(packed)
        await self._flush()
        try:
            yield pending
        finally:
            pending.close()
            if self._pending.pop(pending.id, None) is not None and not pending.ended:
                self._settling.begin(pending.id)
                self._write({"kind": "cancel", "id": pending.id})

    async def _spawn(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-m",
            "solo.isolation.worker",
            str(os.getpid()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(self.spec.threads),
            limit=_READ_AHEAD,
            start_new_session=True,
        )
        if sys.platform == "linux":
            self._pidfd = os.pidfd_open(self._process.pid)
        self._last_frame = asyncio.get_running_loop().time()
        spec = self.spec
        self._write(
            {
                "kind": "hello",
                "adapter": spec.adapter,
                "options": spec.options,
                "memory_limit": spec.memory_limit,
                "no_network": spec.no_network,
                "python_path": list(spec.python_path),
            }
        )

    async def _load(self) -> None:
        try:
            async with asyncio.timeout(self.spec.load_within):
                await self._loaded
        except TimeoutError as error:
            raise EngineNotStarted(
                f"{self.spec.adapter.rpartition(':')[2]} did not load within {self.spec.load_within:g} s"
            ) from error

    async def _read_frames(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        problem = ""
        try:
            while (frame := await receive(self._process.stdout)) is not None:
                self._last_frame = asyncio.get_running_loop().time()
                try:
                    self._take(frame)
                except KeyError as error:
                    raise BadFrame(f"a frame of kind {frame['kind']} has no {error}") from error
        except SoloError as error:
            problem = error.message
        self._kill()
        await self._process.wait()
        self._die(problem)

    def _take(self, frame: Frame) -> None:
        kind = frame["kind"]
        if kind == "beat":
            self.rss_bytes = frame["rss"]
        elif kind == "ready":
            self.info = frame["info"] | {"network": frame["network"]}
            self._concurrency = frame["concurrency"]
            self._loaded.set_result(None)
        elif kind == "failed":
            if not self._loaded.done():
                self._loaded.set_exception(SoloError.from_wire(frame))
        elif (pending := self._pending.get(frame["id"])) is not None:
            pending.take(frame)
            if kind != "item":
                self.spec.quarantine.survived(pending.key)
        elif kind != "item":
            self._settling.ended(frame["id"])

    def _die(self, problem: str) -> None:
        assert self._process is not None
        last = f"; it said: {self._words.last}" if self._words.last else ""
        how = problem or self._hang or ending(self._process.returncode)
        kind = EngineHung if self._hang else EngineDied
        died = kind(f"{self.spec.adapter.rpartition(':')[2]} (pid {self.pid}) {how}{last}")
        if not self._loaded.done():
            self._loaded.set_exception(died)
            self._loaded.exception()
        if not self._death.done():
            self._death.set_result(died)
        # The engine takes calls in order: those behind it in the queue have done nothing.
        begun = sorted([*self._pending, *self._settling])[: self._concurrency]
        for pending in self._pending.values():
            if not pending.ended:
                if pending.id in begun:
                    self.spec.quarantine.died(pending.key)
                pending.fail(died)
        self._pending.clear()

    async def _raise_death(self) -> None:
        raise await asyncio.shield(self._death)

    async def _watch_beat(self) -> None:
        """Ends a child that is stopped or stuck: no heartbeat, or still busy for an asker long gone."""
        loop = asyncio.get_running_loop()
        every = min(1.0, self.spec.hang_after / 4)
        while True:
            before = loop.time()
            await asyncio.sleep(every)
            now = loop.time()
            if now - before > every + 1.0:
                # This daemon itself was stopped for a while: the beats are in the pipe, give them a moment.
                self._last_frame = now
            if now - self._last_frame > self.spec.hang_after:
                self._hang = f"gave no sign of life for {self.spec.hang_after:g} s and was ended"
                self._kill()
            elif self._settling.late():
                self._hang = f"went on for {self.spec.settle_within:g} s after its work was cancelled and was ended"
                self._kill()

    def _write(self, frame: Frame) -> None:
        self._write_packed(pack(frame))

    def _write_packed(self, packed: bytes) -> None:
        assert self._process is not None and self._process.stdin is not None
        if not self._process.stdin.is_closing():
            self._process.stdin.write(packed)

    async def _flush(self) -> None:
        """Large parameters wait here for the child to take them; a dead child fails the answer instead."""
        assert self._process is not None and self._process.stdin is not None
        with suppress(ConnectionError):
            await self._process.stdin.drain()

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                if self._pidfd is None:
                    self._process.kill()
                else:
                    # Not Process.kill: it polls first, which takes the exit status from the loop's own wait.
                    signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def _end(self) -> None:
        """Close the pipe, which is the polite end; then insist. The child is reaped in any case."""
        process = self._process
        assert process is not None and process.stdin is not None
        process.stdin.close()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await process.wait()
        finally:
            self._kill()
            await process.wait()
            if self._pidfd is not None:
                os.close(self._pidfd)
                self._pidfd = None
