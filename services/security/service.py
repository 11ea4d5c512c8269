"""Answers who somebody is and what they may, lets people in, and keeps the audit log."""

from __future__ import annotations

import asyncio
import hmac
from contextlib import suppress
from dataclasses import dataclass

from pydantic import SecretStr

from services.messages.accounts import ChangeUser, CreateKey, CreateUser, ListKeys, ListUsers, RevokeKey
from services.messages.audit import AuditRow, AuditVerdict, ReadAudit, RecordAudit, VerifyAudit
from services.messages.security import (
    OWNER_PRINCIPAL,
    EnterByTicket,
    Identify,
    LogIn,
    LogOut,
    MakeTicket,
    Principal,
    Refresh,
)
from services.security.audit.store import AuditStore
from services.security.audit.verify import verify
from services.security.errors import OwnerOnly, Unauthorized
from services.security.keys import Keys
from services.security.logins import LogIns
from services.security.passwords import Passwords
from services.security.people import People
from services.security.state import Security
from services.security.tickets import Tickets
from services.security.tokens import KEY_MARK, MOST_CHARACTERS, TICKET_MARK, AccessTokens
from solo.storage import DatabaseError
from solo.supervision import Context

ANSWERS = (
    Identify, LogIn, Refresh, LogOut, MakeTicket, EnterByTicket, CreateUser, ListUsers, ChangeUser, CreateKey,
    ListKeys, RevokeKey, RecordAudit, ReadAudit, VerifyAudit,
)  # fmt: skip
LOOK_AGAIN_S = 60.0
"""Users and keys are read again so often: only Solo writes them, but backups are restored."""
_PAUSE_S = (0.25, 5.0)
"""Before another attempt, when the database is away."""
_WRITE_USES_S = 15.0
_LAST_WITHIN_S = 2.0
_CALLERS = 4096
"""Questions under way: those that wait for nothing are answered as fast as they come."""


@dataclass(frozen=True, slots=True)
class SecurityService:
    """Serves at once; before the database has been read it knows nobody but the owner."""

    security: Security
    audit: AuditStore
    passwords: Passwords
    tokens: AccessTokens
    tickets: Tickets
    pages: Tickets
    logins: LogIns
    people: People
    keys: Keys
    owner_key: bytes
    name: str = "security"

    async def run(self, ctx: Context) -> None:
        self.security.publish = ctx.publish
        written = asyncio.Event()  # set when nothing more will be recorded
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.security.journal.run(written))
            current = tasks.create_task(self._keep_current(ctx))
            async with asyncio.TaskGroup() as work:
                work.create_task(self._write_uses(ctx))
                work.create_task(ctx.answer(Identify, self._identify, limit=_CALLERS))
                work.create_task(ctx.answer(MakeTicket, self._ticket, limit=_CALLERS))
                work.create_task(ctx.answer(RecordAudit, self._record, limit=_CALLERS))
                # Passwords are made first: those who knock meanwhile wait for the hash that nobody has.
                await self.passwords.prepare()
                work.create_task(ctx.answer(LogIn, self.logins.log_in))
                work.create_task(ctx.answer(EnterByTicket, self.logins.enter))
                work.create_task(ctx.answer(Refresh, self.logins.refresh))
                work.create_task(ctx.answer(LogOut, self.logins.log_out))
                work.create_task(ctx.answer(CreateUser, self.people.create))
                work.create_task(ctx.answer(ListUsers, self.people.all))
                work.create_task(ctx.answer(ChangeUser, self.people.change))
                work.create_task(ctx.answer(CreateKey, self.keys.create))
                work.create_task(ctx.answer(ListKeys, self.keys.all))
                work.create_task(ctx.answer(RevokeKey, self.keys.revoke))
                work.create_task(ctx.answer(ReadAudit, self._read))
                work.create_task(ctx.answer(VerifyAudit, self._verify, limit=1))
            current.cancel()  # it may be waiting for a database that is away
            written.set()

    async def identify(self, credential: str) -> Principal:
        """Raises Unauthorized alike for all that are worth nothing, SecurityUnavailable."""
        if len(credential) > MOST_CHARACTERS:
            raise Unauthorized
        if hmac.compare_digest(credential.encode("utf-8", "surrogatepass"), self.owner_key):
            return OWNER_PRINCIPAL
        if credential.startswith(TICKET_MARK):
            return self._now(self.tickets.redeem(credential))
        image, now = self.security.here(), self.security.wall()
        if credential.startswith(KEY_MARK):
            principal = image.by_secret(credential, now)
            self.keys.used(principal.id)
            return principal
        access = self.tokens.read(credential)
        principal = image.of_session(access.session, now, until=access.expires_at)
        if principal.user != access.user:
            raise Unauthorized
        return principal

    def _now(self, held: Principal) -> Principal:
        """Who somebody is at this moment, who was somebody a moment ago; never more than then."""
        if held.kind == "owner":
            return held
        image, now = self.security.here(), self.security.wall()
        if held.kind == "key":
            current = image.of_key(held.id, now)
        else:
            current = image.of_session(held.id, now, until=held.expires_at or now)
        return current.model_copy(update={"scopes": current.scopes & held.scopes})

    async def _identify(self, question: Identify) -> Principal:
        return await self.identify(question.credential.get_secret_value())

    async def _ticket(self, question: MakeTicket) -> SecretStr:
        if not question.page:
            return SecretStr(self.tickets.make(self._now(question.principal), question.lives_s))
        if question.principal.kind != "owner":
            raise OwnerOnly(hint="`solo voice` does it, run as the user whose daemon it is.")
        return SecretStr(self.pages.make(OWNER_PRINCIPAL))

    async def _record(self, question: RecordAudit) -> None:
        self.security.record(*question.entries)

    async def _read(self, question: ReadAudit) -> tuple[AuditRow, ...]:
        return await self.audit.read(question.limit, question.before, question.action)

    async def _verify(self, _: VerifyAudit) -> AuditVerdict:
        await self.security.journal.flush()
        return await verify(self.audit)

    async def _keep_current(self, ctx: Context) -> None:
        """Read who there is, until that has succeeded, and again when it may have changed."""
        pause = _PAUSE_S[0]
        while True:
            try:
                await self.security.load()
            except DatabaseError as error:
                if ctx.stopping.is_set():
                    return
                known = self.security.image.loaded
                note = "users and keys are as they were last" if known else "users and keys are not known yet"
                ctx.degraded(f"{note}: the database does not answer [{error.code}]")
                await ctx.stopping_within(pause)
                pause = min(2 * pause, _PAUSE_S[1])
                continue
            pause = _PAUSE_S[0]
            if not ctx.stopping.is_set():
                ctx.ready()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await self.security.stale.wait()

    async def _write_uses(self, ctx: Context) -> None:
        while not await ctx.stopping_within(_WRITE_USES_S):
            try:
                await self.keys.write_uses()
            except DatabaseError as error:
                ctx.log.warning("uses of keys wait for the database", code=error.code)
        try:
            async with asyncio.timeout(_LAST_WITHIN_S):
                await self.keys.write_uses(all_of_them=True)
        except (DatabaseError, TimeoutError):
            ctx.log.warning("the last uses of keys were not written")
