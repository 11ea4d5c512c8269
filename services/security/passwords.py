"""Passwords: which ones are taken, and their hashes, made and compared in threads of their own."""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from services.security.errors import PasswordsBusy, WeakPassword

T = TypeVar("T")

MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1
"""The least that OWASP's Password Storage Cheat Sheet asks of argon2id: 19 MiB, two passes, one lane."""
MOST_BYTES = 1024
"""Longer ones are refused: hashing what somebody sends must not be work without end."""
THREADS = 2
MOST_WAITING = 16
"""Passwords that wait for a thread; the next one is refused."""


class Passwords:
    """Hashes of passwords in PHC form. One that is compared with no hash at all costs what every other one does."""

    def __init__(self, *, memory_kib: int = MEMORY_KIB, passes: int = PASSES) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=LANES)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="passwords")
        self._dummy: str | None = None
        self._under_way = 0
        self.hashed = 0
        """Argon2 computations since the start."""

    async def hash(self, password: str) -> str:
        """Raises PasswordsBusy."""
        return await self._in_thread(lambda: self._hasher.hash(_bytes(password)))

    async def matches(self, password: str, known: str | None) -> bool:
        """`known`: the hash; None: there is nobody of this name, which takes as long to find out. Raises
        PasswordsBusy."""
        return await self._in_thread(lambda: self._matches(_bytes(password), known))

    def outdated(self, known: str) -> bool:
        """The hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(known)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def prepare(self) -> None:
        """Make the hash that nobody's passwords are compared with, before anybody asks."""
        if self._dummy is None:
            self._dummy = await self.hash(secrets.token_urlsafe(32))

    def _matches(self, password: bytes, known: str | None) -> bool:
        assert self._dummy is not None
        fits = known is not None and len(password) <= MOST_BYTES
        try:
            self._hasher.verify(known if fits and known else self._dummy, password[:MOST_BYTES])
        except (VerificationError, InvalidHashError):
            return False
        return fits

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._under_way >= THREADS + MOST_WAITING:
            raise PasswordsBusy(hint="Try again in a few seconds.")
        self._under_way += 1
        self.hashed += 1
        loop = asyncio.get_running_loop()
        future = self._threads.submit(work)
        # Also when the asker has left: the thread is busy until it is done.
        future.add_done_callback(lambda done: _tell(loop, self._done, done))
        return await asyncio.wrap_future(future)

    def _done(self) -> None:
        self._under_way -= 1


def check(password: str, *, least: int, login: str = "") -> None:
    """Raises WeakPassword: too short or long, one of the commonest, or the name itself. Nothing is asked of what it
    is made of (NIST SP 800-63B, 3.1.1.2)."""
    if len(password) < least:
        raise WeakPassword(f"a password has at least {least} characters", hint="A few words in a row will do.")
    if len(_bytes(password)) > MOST_BYTES:
        raise WeakPassword(f"a password has at most {MOST_BYTES} bytes", hint="Take a shorter one.")
    plain = password.casefold()
    if plain in _commonest() or plain == login.casefold() or len(set(plain)) == 1:
        raise WeakPassword("this password is among the first that somebody would try", hint="Take another one.")


@cache
def _commonest() -> frozenset[str]:
    """zxcvbn's list of passwords by frequency."""
    # Here, since it is a megabyte of words for the rare new password.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # type: ignore[import-untyped]

    return frozenset(FREQUENCY_LISTS["passwords"])


def _bytes(password: str) -> bytes:
    """The same for all ways of writing the same characters."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def _tell(loop: asyncio.AbstractEventLoop, what: Callable[[], None], _: Future[T]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(what)
