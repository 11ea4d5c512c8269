"""Guessing passwords, in virtual time: guesses are slowed down, people are not locked out."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import pytest
from pydantic import SecretStr

from services.messages.audit import AnomalySeen, AuditEntry
from services.messages.security import LogIn
from services.security import passwords as rules
from services.security.delays import MOST_REMEMBERED, Delays, network
from services.security.errors import BadLogin, PasswordsBusy, SecurityUnavailable, SlowDown, WeakPassword
from services.security.image import Standing, UserRow
from services.security.logins import LogIns
from services.security.passwords import MOST_WAITING, THREADS, Passwords
from services.security.state import Security
from services.security.tickets import Tickets
from services.security.tokens import AccessTokens
from solo.bus import Event

T = TypeVar("T")
RIGHT = "a horse that knows batteries"
HOME = "192.0.2.1"


class HereAndNow(Passwords):
    """Without threads, for virtual time."""

    async def _in_thread(self, work: Callable[[], T]) -> T:
        self.hashed += 1
        await asyncio.sleep(0.04)
        return work()


class NoStore:
    async def begin_session(self, *_: Any, **__: Any) -> None: ...


class Notes:
    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    def take(self, entries: Iterable[AuditEntry]) -> None:
        self.entries += entries


class Door:
    """Log-ins of one user named anna, who has logged in from home before."""

    async def open(self) -> Door:
        self.passwords = HereAndNow(memory_kib=8, passes=1)
        await self.passwords.prepare()
        self.notes, self.published = Notes(), list[Event]()
        self.security = Security(NoStore(), self.notes, wall=time.monotonic)  # type: ignore[arg-type]
        self.security.publish = self.published.append
        known = await self.passwords.hash(RIGHT)
        anna = UserRow("u1", "anna", "user", "user-u1", known, False, 0.0)
        self.security.image.take(Standing((anna,), (), (), {"u1": {network(HOME)}}))
        tokens = AccessTokens(bytes(32), lives_s=600, wall=time.monotonic)
        self.logins = LogIns(self.security, self.passwords, Delays(), tokens, Tickets(), refresh_s=86400)
        self.before = self.passwords.hashed
        return self

    async def enter(self, password: str = RIGHT, address: str = HOME, name: str = "anna") -> Any:
        return await self.logins.log_in(LogIn(login=name, password=SecretStr(password), address=address))

    @property
    def evaluated(self) -> int:
        return self.passwords.hashed - self.before


async def flood(door: Door, guesses: int, seconds: float, address: Callable[[int], str], name: str = "anna") -> int:
    """How many were evaluated."""
    before = door.evaluated
    for number in range(guesses):
        with pytest.raises((BadLogin, SlowDown)):
            await door.enter(f"guess {number}", address(number), name)
        await asyncio.sleep(seconds / guesses)
    return door.evaluated - before


@pytest.mark.virtual_time
class TestFlood:
    @pytest.mark.parametrize(
        ("kind", "address"),
        [
            ("one address", lambda _: "198.51.100.7"),
            ("from home", lambda _: HOME),
            ("50 addresses", lambda number: f"198.51.100.{number % 50}"),
            ("an address a guess", lambda number: f"2001:db8:{number:x}::1"),
            ("one household's IPv6", lambda number: f"2001:db8::{number:x}"),
            ("home and elsewhere", lambda number: HOME if number % 2 else f"198.51.100.{number % 250}"),
        ],
    )
    async def test_of_1000_guesses_in_a_minute_20_are_looked_at(self, kind: str, address: Callable[[int], str]) -> None:
        door = await Door().open()
        evaluated = await flood(door, 1000, 60, address)
        print(f"{kind}: {evaluated} of 1 000 evaluated in a minute")
        assert 1 <= evaluated <= 20

    async def test_many_names_from_one_address(self) -> None:
        door = await Door().open()
        before = door.evaluated
        for number in range(1000):
            with pytest.raises((BadLogin, SlowDown)):
                await door.enter("guess", "198.51.100.7", f"name{number}")
            await asyncio.sleep(0.06)
        assert door.evaluated - before <= 20

    async def test_many_at_once_are_not_let_through_together(self) -> None:
        door = await Door().open()
        done = await asyncio.gather(*(door.enter("guess") for _ in range(100)), return_exceptions=True)
        assert sum(isinstance(each, BadLogin) for each in done) == door.evaluated == 1

    async def test_the_owner_gets_in_from_home_in_the_middle_of_it(self) -> None:
        door = await Door().open()
        await flood(door, 500, 30, lambda number: f"198.51.100.{number % 250}")
        assert (await door.enter()).principal.user == "u1"

    async def test_and_from_somewhere_new_within_seconds(self) -> None:
        door = await Door().open()
        await flood(door, 500, 30, lambda _: "198.51.100.7")
        began = time.monotonic()
        while True:
            try:
                await door.enter(address="203.0.113.5")
            except SlowDown as error:
                assert error.retry_after <= 6
                await asyncio.sleep(error.retry_after)
            else:
                break
        assert time.monotonic() - began < 13

    async def test_it_is_noticed_and_written_down_without_what_was_typed(self) -> None:
        door = await Door().open()
        await flood(door, 300, 600, lambda _: "198.51.100.7")
        await flood(door, 1, 1, lambda _: HOME, "my secret word")
        seen = [each for each in door.published if isinstance(each, AnomalySeen)]
        assert sorted((each.pattern, each.subject) for each in seen) == [
            ("stuffing", "198.51.100.7"),
            ("stuffing", "anna"),
        ]
        actions = {entry.action for entry in door.notes.entries}
        assert actions == {"login.failed", "login.slowed", "anomaly.stuffing"}
        assert "secret word" not in str(door.notes.entries) and "guess" not in str(door.notes.entries)

    async def test_calls_that_are_only_watched_are_not_written_down(self) -> None:
        door = await Door().open()
        call = AuditEntry(action="seen", principal="k1", method="POST", route="/v1/embeddings", count=1000)
        door.security.record(call, AuditEntry(action="denied"))
        assert [entry.action for entry in door.notes.entries] == ["denied", "anomaly.burst"]


@pytest.mark.virtual_time
class TestDelays:
    async def test_they_double_up_to_a_minute_and_never_lock(self) -> None:
        door = await Door().open()
        waits = []
        for _ in range(9):
            with pytest.raises(BadLogin):
                await door.enter("wrong")
            with pytest.raises(SlowDown) as refusal:
                await door.enter()
            waits.append(round(refusal.value.retry_after + 0.04))
            await asyncio.sleep(refusal.value.retry_after)
        assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
        await door.enter()
        with pytest.raises(BadLogin):
            await door.enter("wrong")
        await asyncio.sleep(1)
        await door.enter()  # it began anew

    async def test_a_right_password_costs_nobody_anything(self) -> None:
        door = await Door().open()
        for number in range(200):
            await door.enter(address=HOME if number % 2 else "203.0.113.9")

    async def test_what_was_not_looked_at_does_not_count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        door = await Door().open()

        async def busy(*_: object) -> bool:
            raise PasswordsBusy

        with monkeypatch.context() as patched:
            patched.setattr(door.passwords, "matches", busy)
            for _ in range(20):
                with pytest.raises(PasswordsBusy):
                    await door.enter()
        await door.enter()

    async def test_what_is_remembered_is_bounded(self) -> None:
        delays = Delays()
        for number in range(MOST_REMEMBERED + 10):
            delays.admit(f"name{number}", f"2001:db8:{number % 65536:x}:{number // 65536}::1", known=False)
        assert len(delays._pairs._known) == MOST_REMEMBERED

    async def test_nobody_is_known_before_the_database_was_read(self) -> None:
        door = await Door().open()
        door.security.image.loaded = False
        with pytest.raises(SecurityUnavailable):
            await door.enter()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("not an address" * 20, ("not an address" * 20)[:64]),
    ],
)
def test_what_counts_as_one_address(address: str, expected: str) -> None:
    assert network(address) == expected


class TestPasswords:
    async def test_no_hash_at_all_is_as_much_work_and_never_matches(self) -> None:
        passwords = Passwords(memory_kib=8, passes=1)
        await passwords.prepare()
        known = await passwords.hash(RIGHT)
        before = passwords.hashed
        assert await passwords.matches(RIGHT, known)
        for password, against in (("x", known), (RIGHT, None), ("x" * 5000, known), (RIGHT, "$argon2id$nonsense")):
            assert not await passwords.matches(password, against)
        assert passwords.hashed - before == 5
        assert await passwords.matches("e\u0301" * 12, await passwords.hash("\u00e9" * 12))
        passwords.close()

    async def test_the_queue_has_an_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        passwords, go = Passwords(memory_kib=8, passes=1), threading.Event()
        await passwords.prepare()
        work = passwords._matches
        monkeypatch.setattr(passwords, "_matches", lambda *a: (go.wait(10), work(*a))[1])
        waiting = [asyncio.create_task(passwords.matches("x", None)) for _ in range(THREADS + MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(PasswordsBusy):
            await passwords.matches("x", None)
        go.set()
        assert await asyncio.gather(*waiting) == [False] * len(waiting)
        while passwords._under_way:
            await asyncio.sleep(0.001)
        assert not await passwords.matches("x", None)
        passwords.close()

    @pytest.mark.parametrize(
        "weak", ["eleven char", "123456QWERTY", "q1w2e3r4t5y6", "a" * 30, "Anna-Amalia1", "é" * 600, ""]
    )
    def test_weak_ones(self, weak: str) -> None:
        with pytest.raises(WeakPassword):
            rules.check(weak, least=12, login="anna-amalia1")

    @pytest.mark.parametrize("fine", ["correct horse battery", "只要够长就可以了只要够长", "x1" * 500])
    def test_fine_ones(self, fine: str) -> None:
        rules.check(fine, least=12, login="anna")
