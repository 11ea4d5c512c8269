"""The guard's service as a daemon has it, and short ways to ask it things."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.messages.accounts import CreateKey, CreateUser, NewKey, User
from services.messages.audit import ReadAudit
from services.messages.security import CredentialsChanged, Identify, LogIn, Principal, Tokens
from services.security.errors import (
    Unauthorized,
)
from services.security.service import SecurityService
from services.security.spec import PART, SecuritySettings
from solo.bus import Bus, Mailbox, Overflow
from solo.settings import MachineSettings
from solo.storage import Database
from solo.supervision import State
from tests.stubs.services import supervised

PASSWORD = SecretStr("a horse that knows batteries")
HOME = "192.0.2.1"


@asynccontextmanager
async def guarded(bus: Bus, database: Database, folder: Path) -> AsyncIterator[SecurityService]:
    """The service as it is made for a daemon."""
    (spec,) = PART.specs(SecuritySettings(), MachineSettings(state_dir=folder, _env_file=None), database)
    made: list[SecurityService] = []
    make = spec.make

    def keep() -> SecurityService:
        service = make()
        assert isinstance(service, SecurityService)
        made.append(service)
        return service

    object.__setattr__(spec, "make", keep)
    async with supervised(bus, spec) as house:
        await house.reaches("security", State.READY)
        yield made[-1]


async def add(bus: Bus, role: str = "user", password: SecretStr | None = PASSWORD) -> User:
    return await bus.request(CreateUser(login=f"n{uuid.uuid4().hex[:12]}", role=role, password=password), within=5)


async def enter(bus: Bus, name: str, password: SecretStr = PASSWORD, address: str = HOME) -> Tokens:
    return await bus.request(LogIn(login=name, password=password, address=address, client="a test"), within=5)


async def who(bus: Bus, credential: SecretStr) -> Principal:
    return await bus.request(Identify(credential=credential), within=5)


async def refused(bus: Bus, *credentials: SecretStr) -> None:
    for credential in credentials:
        with pytest.raises(Unauthorized):
            await who(bus, credential)


async def key(bus: Bus, **options: object) -> NewKey:
    return await bus.request(CreateKey(label=f"k{uuid.uuid4().hex[:12]}", **options), within=5)


@asynccontextmanager
async def changes(bus: Bus) -> AsyncIterator[Mailbox[CredentialsChanged]]:
    async with bus.subscribe(CredentialsChanged, limit=100, overflow=Overflow.FAIL) as box:
        yield box


async def next_of(box: Mailbox[CredentialsChanged]) -> tuple[str, str, str]:
    async with asyncio.timeout(1):
        async for change in box:
            return change.user, change.principal, change.reason
    raise AssertionError("closed")


async def actions(bus: Bus, prefix: str = "") -> list[str]:
    async with asyncio.timeout(5):
        while True:
            rows = await bus.request(ReadAudit(limit=200, action=prefix), within=5)
            if rows:
                return [row.action for row in rows]
            await asyncio.sleep(0.02)
