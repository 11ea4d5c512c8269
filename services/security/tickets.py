"""Tickets: secrets that stand for somebody once, for a moment."""

from __future__ import annotations

import time
from collections import OrderedDict

from services.messages.security import Principal
from services.security.errors import Unauthorized
from services.security.tokens import TICKET_MARK, hashed, new_secret

LIVES_S = 30.0
PAGE_LIVES_S = 300.0
"""People copy an address from one window to another."""
MOST = 1000
"""Tickets not used yet; the oldest is dropped for the next one."""


class Tickets:
    """In memory only: a restart makes all of them worth nothing."""

    def __init__(self, mark: str = TICKET_MARK, lives_s: float = LIVES_S) -> None:
        self._mark = mark
        self._lives_s = lives_s
        self._waiting: OrderedDict[bytes, tuple[Principal, float]] = OrderedDict()

    def make(self, principal: Principal, lives_s: float | None = None) -> str:
        """`lives_s`: another life than usual."""
        ticket = self._mark + new_secret()
        self._waiting[hashed(ticket)] = (principal, time.monotonic() + (lives_s or self._lives_s))
        if len(self._waiting) > MOST:
            self._waiting.popitem(last=False)
        return ticket

    def redeem(self, ticket: str) -> Principal:
        """Raises Unauthorized, also for one that was used."""
        principal, until = self._waiting.pop(hashed(ticket), (None, 0.0))
        if principal is None or time.monotonic() >= until:
            raise Unauthorized
        return principal
