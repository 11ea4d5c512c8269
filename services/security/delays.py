"""How soon after a wrong password another one is looked at: strangers are slowed down, the account's owner is not."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.security.errors import SlowDown

K = TypeVar("K")
V = TypeVar("V")

LONGEST_S = 60.0
"""The delay of an account at an address doubles from a second up to this; it never becomes a lock."""
FORGET_S = 3600.0
"""Without another try, failures are forgotten after this."""
ADDRESS_BURST, ADDRESS_EVERY_S = 8, 6.0
"""Failures of an address, over all accounts: so many at once, then one each so many seconds."""
STRANGERS_BURST, STRANGERS_EVERY_S = 3, 6.0
"""Failures of an account, over all addresses it never logged in from. Softer than a delay of its own, and of no
concern to addresses that it is known from: nobody can lock its owner out."""
MOST_REMEMBERED = 10_000
"""Pairs, addresses and accounts each; the one not tried for longest is forgotten first."""


@dataclass(slots=True)
class _Pair:
    failures: int
    next_at: float


class Delays:
    """Asked before anything is hashed. A try counts as failed from the moment that it is let through, so that many at
    the same time are not let through together; one that succeeds is taken back."""

    def __init__(self) -> None:
        self._pairs: _Recent[tuple[str, str], _Pair] = _Recent(lambda: _Pair(0, 0.0))
        self._addresses = _Buckets(ADDRESS_BURST, ADDRESS_EVERY_S)
        self._strangers = _Buckets(STRANGERS_BURST, STRANGERS_EVERY_S)

    def admit(self, account: str, address: str, *, known: bool) -> None:
        """`known`: this account has logged in from there before. Raises SlowDown."""
        now = time.monotonic()
        place = network(address)
        pair = self._pairs.look((account, place))
        wait = pair.next_at - now if pair is not None and now < pair.next_at else 0.0
        wait = max(wait, self._addresses.wait(place, now))
        if not known:
            wait = max(wait, self._strangers.wait(account, now))
        if wait > 0:
            raise SlowDown(hint=f"Try again in {math.ceil(wait)} s.", retry_after=wait)
        pair = self._pairs.get((account, place))
        if now - pair.next_at > FORGET_S:
            pair.failures = 0
        pair.failures += 1
        pair.next_at = now + min(LONGEST_S, 2.0 ** min(pair.failures - 1, 16))
        self._addresses.take(place, now)
        if not known:
            self._strangers.take(account, now)

    def succeeded(self, account: str, address: str, *, known: bool) -> None:
        """It was the right password: nothing is held against the account at this address any more."""
        self._pairs.forget((account, network(address)))
        self.unseen(account, address, known=known, pair=False)

    def unseen(self, account: str, address: str, *, known: bool, pair: bool = True) -> None:
        """The password was not looked at after all: the try does not count."""
        place = network(address)
        if pair and (tried := self._pairs.look((account, place))) is not None:
            tried.failures -= 1
            tried.next_at = 0.0 if not tried.failures else time.monotonic()
        self._addresses.give_back(place)
        if not known:
            self._strangers.give_back(account)


def network(address: str) -> str:
    """What counts as one address: of IPv6 a household's /64, since one machine has all of it."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


class _Recent(Generic[K, V]):
    """What is remembered of the last so many."""

    def __init__(self, make: Callable[[], V]) -> None:
        self._make = make
        self._known: OrderedDict[K, V] = OrderedDict()

    def look(self, name: K) -> V | None:
        return self._known.get(name)

    def get(self, name: K) -> V:
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = self._make()
            if len(self._known) > MOST_REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end(name)
        return found

    def forget(self, name: K) -> None:
        self._known.pop(name, None)


class _Buckets:
    """Leaky buckets by name: `burst` failures at once, one more each `every` seconds."""

    def __init__(self, burst: int, every: float) -> None:
        self._full = burst * every
        self._every = every
        self._levels: _Recent[str, list[float]] = _Recent(lambda: [0.0])  # when it will be empty

    def wait(self, name: str, now: float) -> float:
        level = self._levels.look(name)
        return 0.0 if level is None else max(0.0, level[0] - now + self._every - self._full)

    def take(self, name: str, now: float) -> None:
        level = self._levels.get(name)
        level[0] = max(level[0], now) + self._every

    def give_back(self, name: str) -> None:
        if (level := self._levels.look(name)) is not None:
            level[0] -= self._every
