"""API keys: making, revoking and listing them, and writing down when they were used."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import replace

from pydantic import SecretStr

from services.messages.accounts import CreateKey, Key, ListKeys, NewKey, RevokeKey
from services.messages.audit import AuditEntry
from services.messages.profiles import OWNER
from services.messages.security import ROLE_SCOPES, Scope
from services.security.anomalies import hour_of_week
from services.security.errors import BadScope, NameTaken, NoKey, NoUser
from services.security.image import KeyRow, Use
from services.security.people import iso
from services.security.state import Security
from services.security.tokens import hashed, new_key

WRITE_EVERY_S = 60.0
"""A key's use is written at most this often."""
LONGEST_S = 100 * 365 * 86400.0
"""An expiry further ahead is none that a calendar has."""


class Keys:
    def __init__(self, security: Security) -> None:
        self._security = security
        self._used: set[str] = set()

    async def create(self, question: CreateKey) -> NewKey:
        label = " ".join(question.label.split())
        if not label or not label.isprintable():
            raise NameTaken("a name has letters", hint="Take another one.")
        if beyond := set(question.scopes) - ROLE_SCOPES[question.role]:
            raise BadScope(f"the role {question.role} may not {', '.join(sorted(beyond))}")
        prefix, secret = new_key()
        now = self._security.wall()
        async with self._security.writing() as image:
            owner = image.user(question.user) if question.user else None
            if question.user and owner is None:
                raise NoUser(hint="`solo users list` shows them.")
            if owner is not None and not ROLE_SCOPES[question.role] <= ROLE_SCOPES[owner.role]:
                raise BadScope(f"{owner.name} is {owner.role}, a key of theirs cannot be {question.role}")
            key_id = str(uuid.uuid4())
            with_owner = question.role in {"admin", "service"}
            key = KeyRow(
                id=key_id,
                name=label,
                prefix=prefix,
                hash=hashed(secret),
                role=question.role,
                scopes=tuple(sorted(set(question.scopes))),
                user=owner.id if owner else "",
                profile="" if owner else OWNER if with_owner else f"key-{key_id}",
                created_at=now,
                expires_at=None if question.expires_in_s is None else now + min(question.expires_in_s, LONGEST_S),
                revoked=False,
                use=Use(),
            )
            await self._security.store.add_key(key)
            image.put_key(key)
        self._note("key.created", question.by, key)
        return NewKey(key=self._shown(key), secret=SecretStr(secret))

    async def revoke(self, question: RevokeKey) -> Key:
        async with self._security.writing() as image:
            before = self._find(question.key, question.user)
            key = replace(before, revoked=True)
            if not before.revoked:
                await self._security.store.revoke_key(key.id)
                image.put_key(key)
        if not before.revoked:
            self._security.changed("revoked", principal=key.id)
            self._note("key.revoked", question.by, key)
        return self._shown(key)

    async def all(self, question: ListKeys) -> tuple[Key, ...]:
        keys = [key for key in self._security.here().keys.values() if not question.user or key.user == question.user]
        return tuple(self._shown(key) for key in sorted(keys, key=lambda key: key.created_at, reverse=True))

    def used(self, key_id: str) -> None:
        """Remembered now, written later."""
        key, now = self._security.image.keys[key_id], self._security.wall()
        if key.use.last_at is not None and int(key.use.last_at) == int(now):
            return
        self._security.warn(self._security.monitor.used(key, now))
        key.use.hours |= 1 << hour_of_week(now)
        key.use.first_at = key.use.first_at or now
        key.use.last_at = now
        self._used.add(key_id)

    async def write_uses(self, *, all_of_them: bool = False) -> None:
        """Those not written for a minute. Raises DatabaseError, and forgets nothing then."""
        now = self._security.wall()
        known = self._security.image.keys
        due = [key for key in self._used if key in known and (all_of_them or _is_due(known[key].use, now))]
        if not due:
            return
        await self._security.store.note_uses([(key, known[key].use) for key in due])
        for key in due:
            known[key].use.written_at = now
            self._used.discard(key)

    def _find(self, id_or_name: str, user: str) -> KeyRow:
        """By id, or among those not revoked by name. Another user's is as if it did not exist."""
        keys = self._security.here().keys
        mine: Iterable[KeyRow] = (key for key in keys.values() if not user or key.user == user)
        if (key := keys.get(id_or_name)) is not None and (not user or key.user == user):
            return key
        named = [key for key in mine if key.name.casefold() == id_or_name.casefold() and not key.revoked]
        if len(named) > 1:
            raise NoKey("several users have a key of this name", hint="Give its id: `solo keys list` shows it.")
        if not named:
            raise NoKey(hint="`solo keys list` shows them.")
        return named[0]

    def _shown(self, key: KeyRow) -> Key:
        owner = self._security.image.users.get(key.user)
        scopes: Iterable[Scope] = key.scopes or sorted(ROLE_SCOPES[key.role])
        return Key(
            id=key.id,
            name=key.name,
            prefix=key.prefix,
            role=key.role,
            scopes=tuple(scopes),
            user=key.user,
            profile=owner.profile if owner else key.profile or OWNER,
            created_at=iso(key.created_at),
            expires_at=None if key.expires_at is None else iso(key.expires_at),
            last_used_at=None if key.use.last_at is None else iso(key.use.last_at),
            revoked=key.revoked,
        )

    def _note(self, action: str, by: str, key: KeyRow) -> None:
        text = f"{key.name} ({key.prefix}), {key.role}"
        self._security.record(AuditEntry(action=action, actor=by, detail=text))


def _is_due(use: Use, now: float) -> bool:
    return now - use.written_at >= WRITE_EVERY_S
