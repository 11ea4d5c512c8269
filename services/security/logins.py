"""Lets people in: log-in, refresh, log-out."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace

from pydantic import SecretStr

from services.messages.audit import AuditEntry
from services.messages.security import EnterByTicket, LogIn, LogOut, Refresh, Tokens
from services.security.delays import Delays, network
from services.security.errors import BadLogin, PasswordsBusy, SlowDown, Unauthorized
from services.security.image import SessionRow, UserRow
from services.security.passwords import Passwords
from services.security.state import Security
from services.security.tickets import Tickets
from services.security.tokens import AccessTokens, hashed, new_secret

_REFRESH = re.compile(r"[A-Za-z0-9_-]{43}")
_CLIENT_CHARACTERS = 200


class LogIns:
    def __init__(
        self,
        security: Security,
        passwords: Passwords,
        delays: Delays,
        tokens: AccessTokens,
        pages: Tickets,
        *,
        refresh_s: float,
    ) -> None:
        self._security = security
        self._passwords = passwords
        self._delays = delays
        self._tokens = tokens
        self._pages = pages
        self._refresh_s = refresh_s

    async def log_in(self, question: LogIn) -> Tokens:
        image = self._security.here()
        account = question.login.casefold()
        user = image.user(question.login) if question.login not in image.users else None  # by name, never by id
        known = user is not None and network(question.address) in image.known_from(user.id)
        try:
            self._delays.admit(account, question.address, known=known)
        except SlowDown as error:
            self._note("login.slowed", question, user, error.code)
            raise
        password = question.password.get_secret_value()
        open_to = user.password_hash if user is not None and not user.disabled else None
        try:
            fits = await self._passwords.matches(password, open_to)
        except PasswordsBusy:
            self._delays.unseen(account, question.address, known=known)
            raise
        if not fits or user is None:
            self._note("login.failed", question, user, BadLogin.code)
            found = self._security.monitor.failed(
                account, user.name if user else "", question.address, self._security.wall()
            )
            self._security.warn(found)
            raise BadLogin
        self._delays.succeeded(account, question.address, known=known)
        return await self._begin(question, user)

    async def _begin(self, question: LogIn, seen: UserRow) -> Tokens:
        anew = None
        assert seen.password_hash is not None
        if self._passwords.outdated(seen.password_hash):
            anew = await self._passwords.hash(question.password.get_secret_value())
        now = self._security.wall()
        token = new_secret()
        session = SessionRow(str(uuid.uuid4()), seen.id, now + self._refresh_s)
        async with self._security.writing() as image:
            user = image.users.get(seen.id)
            # Looked at again: while the password was compared it may have been changed, or the user disabled.
            if user is None or user.disabled or user.password_hash != seen.password_hash:
                raise BadLogin
            await self._security.store.begin_session(
                session,
                token=hashed(token),
                address=question.address,
                client=_plain(question.client),
                now=now,
                password_hash=anew,
            )
            image.put_user(replace(user, password_hash=anew or user.password_hash, last_login_at=now))
            image.sessions[session.id] = session
            image.places.setdefault(user.id, set()).add(network(question.address))
        self._note("login.ok", question, user, session=session.id)
        return self._made(session, token)

    async def enter(self, question: EnterByTicket) -> Tokens:
        """A page that the owner opened: a session of its own, which may less than the owner."""
        self._security.here()  # or the ticket would be used up in vain
        self._pages.redeem(question.ticket.get_secret_value())
        now = self._security.wall()
        token = new_secret()
        session = SessionRow(str(uuid.uuid4()), "", now + self._refresh_s)
        async with self._security.writing() as image:
            await self._security.store.begin_session(
                session, token=hashed(token), address=question.address, client=_plain(question.client), now=now
            )
            image.sessions[session.id] = session
        self._security.record(
            AuditEntry(action="login.page", actor="owner", principal=session.id, address=question.address)
        )
        return self._made(session, token)

    async def refresh(self, question: Refresh) -> Tokens:
        image = self._security.here()
        old = question.refresh_token.get_secret_value()
        if not _REFRESH.fullmatch(old):
            raise Unauthorized
        found = await self._security.store.session_of(hashed(old))
        if found is None:
            raise Unauthorized
        session_id, used = found
        token = new_secret()
        if not used:
            async with self._security.writing() as image:
                now = self._security.wall()
                image.of_session(session_id, now, until=now + 1)  # has neither ended nor been disabled
                session = replace(image.sessions[session_id], expires_at=now + self._refresh_s)
                if await self._security.store.rotate(hashed(old), hashed(token), session):
                    image.sessions[session_id] = session
                    return self._made(session, token)
        await self._reused(session_id, question.address)
        raise Unauthorized

    async def log_out(self, question: LogOut) -> None:
        async with self._security.writing() as image:
            session = image.sessions.get(question.session)
            if session is None:
                return
            await self._security.store.end_session(session.id)
            del image.sessions[session.id]
        user = image.users.get(session.user)
        self._security.changed("logout", principal=session.id)
        name = user.name if user else ""
        self._security.record(AuditEntry(action="logout", actor=name, principal=session.id))

    async def _reused(self, session_id: str, address: str) -> None:
        """Two have the same token, so one of them has stolen it: neither goes on."""
        async with self._security.writing() as image:
            session = image.sessions.get(session_id)
            if session is not None:
                await self._security.store.end_session(session_id)
                del image.sessions[session_id]
        user = image.users.get(session.user) if session else None
        if session is not None:
            self._security.changed("reuse", principal=session_id)
        self._security.record(
            AuditEntry(
                action="session.reuse",
                outcome="denied",
                actor=user.name if user else "",
                principal=session_id,
                address=address,
                code=Unauthorized.code,
                detail="a refresh token came twice; its session is over",
            )
        )

    def _made(self, session: SessionRow, refresh_token: str) -> Tokens:
        now = self._security.wall()
        return Tokens(
            access_token=SecretStr(self._tokens.make(session.user, session.id)),
            refresh_token=SecretStr(refresh_token),
            expires_in=int(self._tokens.lives_s),
            refresh_expires_in=int(self._refresh_s),
            principal=self._security.image.of_session(session.id, now, until=now + self._tokens.lives_s),
        )

    def _note(self, action: str, question: LogIn, user: UserRow | None, code: str = "", *, session: str = "") -> None:
        """A name that nobody has is not written down: people type passwords there."""
        self._security.record(
            AuditEntry(
                action=action,
                outcome="ok" if session else "denied" if action == "login.slowed" else "failed",
                actor=user.name if user else "",
                principal=session,
                address=question.address,
                code=code,
                detail="" if user else "nobody of this name",
            )
        )


def _plain(client: str) -> str:
    return client[:_CLIENT_CHARACTERS].replace("\0", "")
