"""Users: making, changing and listing them."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime

from services.messages.accounts import ChangeUser, CreateUser, ListUsers, User
from services.messages.audit import AuditEntry
from services.messages.profiles import OWNER
from services.messages.security import Role
from services.security import passwords
from services.security.errors import NameTaken, NoUser
from services.security.image import UserRow
from services.security.passwords import Passwords
from services.security.state import Security


class People:
    def __init__(self, security: Security, hashes: Passwords, *, least: int) -> None:
        """`least`: characters of a password."""
        self._security = security
        self._hashes = hashes
        self._least = least

    async def create(self, question: CreateUser) -> User:
        name = " ".join(question.login.split())
        if not name or not name.isprintable():
            raise NameTaken("a name has letters", hint="Take another one.")
        if self._security.here().user(name) is not None:
            raise NameTaken(f"there is a user named {name} already")
        password = question.password.get_secret_value() if question.password else None
        known = None if password is None else await self._hash(password, name)
        user_id = str(uuid.uuid4())
        user = UserRow(
            id=user_id,
            name=name,
            role=question.role,
            profile=_profile(user_id, question.role, ""),
            password_hash=known,
            disabled=False,
            created_at=self._security.wall(),
        )
        async with self._security.writing() as image:
            await self._security.store.add_user(user)
            image.put_user(user)
        self._note("user.created", question.by, f"{name}, {question.role}")
        return shown(user)

    async def change(self, question: ChangeUser) -> User:
        """Each change that takes something away ends what the user holds open at once."""
        before = self._find(question.user)
        password = question.password.get_secret_value() if question.password else None
        known = None if password is None else await self._hash(password, before.name)
        async with self._security.writing() as image:
            before = self._find(question.user)
            role = question.role or before.role
            disabled = before.disabled if question.disabled is None else question.disabled
            after = replace(
                before,
                role=role,
                profile=_profile(before.id, role, before.profile),
                password_hash=known or before.password_hash,
                disabled=disabled,
            )
            ends = (disabled and not before.disabled) or known is not None
            await self._security.store.change_user(after, end_sessions=ends)
            image.put_user(after)
            if ends:
                image.end_sessions(after.id)
        done = []
        if after.role != before.role:
            done.append(("role", f"role {before.role} to {after.role}"))
        if disabled != before.disabled:
            done.append(("disabled", "disabled" if disabled else "enabled"))
        if known is not None:
            done.append(("password", "password changed"))
        for reason, _ in done:
            self._security.changed(reason, user=after.id)
        if done:
            self._note("user.changed", question.by, f"{after.name}: " + ", ".join(text for _, text in done))
        return shown(after)

    async def all(self, _: ListUsers) -> tuple[User, ...]:
        users = sorted(self._security.here().users.values(), key=lambda user: user.name.casefold())
        return tuple(shown(user) for user in users)

    def _find(self, id_or_name: str) -> UserRow:
        user = self._security.here().user(id_or_name)
        if user is None:
            raise NoUser(hint="`solo users list` shows them.")
        return user

    async def _hash(self, password: str, name: str) -> str:
        passwords.check(password, least=self._least, login=name)
        return await self._hashes.hash(password)

    def _note(self, action: str, by: str, detail: str) -> None:
        self._security.record(AuditEntry(action=action, actor=by, detail=detail))


def shown(user: UserRow) -> User:
    return User(
        id=user.id,
        name=user.name,
        role=user.role,
        profile=user.profile,
        disabled=user.disabled,
        created_at=iso(user.created_at),
        last_login_at=None if user.last_login_at is None else iso(user.last_login_at),
    )


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _profile(user: str, role: Role, before: str) -> str:
    """An admin is whom the owner trusts with everything, and works with the owner's data from the start; anybody else
    has data of their own, also an admin who is one no longer."""
    if not before:
        return OWNER if role == "admin" else f"user-{user}"
    return f"user-{user}" if before == OWNER and role != "admin" else before
