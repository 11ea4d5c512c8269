"""The catalogue of models under a supervisor, over a folder of a test's own."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from services.messages.pool import DescribePool, Ledger, LoadedModel, PoolState
from services.models.spec import PART, ModelsSettings
from solo.bus import Bus
from solo.settings import MachineSettings
from solo.storage import Database
from solo.supervision import State
from tests.gguf_files import small_model
from tests.stubs.services import answering, spec, supervised

WITHIN = 60.0


def put(folder: Path, name: str, data: bytes | None = None) -> Path:
    path = folder / "models" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(small_model() if data is None else data)
    old = time.time() - 3600
    os.utime(path, (old, old))
    return path


@asynccontextmanager
async def catalogue(
    bus: Bus, folder: Path, db: Database | None = None, pool: PoolState | None = None, **settings: Any
) -> AsyncIterator[None]:
    chosen = ModelsSettings(**{"folder": folder / "models", "trial": "fake", "poll_s": 0.1, **settings})
    specs = list(PART.specs(chosen, MachineSettings(state_dir=folder), db or Database()))

    async def describe(_: DescribePool) -> PoolState:
        assert pool is not None
        return pool

    if pool is not None:
        specs.append(spec("pool", answering(DescribePool, describe), answers=(DescribePool,)))
    async with supervised(bus, *specs) as house:
        await house.reaches("models", State.READY)
        yield
        assert house.state("models").restarts == 0


def pool_of(name: str) -> PoolState:
    ledger = Ledger(budget_bytes=0, reserved_bytes=0, voice_bytes=0, entries=())
    return PoolState(status="ok", roles=(), models=(LoadedModel(name=name, state="ready"),), ledger=ledger)
