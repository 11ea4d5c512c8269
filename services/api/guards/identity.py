"""Whose a credential is: the owner's by comparison, everybody else's by asking the service that knows."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from pydantic import SecretStr

from services.api.guards.refusals import CannotTell, unknown_caller
from services.messages.security import OWNER_PRINCIPAL, CredentialsChanged, Identify, Principal
from solo.errors import SoloError

Ask = Callable[[Identify], Awaitable[Principal]]

REMEMBERED_S = 2.0
"""An answer is forgotten at once when `CredentialsChanged` says so; this bounds how wrong a lost one could be."""
MOST_REMEMBERED = 1024
WITHIN_S = 3.0
AT_ONCE = 16
"""Questions under way; the others wait, and often find their answer remembered then."""
_TRIES = 3
_WORTH_NOTHING = "security.unauthorized"


class Identity:
    """Nothing of a credential is kept but its SHA-256."""

    def __init__(self, key: str, ask: Ask) -> None:
        self._owner = hashlib.sha256(key.encode()).digest()
        self._ask = ask
        self._known: OrderedDict[bytes, tuple[Principal, float]] = OrderedDict()
        self._changes = 0
        self._few = asyncio.Semaphore(AT_ONCE)

    def at_hand(self, credential: str) -> Principal | None:
        """Whom it is known to belong to without asking anybody: the owner, always, or somebody seen just now."""
        digest = hashlib.sha256(credential.encode()).digest()
        if hmac.compare_digest(digest, self._owner):
            return OWNER_PRINCIPAL
        known = self._known.get(digest)
        return known[0] if known is not None and time.monotonic() < known[1] else None

    async def of(self, credential: str, *, once: bool = False) -> Principal:
        """`once`: a WebSocket's, which may be a ticket; what is worth something once is never remembered.

        Raises KeyMissing, or CannotTell when nobody answers.
        """
        if not credential:
            raise unknown_caller()
        if (found := self.at_hand(credential)) is not None:
            return found
        try:
            async with asyncio.timeout(WITHIN_S), self._few:
                return self.at_hand(credential) or await self._found(credential, once)
        except TimeoutError:
            raise CannotTell() from None

    async def _found(self, credential: str, once: bool) -> Principal:
        for _ in range(1 if once else _TRIES):
            changes = self._changes
            try:
                found = await self._ask(Identify(credential=SecretStr(credential)))
            except SoloError as error:
                if error.code == _WORTH_NOTHING:
                    raise unknown_caller() from None
                raise CannotTell(hint="Try again in a moment; the owner's key always works.") from error
            left = REMEMBERED_S if found.expires_at is None else min(REMEMBERED_S, found.expires_at - time.time())
            if left <= 0:
                raise unknown_caller()
            if changes == self._changes:
                if not once:
                    self._remember(hashlib.sha256(credential.encode()).digest(), found, left)
                return found
        # Somebody's credentials changed while the answer was on its way: it may be of before that.
        raise CannotTell()

    def _remember(self, digest: bytes, found: Principal, seconds: float) -> None:
        while len(self._known) >= MOST_REMEMBERED:
            self._known.popitem(last=False)
        self._known[digest] = found, time.monotonic() + seconds

    def changed(self, change: CredentialsChanged) -> None:
        """Forget whom it concerns."""
        self._changes += 1
        for digest in [digest for digest, (who, _) in self._known.items() if concerns(change, who)]:
            del self._known[digest]


def concerns(change: CredentialsChanged, who: Principal) -> bool:
    """Is it this key or session, or one of this user's?"""
    if who.kind == "owner":
        return False
    return (bool(change.principal) and change.principal == who.id) or (bool(change.user) and change.user == who.user)
