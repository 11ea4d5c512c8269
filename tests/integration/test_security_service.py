"""The guard's service with a real database: people, sessions and keys, over a restart too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from services.messages.accounts import ChangeUser, CreateKey, CreateUser, ListKeys, ListUsers, RevokeKey
from services.messages.security import (
    OWNER_PRINCIPAL,
    PAGE_SCOPES,
    ROLE_SCOPES,
    EnterByTicket,
    LogOut,
    MakeTicket,
    Refresh,
    Tokens,
)
from services.security.errors import (
    BadLogin,
    BadScope,
    NameTaken,
    NoKey,
    NoUser,
    OwnerOnly,
    SecurityUnavailable,
    Unauthorized,
    WeakPassword,
)
from services.security.spec import PART, USERS, SecuritySettings
from solo.bus import Bus, DeadlineExceeded
from solo.bus.context import until
from solo.settings import MachineSettings
from solo.storage import Database, DatabaseUnavailable, Schema
from solo.storage.connect import connect
from solo.storage.migrations import migrate
from tests import postgres
from tests.stubs.security import HOME, PASSWORD, actions, add, changes, enter, guarded, key, next_of, refused, who
from tests.stubs.services import supervised


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("security")


@pytest.fixture
async def database(folder: Path) -> AsyncIterator[Database]:
    """One server for all tests, started again for each: its tables stay."""
    async with postgres.database(folder / "pg", [USERS]) as opened:
        yield opened


async def test_people_come_and_go(bus: Bus, database: Database, folder: Path) -> None:
    async with guarded(bus, database, folder), changes(bus) as changed:
        anna = await add(bus)
        tokens = await enter(bus, anna.name.upper())
        me = await who(bus, tokens.access_token)
        assert (me.kind, me.user, me.role, me.profile) == ("session", anna.id, "user", f"user-{anna.id}")
        assert me.scopes == ROLE_SCOPES["user"]
        assert me == tokens.principal.model_copy(update={"expires_at": me.expires_at})
        with pytest.raises(NameTaken):
            await bus.request(CreateUser(login=anna.name.upper(), password=PASSWORD), within=5)
        for weak in ("short", "123qweasdzxc", "x" * 1025, anna.name.upper(), "a" * 20):
            with pytest.raises(WeakPassword):
                await bus.request(ChangeUser(user=anna.id, password=SecretStr(weak)), within=5)

        await bus.request(LogOut(session=me.id), within=5)
        assert await next_of(changed) == ("", me.id, "logout")
        await refused(bus, tokens.access_token)
        with pytest.raises(Unauthorized):
            await bus.request(Refresh(refresh_token=tokens.refresh_token, address=HOME), within=5)

        tokens = await enter(bus, anna.name)
        await bus.request(ChangeUser(user=anna.name, role="guest"), within=5)
        assert await next_of(changed) == (anna.id, "", "role")
        assert (await who(bus, tokens.access_token)).scopes == ROLE_SCOPES["guest"]

        better = SecretStr("another horse, another battery")
        await bus.request(ChangeUser(user=anna.id, password=better), within=5)
        assert await next_of(changed) == (anna.id, "", "password")
        await refused(bus, tokens.access_token)
        tokens = await enter(bus, anna.name, better)

        await bus.request(ChangeUser(user=anna.id, disabled=True), within=5)
        assert await next_of(changed) == (anna.id, "", "disabled")
        await refused(bus, tokens.access_token)
        with pytest.raises(BadLogin):
            await enter(bus, anna.name, better)
        await bus.request(ChangeUser(user=anna.id, disabled=False), within=5)
        await refused(bus, tokens.access_token)  # its session stays over
        with pytest.raises(NoUser):
            await bus.request(ChangeUser(user="nobody"), within=5)


async def test_an_admin_that_is_one_no_longer_has_lost_the_owners_data(
    bus: Bus, database: Database, folder: Path
) -> None:
    async with guarded(bus, database, folder):
        boss = await add(bus, "admin")
        assert boss.profile == "owner"
        assert (await bus.request(ChangeUser(user=boss.id, role="user"), within=5)).profile == f"user-{boss.id}"
        user = await add(bus)
        assert (await bus.request(ChangeUser(user=user.id, role="admin"), within=5)).profile == user.profile


async def test_a_refresh_token_that_comes_twice_ends_its_session(bus: Bus, database: Database, folder: Path) -> None:
    async with guarded(bus, database, folder), changes(bus) as changed:
        first = await enter(bus, (await add(bus)).name)
        second = await bus.request(Refresh(refresh_token=first.refresh_token, address=HOME), within=5)
        assert (await who(bus, second.access_token)).id == (await who(bus, first.access_token)).id
        with pytest.raises(Unauthorized):
            await bus.request(Refresh(refresh_token=first.refresh_token, address="198.51.100.9"), within=5)
        assert await next_of(changed) == ("", first.principal.id, "reuse")
        await refused(bus, first.access_token, second.access_token)
        with pytest.raises(Unauthorized):
            await bus.request(Refresh(refresh_token=second.refresh_token, address=HOME), within=5)
        for garbage in ("", "x" * 43, "\0", "é" * 43):
            with pytest.raises(Unauthorized):
                await bus.request(Refresh(refresh_token=SecretStr(garbage), address=HOME), within=5)
        assert "session.reuse" in await actions(bus, "session.")


async def test_of_two_refreshes_at_once_one_is_a_theft(bus: Bus, database: Database, folder: Path) -> None:
    async with guarded(bus, database, folder):
        token = (await enter(bus, (await add(bus)).name)).refresh_token
        both = await asyncio.gather(
            *(bus.request(Refresh(refresh_token=token, address=HOME), within=5) for _ in range(2)),
            return_exceptions=True,
        )
        assert sorted(type(each).__name__ for each in both) == ["Tokens", "Unauthorized"]
        (given,) = (each for each in both if isinstance(each, Tokens))
        await refused(bus, given.access_token)


async def test_keys(bus: Bus, database: Database, folder: Path) -> None:
    async with guarded(bus, database, folder), changes(bus) as changed:
        program = await key(bus, scopes=("embed", "chat"))
        me = await who(bus, program.secret)
        assert (me.kind, me.id, me.role, me.profile) == ("key", program.key.id, "service", "owner")
        assert me.scopes == {"chat", "embed"}
        assert program.secret.get_secret_value().startswith(program.key.prefix)
        assert program.secret.get_secret_value() not in repr(program)
        visitor = await key(bus, role="guest")
        assert (await who(bus, visitor.secret)).profile == f"key-{visitor.key.id}"
        with pytest.raises(BadScope):
            await key(bus, role="guest", scopes=("keys.manage",))
        with pytest.raises(NameTaken):
            await bus.request(CreateKey(label=program.key.name.upper()), within=5)

        anna = await add(bus)
        hers = await key(bus, user=anna.name, role="user")
        assert (await who(bus, hers.secret)).profile == anna.profile
        with pytest.raises(BadScope):
            await key(bus, user=anna.name, role="admin")
        assert [each.id for each in await bus.request(ListKeys(user=anna.id), within=5)] == [hers.key.id]
        await bus.request(ChangeUser(user=anna.id, role="guest"), within=5)
        me = await who(bus, hers.secret)
        assert (me.role, me.scopes) == ("guest", ROLE_SCOPES["guest"])
        await bus.request(ChangeUser(user=anna.id, disabled=True), within=5)
        await refused(bus, hers.secret)

        with pytest.raises(NoKey):
            await bus.request(RevokeKey(key=program.key.id, user=anna.id), within=5)
        await next_of(changed), await next_of(changed)
        await bus.request(RevokeKey(key=program.key.name), within=5)
        assert await next_of(changed) == ("", program.key.id, "revoked")
        await refused(bus, program.secret, SecretStr(visitor.secret.get_secret_value()[:-1]), SecretStr("solo_"))
        assert (await key(bus, expires_in_s=3600)).key.expires_at is not None
        brief = await key(bus, expires_in_s=1e-6)
        await refused(bus, brief.secret)
        at_rest = str(await database.fetch("SELECT * FROM users.keys"))
        assert visitor.key.prefix in at_rest and visitor.secret.get_secret_value()[-30:] not in at_rest


async def test_tickets_are_worth_once_what_their_maker_is_worth(bus: Bus, database: Database, folder: Path) -> None:
    async with guarded(bus, database, folder):
        made = await key(bus, scopes=("chat",))
        me = await who(bus, made.secret)
        ticket = await bus.request(MakeTicket(principal=me), within=5)
        assert await who(bus, ticket) == me
        await refused(bus, ticket)
        ticket = await bus.request(MakeTicket(principal=me), within=5)
        await bus.request(RevokeKey(key=me.id), within=5)
        await refused(bus, ticket)
        with pytest.raises(Unauthorized):
            await bus.request(MakeTicket(principal=me), within=5)
        ticket = await bus.request(MakeTicket(principal=OWNER_PRINCIPAL), within=5)
        assert await who(bus, ticket) == OWNER_PRINCIPAL


async def test_a_page_of_the_owner_has_a_session_that_may_less(bus: Bus, database: Database, folder: Path) -> None:
    async with guarded(bus, database, folder), changes(bus) as changed:
        anna = await enter(bus, (await add(bus)).name)
        narrow = await who(bus, (await key(bus, role="admin")).secret)
        for other in (await who(bus, anna.access_token), narrow):
            with pytest.raises(OwnerOnly):
                await bus.request(MakeTicket(principal=other, page=True), within=5)
        ticket = await bus.request(MakeTicket(principal=OWNER_PRINCIPAL, page=True), within=5)
        await refused(bus, ticket)  # it is no credential: neither a key nor a ticket for a WebSocket
        socket = await bus.request(MakeTicket(principal=OWNER_PRINCIPAL), within=5)
        with pytest.raises(Unauthorized):  # nor the other way round
            await bus.request(EnterByTicket(ticket=socket, address=HOME), within=5)
        tokens = await bus.request(EnterByTicket(ticket=ticket, address=HOME, client="a\0browser"), within=5)
        me = await who(bus, tokens.access_token)
        assert (me.kind, me.profile, me.scopes, me.user) == ("session", "owner", PAGE_SCOPES, "")
        assert me.scopes < ROLE_SCOPES["admin"]
        with pytest.raises(Unauthorized):
            await bus.request(EnterByTicket(ticket=ticket, address=HOME), within=5)
        assert await database.fetchval("SELECT client FROM users.sessions WHERE user_id IS NULL") == "abrowser"
    again = Bus()
    async with guarded(again, database, folder), changes(again) as changed:
        assert (await who(again, tokens.access_token)).id == me.id
        later = await again.request(Refresh(refresh_token=tokens.refresh_token, address=HOME), within=5)
        assert (await who(again, later.access_token)).scopes == PAGE_SCOPES
        await again.request(LogOut(session=me.id), within=5)
        assert await next_of(changed) == ("", me.id, "logout")
        await refused(again, later.access_token, tokens.access_token)
        assert "login.page" in await actions(again, "login.page")


async def test_a_restart_keeps_everything(bus: Bus, database: Database, folder: Path) -> None:
    async with guarded(bus, database, folder):
        anna = await add(bus)
        tokens = await enter(bus, anna.name)
        made, gone = await key(bus), await key(bus)
        await who(bus, made.secret)
        await bus.request(RevokeKey(key=gone.key.id), within=5)
        before = await who(bus, tokens.access_token)
    assert (folder / "session.secret").stat().st_mode & 0o777 == 0o600
    again = Bus()
    async with guarded(again, database, folder) as service:
        assert await who(again, tokens.access_token) == before
        await refused(again, gone.secret)
        assert (await who(again, made.secret)).id == made.key.id
        kept = service.security.image.keys[made.key.id].use
        assert kept.first_at is not None and kept.hours.bit_count() >= 1
        assert {"key.created", "key.revoked", "user.created", "login.ok"} <= set(await actions(again))
        assert anna.id in {user.id for user in await again.request(ListUsers(), within=5)}
        await again.request(Refresh(refresh_token=tokens.refresh_token, address=HOME), within=5)


async def test_what_a_restored_backup_takes_away_is_closed(bus: Bus, database: Database, folder: Path) -> None:
    async with guarded(bus, database, folder) as service, changes(bus) as changed:
        made, other = await key(bus), await key(bus)
        await service.security.load()  # nothing has changed, so nothing is said
        await database.execute("DELETE FROM users.keys WHERE id = $1::text::uuid", made.key.id)
        await service.security.load()
        assert (await next_of(changed))[1] == made.key.id
        await refused(bus, made.secret)
        await who(bus, other.secret)


async def test_when_the_database_has_gone_those_known_are_still_known(
    bus: Bus, database: Database, folder: Path
) -> None:
    async with guarded(bus, database, folder) as service:
        anna = await add(bus)
        tokens, made = await enter(bus, anna.name), await key(bus)
        await database.close()
        assert (await who(bus, tokens.access_token)).user == anna.id
        assert (await who(bus, made.secret)).id == made.key.id
        await refused(bus, SecretStr("solo_abcdefgh_x"), SecretStr("a.b.c"))
        with pytest.raises((DatabaseUnavailable, DeadlineExceeded)):
            async with asyncio.timeout(6), until(asyncio.get_running_loop().time() + 0.2, "revoking"):
                await service.keys.revoke(RevokeKey(key=made.key.id))
        assert (await who(bus, made.secret)).id == made.key.id  # it was not revoked, and nobody was told so


async def test_who_was_owner_is_admin_from_now_on(tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.mkdir()
    old = next(USERS.folder.glob("0001_*.sql"))
    (first / old.name).write_text(old.read_text())
    async with postgres.server(tmp_path / "pg") as address:
        connection = await connect(address)
        await migrate(connection, [Schema("users", first)])
        await connection.execute("INSERT INTO users.users (name, profile, role) VALUES ('old', 'owner', 'owner')")
        await migrate(connection, [USERS])
        assert await connection.fetchval("SELECT role FROM users.users") == "admin"
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute("UPDATE users.users SET role = 'owner'")
        await connection.close()


async def test_before_the_database_only_the_owner_is_known(bus: Bus, tmp_path: Path) -> None:
    closed = Database()
    (spec,) = PART.specs(SecuritySettings(), MachineSettings(state_dir=tmp_path, _env_file=None), closed)
    owner = SecretStr((tmp_path / "owner.key").read_text().strip())
    async with supervised(bus, spec):
        assert await who(bus, owner) == OWNER_PRINCIPAL
        for credential in ("solo_abcdefgh_x", "a.b.c"):
            with pytest.raises(SecurityUnavailable):
                await who(bus, SecretStr(credential))
        with pytest.raises(SecurityUnavailable):
            await enter(bus, "anna")
