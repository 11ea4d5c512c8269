"""What a log-in costs, with a real database: guesses, unknown names, and hashes that have become too weak."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.security.errors import (
    BadLogin,
    SlowDown,
)
from services.security.spec import USERS
from solo.bus import Bus
from solo.storage import Database
from tests import postgres
from tests.stubs.security import PASSWORD, add, enter, guarded


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("security")


@pytest.fixture
async def database(folder: Path) -> AsyncIterator[Database]:
    """One server for all tests, started again for each: its tables stay."""
    async with postgres.database(folder / "pg", [USERS]) as opened:
        yield opened


async def test_a_flood_of_guesses_does_not_keep_the_owner_out(bus: Bus, database: Database, folder: Path) -> None:
    async with guarded(bus, database, folder) as service:
        anna = await add(bus)
        await enter(bus, anna.name)  # her address is known from now on
        before = service.passwords.hashed
        wrong = SecretStr("not her password at all")
        outcomes = await asyncio.gather(
            *(enter(bus, anna.name, wrong, f"198.51.100.{number % 50}") for number in range(60)),
            return_exceptions=True,
        )
        for number in range(940):
            try:
                await enter(bus, anna.name, wrong, f"198.51.100.{number % 50}")
            except (SlowDown, BadLogin) as error:
                outcomes.append(error)
        assert len(outcomes) == 1000 and {type(each) for each in outcomes} == {SlowDown, BadLogin}
        assert all(each.retry_after > 0 for each in outcomes if isinstance(each, SlowDown))
        evaluated = service.passwords.hashed - before
        print(f"1 000 guesses from 50 addresses: {evaluated} evaluated")
        assert evaluated == sum(isinstance(each, BadLogin) for each in outcomes) <= 20
        assert (await enter(bus, anna.name)).principal.user == anna.id
        await service.security.journal.flush()
        slowed = await database.fetchval(
            "SELECT sum(count) FROM users.audit WHERE action = 'login.slowed' AND actor = $1", anna.name
        )
        assert slowed == 1000 - evaluated


async def test_an_unknown_name_costs_what_a_known_one_does(bus: Bus, database: Database, folder: Path) -> None:
    async with guarded(bus, database, folder) as service:
        anna = await add(bus)
        took: dict[str, list[float]] = {anna.name: [], "nobody-at-all": []}
        said = set()
        for number in range(24):
            name = list(took)[number % 2]
            # Straight to the passwords, since the delays would refuse so many.
            before = service.passwords.hashed
            began = time.perf_counter()
            user = service.security.image.user(name)
            assert not await service.passwords.matches("wrong", user.password_hash if user else None)
            took[name].append(time.perf_counter() - began)
            assert service.passwords.hashed == before + 1
        for number, name in enumerate(took):
            before = service.passwords.hashed
            with pytest.raises(BadLogin) as failure:
                await enter(bus, name, SecretStr("wrong"), f"203.0.113.{number}")
            said.add((failure.value.message, failure.value.hint))
            assert service.passwords.hashed == before + 1
        assert len(said) == 1
        medians = [statistics.median(each) * 1000 for each in took.values()]
        print(f"median of 12: known {medians[0]:.1f} ms, unknown {medians[1]:.1f} ms")


async def test_a_hash_made_with_less_is_made_anew(bus: Bus, database: Database, folder: Path) -> None:
    from services.security.passwords import Passwords

    async with guarded(bus, database, folder) as service:
        anna = await add(bus)
        weaker = Passwords(memory_kib=64, passes=1)
        old = await weaker.hash(PASSWORD.get_secret_value())
        weaker.close()
        await database.execute("UPDATE users.users SET password_hash = $2 WHERE id = $1::text::uuid", anna.id, old)
        await service.security.load()
        await enter(bus, anna.name)
        now = await database.fetchval("SELECT password_hash FROM users.users WHERE id = $1::text::uuid", anna.id)
        assert now.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        await enter(bus, anna.name)
